// Who is present in a topic: a module of its own, so that pages that do not ask for it do
// not load it.
import type { Client, Extension, Host, Refusal } from "./wirepost.js";

/** Somebody who is present: a user, or a session without one. */
export interface Member {
  user?: string;
  /** Of a session without a user: a hash. */
  id?: string;
  /** From the function, such as a name. */
  info?: any;
  /** From the member itself. */
  said?: any;
  /** Of its last change; it grows. */
  n: number;
}

/** What has changed. `many`: so many are present that nobody is told who. */
export interface PresenceChange {
  joined: Member[];
  left: Member[];
  many?: number;
}

/**
 * Who is present, by user (or "~" and the id of a session), as far as the page knows. It
 * must not be changed. `size` is undefined where there are many: `count` says how many.
 */
export interface Presence extends Omit<ReadonlyMap<string, Member>, "size"> {
  readonly size: number | undefined;
  readonly count: number;
  /** Calls the listener from now on, until the function that it returns is called. */
  on(event: "change", listener: (change: PresenceChange) => void): () => void;
  /** Ends the page's presence, at once. The topic stays subscribed. */
  leave(): void;
}

const remembersLeft = 600_000;
const maxListed = 1000;
const wakeWithin = 5000;
const longestPause = 30_000;
/** What the page waits before it asks again for a list whose next page did not come. */
const pageRetry = 5000;

const keyOf = (m: Member) => m.user ?? "~" + m.id;
const details = (m: Member) => JSON.stringify([m.info, m.said]);

class Present extends Map<string, Member> {
  _listeners = new Set<(change: PresenceChange) => void>();
  _left = new Map<string, { _n: number; _when: number }>();
  _asOf = 0;
  _many = false;
  _count = 0;
  _renew = 0;
  _pages: Member[] = [];
  _reading = 0;
  _said: unknown;
  /** When it is asked for once more, as it could not be read; 0: not. */
  _retry = 0;
  _tries = 0;

  constructor(
    readonly _topic: string,
    readonly _host: Host,
    readonly _leave: () => void,
    readonly _plan: () => void,
  ) {
    super();
  }

  // @ts-expect-error a Map always has a size
  override get size() {
    return this._many ? undefined : super.size;
  }

  get count() {
    return this._many ? this._count : super.size;
  }

  on(_event: "change", listener: (change: PresenceChange) => void) {
    this._listeners.add(listener);
    return () => void this._listeners.delete(listener);
  }

  leave() {
    this._leave();
  }

  _tell(change: PresenceChange) {
    if (!change.joined.length && !change.left.length && change.many === undefined) return;
    for (const listener of [...this._listeners]) {
      try {
        listener(change);
      } catch (error) {
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }

  /** How many are shown, and a sum of their numbers; nothing where they are many. */
  _shown() {
    if (this._many) return { here: true };
    let sum = 0;
    for (const m of this.values()) sum = (sum + (m.n % 2 ** 32)) % 2 ** 32;
    return { here: true, members: [super.size, sum.toString(16)] };
  }

  /**
   * Makes the page check the topic after a time, which doubles each time in a row: if the
   * store is too busy to answer, pages that all ask again would keep it so.
   */
  _again(ms: number) {
    this._retry = this._host.now() + ms * 2 ** Math.min(this._tries++, 6) * (0.8 + 0.2 * this._host.random());
  }

  /** Takes what an answer says. */
  _take(a: any) {
    if (a.retry > 0) this._again(a.retry);
    if (a.many) {
      const news = !this._many || this._count !== a.count;
      this._many = true;
      this._count = a.count ?? this._count;
      this.clear();
      if (news) this._tell({ joined: [], left: [], many: this._count });
    } else if (a.members) {
      this._pages = [];
      this._page(++this._reading, a.members, a.asOf, a.next);
    }
  }

  /** Takes a part of a list, and asks for the next one. */
  _page(reading: number, part: Member[], asOf: number, from?: string) {
    if (reading !== this._reading) return; // Another list was begun.
    this._pages.push(...part);
    if (!from || this._pages.length >= maxListed) return this._list(this._pages.splice(0), asOf);
    this._host.ask({ action: "members", topic: this._topic, from }, (error, ack) => {
      if (!error && ack.members) return this._page(reading, ack.members, asOf, ack.next);
      if (reading !== this._reading) return;
      this._again(pageRetry);
      this._plan();
    });
  }

  _forgetLeft() {
    for (const [key, { _when }] of this._left) if (this._host.now() - _when > remembersLeft) this._left.delete(key);
  }

  /** Replaces what is known by a list, except what is newer. */
  _list(list: Member[], asOf: number) {
    this._forgetLeft();
    const next = new Map<string, Member>();
    for (const m of list) {
      const key = keyOf(m);
      const known = this.get(key);
      if (!(this._left.get(key)?._n! > m.n)) next.set(key, known && known.n > m.n ? known : m);
    }
    for (const [key, m] of this) if (!next.has(key) && m.n >= asOf) next.set(key, m);
    const joined = [...next].filter(([key, m]) => !this.has(key) || details(this.get(key)!) !== details(m)).map(([, m]) => m);
    const left = [...this].filter(([key]) => !next.has(key)).map(([, m]) => m);
    this.clear();
    for (const [key, m] of next) this.set(key, m);
    this._asOf = Math.max(this._asOf, asOf);
    this._many = false;
    if (!this._retry) this._tries = 0;
    this._tell({ joined, left });
  }

  /** Takes an announcement. */
  _announced(frame: { joined?: Member[]; left?: Member[] }) {
    if (this._many) return;
    this._forgetLeft();
    const change: PresenceChange = { joined: [], left: [] };
    for (const m of frame.joined || []) {
      const key = keyOf(m);
      const known = this.get(key);
      if ((known ? known.n >= m.n : m.n < this._asOf) || this._left.get(key)?._n! >= m.n) continue;
      this.set(key, m);
      if (!known || details(known) !== details(m)) change.joined.push(m);
    }
    for (const m of frame.left || []) {
      const key = keyOf(m);
      const known = this.get(key);
      if (known && known.n > m.n) continue;
      this._left.set(key, { _n: Math.max(m.n, this._left.get(key)?._n ?? 0), _when: this._host.now() });
      if (this.delete(key)) change.left.push(known!);
    }
    this._tell(change);
  }
}

/** The presences of one client. */
class Presences implements Extension {
  _session: string;
  _topics = new Map<string, Present>();
  _host: Host;
  _timer: unknown;
  /** The next check of all topics; Infinity: none is needed. */
  _due = Infinity;
  /** The check that the timer is for. */
  _next = 0;
  _checking = false;
  _fails = 0;

  constructor(client: Client) {
    // In memory only: a page that is duplicated is another session.
    this._session = [...crypto.getRandomValues(new Uint8Array(16))].map((b) => b.toString(16).padStart(2, "0")).join("");
    this._host = client.extend(this);
  }

  fields(topic: string) {
    const p = this._topics.get(topic);
    return p && { presence: true, session: this._session, said: p._said };
  }

  subscribed(topic: string, ack: any) {
    const p = this._topics.get(topic);
    if (!(ack.renew > 0)) return; // The server keeps no presence.
    if (!p) return this._goodbye(topic); // The page has left meanwhile, and the server may have heard that first.
    p._renew = ack.renew;
    p._take(ack);
    if (this._due === Infinity) this._due = this._interval();
    this._plan();
  }

  frame(frame: any) {
    if (frame.type === "presence") this._topics.get(frame.topic)?._announced(frame);
  }

  event(what: "wake" | "hide" | "close" | "forget", topic?: string) {
    if (what === "wake") {
      this._sooner(this._host.random() * wakeWithin);
    } else if (what === "forget") this._topics.delete(topic!);
    else {
      for (const topic of this._topics.keys()) this._goodbye(topic);
      if (what === "close") this._host.clear(this._timer);
    }
  }

  _goodbye(topic: string) {
    this._host.tell({ action: "leave", topic });
  }

  /** Until when the next check may wait, with jitter. */
  _interval() {
    const all = [...this._topics.values()].map((p) => p._renew).filter((ms) => ms > 0);
    return this._host.now() + Math.min(...all) * (0.8 + 0.2 * this._host.random());
  }

  /**
   * Sets the timer of the next check: when all topics are due, or sooner for those whose list
   * could not be read.
   */
  _plan() {
    if (this._checking || this._due === Infinity) return;
    this._next = this._due;
    for (const { _retry } of this._topics.values()) if (_retry) this._next = Math.min(this._next, _retry);
    this._host.clear(this._timer);
    this._timer = this._host.later(() => this._check(), Math.max(0, this._next - this._host.now()));
  }

  /** Makes the next check of all topics no later than after a time. */
  _sooner(ms: number) {
    if (this._due < Infinity) this._due = Math.min(this._due, this._host.now() + ms);
    this._plan();
  }

  /** Says that the page is still here, and whom it shows. */
  _check() {
    if (this._checking) return;
    const all = this._next >= this._due;
    const topics: Record<string, object> = {};
    for (const [topic, p] of this._topics) {
      if (!p._renew || (!all && !(p._retry && p._retry <= this._next))) continue;
      topics[topic] = p._shown();
      p._retry = 0;
    }
    if (all) this._due = this._interval();
    this._checking = Object.keys(topics).length > 0 && this._host.ask({ action: "check", topics }, (error, ack) => this._checked(topics, error, ack));
    this._plan(); // Without a connection, the subscribe of the next one says it.
  }

  _checked(asked: object, error?: Refusal, ack?: any) {
    this._checking = false;
    if (error) return this._sooner(Math.min(longestPause, 1000 * 2 ** this._fails++));
    this._fails = 0;
    for (const topic of Object.keys(asked)) {
      const p = this._topics.get(topic);
      const a = ack.topics?.[topic];
      if (!p) continue;
      if (!a) p._tries = 0; // What it shows is right.
      else if (a.here !== false) p._take(a);
      else if (!this._host.changing()) this._host.again(topic);
    }
    this._plan();
  }
}

const all = new WeakMap<Client, Presences>();

/**
 * Subscribes to a topic, makes the page present there, and shows who else is. `said`, of
 * 512 bytes of JSON at most, is what others see of the page. A second call for a topic says
 * something else.
 */
export function presence(client: Client, topic: string, { said }: { said?: unknown } = {}): Presence {
  let s = all.get(client);
  if (!s) all.set(client, (s = new Presences(client)));
  const presences = s;
  let p = s._topics.get(topic);
  if (!p) {
    p = new Present(topic, s._host, () => {
      if (presences._topics.delete(topic)) presences._goodbye(topic);
    }, () => presences._plan());
    s._topics.set(topic, p);
  }
  p._said = said;
  client.subscribe(topic);
  s._host.again(topic);
  return p as unknown as Presence;
}
