// The page of the example ask: an answer that comes in pieces, and survives a reload.
import { connect } from "/wirepost.js";
import { streams } from "/stream.js";

const $ = (id) => document.getElementById(id);
const { connect: where } = await (await fetch("/wirepost.json")).json();
const client = streams(connect(where));
let current;

/** Shows an answer until it ends. */
async function show(answer) {
  current?.cancel();
  current = answer;
  $("answer").textContent = "";
  $("answer").ariaBusy = "true";
  $("stop").disabled = false;
  const say = (text) => current === answer && ($("state").textContent = text);
  say("The answer is on its way.");
  try {
    // What is kept is enough to go on after a reload.
    answer.named.then((name) => sessionStorage.setItem("answer", JSON.stringify(name)), () => {});
    for await (const piece of answer) if (current === answer) $("answer").append(piece);
    say("That is all.");
  } catch (error) {
    say(`It ended early: ${error.code || error.message}.`);
    if (error.code === "unknown-stream") sessionStorage.removeItem("answer");
  }
  if (current !== answer) return;
  $("answer").ariaBusy = "false";
  $("stop").disabled = true;
}

$("ask").onsubmit = (event) => {
  event.preventDefault();
  show(client.ask("ask", { question: $("question").value, seconds: 20 }));
};
$("stop").onclick = () => current?.cancel();

const kept = sessionStorage.getItem("answer");
if (kept) show(client.resume(JSON.parse(kept)));
