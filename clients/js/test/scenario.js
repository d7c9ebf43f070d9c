// What happens to three clients on real sockets whose limits are a thousandth of
// API Gateway's, in a browser as in Node.js. It speaks to its test by tell(what) and
// is told to go on by what resumes() resolves to.
const times = { pingAfter: 500, pongTimeout: 10_000, maxAge: 8000, overlap: 1000, minDelay: 100, maxDelay: 1000 };

/** The sockets of a client, to see which of them are replaced. */
function counting(WebSocket) {
  const sockets = [];
  return { sockets, WebSocket: function (...args) {
    const socket = new WebSocket(...args);
    sockets.push(socket);
    return socket;
  } };
}

export async function scenario(connect, url, WebSocket, tell, resumes) {
  const clients = {}, states = {}, sockets = {};
  for (const [name, topics] of [["reader", ["lobby"]], ["writer", []], ["idle", []]]) {
    const counted = counting(WebSocket);
    sockets[name] = counted.sockets;
    states[name] = [];
    clients[name] = connect(`${url}?user=${name}`, { ...times, topics, WebSocket: counted.WebSocket });
    clients[name].on("state", (state) => states[name].push(state));
    clients[name].on("error", (error) => tell(`error ${name} ${error}`));
  }
  const { reader, writer, idle } = clients;
  const got = new Map();
  let sent = 0;
  reader.on("message", (m) => got.set(m.data, (got.get(m.data) || 0) + 1));
  const all = Object.values(clients);

  // What a test that waits in vain says.
  globalThis.look = () => JSON.stringify({ states, sent, got: got.size, sockets: Object.values(sockets).map((s) => s.map((x) => x.readyState)) });

  // Until each has come of age, with messages all the while.
  await until(() => all.every((c) => c.state === "open"));
  while (!Object.values(sockets).every((s) => s.length >= 2 && s[0].readyState === 3)) {
    await writer.send("topic:lobby", ++sent);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  await until(() => got.size === sent);
  tell(`calm ${JSON.stringify({ states, sent, twice: [...got.values()].filter((n) => n > 1).length })}`);

  // Until the server was killed and is back.
  const back = resumes();
  tell("kill");
  await until(() => all.every((c) => c.state !== "open"));
  const queued = writer.send("topic:lobby", "queued");
  tell("away");
  await back;
  const began = performance.now();
  await until(() => all.every((c) => c.state === "open"));
  const took = performance.now() - began;
  // The writer may have been back before the reader.
  const { sent: reached } = await queued;
  const last = await writer.send("topic:lobby", "last");
  await until(() => got.has("last") && (!reached || got.has("queued")));
  for (const c of all) c.close();
  await until(() => Object.values(sockets).flat().every((s) => s.readyState !== 1));
  tell(`end ${JSON.stringify({ took, reached: last.sent, twice: [...got.values()].filter((n) => n > 1).length, left: idle.state })}`);
}

async function until(what) {
  while (!what()) await new Promise((resolve) => setTimeout(resolve, 10));
}
