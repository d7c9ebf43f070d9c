// The scenario in Node.js: node node.js URL [the file of the ws package]. A line on
// standard input lets it go on.
import { createInterface } from "node:readline";
import { connect } from "../wirepost.js";
import { scenario } from "./scenario.js";

const [url, ws] = process.argv.slice(2);
const Socket = ws ? (await import(ws)).default : globalThis.WebSocket;
const lines = createInterface({ input: process.stdin });
await scenario(connect, url, Socket, console.log, () => new Promise((resolve) => lines.once("line", resolve)));
lines.close();
