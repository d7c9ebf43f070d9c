import { $, h, many, toast, copy } from "./dom.js";
import { file, follow, post, send } from "./api.js";
import { Timeline } from "./timeline.js";
import { Exchange } from "./exchange.js";
import { Connections } from "./connections.js";
import { Compose } from "./compose.js";
import { Logs } from "./logs.js";
import { Presence } from "./presence.js";
import { Faults } from "./faults.js";
import * as plots from "./plots.js";

let config = { connect: "", routes: [] };
let stop = () => {};
let state = "connecting";

const tabs = ["exchange", "compose", "logs", "presence", "faults"];
function showTab(name, focus) {
  for (const t of tabs) {
    const tab = $(`tab-${t}`), on = t === name;
    tab.setAttribute("aria-selected", String(on));
    tab.tabIndex = on ? 0 : -1;
    $(`panel-${t}`).hidden = !on;
    if (on && focus) tab.focus();
  }
  document.body.dataset.pane = "side";
  if (name === "faults") faults.refresh();
  if (name === "logs") logs.refresh();
  if (name === "presence") presence.refresh();
  if (name === "compose") compose.refresh();
}
const shown = () => tabs.find((t) => !$(`panel-${t}`).hidden);

function showPane(name) {
  document.body.dataset.pane = name;
  for (const b of document.querySelectorAll("[data-show]")) b.setAttribute("aria-pressed", String(b.dataset.show === name));
}

const timeline = new Timeline((seq) => {
  showTab("exchange");
  showPane("side");
  exchange.open(seq);
});
const filterBy = (name, value) => { timeline.filterBy(name, value); showPane("timeline"); connections.mark(); };
const doCompose = (what) => { showTab("compose"); showPane("side"); compose.prefill(what); };
const exchange = new Exchange($("panel-exchange"), {
  filterBy, compose: doCompose, session: () => timeline.session, connect: () => config.connect,
  replay: (r) => { showTab("compose"); compose.replay(r); },
});
const connections = new Connections({ filterBy: (id) => filterBy("connection", id), compose: doCompose, audiences: (...all) => compose.setAudiences(...all) });
const compose = new Compose($("panel-compose"), { connect: () => config.connect, refresh: () => connections.refresh() });
const logs = new Logs($("panel-logs"));
const presence = new Presence($("panel-presence"), { filterBy: (id) => filterBy("connection", id) });
const faults = new Faults($("panel-faults"));

function say() {
  const live = $("live");
  let what = state, text = { live: "live", lost: "gateway is away, trying again", ended: "this page is of another run", connecting: "connecting" }[state];
  if (state === "live" && timeline.session === "imported") { what = "imported"; text = "a session file"; }
  else if (state === "live" && timeline.paused) { what = "paused"; text = timeline.waiting ? `paused, ${many(timeline.waiting)} new` : "paused"; }
  live.dataset.state = what;
  $("live-text").textContent = text;
  const pause = $("pause");
  pause.textContent = timeline.paused ? "Go on" : "Pause";
  pause.setAttribute("aria-pressed", String(timeline.paused));
}

// The stream sends only what matches the filter, so another filter is another stream.
function restart() {
  stop();
  stop = follow(() => ({ ...timeline.query(), ...(timeline.since === undefined ? {} : { since: timeline.since }) }), (line) => {
    if (line.type === "hello") {
      config = line;
      $("connect").textContent = line.connect;
      timeline.setRoutes(line.routes || []);
      compose.setQuery(line.query);
    } else {
      timeline.take(line);
      exchange.again();
      const badge = $("faults-count");
      badge.textContent = line.faults;
      badge.hidden = line.faults === 0;
    }
    plots.take(line.seconds || []);
    plots.show();
    say();
  }, (next, why) => {
    const back = next === "live" && state === "lost";
    state = next;
    if (why) toast(why, true);
    if (back) { timeline.since = undefined; timeline.reload(); connections.refresh(); }
    say();
  });
}
timeline.onReload = restart;

function pause() {
  timeline.paused = !timeline.paused;
  say();
  if (!timeline.paused) timeline.reload();
}

async function clear() {
  try {
    await post("clear");
    exchange.clear();
    timeline.mark(0);
    await timeline.reload();
  } catch (error) { toast(error.message, true); }
}

async function exportSession() {
  const query = timeline.query();
  if (timeline.session === "imported") query.session = "imported";
  try {
    const blob = await file("export", query);
    const url = URL.createObjectURL(blob);
    h("a", { href: url, download: `wirepost-${new Date().toISOString().slice(0, 19).replaceAll(":", "")}.ndjson` }).click();
    setTimeout(() => URL.revokeObjectURL(url), 1000);
  } catch (error) { toast(error.message, true); }
}

async function importSession(chosen) {
  try {
    const said = await send("POST", "import", chosen);
    timeline.session = "imported";
    $("banner-text").textContent = `${chosen.name}: ${many(said.kept)} records of another time. Live traffic is still recorded.`;
    $("banner").hidden = false;
    exchange.clear();
    await timeline.reload();
  } catch (error) { toast(error.message, true); }
  say();
}

async function back() {
  timeline.session = "live";
  $("banner").hidden = true;
  exchange.clear();
  try { await send("DELETE", "import"); } catch { /* the next import replaces it */ }
  await timeline.reload();
  say();
}

function theme() {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  try { localStorage.setItem("wirepost-theme", root.dataset.theme); } catch { /* for this page then */ }
}

$("pause").addEventListener("click", pause);
$("clear").addEventListener("click", clear);
$("export").addEventListener("click", exportSession);
$("import").addEventListener("click", () => $("import-file").click());
$("import-file").addEventListener("change", (e) => {
  const [chosen] = e.target.files;
  e.target.value = "";
  if (chosen) importSession(chosen);
});
$("back").addEventListener("click", back);
$("theme").addEventListener("click", theme);
$("help").addEventListener("click", () => $("keys").showModal());
$("connect").addEventListener("click", () => copy(() => config.connect));
for (const b of document.querySelectorAll("[data-show]")) b.addEventListener("click", () => showPane(b.dataset.show));
for (const t of tabs) {
  $(`tab-${t}`).addEventListener("click", () => showTab(t));
  $(`tab-${t}`).addEventListener("keydown", (e) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[e.key];
    if (step) showTab(tabs[(tabs.indexOf(t) + step + tabs.length) % tabs.length], true);
  });
}

document.addEventListener("keydown", (e) => {
  const typing = e.target.closest("input, textarea, select");
  if (e.key === "Escape") {
    if (typing) typing.blur();
    else if (document.querySelector("dialog[open]")) return;
    else { exchange.clear(); timeline.mark(0); showPane("timeline"); $("list").focus(); }
    return;
  }
  if (typing || e.ctrlKey || e.metaKey || e.altKey || document.querySelector("dialog[open]")) return;
  const act = {
    j: () => timeline.move(1), k: () => timeline.move(-1), g: () => timeline.newest(), p: pause,
    "/": () => { showPane("timeline"); $("q").focus(); $("q").select(); },
    e: () => filterBy("status", "failed"),
    x: () => showTab("exchange"), c: () => showTab("compose"), l: () => showTab("logs"), w: () => showTab("presence"), f: () => showTab("faults"), "?": () => $("keys").showModal(),
  }[e.key];
  if (act) { e.preventDefault(); act(); }
});

setInterval(() => {
  if (document.hidden) return;
  connections.refresh();
  if (shown() === "faults") faults.refresh();
  if (shown() === "logs") logs.refresh();
  if (shown() === "presence") presence.refresh();
  if (shown() === "compose") compose.refresh();
}, 2000);

showPane("timeline");
showTab("exchange");
showPane("timeline");
connections.refresh();
timeline.reload();
