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
export declare class Refusal extends Error {
    code: string;
    /** The topic that was refused. */
    topic?: string;
    /** The function's error frame. */
    frame?: any;
    constructor(code: string, text?: string, frame?: any);
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
    subscribe(topic: string, options?: {
        last?: number;
    }): Promise<void>;
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
/**
 * Connects to a URL (`ws:`, `wss:`, or relative to the page), and keeps at it. A
 * function is asked for the URL before each connection.
 */
export declare function connect(url: string | (() => string | Promise<string>), options?: Options): Client;
