import { type Client, type Clock } from "./wirepost.cjs";
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
export declare function streams(client: Client, options?: StreamOptions): StreamClient;
