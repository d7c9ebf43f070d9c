import { Refusal, type Client, type Clock, type StreamFrame } from "./wirepost.js";

/**
 * Answers that come in pieces, for a client of wirepost.js:
 *
 *     const client = streams(connect(url));
 *     for await (const piece of client.ask("ask", { question })) output.append(piece);
 *
 * Each piece comes once and in order, whatever becomes of the connection. It is a module
 * of its own, so that a page without streams need not load it.
 */

/** What names a stream for as long as it is kept: enough to go on after a reload. */
export interface StreamName {
  id: string;
  /** The secret of an asker without a user. */
  key?: string;
}

/** A stream that is read: its text, or the values that it has. */
export interface Answer extends AsyncIterable<any> {
  /** Known from the function's first answer on; `named` resolves then. */
  readonly id?: string;
  readonly key?: string;
  /** How much has come, in UTF-16 code units (`length`) or values. */
  readonly at: number;
  /** Resolves with what a page keeps to `resume` after a reload, or has a `Refusal`. */
  readonly named: Promise<StreamName>;
  /**
   * Stops who writes, wherever that is. What was written before still comes, and then the
   * loop ends. Leaving the loop does the same.
   */
  cancel(): void;
}

export interface StreamOptions {
  /** A running stream that says nothing for this long is asked for; default 15 s. */
  silence?: number;
  /** How long pieces of a stream are kept that nobody reads yet; default 30 s. */
  early?: number;
  clock?: Clock;
  /** From 0 to less than 1; default Math.random. */
  random?: () => number;
}

/** A client that reads streams. */
export interface StreamClient extends Client {
  /**
   * Sends `{...fields, action}` to a route that answers with a stream
   * (`wirepost.HandleLong`). The loop over it throws a `Refusal` if the answer is an
   * error, or if the stream ends with one: its code is the function's, or one of
   * docs/protocol.md, such as `lost`.
   */
  ask(action: string, fields?: object): Answer;
  /** Reads a stream from a place on, such as after a reload of the page. */
  resume(name: StreamName, at?: number): Answer;
}

const earlyBytes = 64 << 10;
const heldPieces = 1000;
/** Codes after which a reader may come back. */
const passing = ["slow", "expired"];
/** Refusals of a resume that another one would meet too. */
const final = ["unknown-stream", "forbidden", "bad-position", "bad-frame", "unknown-action", "closed"];

export function streams(client: Client, options: StreamOptions = {}): StreamClient {
  const {
    silence = 15_000,
    early = 30_000,
    random = Math.random,
    clock = { now: () => Date.now(), setTimeout: (f, ms) => setTimeout(f, ms), clearTimeout: (t) => clearTimeout(t as number) },
  } = options;
  const readers = new Map<string, Set<Reader>>();
  /** Pieces that have overtaken the answer which names their stream. */
  const unknown = new Map<string, { frames: StreamFrame[]; size: number; timer: unknown }>();

  class Reader implements Answer {
    id?: string;
    key?: string;
    at: number;
    named: Promise<StreamName>;
    #name!: (name: StreamName) => void;
    #refuse!: (error: Refusal) => void;
    #pieces: any[] = [];
    #held: StreamFrame[] = [];
    #over = false;
    #error?: Refusal;
    #wake?: () => void;
    #timer: unknown;
    #asking = false;
    #again = false;
    #cancelled = false;

    constructor(at: number) {
      this.at = at;
      this.named = new Promise((resolve, reject) => {
        this.#name = resolve;
        this.#refuse = reject;
      });
      this.named.catch(() => {});
    }

    /** The stream has a name: what came before is taken. */
    begin({ id, key }: StreamName) {
      this.id = id;
      this.key = key;
      const all = readers.get(id) || new Set();
      readers.set(id, all.add(this));
      this.#name({ id, key });
      this.#listen(silence);
      const there = unknown.get(id);
      unknown.delete(id);
      clock.clearTimeout(there?.timer);
      for (const frame of there?.frames || []) this.take(frame);
      if (this.#cancelled) this.#stop();
    }

    #listen(ms: number) {
      clock.clearTimeout(this.#timer);
      if (!this.#over) this.#timer = clock.setTimeout(() => this.resume(), ms);
    }

    /** Takes a piece, or keeps it if others are missing before it. */
    take(frame: StreamFrame) {
      if (this.#over) return;
      this.#listen(this.#held.length ? 500 : silence);
      const over = this.at - frame.at;
      if (over < 0) {
        if (this.#held.length < heldPieces) this.#held.push(frame); // the log has the others
        this.#listen(500);
        return;
      }
      if (frame.text && over < frame.text.length) {
        this.#push(frame.text.slice(over));
        this.at = frame.at + frame.text.length;
      }
      if (frame.items && over < frame.items.length) {
        for (const item of frame.items.slice(over)) this.#push(item, true);
        this.at = frame.at + frame.items.length;
      }
      if (frame.end) this.finish();
      else if (frame.error && passing.includes(frame.error)) this.#listen(random() * 1000);
      else if (frame.error) this.finish(this.#cancelled && frame.error === "cancelled" ? undefined : new Refusal(frame.error));
      else if (this.#held.length) for (const held of this.#held.splice(0)) this.take(held);
    }

    #push(piece: any, item?: boolean) {
      const last = this.#pieces.length - 1;
      if (!item && last >= 0) this.#pieces[last] += piece; // who reads slowly gets more at once
      else this.#pieces.push(piece);
      this.#wake?.();
    }

    finish(error?: Refusal) {
      if (this.#over) return;
      this.#over = true;
      this.#error = error;
      clock.clearTimeout(this.#timer);
      if (error) this.#refuse(error);
      const all = readers.get(this.id!);
      all?.delete(this);
      if (!all?.size) readers.delete(this.id!);
      this.#wake?.();
    }

    /** Asks for what is missing, and becomes a reader on the connection of now. */
    resume() {
      if (this.#over || !this.id) return;
      this.#again = this.#asking;
      if (this.#asking) return;
      this.#asking = true;
      this.#listen(silence);
      client.exchange("resume", { stream: this.id, at: this.at, key: this.key }).then(
        (ack) => {
          this.#asking = false;
          this.take({ ...(ack as object), type: "stream", id: this.id!, at: ack.at ?? this.at } as StreamFrame);
          if (ack.more || this.#again) this.resume();
          else if (this.#held.length) this.#listen(1000); // live pieces run ahead of the log
        },
        (error: Refusal) => {
          this.#asking = false;
          if (final.includes(error.code)) this.finish(error);
          else if (this.#again) this.resume();
          else this.#listen(1000 + 2000 * random());
        },
      );
    }

    cancel() {
      if (this.#cancelled || this.#over) return;
      this.#cancelled = true;
      if (this.id) this.#stop();
    }

    #stop() {
      if (this.#over) return;
      client.exchange("cancel", { stream: this.id, key: this.key }).catch((error: Refusal) => {
        if (final.includes(error.code)) this.finish(error);
        else clock.setTimeout(() => this.#stop(), 1000);
      });
    }

    async *[Symbol.asyncIterator]() {
      try {
        for (;;) {
          if (this.#pieces.length) yield this.#pieces.shift();
          else if (this.#error) throw this.#error;
          else if (this.#over) return;
          else await new Promise<void>((wake) => (this.#wake = wake));
        }
      } finally {
        this.cancel();
      }
    }
  }

  client.on("stream", (frame) => {
    const all = readers.get(frame.id);
    if (all) for (const reader of [...all]) reader.take(frame);
    else keep(frame);
  });
  client.on("connection", () => {
    for (const all of [...readers.values()]) for (const reader of [...all]) reader.resume();
  });
  client.on("state", (state) => {
    if (state !== "closed") return;
    for (const all of [...readers.values()]) for (const reader of [...all]) reader.finish(new Refusal("closed"));
    for (const { timer } of unknown.values()) clock.clearTimeout(timer);
    unknown.clear();
  });

  const keep = (frame: StreamFrame) => {
    let there = unknown.get(frame.id);
    if (!there) unknown.set(frame.id, (there = { frames: [], size: 0, timer: clock.setTimeout(() => unknown.delete(frame.id), early) }));
    there.size += 100 + JSON.stringify(frame).length;
    if (there.size <= earlyBytes) there.frames.push(frame); // a resume gets the others
  };

  return Object.assign(client, {
    ask(action: string, fields?: object): Answer {
      const reader = new Reader(0);
      client.exchange(action, fields).then(
        (ack) => {
          if (ack.stream) reader.begin({ id: ack.stream, key: ack.key });
          else reader.finish(new Refusal("no-stream", "the route has answered without a stream"));
        },
        (error: Refusal) => reader.finish(error),
      );
      return reader;
    },
    resume(name: StreamName, at = 0): Answer {
      const reader = new Reader(at);
      reader.begin(name);
      reader.resume();
      return reader;
    },
  });
}
