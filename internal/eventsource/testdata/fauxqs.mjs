// Runs fauxqs on a free port of 127.0.0.1 until standard input ends: its own program
// listens on every interface. The first argument is the folder of its package, the
// second the folder of its data.
import net from "node:net";
import path from "node:path";
import { pathToFileURL } from "node:url";

const listen = net.Server.prototype.listen;
net.Server.prototype.listen = function (options, ...rest) {
  return listen.call(this, { ...options, host: "127.0.0.1" }, ...rest);
};

const [folder, dataDir] = process.argv.slice(2);
const { startFauxqs } = await import(pathToFileURL(path.join(folder, "dist/app.js")));
const server = await startFauxqs({ port: 0, logger: false, dataDir });
console.log("port " + server.port);
process.stdin.resume().on("end", () => process.exit(0));
