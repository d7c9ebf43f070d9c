// What the client does about who is present, by the script that all clients share.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { presence } from "../presence.js";
import { connect } from "../wirepost.js";
import { World } from "./world.js";

const script = JSON.parse(readFileSync(new URL("../../testdata/presence.json", import.meta.url)));
const names = (all) => all.map((m) => m.user ?? m.id).sort();

for (const { name, presence: topics, steps } of script) {
  test(name, async () => {
    const world = new World();
    world.latency = () => 0;
    const { clock } = world;
    const sent = [];
    world.handle = (c, frame) => (sent.push([c, frame]), null);
    let told = [];
    const client = connect("ws://server/dev", { WebSocket: world.WebSocket, clock, random: () => 0.5 });
    for (const topic of topics) {
      presence(client, topic).on("change", ({ joined, left, many }) => {
        if (joined.length) told.push({ joined: names(joined) });
        if (left.length) told.push({ left: names(left) });
        if (many !== undefined) told.push({ many });
      });
    }
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
      } else if (step.quiet) assert.deepEqual(sent.map(([, f]) => f), [], where);
      else assert.fail(`${where}: there is no such step`);
    }
    assert.deepEqual(told, [], "at the end");
    client.close();
    await clock.advance(1000);
    assert.equal(clock.size, world.connections.size * 2, "timers are left");
  });
}

/** A client that is present in topics, at a server that takes everything. */
async function present(...topics) {
  const world = new World();
  world.latency = () => 1;
  const { clock } = world;
  const frames = [];
  world.handle = (c, frame) => {
    frames.push(frame);
    if (frame.action === "subscribe") return { type: "ack", ref: frame.ref, topic: frame.topic, renew: 240_000, asOf: 1, members: [] };
    if (frame.action === "check") return { type: "ack", ref: frame.ref, topics: Object.fromEntries(topics.map((topic) => [topic, { here: false }])) };
    return { type: "ack", ref: frame.ref };
  };
  const events = new EventTarget();
  const client = connect("ws://server/dev", { WebSocket: world.WebSocket, clock, random: () => 0.5, events });
  const all = topics.map((topic) => presence(client, topic));
  await clock.advance(10);
  const said = () => frames.splice(0).map(({ action, topic }) => (topic ? `${action} ${topic}` : action));
  assert.deepEqual(said(), topics.map((topic) => `subscribe ${topic}`));
  return { world, clock, events, client, all, said };
}

test("close says goodbye to each topic before the connection ends without a code", async () => {
  const { world, clock, client, said } = await present("lobby", "hall");
  let code;
  world.latest.finish = (c) => (code = c ?? "none");
  client.close();
  await clock.advance(10);
  assert.deepEqual(said(), ["leave lobby", "leave hall"]);
  assert.equal(code, "none");
});

test("a page that is left says goodbye, and enters anew if it comes back", async () => {
  const { clock, events, client, said } = await present("lobby", "hall");
  events.dispatchEvent(new Event("pagehide"));
  await clock.advance(10);
  assert.deepEqual(said(), ["leave lobby", "leave hall"]);
  await clock.advance(240_000);
  assert.deepEqual(said().filter((s) => s !== "ping"), ["check", "subscribe lobby", "subscribe hall"]);
  client.close();
});

test("leave ends the presence in one topic, and stays subscribed", async () => {
  const { clock, client, all, said } = await present("lobby", "hall");
  all[0].leave();
  await clock.advance(10);
  assert.deepEqual(said(), ["leave lobby"]);
  await clock.advance(240_000);
  assert.deepEqual(said().filter((s) => s !== "ping"), ["check", "subscribe hall"]);
  client.close();
});

test("who leaves while connections change leaves on both, and once more if it is let in later", async () => {
  const { world, clock, client, all, said } = await present("lobby");
  const { handle } = world;
  const waiting = [];
  world.handle = (c, frame) => {
    const answer = handle(c, frame);
    if (frame.action === "check") return { ...answer, topics: {} };
    if (frame.action !== "subscribe") return answer;
    waiting.push(() => c.say(answer));
    return null; // later
  };
  while (!waiting.length) await clock.advance(60_000); // until the next connection subscribes
  said();
  assert.equal(world.connections.size, 2);
  all[0].leave();
  await clock.advance(10);
  assert.deepEqual(said(), ["leave lobby", "leave lobby"]);
  waiting[0]();
  await clock.advance(10);
  assert.ok(said().includes("leave lobby"));
  client.close();
});
