// Eight hours on a clock of their own, with all that happens to a connection in them.
// The seeds are fixed: a run that fails, fails again.
import assert from "node:assert/strict";
import { test } from "node:test";
import { connect, Refusal } from "../wirepost.js";
import { seeded } from "./clock.js";
import { World, ageLimit } from "./world.js";

const hours = 8 * 3_600_000;
const second = 1000;
const maxDelay = 30 * second, answerTimeout = 30 * second, pingAfter = 240 * second, pongTimeout = 10 * second;
const clients = 3;

for (let seed = 1; seed <= 4; seed++) {
  test(`eight hours of a bad network are survived, seed ${seed}`, async (t) => {
    const random = seeded(seed);
    const between = (a, b) => a + (b - a) * random();
    const world = new World();
    const { clock } = world;
    world.latency = () => (world.mode === "slow" ? between(100, 4000) : between(10, 80));
    const events = countingTarget();
    const all = [];
    for (let i = 0; i < clients; i++) {
      const quiet = i === 0; // hears and says nothing, so that only pings keep it
      const c = { quiet, shown: new Map(), expected: [], sends: 0, settled: 0, acked: [], refused: {}, open: false, since: clock.now(), waits: 0 };
      c.client = connect("ws://server/dev", { topics: quiet ? [] : ["lobby", "news-" + i], WebSocket: world.WebSocket, clock, random, events });
      c.client.on("state", (state, change) => {
        if (c.open !== (c.open = state === "open")) c.since = clock.now();
        if (state === "waiting") {
          c.waits++;
          assert.ok(change.retryIn <= maxDelay, `a wait of ${change.retryIn} ms`);
        }
      });
      c.client.on("message", (m) => c.shown.set(m.id, (c.shown.get(m.id) || 0) + 1));
      c.client.on("error", (error) => assert.fail(error));
      all.push(c);
    }

    // What is checked all the time.
    let calmSince = clock.now(), hung = new Set(), disturbed = [];
    let most = { timers: 0, attached: 0 };
    const check = () => {
      const now = clock.now();
      most.attached = Math.max(most.attached, world.attached);
      for (const [i, c] of all.entries()) {
        if (world.mode !== "ok" || c.open) continue;
        // The bound of the back-off, after the attempt that hung in the cut if one did.
        const bound = maxDelay + 2 * second + (hung.size ? answerTimeout : 0);
        const away = now - Math.max(calmSince, c.since);
        assert.ok(away <= bound, `client ${i} is ${c.client.state} ${away} ms after all was well again`);
      }
      for (const s of world.sockets) {
        if (s.lost && !s.dropped && s.readyState === 1) {
          assert.ok(now - s.lost <= pingAfter + pongTimeout + second, `a connection that was lost ${now - s.lost} ms ago is still in use`);
        }
      }
    };

    // What happens to them.
    const disturb = () => {
      const kind = random();
      disturbed.push(clock.now());
      let lasts;
      if (kind < 0.4) {
        world.mode = "down";
        world.kill(random() < 0.5 ? 1001 : 1006);
        lasts = between(0, 120 * second);
      } else if (kind < 0.75) {
        world.mode = "cut";
        for (const s of world.sockets) if (s.readyState === 1 && random() < 0.3) s.notice();
        lasts = between(second, 300 * second);
      } else {
        world.mode = "slow";
        lasts = between(10 * second, 600 * second);
      }
      clock.setTimeout(() => {
        hung = new Set(world.sockets.filter((s) => s.readyState === 0));
        if (world.mode === "cut") world.heal(() => random() < 0.5);
        world.mode = "ok";
        calmSince = clock.now();
        disturbed.push(calmSince);
        clock.setTimeout(disturb, between(60 * second, 1200 * second));
      }, lasts);
    };
    // The first calm is long enough for connections to come of age.
    clock.setTimeout(disturb, between(4800 * second, 7800 * second));

    const publish = () => {
      const { id } = world.publish("topic:lobby", "hello", undefined, random() < 0.1 ? 2 : 1, between(0, 3 * second));
      for (const c of all) {
        const healthy = !c.quiet && world.mode === "ok" && c.open && clock.now() - calmSince > pingAfter + pongTimeout + 60 * second;
        if (healthy) c.expected.push({ id, at: clock.now() });
      }
      clock.setTimeout(publish, between(second, 20 * second));
    };
    publish();
    const send = (c, i) => {
      const text = `${i}/${++c.sends}`;
      c.client.send("topic:news-" + i, text).then(
        () => c.acked.push(text),
        (error) => {
          assert.ok(error instanceof Refusal);
          c.refused[error.code] = (c.refused[error.code] || 0) + 1;
        },
      ).finally(() => c.settled++);
      clock.setTimeout(() => send(c, i), between(second, 60 * second));
    };
    all.forEach((c, i) => c.quiet || send(c, i));

    const start = clock.now();
    let own = 0;
    while (clock.now() - start < hours) {
      await clock.advance(second);
      check();
      most.timers = Math.max(most.timers, (own = clock.size));
    }

    // A quiet end, so that what is under way arrives.
    await clock.advance(answerTimeout + maxDelay + second);
    for (const [i, c] of all.entries()) {
      for (const [id, times] of c.shown) assert.equal(times, 1, `message ${id} was shown ${times} times to client ${i}`);
      const lost = c.expected.filter((m) => !c.shown.has(m.id) && !disturbed.some((d) => d >= m.at && d < m.at + 10 * second));
      assert.deepEqual(lost, [], `client ${i} missed messages while all was well`);
      for (const text of c.acked) assert.equal(world.processed.get(JSON.stringify(text)), 1, `${text} was sent once`);
      assert.ok(c.quiet || c.expected.length > 200, `only ${c.expected.length} messages could be expected`);
      assert.ok(c.waits > 5, `client ${i} has been away only ${c.waits} times: nothing was tested`);
    }
    assert.ok([...world.processed.values()].every((n) => n === 1), "a message was sent twice");
    assert.deepEqual(world.limits, { idle: 0, age: 0 }, "a healthy connection met a limit");
    assert.ok(Math.max(...world.ages) < ageLimit);
    const replaced = world.ages.filter((age) => age >= 0.6 * ageLimit).length;
    assert.ok(replaced > 0, "no connection came of age: nothing was tested");

    // Nothing adds up: sockets with handlers, timers, listeners.
    assert.ok(most.attached <= 2 * clients + 1, `${most.attached} sockets had handlers at once`);
    assert.ok(most.timers < 200, `${most.timers} timers at once`);
    assert.equal(events.count, 3 * clients);
    for (const c of all) c.client.close();
    await clock.advance(second);
    assert.equal(world.attached, 0);
    assert.equal(events.count, 0);
    for (const c of all) assert.equal(c.settled + (c.refused.closed || 0) >= c.sends, true, "a send was never settled");
    const sum = (f) => all.reduce((n, c) => n + f(c), 0);
    t.diagnostic(`connections ${world.sockets.length}, replaced ${replaced}, away ${sum((c) => c.waits)} times, messages shown ${sum((c) => c.shown.size)}, sends ${sum((c) => c.sends)} (acked ${sum((c) => c.acked.length)}, refused ${JSON.stringify(all.map((c) => c.refused))})`);
  });
}

function countingTarget() {
  const set = new Set();
  return {
    addEventListener: (name, f) => set.add(name + seq(f)),
    removeEventListener: (name, f) => set.delete(name + seq(f)),
    get count() {
      return set.size;
    },
  };
}
const numbers = new WeakMap();
let last = 0;
const seq = (f) => numbers.get(f) ?? (numbers.set(f, ++last), last);
