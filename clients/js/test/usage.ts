// What a page writes, for the types: it is compiled and never run.
import { presence } from "../presence.js";
import { connect, Refusal, type State } from "../wirepost.js";

const show = (from: string | undefined, text: string) => [from, text];
const client = connect("wss://server/prod", { topics: ["lobby"], token: async () => "a token", WebSocket });
client.on("message", ({ from, data }) => show(from, data.text));
client.on("state", (state: State, { retryIn = 0 }) => show(state, retryIn.toFixed()));
const off: () => void = client.on("error", (e) => {
  if (e instanceof Refusal) show(e.code, e.message);
});
client.send("topic:lobby", { text: "hi" }).then(({ sent = 0 }) => show(undefined, sent.toFixed()));
client.request("track", { order: "17" }).then(({ at }) => show(undefined, at));
// @ts-expect-error there is no such event
client.on("massage", off);

import { streams, type StreamName } from "../stream.js";
const answering = streams(client);
const answer = answering.ask("ask", { question: "?" });
answer.named.then((name: StreamName) => answering.resume(name, answer.at));
for await (const piece of answer) show(undefined, piece);
answer.cancel();
const here = presence(client, "lobby", { said: { typing: true } });
here.on("change", ({ joined, left, many = 0 }) => show(joined[0]?.user, left.length + many.toFixed()));
for (const [user, { n }] of here) show(user, n.toFixed());
const size: number | undefined = here.size;
show(here.get("alice")?.user, String(size ?? here.count));
