import assert from "node:assert/strict";
import { test } from "node:test";
import { connect, Refusal } from "../wirepost.js";
import { settle, seeded } from "./clock.js";
import { World, idleLimit } from "./world.js";

/** A client on a world, with what it told. */
function start(options = {}, url = "ws://server/dev", world = new World()) {
  const told = { states: [], messages: [], raw: [], errors: [] };
  const client = connect(url, { WebSocket: world.WebSocket, clock: world.clock, random: () => 0.5, ...options });
  client.on("state", (state, change) => told.states.push([state, change]));
  client.on("message", (m) => told.messages.push(m.data));
  client.on("raw", (text) => told.raw.push(text));
  client.on("error", (error) => told.errors.push(error));
  return { world, client, told, clock: world.clock };
}

const frames = (socket) => socket.connection.frames;
const codes = (errors) => errors.map((e) => e.code);
const token = (exp) => "h." + Buffer.from(JSON.stringify({ sub: "ü?>", exp })).toString("base64url") + ".s";

test("a client is open when all its topics are subscribed", async () => {
  const { world, client, told, clock } = start({ topics: ["a", "b"] });
  let held = [];
  world.handle = (c, frame) => (held.push([c, frame]), null);
  await clock.advance(1000);
  assert.equal(client.state, "connecting");
  assert.deepEqual(held.map(([, f]) => [f.action, f.topic]), [["subscribe", "a"], ["subscribe", "b"]]);
  held[0][0].say({ type: "ack", ref: held[0][1].ref });
  await clock.advance(1000);
  assert.equal(client.state, "connecting");
  held[1][0].say({ type: "ack", ref: held[1][1].ref });
  await clock.advance(1000);
  assert.equal(client.state, "open");
  assert.deepEqual(told.states, [["open", {}]]);
});

test("a message reaches the page, and twice the same id once", async () => {
  const { world, told, clock } = start({ topics: ["lobby"] });
  await clock.advance(1000);
  world.publish("topic:lobby", 1, "alice", 3);
  world.publish("topic:lobby", 2);
  await clock.advance(1000);
  assert.deepEqual(told.messages, [1, 2]);
});

test("the last 1,000 ids are remembered, not more", async () => {
  const { world, told, clock } = start();
  await clock.advance(1000);
  const [c] = world.connections;
  const say = (id) => c.say({ type: "message", id, to: "everyone", data: id });
  for (let i = 0; i <= 1000; i++) say("m" + i);
  say("m1");
  say("m0");
  await clock.advance(1000);
  assert.equal(told.messages.length, 1002);
  assert.equal(told.messages.at(-1), "m0");
});

test("messages without an id are all shown", async () => {
  const { world, told, clock } = start();
  await clock.advance(1000);
  for (const c of world.connections) for (let i = 0; i < 2; i++) c.say({ type: "message", to: "everyone", data: "x" });
  await clock.advance(1000);
  assert.deepEqual(told.messages, ["x", "x"]);
});

test("bytes that are not of the protocol are given out as they came, and later types ignored", async () => {
  const { world, told, clock } = start();
  await clock.advance(1000);
  const raw = ["hello", '{"text":"hi"}', "null", "[1]", "7", '{"message":"m"}', ""];
  for (const c of world.connections) {
    c.say({ type: "presence", user: "bob" });
    for (const text of raw) c.say(text);
    c.socket.fromServer(() => c.socket.onmessage({ data: new ArrayBuffer(3) }));
  }
  await clock.advance(1000);
  assert.deepEqual(told.raw, raw);
  assert.deepEqual([told.messages, told.errors], [[], []]);
});

test("nothing that a server can say throws or ends the client", async () => {
  const random = seeded(7);
  const pick = (all) => all[Math.floor(all.length * random())];
  const scalars = ["1", "2", "", "message", "ack", "error", "pong", "expired", "forbidden", 0, -1, 1e300, true, null, {}, [], { a: 1 }, [null]];
  const { world, client, clock } = start({ topics: ["a"] });
  await clock.advance(1000);
  for (let i = 0; i < 5000; i++) {
    const frame = {};
    for (const name of ["type", "ref", "id", "to", "data", "code", "text", "message", "connectionId", "requestId", "__proto__"]) if (random() < 0.5) frame[name] = pick(scalars);
    let text = pick([JSON.stringify(frame), JSON.stringify(pick(scalars)), '{"__proto__":{"type":"message"}}']);
    if (random() < 0.2) text = text.slice(0, Math.floor(text.length * random()));
    const socket = world.sockets.find((s) => s.readyState === 1);
    if (random() < 0.1) client.send("topic:a", i).catch(() => {});
    socket?.onmessage({ data: text }); // would throw here
    if (i % 10 === 0) await clock.advance(1000);
  }
  await clock.advance(120_000);
  assert.equal(client.state, "open");
});

test("API Gateway's own error is told", async () => {
  const { world, told, clock, client } = start();
  await clock.advance(1000);
  for (const c of world.connections) c.say({ message: "Internal server error", connectionId: "a", requestId: "b" });
  await clock.advance(1000);
  assert.deepEqual(told.errors.map((e) => [e.code, e.message]), [["gateway", "Internal server error"]]);
  assert.equal(client.state, "open");
});

test("what is sent is answered, and a refusal tells its code", async () => {
  const { world, client, clock } = start();
  await clock.advance(1000);
  const sent = client.send("user:bob", { text: "hi" });
  await clock.advance(1000);
  assert.equal((await sent).sent, 0);
  assert.deepEqual(frames(world.latest), [{ action: "send", to: "user:bob", data: { text: "hi" }, ref: "1" }]);
  world.handle = (c, frame) => ({ type: "error", ref: frame.ref, code: "incomplete", text: "why", id: "m9", sent: 3 });
  const refused = assert.rejects(client.send("user:bob", 1), (e) => e instanceof Refusal && e.code === "incomplete" && e.message === "why" && e.frame.sent === 3);
  await clock.advance(1000);
  await refused;
});

test("a request goes to a route of the function's own, and has the answer's data", async () => {
  const { world, client, clock } = start({ queue: 1 });
  const early = client.request("track", { order: "17", ref: "mine", action: "another" });
  await assert.rejects(client.request("track"), { code: "queue-full" });
  world.handle = (c, frame) => ({ type: "ack", ref: frame.ref, data: { at: "Ålesund", of: frame.order } });
  await clock.advance(1000);
  assert.deepEqual(await early, { at: "Ålesund", of: "17" });
  assert.deepEqual(frames(world.latest), [{ order: "17", ref: "1", action: "track" }]);
  world.handle = (c, frame) => ({ type: "ack", ref: frame.ref });
  const nothing = client.request("forget");
  await clock.advance(1000);
  assert.equal(await nothing, undefined);
  world.handle = (c, frame) => ({ type: "error", ref: frame.ref, code: "no-order", text: "there is no order 0" });
  const refused = assert.rejects(client.request("track", { order: "0" }), (e) => e instanceof Refusal && e.code === "no-order" && e.message === "there is no order 0");
  await clock.advance(1000);
  await refused;
  client.close();
  await assert.rejects(client.request("track"), { code: "closed" });
});

test("a send that is not answered in time is refused, and not sent again", async () => {
  const { world, client, clock } = start();
  await clock.advance(1000);
  world.handle = () => null;
  const refused = assert.rejects(client.send("user:bob", 1), { code: "unanswered" });
  await clock.advance(31_000);
  await refused;
  assert.equal(client.state, "open");
  assert.equal(frames(world.latest).length, 1);
});

test("sends wait for a connection, in their order, up to the bound", async () => {
  const { world, client, clock } = start({ queue: 2 });
  world.mode = "down";
  const sent = [client.send("topic:a", 1), client.send("topic:a", 2)];
  await assert.rejects(client.send("topic:a", 3), { code: "queue-full" });
  assert.equal(client.queued, 2);
  await clock.advance(10_000);
  world.mode = "ok";
  await clock.advance(40_000);
  await Promise.all(sent);
  assert.equal(client.queued, 0);
  assert.deepEqual(frames(world.latest).map((f) => f.data), [1, 2]);
});

test("what no frame can hold is refused at once, by its bytes", async () => {
  const { client, clock } = start();
  await clock.advance(1000);
  await assert.rejects(client.send("topic:a", "é".repeat(17_000)), { code: "too-large" });
  const fits = client.send("topic:a", "e".repeat(32_000));
  await clock.advance(1000);
  await fits;
});

test("a send whose connection ends is refused: it may have arrived", async () => {
  const { world, client, clock } = start();
  await clock.advance(1000);
  world.handle = () => null;
  const refused = assert.rejects(client.send("topic:a", 1), { code: "unanswered" });
  await clock.advance(100);
  world.kill(1006);
  await clock.advance(100);
  await refused;
  world.handle = undefined;
  await clock.advance(60_000);
  assert.deepEqual(frames(world.latest), []);
});

test("the waits have full jitter and double up to their bound", async () => {
  const draws = [0, 0.999, 0.5, 0.25, 0.999, 0.999, 0.999, 0.999, 0.999];
  let n = 0;
  const world = new World();
  world.mode = "down";
  const { told, clock } = start({ random: () => draws[Math.min(n++, draws.length - 1)] }, undefined, world);
  await clock.advance(200_000);
  const waits = told.states.filter(([s]) => s === "waiting").map(([, change]) => change.retryIn);
  assert.deepEqual(waits.slice(0, 8).map(Math.round), [0, 1998, 2000, 2000, 15984, 29970, 29970, 29970]);
  assert.deepEqual(told.states[0], ["waiting", { code: 1006, reason: "", retryIn: 0 }]);
});

test("a connection that lasts a moment does not begin the waits anew, one that lasts does", async () => {
  const { world, told, clock } = start({ random: () => 0.999 });
  const end = async (after) => {
    await clock.advance(after);
    world.kill(1001, "Going away");
    await clock.advance(100);
    const [state, change] = told.states.at(-1);
    assert.equal(state, "waiting");
    assert.equal(change.code, 1001);
    assert.equal(change.reason, "Going away");
    await clock.advance(change.retryIn + 100);
    return Math.round((change.retryIn + 40) / 1000);
  };
  assert.deepEqual([await end(5000), await end(5000), await end(5000), await end(40_000)], [1, 2, 4, 1]);
});

test("an attempt that ends with an error alone has ended", async () => {
  const world = new World();
  world.mode = "cut";
  const { world: w, told, clock } = start({}, undefined, world);
  await clock.advance(10);
  w.latest.onerror({});
  assert.deepEqual(told.states, [["waiting", { code: 1006, reason: "", retryIn: 500 }]]);
});

test("a client subscribes again on a new connection, before it counts as open", async () => {
  const { world, client, told, clock } = start({ topics: ["a"] });
  await clock.advance(1000);
  const b = client.subscribe("b");
  await clock.advance(1000);
  await b;
  client.unsubscribe("a");
  await clock.advance(1000);
  assert.deepEqual(frames(world.latest).map((f) => [f.action, f.topic]), [["subscribe", "a"], ["subscribe", "b"], ["unsubscribe", "a"]]);
  world.kill(1001);
  await clock.advance(60_000);
  assert.deepEqual(frames(world.latest).map((f) => [f.action, f.topic]), [["subscribe", "b"]]);
  assert.deepEqual(told.states.map(([s]) => s), ["open", "waiting", "connecting", "open"]);
});

test("one request at a time for a topic: the gateway keeps no order", async () => {
  const { world, client, clock } = start();
  await clock.advance(1000);
  const held = [];
  world.handle = (c, frame) => (held.push([c, frame]), null);
  const first = assert.rejects(client.subscribe("a"), { code: "unsubscribed" });
  client.unsubscribe("a");
  const last = client.subscribe("a");
  assert.equal(client.subscribe("a"), last);
  client.unsubscribe("a");
  const rejected = assert.rejects(last, { code: "unsubscribed" });
  await clock.advance(1000);
  assert.equal(held.length, 1);
  held[0][0].say({ type: "ack", ref: held[0][1].ref });
  await clock.advance(1000);
  assert.deepEqual(held.map(([, f]) => f.action), ["subscribe", "unsubscribe"]);
  await Promise.all([first, rejected]);
  const again = client.subscribe("a");
  world.handle = undefined;
  held[1][0].say({ type: "ack", ref: held[1][1].ref });
  await clock.advance(1000);
  await again;
});

test("a topic that was given up and taken again while its answer was under way is subscribed once", async () => {
  const { world, client, clock } = start();
  await clock.advance(1000);
  client.subscribe("a");
  client.unsubscribe("a");
  const again = client.subscribe("a");
  await clock.advance(1000);
  await again;
  assert.deepEqual(frames(world.latest).map((f) => f.action), ["subscribe"]);
});

test("a refused topic is told and forgotten, and the client opens without it", async () => {
  const world = new World();
  world.handle = (c, f) => (f.topic === "secret" ? { type: "error", ref: f.ref, code: "forbidden" } : undefined);
  const { client, told, clock } = start({ topics: ["secret", "a"] }, undefined, world);
  const refused = assert.rejects(client.subscribe("secret"), { code: "forbidden", topic: "secret" });
  await clock.advance(1000);
  await refused;
  assert.equal(client.state, "open");
  assert.deepEqual(told.errors.map((e) => [e.code, e.topic]), [["forbidden", "secret"]]);
  world.kill(1001);
  await clock.advance(60_000);
  assert.deepEqual(frames(world.latest).map((f) => f.topic), ["a"]);
});

for (const [name, answer] of [
  ["fails", (f) => ({ type: "error", ref: f.ref, code: "internal" })],
  ["is API Gateway's error", () => ({ message: "Internal server error", connectionId: "a", requestId: "b" })],
  ["does not come", () => null],
]) {
  test(`the client connects again when the answer to its subscription ${name}`, async () => {
    const world = new World();
    world.handle = (c, f) => (f.action === "subscribe" ? answer(f) : undefined);
    const { client, clock } = start({ topics: ["a"] }, undefined, world);
    await clock.advance(31_000);
    assert.notEqual(client.state, "open");
    world.handle = undefined;
    await clock.advance(60_000);
    assert.equal(client.state, "open");
    assert.deepEqual([...world.connections].map((c) => [...c.topics]), [["a"]]);
  });
}

test("an idle connection is asked before the limit, one with traffic is not", async () => {
  const { world, told, clock } = start({ topics: ["a"] });
  await clock.advance(1000);
  for (let i = 0; i < 20; i++) {
    await clock.advance(200_000);
    world.publish("topic:a", i);
  }
  assert.equal(frames(world.latest).filter((f) => f.action === "ping").length, 0);
  await clock.advance(3 * idleLimit / 2);
  assert.ok(frames(world.latest).filter((f) => f.action === "ping").length >= 3);
  assert.deepEqual(told.states.map(([s]) => s), ["open"]);
  assert.equal(world.limits.idle, 0);
});

test("a patient wait for the answer to a ping does not put off the next one", async () => {
  const { world, told, clock } = start({ pingAfter: 1000, pongTimeout: 3_600_000 });
  await clock.advance(60_000);
  assert.ok(frames(world.latest).length >= 55);
  assert.deepEqual(told.states.map(([s]) => s), ["open"]);
});

test("a connection that does not answer the ping is replaced", async () => {
  const { world, client, told, clock } = start();
  await clock.advance(1000);
  const dead = world.latest;
  dead.lost = clock.now();
  await clock.advance(240_000 + 10_000 + 2000);
  assert.notEqual(world.latest, dead);
  assert.equal(client.state, "open");
  assert.deepEqual(told.states.map(([s]) => s), ["open", "waiting", "connecting", "open"]);
  assert.equal(world.attached, 1);
});

test("a connection is replaced before its limit: new, topics, acks, and only then the old one ends", async () => {
  const { world, client, told, clock } = start({ topics: ["a"], random: () => 0 });
  await clock.advance(1000);
  const old = world.latest;
  let held;
  world.handle = (c, f) => (f.action === "subscribe" ? ((held = [c, f]), null) : undefined);
  await clock.advance(0.6 * 7_200_000);
  const fresh = world.latest;
  assert.notEqual(fresh, old);
  assert.deepEqual(frames(fresh).map((f) => f.topic), ["a"]);
  assert.equal(old.readyState, 1);
  // Meanwhile both have the topic: the message is shown once.
  held[0].topics.add("a");
  world.publish("topic:a", "both");
  const sent = client.send("topic:a", "on the old one");
  await clock.advance(1000);
  await sent;
  assert.deepEqual(told.messages, ["both", "on the old one"]);
  held[0].say({ type: "ack", ref: held[1].ref });
  await clock.advance(4000);
  // A publish that had looked before the topic was there comes on the old one alone.
  old.connection.say({ type: "message", id: "late", to: "topic:a", data: "late" });
  await clock.advance(2000);
  assert.deepEqual(told.messages, ["both", "on the old one", "late"]);
  assert.equal(old.readyState, 3);
  assert.equal(world.connections.size, 1);
  assert.deepEqual(told.states.map(([s]) => s), ["open"]);
});

test("the old connection ends after the answers that it owes", async () => {
  const { world, client, clock } = start({ random: () => 0 });
  await clock.advance(0.6 * 7_200_000 - 1000);
  const old = world.latest;
  let held;
  world.handle = (c, f) => (f.action === "send" ? ((held = [c, f]), null) : undefined);
  const sent = client.send("user:bob", 1);
  await clock.advance(5000);
  assert.notEqual(world.latest, old);
  await clock.advance(10_000);
  assert.equal(old.readyState, 1);
  held[0].say({ type: "ack", ref: held[1].ref, sent: 1 });
  await clock.advance(1000);
  assert.equal((await sent).sent, 1);
  assert.equal(old.readyState, 3);
  assert.equal(world.attached, 1);
});

test("the age of a replacement is random between 60 and 90 % of the limit", async () => {
  const ages = [];
  for (let seed = 1; seed <= 40; seed++) {
    const { world, clock } = start({ random: seeded(seed) });
    await clock.advance(7_200_000 * 0.95);
    ages.push(world.ages[0] / 7_200_000);
  }
  assert.ok(Math.min(...ages) > 0.59 && Math.min(...ages) < 0.65 && Math.max(...ages) < 0.91 && Math.max(...ages) > 0.85, `${Math.min(...ages)} to ${Math.max(...ages)}`);
});

test("a replacement that fails is tried again while the old connection goes on", async () => {
  const { world, client, told, clock } = start({ topics: ["a"], random: () => 0 });
  await clock.advance(1000);
  world.mode = "down";
  await clock.advance(0.6 * 7_200_000);
  assert.equal(client.state, "open");
  world.publish("topic:a", 1);
  world.mode = "ok";
  await clock.advance(60_000);
  assert.deepEqual(told.messages, [1]);
  assert.deepEqual(told.states.map(([s]) => s), ["open"]);
  assert.equal(world.attached, 1);
});

test("each connection has a token of its own, in the subprotocol", async () => {
  let n = 0;
  const { world, clock } = start({ token: async () => "t" + ++n });
  await clock.advance(1000);
  assert.deepEqual(world.latest.protocols, ["wirepost.v1", "bearer.t1"]);
  assert.equal(world.latest.url, "ws://server/dev");
  world.kill(1001);
  await clock.advance(60_000);
  assert.deepEqual(world.latest.protocols, ["wirepost.v1", "bearer.t2"]);
});

test("or in the query, with what the URL has", async () => {
  const { world, clock } = start({ token: () => "t&1", tokenIn: "query" }, async () => "https://server/dev?topic=a");
  await clock.advance(1000);
  assert.equal(world.latest.url, "wss://server/dev?topic=a&access_token=t%261");
  assert.deepEqual(world.latest.protocols, []);
});

test("no token, no subprotocol", async () => {
  const { world, clock } = start({ token: () => undefined });
  await clock.advance(1000);
  assert.deepEqual(world.latest.protocols, []);
});

test("a token that cannot be had, or a URL that is none, is told and tried again", async () => {
  let fail = true;
  const { client, told, clock } = start({
    token: () => {
      if (fail) throw new Error("signed out");
      return "t";
    },
  });
  await clock.advance(3000);
  assert.ok(told.errors.length > 0 && told.errors.every((e) => e.message === "signed out"));
  fail = false;
  await clock.advance(60_000);
  assert.equal(client.state, "open");
  const bad = start({}, "not a URL");
  await bad.clock.advance(1000);
  assert.equal(bad.told.errors[0].code, "ERR_INVALID_URL");
  assert.equal(bad.client.state, "waiting");
});

test("a token that never comes holds an attempt up only so long", async () => {
  let hang = true;
  const { client, clock } = start({ token: () => (hang ? new Promise(() => {}) : "t") });
  await clock.advance(29_000);
  hang = false;
  await clock.advance(5000);
  assert.equal(client.state, "open");
});

test("a connection is replaced before its token ends", async () => {
  const { world, told, clock } = start({ token: () => token(Math.floor(world0.clock.now() / 1000) + 600), random: () => 0.999 }, undefined, world0);
  await clock.advance(530_000);
  assert.equal(world.sockets.length, 1);
  await clock.advance(20_000);
  assert.equal(world.sockets.length, 2);
  assert.deepEqual(told.states.map(([s]) => s), ["open"]);
});
const world0 = new World();

test("a token that has ended by the page's clock makes no storm", async () => {
  const { world, clock } = start({ token: () => token(1) });
  await clock.advance(600_000);
  assert.ok(world.sockets.length < 30, `${world.sockets.length} connections in ten minutes`);
});

test("who is told that the token has ended connects again and sends what was refused", async () => {
  const { world, client, told, clock } = start({ topics: ["a"] });
  await clock.advance(1000);
  const old = world.latest;
  world.handle = (c, f) => (c.socket === old ? { type: "error", ref: f.ref, code: "expired" } : undefined);
  const sent = client.send("topic:a", "late");
  await clock.advance(5000);
  assert.equal((await sent).sent, 1);
  assert.deepEqual(told.messages, ["late"]);
  assert.deepEqual(told.errors, []);
  assert.notEqual(world.latest, old);
});

test("a client goes on when the machine is back on the network, and looks when the page is", async () => {
  const events = new EventTarget();
  const world = new World();
  world.mode = "down";
  const { client, clock } = start({ events, random: () => 0.999 }, undefined, world);
  await clock.advance(100_000);
  await clock.advance(2000);
  assert.equal(client.state, "waiting");
  world.mode = "ok";
  events.dispatchEvent(new Event("online"));
  await clock.advance(1100);
  assert.equal(client.state, "open");
  events.dispatchEvent(new Event("visibilitychange"));
  events.dispatchEvent(new Event("visibilitychange"));
  await clock.advance(1000);
  assert.deepEqual(frames(world.latest).map((f) => f.action), ["ping"]);
});

test("a listener that throws does not hurt the client", async (t) => {
  const thrown = [];
  t.mock.method(globalThis, "queueMicrotask", (f) => thrown.push(f));
  const { world, client, told, clock } = start({ topics: ["a"] });
  const off = client.on("state", () => {
    throw new Error("the page's");
  });
  client.on("message", () => client.close());
  await clock.advance(1000);
  assert.equal(client.state, "open");
  assert.throws(thrown[0], { message: "the page's" });
  off();
  world.publish("topic:a", 1);
  await clock.advance(1000);
  assert.equal(client.state, "closed");
  assert.equal(thrown.length, 1);
  assert.deepEqual(told.messages, [1]);
});

test("a closed client leaves nothing behind and refuses", async () => {
  for (const after of [0, 10, 30, 1000, 300_000]) {
    const events = new EventTarget();
    let listening = 0;
    const counted = { addEventListener: (...a) => (listening++, events.addEventListener(...a)), removeEventListener: (...a) => (listening--, events.removeEventListener(...a)) };
    const { world, client, told, clock } = start({ topics: ["a"], events: counted });
    await clock.advance(after);
    world.handle = () => null;
    const pending = Promise.allSettled([client.send("topic:a", 1), client.subscribe("b")]);
    client.close();
    client.close();
    await settle();
    assert.deepEqual((await pending).map((p) => ["closed", "unanswered"].includes(p.reason.code)), [true, true]);
    assert.equal(client.state, "closed");
    assert.deepEqual(told.states.filter(([s]) => s === "closed").length, 1);
    await assert.rejects(client.send("topic:a", 1), { code: "closed" });
    await assert.rejects(client.subscribe("c"), { code: "closed" });
    await clock.advance(1000);
    assert.equal(listening, 0);
    assert.equal(world.attached, 0);
    assert.equal(world.connections.size, 0);
    assert.equal(clock.size, 0, `timers are left of a client that was closed after ${after} ms`);
    const made = world.sockets.length;
    await clock.advance(3_600_000);
    assert.equal(world.sockets.length, made);
  }
});

test("listeners of the page's own target and the global WebSocket are the defaults", async (t) => {
  const world = new World();
  t.after(() => {
    delete globalThis.location;
  });
  const before = globalThis.WebSocket;
  globalThis.WebSocket = world.WebSocket;
  globalThis.location = new URL("https://example.com/chat/");
  const client = connect("/dev", { clock: world.clock });
  await world.clock.advance(1000);
  assert.equal(client.state, "open");
  assert.equal(world.latest.url, "wss://example.com/dev");
  client.close();
  if (before) globalThis.WebSocket = before;
  else delete globalThis.WebSocket;
});
