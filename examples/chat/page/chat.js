// The chat page. All that people write is put into the page as text, never as HTML.
import { connect } from "/wirepost.js";

const $ = (id) => document.getElementById(id);
const log = $("log");

// Two tabs are two people: the name is the tab's own.
const who = new URLSearchParams(location.hash.slice(1));
let name = who.get("name") || sessionStorage.getItem("name") || "guest-" + Math.floor(1000 + 9000 * Math.random());
let topic = who.get("topic") || sessionStorage.getItem("topic") || "lobby";

// Where we are in each topic, so that a reload of the tab misses nothing.
const positions = {
  load: () => JSON.parse(sessionStorage.getItem("positions") || "{}"),
  save: (all) => sessionStorage.setItem("positions", JSON.stringify(all)),
};

const { connect: where } = await (await fetch("/wirepost.json")).json();
let client, say;

function enter() {
  client?.close();
  log.replaceChildren();
  sessionStorage.setItem("name", name);
  sessionStorage.setItem("topic", topic);
  $("name").value = name;
  $("topic").value = topic;
  document.title = `${name} in ${topic}: wirepost chat`;

  // What we say comes back to us, before or after its answer, under the id that the
  // answer has: by it our own row is told from what another of our name has said.
  let unanswered = 0;
  const answered = new Set(); // their messages are still to come
  const early = new Map(); // messages that may be ours

  const me = (client = connect(`${where}?user=${encodeURIComponent(name)}`, { topics: [topic], positions }));
  showState("connecting", {});
  me.on("state", (state, change) => me === client && showState(state, change));
  me.on("message", (m) => {
    if (answered.delete(m.id)) return;
    if (m.from === name && unanswered) early.set(m.id, m);
    else show(m.from || "a program", textOf(m.data));
  });
  me.on("gap", ({ from, to }) => {
    const n = to - from + 1;
    show("", from === 0 ? "earlier messages may be missing" : n === 1 ? "one message is missing" : `${n} messages are missing`, "gap");
  });
  me.on("raw", (text) => show("a program", readable(text)));
  me.on("error", (error) => show("wirepost", error.message, "refused"));

  say = async (text) => {
    const row = show(name, text, "mine");
    if (me.state !== "open") note(row, "waits for a connection");
    unanswered++;
    try {
      const { id, sent } = await me.send("topic:" + topic, { text });
      if (!early.delete(id)) answered.add(id);
      note(row, sent > 1 ? "" : "nobody else is here");
    } catch (error) {
      row.classList.add("refused");
      note(row, error.code === "unanswered" ? "perhaps not sent: no answer came" : "not sent: " + error.message);
    }
    if (--unanswered) return;
    for (const m of early.values()) show(m.from, textOf(m.data));
    early.clear();
  };
}

const textOf = (data) => (typeof data?.text === "string" ? data.text : JSON.stringify(data));

/** What a program posted as it is, such as {"text":"hi"}. */
function readable(text) {
  try {
    return textOf(JSON.parse(text));
  } catch {
    return text;
  }
}

function show(from, text, kind = "") {
  const row = document.createElement("li");
  row.className = kind;
  for (const [part, value] of [["from", from], ["text", text]]) {
    const span = document.createElement("span");
    span.className = part;
    span.textContent = value;
    row.append(span);
  }
  const end = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
  log.append(row);
  while (log.children.length > 500) log.firstChild.remove();
  if (end || kind === "mine") log.scrollTop = log.scrollHeight;
  return row;
}

function note(row, text) {
  row.querySelector(".note")?.remove();
  if (!text) return;
  const span = document.createElement("span");
  span.className = "note";
  span.textContent = text;
  row.append(span);
  log.scrollTop = log.scrollHeight;
}

function showState(state, { retryIn }) {
  const text = { open: "connected", waiting: `no connection; trying again in ${Math.ceil(retryIn / 1000)} s` };
  $("state").className = state;
  $("state").textContent = text[state] || state;
}

$("say").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = $("text").value.trim();
  if (text) say(text);
  $("text").value = "";
  $("text").focus();
});
$("who").addEventListener("submit", (event) => {
  event.preventDefault();
  name = $("name").value.trim() || name;
  topic = $("topic").value.trim() || topic;
  enter();
  $("text").focus();
});
enter();
