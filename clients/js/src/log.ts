// The positions of topics with a log: what came, what overtook, what is missing.
// A position belongs to its topic and not to a connection: both sockets of a change of
// connections feed it.
import type { Ack, Message, Position, Refusal } from "./wirepost.js";

/** What this part needs of the client. */
export interface Host {
  _later(f: () => void, ms: number): unknown;
  _clear(timer: unknown): void;
  _random(): number;
  /** Gives a message to the page, unless its id came before. */
  _deliver(message: Message): void;
  _gap(topic: string, from: number, to: number): void;
  /** Asks on the current connection. False: there is none. */
  _ask(fields: object, done: (error?: Refusal, ack?: Ack) => void): boolean;
  /** Subscribes again: the server may have lost the row. */
  _again(topic: string): void;
  _save?(positions: Record<string, Position>): void;
}

interface Topic {
  /** Undefined: not known yet. Empty: the topic has no log. */
  _epoch?: string;
  _offset: number;
  /** It has no log yet, and will have one. */
  _kept?: boolean;
  /** Subscribes and reads under way: frames wait for their answers. */
  _busy: number;
  _held: any[];
  _timer?: unknown;
  /** Checks in a row that found the client behind. */
  _behind: number;
  /** Reads in a row that failed. */
  _fails: number;
  /** The last offset that a read was made for, because frames behind it had come. */
  _asked: number;
}

/** An answer about one topic. */
interface Answer {
  epoch?: string;
  offset?: number;
  upTo?: number;
  messages?: any[];
  gone?: [number, number][];
  more?: boolean;
  wait?: number;
  kept?: boolean;
}

/** How long what overtook waits for what it overtook: at first, and at most. */
const shortestHold = 500;
const longestHold = 5000;
const maxHeld = 300;
const saveEvery = 1000;
const wakeWithin = 5000;
const longestPause = 30_000;

export const keepPositions = (host: Host, checkAfter: number, saved: Record<string, Position> = {}) => {
  const topics = new Map<string, Topic>();
  const waiting = new Set<string>(); // for their turn to read
  let reading = false;
  let hold = shortestHold;
  let checking = false;
  let checkTimer: unknown;
  let checkFails = 0;
  let saving: unknown;
  /** The server knows no checks. */
  let old = false;

  const of = (name: string) => {
    let t = topics.get(name);
    if (!t) {
      const p = Object.hasOwn(saved, name) ? saved[name] : undefined;
      topics.set(name, (t = { _epoch: p?.epoch, _offset: p?.offset ?? 0, _busy: 0, _held: [], _behind: 0, _fails: 0, _asked: 0 }));
    }
    return t;
  };

  const save = () => {
    host._clear(saving);
    saving = undefined;
    const all: Record<string, Position> = {};
    for (const [name, t] of topics) if (t._epoch) all[name] = { epoch: t._epoch, offset: t._offset };
    host._save?.(all);
  };

  const moved = () => {
    if (host._save) saving ??= host._later(save, saveEvery);
  };

  const give = (t: Topic, frame: any) => {
    if (frame.offset <= t._offset) return;
    t._offset = frame.offset;
    host._deliver(frame); // the listeners have returned before the position is saved
    moved();
  };

  /** Gives what is next, drops what came before, and waits or asks for what is missing. */
  const drain = (name: string, t: Topic) => {
    if (t._busy) return;
    t._held.sort((a, b) => a.offset - b.offset);
    const held = t._held;
    t._held = [];
    let other = false;
    for (const frame of held) {
      if (frame.epoch !== t._epoch) other = true;
      if (frame.epoch === t._epoch && frame.offset <= t._offset + 1) give(t, frame);
      else t._held.push(frame);
    }
    host._clear(t._timer);
    t._timer = undefined;
    if (other) read(name);
    else if (t._held.length) {
      t._timer = host._later(() => {
        t._timer = undefined;
        t._asked = t._held[0].offset - 1;
        read(name);
      }, hold * (0.5 + 0.5 * host._random()));
    }
  };

  /** Takes what an answer says of a topic; whether it had anything for the page. */
  const take = (name: string, t: Topic, a: Answer) => {
    let news = false;
    if (typeof a.offset === "number") {
      const messages = a.messages || [];
      const asked = asks(t);
      const epoch = a.epoch || "";
      if (t._epoch !== epoch) {
        const first = t._epoch === undefined;
        t._epoch = epoch;
        t._offset = !first ? 0 : messages.length ? messages[0].offset - 1 : (a.upTo ?? a.offset);
        // What was held for another epoch is of no use, and the log has it.
        t._held = t._held.filter((f) => f.epoch === epoch);
      } else if (t._offset > a.offset) t._offset = a.offset;
      const gone = (a.gone || []).map(([offset, to]) => ({ offset, to }));
      for (const part of [...gone, ...messages].sort((a, b) => a.offset - b.offset)) {
        const to = (part as { to?: unknown }).to;
        if (typeof to !== "number") {
          news ||= part.offset > t._offset;
          give(t, part);
        } else if (!part.offset || to > t._offset) {
          host._gap(name, part.offset && Math.max(part.offset, t._offset + 1), to);
          t._offset = Math.max(t._offset, to);
          news = true;
        }
      }
      if (a.upTo! > t._offset) t._offset = a.upTo!;
      t._kept = a.kept;
      if (!asked && asks(t) && !checkTimer && !checking) planNext();
      moved();
    }
    if (a.more) {
      if (a.wait) host._later(() => topics.get(name) === t && read(name), a.wait);
      else read(name);
    }
    return news;
  };

  const read = (name: string) => {
    waiting.add(name);
    pump();
  };

  /** One read at a time. */
  const pump = () => {
    for (const name of waiting) {
      if (reading) return;
      const t = topics.get(name);
      if (!t || t._busy) {
        waiting.delete(name); // its answer is on the way, and asks for more itself
        continue;
      }
      t._busy++;
      const epoch = t._epoch;
      reading = host._ask({ action: "read", topic: name, ...fields(t) }, (error, ack) => {
        reading = false;
        t._busy--;
        if (topics.get(name) === t) {
          if (!error) {
            t._fails = 0;
            take(name, t, ack as Answer);
          } else if (error.code === "internal" || error.code === "unanswered") {
            host._later(() => topics.get(name) === t && read(name), Math.min(longestPause, 1000 * 2 ** t._fails++));
          } else t._epoch = epoch === undefined ? "" : epoch; // refused for good
          drain(name, t);
        }
        pump();
      });
      if (reading) waiting.delete(name);
      else {
        t._busy--;
        return; // without a connection; _open goes on
      }
    }
  };

  const fields = (t: Topic, last = 0) => (t._epoch === undefined ? { last } : { after: { epoch: t._epoch, offset: t._offset } });

  /** Whether checks name a topic. */
  const asks = (t: Topic) => t._epoch || t._kept;

  const plan = (ms: number) => {
    host._clear(checkTimer);
    checkTimer = host._later(check, ms);
  };
  /** Jitter, and never more than checkAfter. */
  const planNext = () => plan(checkAfter * (0.8 + 0.2 * host._random()));

  const check = () => {
    const asked: Record<string, Position> = {};
    for (const [name, t] of topics) if (asks(t) && !t._busy) asked[name] = { epoch: t._epoch!, offset: t._offset };
    if (old || checking) return;
    checkTimer = undefined;
    if (!Object.keys(asked).length) return; // the next position that is learned plans one
    checking = host._ask({ action: "check", topics: asked }, (error, ack) => {
      checking = false;
      if (error?.code === "unknown-action") {
        old = true;
        return;
      }
      if (error) return plan(Math.min(longestPause, 1000 * 2 ** checkFails++));
      checkFails = 0;
      const all: Record<string, Answer> = (ack as any).topics || {};
      for (const name of Object.keys(asked)) {
        const t = topics.get(name);
        if (!t || t._busy || !Object.hasOwn(all, name)) {
          if (t) t._behind = 0;
          continue;
        }
        // Frames of these may be on their way, but not twice in a row.
        if (!take(name, t, all[name]!)) t._behind = 0;
        else if (++t._behind > 1) {
          t._behind = 0;
          host._again(name);
        }
        drain(name, t);
      }
      planNext();
    });
    if (!checking) planNext();
  };

  return {
    /** What a subscribe says of the topic; its answer is awaited from now on. */
    _begin(name: string, last?: number) {
      const t = of(name);
      t._busy++;
      return fields(t, last);
    },
    /** A subscribe was answered, or not. */
    _end(name: string, ack?: Ack) {
      const t = topics.get(name);
      if (!t) return;
      t._busy--;
      if (ack) take(name, t, ack as Answer);
      if (ack && asks(t)) planNext();
      drain(name, t);
      pump();
    },
    /** There is a connection. */
    _open: pump,
    /** A message that was kept has come. */
    _accept(name: string, frame: any) {
      const t = of(name);
      if (t._epoch === undefined && !t._busy) {
        // The server gave this topic. From here on nothing is missed.
        t._epoch = frame.epoch;
        t._offset = frame.offset - 1;
        planNext();
      }
      if (frame.epoch === t._epoch && t._asked && frame.offset <= t._asked && frame.offset > t._asked - maxHeld) {
        hold = Math.min(longestHold, hold * 2); // it would have come by itself
        t._asked = 0;
      } else hold = Math.max(shortestHold, hold * 0.999);
      if (frame.epoch === t._epoch && frame.offset <= t._offset) return;
      if (t._held.length < maxHeld) t._held.push(frame);
      if (!t._timer || frame.offset === t._offset + 1) drain(name, t);
    },
    _forget(name: string) {
      const t = topics.get(name);
      host._clear(t?._timer);
      topics.delete(name);
      waiting.delete(name);
    },
    /** The machine or the page has woken. */
    _wake() {
      if (checkTimer) plan(host._random() * wakeWithin);
    },
    _save() {
      if (saving) save();
    },
    _close() {
      for (const name of [...topics.keys()]) this._forget(name);
      host._clear(checkTimer);
      host._clear(saving);
    },
  };
};
