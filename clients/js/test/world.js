// A server of the protocol with a network before it, both on a clock of the test. The
// network can be slow or cut, and the server killed.
import { Clock } from "./clock.js";

export const idleLimit = 600_000;
export const ageLimit = 7_200_000;

export class World {
  clock = new Clock();
  sockets = []; // every one that was made
  connections = new Set(); // those that the server has
  mode = "ok"; // ok, slow, cut or down
  limits = { idle: 0, age: 0 }; // closes by the limits of healthy connections
  ages = []; // at which clients closed
  processed = new Map(); // text of each send → how often it was done
  published = 0;
  handle = undefined; // a test's own answer to a frame; undefined leaves it to the server
  refuses = () => false; // whether a handshake is refused
  latency = () => 20;

  constructor() {
    const world = this;
    this.WebSocket = class extends FakeSocket {
      constructor(url, protocols) {
        super(world, url, protocols);
      }
    };
  }

  get latest() {
    return this.sockets.at(-1);
  }

  /** Sockets with a handler on them. */
  get attached() {
    return this.sockets.filter((s) => s.onopen || s.onmessage || s.onclose).length;
  }

  /**
   * Delivers a message to all who have the topic, under one id: looks for them now and
   * posts later.
   */
  publish(to, data, from, repeat = 1, later = 0) {
    const id = "m" + ++this.published;
    const topic = to.slice("topic:".length);
    let sent = 0;
    for (const c of this.connections) {
      if (!c.topics.has(topic)) continue;
      sent++;
      const post = () => c.say({ type: "message", id, to, from, data });
      for (let i = 0; i < repeat; i++) later ? this.clock.setTimeout(post, later) : post();
    }
    return { id, sent };
  }

  kill(code, reason = "") {
    for (const c of [...this.connections]) c.end(code, reason);
  }

  /** A cut's end: what waited arrives, or the path has been forgotten by both ends. */
  heal(survives) {
    this.mode = "ok";
    for (const s of this.sockets) {
      if (s.readyState === 3) continue;
      if (s.readyState !== 1 || survives(s)) s.resume();
      else s.lost = this.clock.now();
    }
  }

  answer(c, frame) {
    switch (frame.action) {
      case "subscribe":
        c.topics.add(frame.topic);
        return { type: "ack", ref: frame.ref, topic: frame.topic };
      case "unsubscribe":
        c.topics.delete(frame.topic);
        return { type: "ack", ref: frame.ref, topic: frame.topic };
      case "ping":
        return { type: "pong", ref: frame.ref };
      case "send": {
        const key = JSON.stringify(frame.data);
        this.processed.set(key, (this.processed.get(key) || 0) + 1);
        return { type: "ack", ref: frame.ref, ...this.publish(frame.to, frame.data) };
      }
    }
    return { type: "error", ref: frame.ref, code: "unknown-action" };
  }
}

/** The server's end. */
class Connection {
  topics = new Set();
  frames = [];
  ended = false;

  constructor(world, socket) {
    this.world = world;
    this.socket = socket;
    this.since = this.heard = world.clock.now();
    world.connections.add(this);
    this.#limit("idle", idleLimit);
    this.#limit("age", ageLimit);
  }

  #limit(what, limit, left = limit) {
    const { clock } = this.world;
    this[what] = clock.setTimeout(() => {
      const left = (what === "idle" ? this.heard : this.since) + limit - clock.now();
      if (left > 0) return this.#limit(what, limit, left);
      if (!this.socket.lost && this.socket.readyState === 1 && this.world.mode !== "cut") this.world.limits[what]++;
      this.end(1001, "Going away");
    }, left);
  }

  say(frame) {
    if (this.ended) return;
    this.heard = this.world.clock.now();
    const text = typeof frame === "string" ? frame : JSON.stringify(frame);
    this.socket.fromServer(() => this.socket.readyState < 2 && this.socket.onmessage?.({ data: text }));
  }

  receive(text) {
    if (this.ended) return;
    this.heard = this.world.clock.now();
    const frame = JSON.parse(text);
    this.frames.push(frame);
    const own = this.world.handle?.(this, frame);
    if (own === undefined) this.say(this.world.answer(this, frame));
    else if (own) this.say(own);
  }

  end(code, reason) {
    if (this.ended) return;
    this.ended = true;
    this.world.clock.clearTimeout(this.idle);
    this.world.clock.clearTimeout(this.age);
    this.world.connections.delete(this);
    this.socket.fromServer(() => this.socket.finish(code, reason));
  }
}

class FakeSocket {
  readyState = 0;
  onopen = null;
  onmessage = null;
  onclose = null;
  onerror = null;
  lost = 0; // when nothing got through any more, in neither direction
  dropped = 0; // when the client closed it
  #held = [];
  #last = { up: 0, down: 0 };

  constructor(world, url, protocols) {
    Object.assign(this, { world, url, protocols, made: world.clock.now() });
    world.sockets.push(this);
    this.#carry("up", () => {
      if (world.mode === "down" || world.refuses(this)) return this.fromServer(() => this.finish(1006, ""));
      if (this.readyState > 1) return;
      this.connection = new Connection(world, this);
      this.fromServer(() => {
        if (this.readyState !== 0) return;
        this.readyState = 1;
        this.onopen?.({});
      });
    });
  }

  // In order, as TCP has it. What is under way when the network is cut waits for its
  // end.
  #carry(way, run) {
    const { clock } = this.world;
    const at = Math.max(this.#last[way], clock.now() + this.world.latency());
    this.#last[way] = at;
    clock.setTimeout(() => {
      if (this.lost) return;
      if (this.world.mode === "cut") this.#held.push(run);
      else run();
    }, at - clock.now());
  }

  resume() {
    for (const run of this.#held.splice(0)) run();
  }

  /** A network that is gone is seen at once by some. */
  notice() {
    this.finish(1006, "");
  }

  fromServer(run) {
    this.#carry("down", run);
  }

  send(text) {
    if (this.readyState === 0) throw new Error("InvalidStateError");
    if (this.readyState === 1) this.#carry("up", () => this.connection.receive(text));
  }

  close(code) {
    if (this.readyState > 1) return;
    this.readyState = 2;
    this.dropped = this.world.clock.now();
    if (this.connection && !this.connection.ended) this.world.ages.push(this.dropped - this.connection.since);
    this.#carry("up", () => {
      this.connection?.end(code, "");
      this.finish(code, "");
    });
  }

  finish(code, reason) {
    if (this.readyState === 3) return;
    this.readyState = 3;
    this.onclose?.({ code, reason });
  }
}
