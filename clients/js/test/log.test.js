// What the client does with positions, by the script that all clients share, and against
// a server with a log whose posts are lost, doubled and out of order.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { connect } from "../wirepost.js";
import { seeded } from "./clock.js";
import { World } from "./world.js";

const script = JSON.parse(readFileSync(new URL("../../testdata/log.json", import.meta.url)));

for (const { name, topics, steps } of script) {
  test(name, async () => {
    const world = new World();
    world.latency = () => 0;
    const { clock } = world;
    const sent = [];
    world.handle = (c, frame) => (sent.push([c, frame]), null);
    let told = [];
    const client = connect("ws://server/dev", { WebSocket: world.WebSocket, clock, random: () => 0.5, topics });
    client.on("message", (m) => told.push(m.data));
    client.on("gap", ({ topic, from, to }) => told.push({ gap: [topic, from, to] }));
    await clock.advance(0);
    let ref;
    for (const [i, step] of steps.entries()) {
      const where = `step ${i}, ${JSON.stringify(step)}`;
      if (step.sent) {
        assert.ok(sent.length, `${where}: nothing was sent`);
        const [, frame] = sent.shift();
        ref = frame.ref;
        for (const [key, value] of Object.entries(step.sent)) assert.deepEqual(frame[key], value, where);
      } else if (step.say) {
        for (const c of world.connections) c.say({ ...step.say, ...(step.say.ref && { ref }) });
        await clock.advance(0);
      } else if (step.advance) await clock.advance(step.advance);
      else if (step.close) {
        world.kill(step.close);
        await clock.advance(0);
      } else if (step.told) {
        assert.deepEqual(told, step.told, where);
        told = [];
      } else if (step.state) assert.equal(client.state, step.state, where);
      else if (step.quiet) assert.deepEqual(sent.map(([, f]) => f), [], where);
      else assert.fail(`${where}: there is no such step`);
    }
    assert.deepEqual(told, [], "at the end");
    client.close();
    await clock.advance(1000);
    assert.equal(clock.size, world.connections.size * 2, "timers are left");
  });
}

/** A world whose topics have logs, and whose posts get lost. */
class LogWorld extends World {
  logs = new Map(); // topic → { epoch, frames, head }
  random;
  loses = 0;
  constructor(random) {
    super();
    this.random = random;
  }
  log(topic) {
    let l = this.logs.get(topic);
    if (!l) this.logs.set(topic, (l = { epoch: "e" + this.logs.size, frames: [], first: 1 }));
    return l;
  }
  keep(topic) {
    const l = this.log(topic);
    const offset = l.frames.length + 1;
    const frame = { type: "message", id: `${topic}-${l.epoch}-${offset}`, to: "topic:" + topic, data: `${topic} ${offset}`, epoch: l.epoch, offset };
    l.frames.push(frame);
    for (const c of this.connections) {
      if (!c.topics.has(topic) || this.random() < this.loses) continue;
      for (let n = this.random() < 0.05 ? 2 : 1; n > 0; n--) this.clock.setTimeout(() => c.say(frame), this.random() * (this.random() < 0.1 ? 4000 : 300));
    }
  }
  replay(topic, frame) {
    const l = this.log(topic);
    const head = l.frames.length;
    const epoch = head ? l.epoch : "";
    if (!frame.after) return { epoch, offset: head, upTo: head };
    const after = frame.after.epoch === l.epoch ? Math.min(frame.after.offset, head) : 0;
    const upTo = Math.min(head, after + 20);
    const gone = after + 1 < l.first ? [[after + 1, Math.min(l.first - 1, upTo)]] : undefined;
    return { epoch, offset: head, upTo, messages: l.frames.slice(Math.max(after, l.first - 1), upTo), gone, more: upTo < head };
  }
  answer(c, frame) {
    const ack = { type: "ack", ref: frame.ref };
    if (this.random() < this.loses / 4) return { type: "error", ref: frame.ref, code: "internal" };
    switch (frame.action) {
      case "subscribe":
        super.answer(c, frame);
      // falls through
      case "read":
        return { ...ack, topic: frame.topic, ...this.replay(frame.topic, frame) };
      case "check": {
        const topics = {};
        for (const [topic, after] of Object.entries(frame.topics)) {
          const a = this.replay(topic, { after });
          if (a.epoch !== after.epoch || a.upTo !== after.offset) topics[topic] = a;
        }
        return { ...ack, topics };
      }
    }
    return super.answer(c, frame);
  }
}

for (let seed = 1; seed <= 20; seed++) {
  test(`every kept message comes once and in order, seed ${seed}`, async () => {
    const random = seeded(seed);
    const world = new LogWorld(random);
    world.latency = () => 10 + random() * 100;
    world.loses = 0.2;
    const topics = ["a", "b", "c"];
    world.keep("a");
    const got = new Map(topics.map((t) => [t, []]));
    const client = connect("ws://server/dev", { WebSocket: world.WebSocket, clock: world.clock, random, topics });
    client.on("message", (m) => got.get(m.to.slice(6)).push(m.offset));
    client.on("gap", ({ topic, from, to }) => {
      for (let n = from; n <= to; n++) got.get(topic).push(-n);
    });
    await world.clock.advance(2000);
    for (let minute = 0; minute < 60; minute++) {
      for (let n = 0; n < 10; n++) {
        world.keep(random() < 0.7 ? "a" : random() < 0.7 ? "b" : "c");
        await world.clock.advance(random() * 3000);
      }
      if (random() < 0.2) world.kill(1001);
      if (random() < 0.05) world.log("a").first = world.log("a").frames.length; // the older ones are gone
      await world.clock.advance(random() * 30_000);
    }
    world.loses = 0;
    await world.clock.advance(240_000 + 90_000);
    assert.equal(client.state, "open");
    for (const topic of topics) {
      const first = topic === "a" ? 2 : 1;
      const want = Array.from({ length: world.log(topic).frames.length + 1 - first }, (_, i) => i + first);
      assert.deepEqual(got.get(topic).map(Math.abs), want, topic);
    }
    client.close();
  });
}

test("positions survive a reload", async () => {
  const random = seeded(3);
  const world = new LogWorld(random);
  let kept;
  const positions = { load: () => kept, save: (all) => (kept = JSON.parse(JSON.stringify(all))) };
  const visit = async (got) => {
    const client = connect("ws://server/dev", { WebSocket: world.WebSocket, clock: world.clock, random, topics: ["a"], positions });
    client.on("message", (m) => got.push(m.offset));
    await world.clock.advance(5000);
    return client;
  };
  world.keep("a");
  const first = [];
  const client = await visit(first);
  world.keep("a");
  await world.clock.advance(5000);
  assert.deepEqual([first, kept], [[2], { a: { epoch: "e0", offset: 2 } }]);
  client.close();
  world.keep("a");
  world.keep("a");
  const second = [];
  (await visit(second)).close();
  assert.deepEqual(second, [3, 4]);
});
