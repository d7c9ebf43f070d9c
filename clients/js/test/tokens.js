// A client whose tokens last ten seconds: node tokens.js URL SECRET WS-MODULE, with the
// secret in base64. It ends when the third token is in use.
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { connect } from "../wirepost.js";

const [url, secret, ws] = process.argv.slice(2);
const WebSocket = (await import(ws)).default;
const life = 10;

const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
function token() {
  const now = Math.floor(Date.now() / 1000);
  const claims = { iss: "https://id.example.com", aud: "chat", sub: "alice", iat: now, exp: now + life, wirepost: { subscribe: ["lobby"], publish: ["lobby"] } };
  const signed = `${part({ alg: "HS256", typ: "JWT" })}.${part(claims)}`;
  return `${signed}.${createHmac("sha256", Buffer.from(secret, "base64")).update(signed).digest("base64url")}`;
}

for (const tokenIn of ["subprotocol", "query"]) {
  let asked = 0;
  const states = [], got = [], protocols = [];
  const client = connect(url, {
    topics: ["lobby"],
    token: async () => (asked++, token()),
    tokenIn,
    WebSocket: function (...args) {
      const socket = new WebSocket(...args);
      socket.addEventListener("open", () => protocols.push(socket.protocol));
      return socket;
    },
    overlap: 500,
    maxDelay: 1000,
  });
  client.on("state", (state) => states.push(state));
  client.on("message", (m) => got.push(m));
  const errors = [];
  client.on("error", (error) => errors.push(error.code));
  await assert.rejects(client.subscribe("secret"), { code: "forbidden" });
  let sent = 0;
  const wanted = tokenIn === "query" ? 1 : 3;
  while (protocols.length < wanted || !sent || got.length < sent) {
    if (protocols.length < wanted || !sent) await client.send("topic:lobby", ++sent);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  client.close();
  assert.deepEqual(got.map((m) => [m.from, m.data]), Array.from({ length: sent }, (_, i) => ["alice", i + 1]));
  // A machine that stalls at a token's end may have been told so; nothing is lost then.
  assert.deepEqual([states[0], states.at(-1)], ["open", "closed"]);
  assert.deepEqual(errors, ["forbidden"]);
  assert.deepEqual(new Set(protocols), new Set([tokenIn === "query" ? "" : "wirepost.v1"]));
  console.log(`${tokenIn}: ${sent} messages, ${asked} tokens, states ${states}`);
}
