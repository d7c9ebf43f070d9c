// fauxqs on 127.0.0.1, with its data in a folder and the account of the app. Its own
// command listens on every interface and keeps nothing. This prints the port that it
// has got, and ends when its standard input does.
//
//   node loopback.mjs PACKAGE DATA REGION ACCOUNT MARK
import { realpathSync } from "node:fs";
import http from "node:http";
import { registerHooks } from "node:module";
import net from "node:net";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [folder, dataDir, defaultRegion, account] = process.argv.slice(2);
const fauxqs = realpathSync(folder); // as modules are called
const token = process.env.WIREPOST_ENGINE_TOKEN;

// The account of every ARN and URL is a constant of the package.
const constants = pathToFileURL(join(fauxqs, "dist/common/types.js")).href;
const before = 'DEFAULT_ACCOUNT_ID = "000000000000"';
registerHooks({
  load(url, context, next) {
    const loaded = next(url, context);
    if (url !== constants) return loaded;
    const source = String(loaded.source);
    if (!source.includes(before)) throw new Error(`${url} does not define ${before}`);
    return { ...loaded, source: source.replace(before, `DEFAULT_ACCOUNT_ID = ${JSON.stringify(account)}`) };
  },
});

const { listen } = net.Server.prototype;
net.Server.prototype.listen = function (options, ...more) {
  return listen.call(this, { ...options, host: "127.0.0.1" }, ...more);
};

const { emit } = http.Server.prototype;
http.Server.prototype.emit = function (event, request, response) {
  if (event === "request" && token !== undefined && request.headers["wirepost-engine-token"] !== token) {
    response.writeHead(403).end();
    return true;
  }
  return emit.apply(this, arguments);
};

// With a data folder a message that is made visible at once is lost until the next start:
// it is written without the number of times that it was received, which the table refuses.
const { PersistenceManager } = await import(pathToFileURL(join(fauxqs, "dist/persistence.js")).href);
if (typeof PersistenceManager.prototype.updateMessageReady !== "function") throw new Error("fauxqs has no updateMessageReady");
PersistenceManager.prototype.updateMessageReady = function (id) {
  this.db.prepare("UPDATE sqs_messages SET receipt_handle = NULL, visibility_deadline = NULL WHERE message_id = ?").run(id);
};

const { startFauxqs } = await import(pathToFileURL(join(fauxqs, "dist/app.js")).href);
const server = await startFauxqs({ port: 0, logger: false, dataDir, defaultRegion });
process.stdin.on("end", () => server.stop().finally(() => process.exit(0)));
process.stdin.on("error", () => process.exit(0));
process.stdin.resume();
console.log(`listening on port ${server.port}`);
