// What the client makes of answers that come in pieces.
import assert from "node:assert/strict";
import { test } from "node:test";
import { connect, Refusal } from "../wirepost.js";
import { streams } from "../stream.js";
import { seeded } from "./clock.js";
import { World } from "./world.js";

/** A function whose answer is a text that is written over some seconds, and its log. */
class Writer {
  text = "";
  end = undefined;
  logged = 0;
  readers = new Set();
  cancelled = 0;
  resumes = [];
  constructor(world) {
    this.world = world;
    world.handle = (c, frame) => this.handle(c, frame);
  }
  handle(c, frame) {
    const ack = { type: "ack", ref: frame.ref, stream: "s1" };
    switch (frame.action) {
      case "ask":
        this.readers.add(c);
        this.asked?.(c);
        return { ...ack, key: "secret" };
      case "resume": {
        this.resumes.push(frame);
        if (frame.stream !== "s1" || frame.key !== "secret") return { type: "error", ref: frame.ref, code: "unknown-stream" };
        this.readers.add(c);
        const upTo = Math.min(this.logged, frame.at + (this.page || Infinity));
        return { ...ack, at: frame.at, text: this.text.slice(frame.at, upTo), ...(upTo < this.logged ? { more: true } : this.end) };
      }
      case "cancel":
        this.cancelled++;
        return ack;
    }
  }
  post(piece) {
    for (const c of this.readers) c.say({ type: "stream", id: "s1", ...piece });
  }
  write(text) {
    const at = this.text.length;
    this.text += text;
    this.post({ at, text });
  }
  finish(end = { end: true }) {
    this.end = end;
    this.logged = this.text.length;
    this.post({ at: this.text.length, ...end });
  }
}

/** A client, and a loop over its answer. */
async function asking(world, options = {}) {
  const client = streams(connect("ws://server/dev", { WebSocket: world.WebSocket, clock: world.clock, random: () => 0.5, ...options }), { clock: world.clock, random: () => 0.5 });
  await world.clock.advance(100);
  return client;
}
function reading(answer) {
  const got = { text: "", done: false, error: undefined };
  (async () => {
    try {
      for await (const piece of answer) got.text += piece;
    } catch (error) {
      got.error = error;
    }
    got.done = true;
  })();
  return got;
}

test("an answer comes in pieces, also those that overtake its name", async () => {
  const world = new World();
  const writer = new Writer(world);
  const client = await asking(world);
  writer.asked = () => writer.write("é😀 first ");
  const answer = client.ask("ask", { question: "?" });
  const got = reading(answer);
  await world.clock.advance(100);
  assert.deepEqual(await answer.named, { id: "s1", key: "secret" });
  writer.write("and ");
  writer.post({ at: 4, text: "first and " }); // a post that was not answered comes again
  writer.write("last");
  writer.finish();
  await world.clock.advance(100);
  assert.deepEqual(got, { text: "é😀 first and last", done: true, error: undefined });
  assert.equal(writer.cancelled, 0);
  client.close();
  await world.clock.advance(100);
  assert.equal(world.clock.size, world.connections.size * 2, "timers are left");
});

test("after a cut, at a gap and in silence it asks for what is missing", async () => {
  const world = new World();
  const writer = new Writer(world);
  const client = await asking(world);
  const got = reading(client.ask("ask"));
  await world.clock.advance(100);
  writer.write("one ");
  await world.clock.advance(100);
  world.kill(1006);
  writer.readers.clear();
  writer.write("two ");
  writer.logged = 8;
  await world.clock.advance(3000);
  assert.equal(got.text, "one two ");
  writer.text += "three "; // a post that was answered, and did not arrive
  writer.write("four ");
  await world.clock.advance(100);
  assert.equal(got.text, "one two ");
  writer.logged = writer.text.length;
  await world.clock.advance(2000);
  assert.equal(got.text, "one two three four ");
  writer.text += "five";
  writer.end = { end: true };
  writer.logged = writer.text.length;
  await world.clock.advance(16_000);
  assert.deepEqual(got, { text: "one two three four five", done: true, error: undefined });
  client.close();
});

test("at a change of connections it resumes on the new one before the old one ends", async () => {
  const world = new World();
  const writer = new Writer(world);
  const client = await asking(world, { maxAge: 100_000 });
  const got = reading(client.ask("ask"));
  await world.clock.advance(100);
  for (let i = 0; i < 3000; i++) {
    writer.write(i + " ");
    writer.logged = writer.text.length;
    await world.clock.advance(100);
    for (const c of writer.readers) if (c.ended) writer.readers.delete(c);
  }
  writer.finish();
  await world.clock.advance(100);
  assert.equal(got.text, writer.text);
  assert.ok(world.sockets.length > 3 && writer.resumes.length >= 3 && writer.resumes.length < 10, `${writer.resumes.length} resumes`);
  client.close();
});

test("a page that was loaded again goes on where it was", async () => {
  const world = new World();
  const writer = new Writer(world);
  writer.text = "what was written before, and more";
  writer.logged = writer.text.length;
  writer.page = 10;
  const client = await asking(world);
  const got = reading(client.resume({ id: "s1", key: "secret" }, 5));
  await world.clock.advance(500);
  assert.equal(got.text, writer.text.slice(5));
  writer.finish();
  await world.clock.advance(100);
  assert.ok(got.done && !got.error);
  const unknown = reading(client.resume({ id: "s2" }));
  await world.clock.advance(100);
  assert.equal(unknown.error?.code, "unknown-stream");
  client.close();
});

test("cancel stops the writer, and leaving the loop does", async () => {
  const world = new World();
  const writer = new Writer(world);
  const client = await asking(world);
  const answer = client.ask("ask");
  const got = reading(answer);
  answer.cancel(); // before it has a name
  await world.clock.advance(100);
  assert.equal(writer.cancelled, 1);
  writer.write("so far");
  writer.finish({ error: "cancelled" });
  await world.clock.advance(100);
  assert.deepEqual(got, { text: "so far", done: true, error: undefined });
  writer.text = "";
  writer.end = undefined;
  (async () => {
    for await (const piece of client.ask("ask")) if (piece) break;
  })();
  await world.clock.advance(100);
  writer.write("x");
  await world.clock.advance(100);
  assert.equal(writer.cancelled, 2);
  client.close();
});

test("what ends a stream otherwise is thrown, and slow is not an end", async () => {
  const world = new World();
  const writer = new Writer(world);
  const client = await asking(world);
  const got = reading(client.ask("ask"));
  await world.clock.advance(100);
  writer.write("a");
  writer.post({ at: 1, error: "slow" });
  writer.readers.clear();
  writer.write("b");
  writer.logged = 2;
  await world.clock.advance(2000);
  assert.equal(got.text, "ab");
  writer.finish({ error: "no-credit" });
  await world.clock.advance(100);
  assert.ok(got.error instanceof Refusal && got.error.code === "no-credit");
  world.handle = (c, frame) => ({ type: "error", ref: frame.ref, code: "not-sent" });
  const refused = reading(client.ask("ask"));
  await world.clock.advance(100);
  assert.equal(refused.error.code, "not-sent");
  world.handle = (c, frame) => ({ type: "ack", ref: frame.ref, data: 1 });
  const none = reading(client.ask("track"));
  await world.clock.advance(100);
  assert.equal(none.error.code, "no-stream");
  client.close();
});

test("values come one by one", async () => {
  const world = new World();
  const writer = new Writer(world);
  const client = await asking(world);
  const got = [];
  (async () => {
    for await (const value of client.ask("ask")) got.push(value);
  })();
  await world.clock.advance(100);
  writer.post({ at: 0, items: [1, { a: 2 }] });
  writer.post({ at: 1, items: [{ a: 2 }, "three"], end: true });
  await world.clock.advance(100);
  assert.deepEqual(got, [1, { a: 2 }, "three"]);
  client.close();
});

test("whatever becomes of posts and connections, each character comes once", async () => {
  for (let seed = 0; seed < 60; seed++) {
    const random = seeded(seed);
    const world = new World();
    const writer = new Writer(world);
    const client = await asking(world, { random });
    const got = reading(client.ask("ask"));
    await world.clock.advance(100);
    writer.post = function (piece) {
      for (const c of this.readers) for (let n = random() < 0.1 ? 0 : random() < 0.1 ? 2 : 1; n > 0; n--) c.say({ type: "stream", id: "s1", ...piece });
    };
    for (let i = 0; i < 300; i++) {
      writer.write(`${i}😀 `);
      if (i % 10 === 0) writer.logged = writer.text.length;
      if (random() < 0.02) world.kill(1006);
      await world.clock.advance(random() * 200);
    }
    writer.finish();
    await world.clock.advance(60_000);
    assert.deepEqual(got, { text: writer.text, done: true, error: undefined }, `seed ${seed}`);
    client.close();
  }
});
