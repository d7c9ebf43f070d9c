import type { Client } from "./wirepost.cjs";
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
/**
 * Subscribes to a topic, makes the page present there, and shows who else is. `said`, of
 * 512 bytes of JSON at most, is what others see of the page. A second call for a topic says
 * something else.
 */
export declare function presence(client: Client, topic: string, { said }?: {
    said?: unknown;
}): Presence;
