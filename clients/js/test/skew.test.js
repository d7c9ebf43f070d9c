// Hours with tokens while the clock of the page and that of the issuer differ. The server
// ends a connection as the function does: a minute after the token's exp it posts nothing
// more, answers the next frame with expired, and takes the token for no new connection.
import assert from "node:assert/strict";
import { test } from "node:test";
import { connect } from "../wirepost.js";
import { seeded } from "./clock.js";
import { World } from "./world.js";

const minute = 60_000;
const hour = 60 * minute;
const leeway = minute;
const longestAge = 2 * hour;
const skews = [-60, -50, -5, -1, 0, 1, 4, 4.75, 5, 6, 10, 50, 59, 59.75, 60, 61, 120];
const lives = [1, 5, 10, 60, 1440];

const jwt = (claims) => "h." + Buffer.from(JSON.stringify(claims)).toString("base64url") + ".s";
const seconds = (ms) => Math.floor(ms / 1000);

/** Where a page has its tokens from. */
const sources = {
  "a new token each time": ({ now, life }) => () => ({ iat: seconds(now()), exp: seconds(now() + life) }),
  "a new token without iat": ({ now, life }) => () => ({ exp: seconds(now() + life) }),
  "a token that is kept until a tenth of its life is left": ({ now, life }) => {
    let kept;
    return () => {
      if (!kept || kept.exp * 1000 - now() < life / 10) kept = { iat: seconds(now()), exp: seconds(now() + life) };
      return kept;
    };
  },
  "a token that is kept until its end is near by the page's clock": ({ now, page, life }) => {
    let kept;
    return () => {
      if (!kept || kept.exp * 1000 - page() < life / 10) kept = { iat: seconds(now()), exp: seconds(now() + life) };
      return kept;
    };
  },
  "a token that has lost most of its life when the page opens": ({ now, life }) => {
    let kept = { iat: seconds(now() - 0.8 * life), exp: seconds(now() + 0.2 * life) };
    return () => {
      if (kept.exp * 1000 - now() < life / 10) kept = { iat: seconds(now()), exp: seconds(now() + life) };
      return kept;
    };
  },
  "tokens that are fetched ahead": ({ now, life }) => {
    let kept = { iat: seconds(now() - 0.8 * life), exp: seconds(now() + 0.2 * life) };
    return () => {
      const given = kept;
      kept = { iat: seconds(now()), exp: seconds(now() + life) };
      return given;
    };
  },
  "a token that ended long ago": ({ now, life }) => {
    const kept = { iat: seconds(now() - 3 * life), exp: seconds(now() - 2 * life) };
    return () => kept;
  },
  "a token that ended long ago, without iat": ({ now, life }) => {
    const kept = { exp: seconds(now() - 2 * life) };
    return () => kept;
  },
  "the same token all the time": ({ now, life }) => {
    const kept = { iat: seconds(now()), exp: seconds(now() + life) };
    return () => kept;
  },
  "an iat that is none": ({ now, life }) => () => ({ iat: 0, exp: seconds(now() + life) }),
};

/**
 * Runs a client for some hours of the issuer's time. deaf is the longest time that one of
 * its connections was used after its token had ended.
 */
async function run({ skew, life, source, time, server = true }) {
  const world = new World();
  const { clock } = world;
  const page = { now: () => clock.now() + skew, setTimeout: (f, ms) => clock.setTimeout(f, ms), clearTimeout: (timer) => clock.clearTimeout(timer) };
  const claims = sources[source]({ now: () => clock.now(), page: () => page.now(), life });
  const tokens = new Map();
  const endOf = (socket) => tokens.get(socket.protocols[1].slice("bearer.".length)) * 1000 + leeway;
  const over = (socket) => server && clock.now() > endOf(socket);
  world.refuses = over;
  world.handle = (c, frame) => (over(c.socket) ? { type: "error", ref: frame.ref, code: "expired" } : undefined);
  const client = connect("ws://server/dev", {
    topics: ["lobby"],
    token: () => {
      const c = claims(), text = jwt(c);
      tokens.set(text, c.exp);
      return text;
    },
    WebSocket: world.WebSocket,
    clock: page,
    random: seeded(1 + Math.abs(skew) + life),
  });
  await clock.advance(time);
  client.close();
  await clock.advance(1000);
  const used = world.sockets.filter((s) => s.connection);
  return {
    attempts: world.sockets.length,
    connections: used.length,
    deaf: Math.max(0, ...used.map((s) => s.dropped - endOf(s))),
  };
}

/** The most connections that replacements at 60 % of a life make. */
const most = (time, life) => time / (0.6 * Math.min(life, longestAge)) + 4;
/** The longest that a connection can be used after its token, until a ping finds it. */
const untilPing = 4.5 * minute;

/** Runs all lives and clocks, and gives each result to check. */
async function matrix(t, source, check, server) {
  let worst = 0;
  for (const life of lives) {
    const time = life > 60 ? 12 * hour : 3 * hour;
    for (const skew of skews) {
      const got = await run({ skew: skew * minute, life: life * minute, source, time, server });
      const text = `${source}, life ${life} min, clock ${skew} min ahead: ${JSON.stringify(got)}`;
      check({ ...got, text, skew, life, most: most(time, life * minute), seems: most(time, 4 * minute) });
      worst = Math.max(worst, got.connections / most(time, life * minute));
    }
  }
  t.diagnostic(`connections: at most ${worst.toFixed(2)} of those that replacements at 60 % of a life make`);
}

test("no clock makes a storm of replacements, or keeps a connection longer than its token", (t) =>
  matrix(t, "a new token each time", ({ text, connections, deaf, most }) => {
    assert.ok(connections <= most, text);
    assert.equal(deaf, 0, text);
  }));

for (const source of ["a new token without iat", "an iat that is none"]) {
  test(`no clock makes a storm: ${source}`, (t) =>
    matrix(t, source, ({ text, connections, deaf, most, seems, skew, life }) => {
      // Nothing tells a life that the clock shortens to 4 minutes or more from a short one.
      assert.ok(connections <= Math.max(2 * most, seems), text);
      assert.ok(deaf <= untilPing, text);
      if (skew === 0 && life > 1) assert.equal(deaf, 0, text);
    }));
}

for (const source of Object.keys(sources).filter((s) => /kept|lost|ahead/.test(s))) {
  test(`no clock makes a storm: ${source}`, (t) =>
    matrix(t, source, ({ text, connections, deaf, most, skew }) => {
      assert.ok(connections <= 3 * most, text); // What is kept is given more than once.
      assert.ok(deaf <= untilPing, text);
      if (skew === 0 && !source.includes("ahead")) assert.equal(deaf, 0, text);
    }));
}

for (const source of ["the same token all the time", "a token that ended long ago", "a token that ended long ago, without iat"]) {
  test(`no storm if the server takes a token for longer than it says: ${source}`, (t) =>
    matrix(t, source, ({ text, connections, most }) => assert.ok(connections <= 2 * most, text), false));
}

test("no value of a claim makes a storm or stops the client", async () => {
  const values = [undefined, null, 0, -1, 1, "1793000000", "", "soon", true, [], {}, 1e300, -1e300, 1793000000000, 1793000000.5, 1e999];
  for (const exp of values) {
    for (const iat of values) {
      if (exp - iat > 0 && exp - iat < 60) continue; // It means a life of seconds, and is given one.
      sources.odd = () => () => ({ exp, iat });
      const { connections } = await run({ skew: 0, life: minute, source: "odd", time: hour, server: false });
      assert.ok(connections <= most(hour, 5 * minute), `exp ${exp}, iat ${iat}: ${connections} connections in an hour`);
    }
  }
});

test("a clock that is set back does not put off the ping", async () => {
  const world = new World();
  const { clock } = world;
  let skew = 0;
  const page = { now: () => clock.now() + skew, setTimeout: (f, ms) => clock.setTimeout(f, ms), clearTimeout: (timer) => clock.clearTimeout(timer) };
  const client = connect("ws://server/dev", { topics: ["a"], WebSocket: world.WebSocket, clock: page, random: seeded(1) });
  await clock.advance(1000);
  skew = -hour;
  await clock.advance(hour);
  client.close();
  assert.equal(world.limits.idle, 0);
  assert.equal(world.sockets.length, 1);
});

test("what is longer than the longest timer is not due at once", async () => {
  const world = new World();
  const { clock } = world;
  const limited = { now: () => clock.now(), setTimeout: (f, ms) => clock.setTimeout(f, ms > 2 ** 31 - 1 ? 1 : ms), clearTimeout: (timer) => clock.clearTimeout(timer) };
  for (const maxAge of [Infinity, 2 ** 40]) {
    const client = connect("ws://server/dev", { WebSocket: world.WebSocket, clock: limited, maxAge, random: seeded(1) });
    await clock.advance(1000);
    const before = world.sockets.length;
    await clock.advance(hour);
    assert.equal(world.sockets.length, before);
    client.close();
  }
});
