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
