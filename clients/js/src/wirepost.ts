import { keepPositions } from "./log.js";

/**
 * A client of wirepost's protocol, version 1, that stays connected.
 *
 * API Gateway closes a connection that is idle for ten minutes, and each after two
 * hours. This client pings before the one and moves to a new connection before the
 * other; when a connection is lost it makes another, again and again, until it is
 * closed.
 */

/**
 * What the client is doing. `connecting`: it opens a connection and subscribes.
 * `open`: what is sent goes out. `waiting`: the last attempt failed, another comes.
 * `closed`: the page has called `close`, and nothing comes any more.
 */
export type State = "connecting" | "open" | "waiting" | "closed";

/** What came with a change of state. */
export interface Change {
  /** Waiting: milliseconds until the next attempt. */
  retryIn?: number;
  /** How the last connection ended: its close code (1006 if it broke) and reason. */
  code?: number;
  reason?: string;
}

/** A message of somebody, as it came. */
export interface Message {
  type: "message";
  /** One for each publish: what came twice is given to the page once. */
  id?: string;
  /** Whom it was for, such as `topic:lobby`. */
  to: string;
  from?: string;
  data: any;
  /** Of a message that was kept: its place in the log of its topic. */
  epoch?: string;
  offset?: number;
}

/** A piece of an answer that comes in pieces; `stream.js` puts them together. */
export interface StreamFrame {
  type: "stream";
  /** The stream's. */
  id: string;
  /** Where it begins, in UTF-16 code units of the text, or in values. */
  at: number;
  text?: string;
  items?: any[];
  /** It is the last one. */
  end?: boolean;
  error?: string;
}

/** A place in the log of a topic. */
export interface Position {
  epoch: string;
  offset: number;
}

/** Messages of a topic that were missed and that nobody can get any more. */
export interface Gap {
  topic: string;
  /** The first and the last offset; `from` is 0 where nobody knows how many there were. */
  from: number;
  to: number;
}

/** The function's answer to what was sent. */
export interface Ack {
  type: "ack";
  ref: string;
  /** The message's, which the sender gets too if it is of the audience. */
  id?: string;
  /** Connections that it was posted to. */
  sent?: number;
  /** Posts that failed. Nothing repeats them. */
  failed?: number;
  /** The time did not suffice: the rest goes on from a queue. */
  queued?: boolean;
  /** What a route of the function's own has answered. */
  data?: any;
}

/**
 * Why something was not done. The codes of the client itself:
 *
 * - `queue-full`: too much waits for a connection already; it was not sent.
 * - `too-large`: more than the 32 KiB that API Gateway takes in a frame; not sent.
 * - `closed`: the client was closed before it was sent.
 * - `unanswered`: it was sent, and nobody knows whether it arrived: the connection
 *   ended or the time was up before the answer came. It is not sent again, since
 *   that could deliver it twice.
 * - `unsubscribed`: the topic was given up before it was subscribed.
 * - `gateway`: API Gateway's own error, such as `Internal server error`. It does not
 *   say what it answers.
 *
 * All others are the function's, in docs/protocol.md.
 */
export class Refusal extends Error {
  code: string;
  /** The topic that was refused. */
  topic?: string;
  /** The function's error frame. */
  frame?: any;
  constructor(code: string, text?: string, frame?: any) {
    super(text || code);
    this.name = "Refusal";
    this.code = code;
    this.frame = frame;
  }
}

/** The events of a client and what their listeners get. */
export interface Events {
  state: (state: State, change: Change) => void;
  message: (message: Message) => void;
  /** Kept messages that are missing for good. All others come once, and in order. */
  gap: (gap: Gap) => void;
  /** A piece of a stream. */
  stream: (piece: StreamFrame) => void;
  /** A connection has taken over: what is sent from now on goes out on it. */
  connection: () => void;
  /** What came and is not of the protocol: bytes that were published as they are. */
  raw: (text: string) => void;
  /**
   * What went wrong beside the promises: a topic that was refused, a token or URL
   * that could not be had, an error that names no request.
   */
  error: (error: Error) => void;
}

/** What tells the time. The default is the machine's. */
export interface Clock {
  now(): number;
  setTimeout(f: () => void, ms: number): unknown;
  clearTimeout(timer: unknown): void;
}

/** The part of the WebSocket interface that the client uses. */
export interface Socket {
  readonly readyState: number;
  onopen: any;
  onmessage: any;
  onclose: any;
  onerror: any;
  send(text: string): void;
  close(code?: number): void;
}

/** All times are milliseconds. */
export interface Options {
  /** Subscribed on every connection before it counts as open. */
  topics?: Iterable<string>;
  /**
   * Asked for a token before each connection. It goes into Sec-WebSocket-Protocol,
   * which no access log keeps, unless `tokenIn` says otherwise. A connection whose token
   * has an `exp` is replaced before that. The page's clock may be wrong if tokens have
   * an `iat` too.
   */
  token?: () => string | undefined | Promise<string | undefined>;
  /** `query` puts the token into the URL, as `access_token`. */
  tokenIn?: "subprotocol" | "query";
  /** Sends that may wait for a connection; default 100. */
  queue?: number;
  /**
   * A connection that has said nothing for this long is asked, and so is the log of each
   * topic, whatever came; default 4 minutes.
   */
  pingAfter?: number;
  /**
   * Keeps the positions of topics over a reload of the page, as in sessionStorage. `save`
   * is called after the listeners have returned, at most once a second and on `pagehide`:
   * after a reload the last messages may come twice.
   */
  positions?: {
    load(): Record<string, Position> | undefined;
    save(positions: Record<string, Position>): void;
  };
  /** How long it may take to say something then; default 10 s. */
  pongTimeout?: number;
  /** How long opening may take, and each answer; default 30 s, since a function has 29. */
  answerTimeout?: number;
  /** The limit of a connection's age; it is replaced at 60 to 90 % of it. Default 2 h. */
  maxAge?: number;
  /**
   * How long the old connection is kept after the new one has all its topics: a publish
   * that had looked before they were there posts to the old one. Default 5 s.
   */
  overlap?: number;
  /**
   * The n-th attempt in a row comes after a random part of `minDelay` doubled n
   * times, and of `maxDelay` at most; defaults 1 s and 30 s.
   */
  minDelay?: number;
  maxDelay?: number;
  /** The constructor; default the global WebSocket, which Node.js has from 22 on. */
  WebSocket?: new (url: string, protocols?: string[]) => Socket;
  clock?: Clock;
  /** From 0 to less than 1; default Math.random. */
  random?: () => number;
  /** Where `online` and `visibilitychange` are heard; default the page's window. */
  events?: Pick<EventTarget, "addEventListener" | "removeEventListener">;
}

/** What another module adds to a client, such as presence.js. */
export interface Extension {
  /** What a subscribe has more. */
  fields(topic: string): object | undefined;
  /** A subscribe was answered. */
  subscribed(topic: string, ack: any): void;
  /** A frame of a type that the client itself does not know. */
  frame(frame: any): void;
  /** The page has woken or goes, a topic was given up, or the client was closed. */
  event(what: "wake" | "hide" | "close" | "forget", topic?: string): void;
}

/** What an extension can do with its client. */
export interface Host {
  /** Asks on the current connection. False: there is none. */
  ask(fields: object, done: (error?: Refusal, ack?: any) => void): boolean;
  /** Tells the server, on the next connection too while it takes the place of the current one. */
  tell(fields: object): void;
  /** Subscribes to a topic, also if it is subscribed already. */
  again(topic: string): void;
  /** Whether another connection is on its way. */
  changing(): boolean;
  later(f: () => void, ms: number): unknown;
  clear(timer: unknown): void;
  random(): number;
  now(): number;
}

/** A client, from its first attempt to connect until it is closed. */
export interface Client {
  readonly state: State;
  /** Sends that wait for a connection. */
  readonly queued: number;
  /** Calls the listener from now on, until the function that it returns is called. */
  on<E extends keyof Events>(event: E, listener: Events[E]): () => void;
  /**
   * Subscribes, now and on every later connection. The promise is settled by the
   * function's first answer; nothing happens if it is ignored, since an `error` event
   * tells of a refusal too. A refused topic is forgotten.
   *
   * Of a topic with a log the page gets what is published from now on, and before that the
   * newest `last` messages, 300 at most, if no position is known.
   */
  subscribe(topic: string, options?: { last?: number }): Promise<void>;
  /** Ends a subscription. */
  unsubscribe(topic: string): void;
  /**
   * Sends to `user:NAME`, `topic:NAME` and what else the function allows, or queues
   * it until there is a connection. The promise has the answer, or a `Refusal`. API
   * Gateway handles the messages of a connection at the same time: who needs an order
   * waits for each answer.
   */
  send(to: string, data: unknown): Promise<Ack>;
  /**
   * Sends `{...fields, action}` to a route of the function's own, or queues it as `send`
   * does. The promise has the `data` of the answer, or a `Refusal` with the code and text
   * of the function's error. The function answers as `wirepost.HandleJSON` does: with an
   * ack, or an error, that has the frame's `ref`. What is answered `expired` is sent again
   * on the next connection.
   */
  request(action: string, fields?: object): Promise<any>;
  /** `request` with the whole answer. */
  exchange(action: string, fields?: object): Promise<Ack & Record<string, any>>;
  /** For modules that add to the client. */
  extend(extension: Extension): Host;
  /** Ends the connection and what waits, for good. */
  close(): void;
}

type Done = (error?: Refusal, ack?: Ack) => void;

/** A socket on its way from the first attempt to its end. */
interface Link {
  _socket?: Socket;
  _dead?: boolean;
  /** It has been replaced, and ends with the overlap and its last answer. */
  _retired?: boolean;
  /** A ping was sent, and nothing came since. */
  _asked?: boolean;
  _heard: number;
  _since: number;
  /** When its token ends, by the page's clock. */
  _expires: number;
  /** Its token does not say, or not rightly, when it was issued. */
  _vague?: boolean;
  /** Its token should have ended by now, and the answer to a ping will tell. */
  _probe?: boolean;
  /** Its opening's end, later its replacement, at last the overlap's end. */
  _timer?: unknown;
  _beat?: unknown;
  _pending: Map<string, Done>;
  _topics: Set<string>;
  /** Topics with a request under way: the gateway keeps no order between two. */
  _busy: Set<string>;
}

interface Wish {
  _last?: number;
  _promise: Promise<void>;
  _resolve: () => void;
  _reject: (error: Refusal) => void;
}

interface Item {
  _ref: string;
  _text: string;
  _done: Done;
}

const frameBytes = 32 << 10;
const rememberedIDs = 1000;

/** The token has ended, or the server no longer knows the connection, and closes it. */
const expired = "expired";
/** What says nothing about a topic: to subscribe again does no harm. */
const passing = [expired, "unanswered", "internal"];

/**
 * The code of a connection that is replaced, or did not work. Without a code one ends that
 * the page closes: the server tells from that who leaves.
 */
const givenUp = 4000;

const nothing = () => {};
const wakers = ["online", "visibilitychange", "pagehide"];

/** Two new tokens of one issuer appear to be equally old, within this time. */
const slack = 5000;
/** In seconds. The `iat` of a token that claims a longer life is not believed. */
const longestLife = 5e6;
/** How long the function accepts a token after its `exp`. */
const leeway = 60_000;
/** How many short tokens without `iat` in a row are believed. */
const patience = 3;

/** The claims of a token; none if it is no JSON Web Token. */
const claimsOf = (token: string) => {
  try {
    return JSON.parse(atob(token.split(".")[1]!.replace(/-/g, "+").replace(/_/g, "/"))) || {};
  } catch {
    return {};
  }
};

/**
 * Connects to a URL (`ws:`, `wss:`, or relative to the page), and keeps at it. A
 * function is asked for the URL before each connection.
 */
export function connect(url: string | (() => string | Promise<string>), options: Options = {}): Client {
  const {
    token,
    tokenIn,
    queue: bound = 100,
    pingAfter = 240_000,
    pongTimeout = 10_000,
    answerTimeout = 30_000,
    maxAge = 7_200_000,
    overlap = 5000,
    minDelay = 1000,
    maxDelay = 30_000,
    random = Math.random,
    clock = { now: () => Date.now(), setTimeout: (f, ms) => setTimeout(f, ms), clearTimeout: (t) => clearTimeout(t as number) },
    events = "addEventListener" in globalThis ? globalThis : undefined,
  } = options;

  const listeners: { [E in keyof Events]?: Set<Events[E]> } = {};
  const wishes = new Map<string, Wish>();
  const seen = new Set<string>();
  const links = new Set<Link>();
  const extensions: Extension[] = [];
  const queue: Item[] = [];
  let state: State = "connecting";
  let current: Link | undefined;
  let next: Link | undefined;
  let retry: unknown;
  let retryAt = 0;
  let tries = 0;
  let refs = 0;
  // How far the page's clock is ahead of the issuer's, as far as tokens have shown.
  let ahead = 0;
  // The last token's iat, and its age by the page's clock when it first came.
  let issued: number;
  let age: number;
  // Short tokens without iat in a row; -Infinity once the function has confirmed an exp.
  let doubts = 0;

  // A timer of more than 2^31 ms would be due at once.
  const later = (f: () => void, ms: number) => clock.setTimeout(f, Math.min(ms, 2 ** 31 - 1));
  const clear = (timer: unknown) => clock.clearTimeout(timer);

  const emit = <E extends keyof Events>(event: E, ...args: Parameters<Events[E]>) => {
    for (const listener of [...(listeners[event] || [])]) {
      try {
        (listener as (...a: unknown[]) => void)(...args);
      } catch (error) {
        // The page's mistake is the page's to see; it does not end the connection.
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  };

  const become = (now: State, change: Change = {}) => {
    if (state !== now) emit("state", (state = now), change);
  };

  const again = (delay: number, change?: Change) => {
    if (!retry) {
      retryAt = clock.now() + delay;
      retry = later(attempt, delay);
    }
    if (!current) become("waiting", { ...change, retryIn: Math.max(0, retryAt - clock.now()) });
  };

  /**
   * Works out when a token that has just come ends by the page's clock, which may be
   * wrong. A token that comes from the future shows that the clock is behind. One that
   * seems old was cached, or the clock is ahead: the clock is ahead if the token seems to
   * have ended already, or if the token before it seemed just as old.
   */
  const date = (link: Link, bearer: string) => {
    const { exp, iat } = claimsOf(bearer);
    const now = clock.now();
    const end = exp * 1000 || Infinity;
    link._vague = !(exp > iat && exp - iat < longestLife);
    if (!link._vague) {
      const was = age;
      const fresh = iat !== issued;
      if (fresh) age = now - (issued = iat) * 1000;
      if (age < ahead || end + ahead <= now || (fresh && Math.abs(age - was) < slack)) ahead = age;
    }
    link._expires = end + ahead;
    if (link._expires <= now) link._vague = true; // Its iat does not explain that it is accepted.
  };

  const attempt = () => {
    clear(retry);
    retry = undefined;
    const link: Link = (next = {
      _heard: 0,
      _since: 0,
      _expires: Infinity,
      _pending: new Map(),
      _topics: new Set(),
      _busy: new Set(),
    });
    links.add(link);
    link._timer = later(() => drop(link), answerTimeout);
    if (!current) become("connecting");
    (async () => {
      const where = new URL(typeof url === "string" ? url : await url(), globalThis.location?.href);
      const bearer = await token?.();
      if (link._dead) return;
      where.protocol = where.protocol.replace("http", "ws");
      const protocols = [];
      if (bearer) {
        date(link, bearer);
        if (tokenIn === "query") where.searchParams.set("access_token", bearer);
        else protocols.push("wirepost.v1", "bearer." + bearer);
      }
      const socket: Socket = (link._socket = new (options.WebSocket || WebSocket)(where.href, protocols));
      socket.onopen = () => sync(link);
      socket.onmessage = (event: MessageEvent) => receive(link, event.data);
      socket.onclose = (event: CloseEvent) => drop(link, { code: event.code, reason: event.reason });
      // Browsers tell of the close too, Node.js 20 not of an attempt that failed.
      socket.onerror = () => drop(link, { code: 1006, reason: "" });
    })().catch((error) => {
      if (link._dead) return;
      emit("error", error);
      drop(link);
    });
  };

  const deliver = (frame: Message) => {
    if (frame.id) {
      if (seen.has(frame.id)) return;
      seen.add(frame.id);
      if (seen.size > rememberedIDs) seen.delete(seen.values().next().value!);
    }
    emit("message", frame);
  };

  const logs = keepPositions(
    {
      _later: later,
      _clear: clear,
      _random: random,
      _deliver: deliver,
      _gap: (topic, from, to) => emit("gap", { topic, from, to }),
      _ask: (fields, done) => askNow(fields, done),
      _again: (topic) => resubscribe(topic),
      _save: options.positions && ((all) => options.positions!.save(all)),
    },
    pingAfter,
    options.positions?.load(),
  );

  /** Ends a link. If it was the current or the next one, another attempt follows. */
  const drop = (link: Link, change?: Change) => cut(link, givenUp, change);

  const cut = (link: Link, code?: number, change?: Change) => {
    if (link._dead) return;
    link._dead = true;
    links.delete(link);
    clear(link._timer);
    clear(link._beat);
    const socket = link._socket;
    if (socket) {
      socket.onopen = socket.onmessage = socket.onclose = null;
      socket.onerror = nothing; // the package ws throws what nobody hears
      try {
        socket.close(code);
      } catch {}
    }
    const needed = link === next || link === current;
    if (link === next) next = undefined;
    if (link === current) {
      current = undefined;
      // Who keeps a connection for a moment only is not to be asked all the time.
      if (clock.now() - link._since > maxDelay) tries = 0;
    }
    for (const done of [...link._pending.values()]) done(new Refusal("unanswered", "the connection ended before the answer came"));
    if (!needed || state === "closed") return;
    if (next) become("connecting", change);
    else again(random() * Math.min(maxDelay, minDelay * 2 ** tries++), change);
  };

  const ask = (link: Link, item: Item) => {
    const timer = later(() => end(new Refusal("unanswered", "no answer came in time")), answerTimeout);
    const end: Done = (error, ack) => {
      clear(timer);
      link._pending.delete(item._ref);
      item._done(error, ack);
      finish(link);
    };
    link._pending.set(item._ref, end);
    link._socket!.send(item._text);
  };

  const askNow = (fields: object, done: Done, link = current) => {
    if (link?._socket?.readyState !== 1) return false;
    ask(link, itemOf(fields, done));
    return true;
  };

  /** Subscribes once more: the server may have lost the row. */
  const resubscribe = (topic: string) => {
    current?._topics.delete(topic);
    change();
  };

  const tell = (what: "wake" | "hide" | "close" | "forget", topic?: string) => {
    for (const x of extensions) x.event(what, topic);
  };

  const forget = (topic: string) => {
    logs._forget(topic);
    tell("forget", topic);
  };

  const itemOf = (fields: object, done: Done): Item => {
    const ref = (++refs).toString(36);
    return { _ref: ref, _text: JSON.stringify({ ...fields, ref }), _done: done };
  };

  /** Subscribes and unsubscribes until the link has the topics that are wished for. */
  const sync = (link: Link) => {
    if (link._dead) return; // a listener has closed the client
    for (const topic of new Set([...wishes.keys(), ...link._topics])) {
      const wish = wishes.get(topic);
      if (link._busy.has(topic) || !wish === !link._topics.has(topic)) continue;
      link._busy.add(topic);
      ask(
        link,
        itemOf({ action: wish ? "subscribe" : "unsubscribe", topic, ...(wish && logs._begin(topic, wish._last)), ...(wish && Object.assign({}, ...extensions.map((x) => x.fields(topic)))) }, (error, ack) => {
          link._busy.delete(topic);
          if (wish) logs._end(topic, ack && !error ? ack : undefined);
          if (link._dead || link._retired) return;
          if (error && passing.includes(error.code)) return drop(link);
          if (!wish) link._topics.delete(topic);
          else if (!error) {
            link._topics.add(topic);
            wishes.get(topic)?._resolve();
            for (const x of extensions) x.subscribed(topic, ack);
          } else if (wishes.get(topic) === wish) {
            wishes.delete(topic);
            forget(topic);
            error.topic = topic;
            wish._reject(error);
            emit("error", error);
          }
          sync(link);
        }),
      );
    }
    if (link === next && !link._busy.size) promote(link);
  };

  /**
   * Schedules the replacement: before the limit of age, and before the token ends. If
   * a token has no iat, a clock that is ahead makes it look short, and each replacement
   * would soon be followed by the next. After a few of these the connection is kept past
   * the end of its token, and pings ask the function whether that was the end: each pong
   * shows that the clock is ahead by some more.
   */
  const replace = (link: Link) => {
    const left = link._expires - clock.now();
    if (link._vague && left < pingAfter && (left <= 0 || ++doubts > patience)) probe(link, Math.max(maxDelay, left + leeway + maxDelay));
    else link._timer = later(attempt, Math.min(maxAge, Math.max(maxDelay, left)) * (0.6 + 0.3 * random()));
    if (left >= pingAfter && doubts > 0) doubts = 0;
  };

  const probe = (link: Link, ms: number) => {
    link._timer = later(() => {
      if (clock.now() - link._since >= 0.6 * maxAge) return attempt();
      link._probe = true;
      ping(link);
    }, Math.min(ms, 0.6 * maxAge));
  };

  /** The next link becomes the current one. */
  const promote = (link: Link) => {
    const old = current;
    current = link;
    next = undefined;
    link._since = link._heard = clock.now();
    clear(link._timer);
    replace(link);
    beat(link, pingAfter);
    if (old) {
      clear(old._timer);
      clear(old._beat);
      old._retired = true;
      old._timer = later(() => {
        old._timer = undefined;
        finish(old);
      }, overlap);
    }
    flush();
    logs._open();
    become("open");
    emit("connection");
  };

  /** Ends a replaced link when nothing more can come on it. */
  const finish = (link: Link) => {
    if (link._retired && link._timer === undefined && !link._pending.size) drop(link);
  };

  const flush = () => {
    if (current) for (const item of queue.splice(0)) ask(current, item);
  };

  const beat = (link: Link, ms: number) => {
    link._beat = later(() => {
      const left = link._heard + pingAfter - clock.now();
      if (left > 0 && left < pingAfter) beat(link, left);
      else ping(link); // also when the clock was set back
    }, ms);
  };

  const ping = (link: Link) => {
    if (link._asked) return;
    link._asked = true;
    clear(link._beat);
    link._beat = later(() => drop(link), pongTimeout);
    link._socket!.send('{"action":"ping"}');
  };

  const receive = (link: Link, text: unknown) => {
    link._heard = clock.now();
    if (link._asked) {
      link._asked = false;
      clear(link._beat);
      if (link === current) beat(link, pingAfter);
    }
    if (typeof text !== "string") return; // API Gateway sends no binary frames
    let frame: any;
    try {
      frame = JSON.parse(text);
    } catch {}
    const type = frame?.type;
    if (type === "message") {
      const topic = typeof frame.to === "string" && frame.to.startsWith("topic:") && frame.to.slice(6);
      if (topic && typeof frame.epoch === "string" && frame.offset > 0) logs._accept(topic, frame);
      else deliver(frame);
    } else if (type === "ack" || type === "error") {
      const error = type === "error" ? new Refusal(frame.code, frame.text, frame) : undefined;
      const done = link._pending.get(frame.ref);
      if (done) done(error, frame);
      else if (error && error.code !== expired) emit("error", error);
      if (error && error.code === expired) {
        if (link._probe) doubts = -Infinity;
        else ahead = Math.min(ahead, 0); // The token was old, and not the clock wrong.
        drop(link);
        flush(); // What a retired link refused goes to the current one.
      }
    } else if (type === "stream") {
      emit("stream", frame);
    } else if (typeof type !== "string") {
      if (frame?.message && frame.connectionId && frame.requestId) {
        emit("error", new Refusal("gateway", frame.message));
        if (link === next) drop(link); // It answered one of the subscriptions.
      } else emit("raw", text);
    } else if (type === "pong" && link._probe) {
      link._probe = false;
      const more = clock.now() - leeway - link._expires;
      ahead += more;
      link._expires += more;
      // So the end is known to within a quarter of the life, at the cost of few pings.
      if (link === current) probe(link, Math.min(pingAfter, Math.max(maxDelay, (clock.now() - link._since) / 4)));
    } else for (const x of extensions) x.frame(frame); // Or it is of a later version.
  };

  /** The machine is back on the network, or the page is looked at again. */
  const wake = (event: Event) => {
    if (event.type === "pagehide") {
      tell("hide");
      return logs._save();
    }
    if (event.type !== "online" && globalThis.document?.hidden) return;
    logs._wake();
    tell("wake");
    if (retry) {
      clear(retry);
      retry = undefined;
      again(random() * minDelay);
    } else if (current) ping(current);
  };

  /** Sends a frame, or queues it until there is a connection. */
  const submit = (fields: object): Promise<Ack> =>
    new Promise((resolve, reject) => {
      const item = itemOf(fields, (error, ack) => {
        // It was refused unseen: to send it again cannot deliver it twice.
        if (error && error.code === expired && state !== "closed") queue.push(item);
        else if (error) reject(error);
        else resolve(ack!);
      });
      if (state === "closed") reject(new Refusal("closed"));
      else if (new TextEncoder().encode(item._text).length > frameBytes) reject(new Refusal("too-large", "more than 32 KiB in a frame"));
      else if (current?._socket!.readyState === 1) ask(current, item);
      else if (queue.length < bound) queue.push(item);
      else reject(new Refusal("queue-full", `${bound} messages wait for a connection already`));
    });

  const client: Client = {
    get state() {
      return state;
    },
    get queued() {
      return queue.length;
    },
    on(event, listener) {
      const all = ((listeners[event] as Set<typeof listener>) ||= new Set());
      all.add(listener);
      return () => void all.delete(listener);
    },
    subscribe(topic, { last } = {}) {
      let wish = wishes.get(topic);
      if (!wish) {
        wish = { _last: last } as Wish;
        wish._promise = new Promise((resolve, reject) => {
          wish!._resolve = resolve;
          wish!._reject = reject;
        });
        wish._promise.catch(nothing);
        if (state === "closed") wish._reject(new Refusal("closed"));
        else wishes.set(topic, wish);
        change();
      }
      return wish._promise;
    },
    unsubscribe(topic) {
      wishes.get(topic)?._reject(new Refusal("unsubscribed"));
      wishes.delete(topic);
      forget(topic);
      change();
    },
    extend(extension) {
      extensions.push(extension);
      return {
        ask: (fields, done) => askNow(fields, done) || askNow(fields, done, next),
        tell: (fields) => {
          for (const link of [current, next]) if (link) askNow(fields, nothing, link);
        },
        again: resubscribe,
        changing: () => !!next,
        later,
        clear,
        random,
        now: () => clock.now(),
      };
    },
    send: (to, data) => submit({ action: "send", to, data }),
    exchange: (action, fields) => submit({ ...fields, action }),
    request: (action, fields) => submit({ ...fields, action }).then((ack) => ack.data),
    close() {
      if (state === "closed") return;
      tell("close");
      clear(retry);
      become("closed");
      for (const link of [...links]) cut(link);
      for (const item of queue.splice(0)) item._done(new Refusal("closed"));
      for (const wish of wishes.values()) wish._reject(new Refusal("closed"));
      wishes.clear();
      logs._save();
      logs._close();
      for (const name of wakers) events?.removeEventListener(name, wake);
    },
  };

  const change = () => {
    for (const link of [current, next]) if (link?._socket?.readyState === 1) sync(link);
  };

  for (const topic of options.topics || []) client.subscribe(topic);
  for (const name of wakers) events?.addEventListener(name, wake);
  attempt();
  return client;
}
