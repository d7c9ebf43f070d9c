import { $, h, clock, took, dot, many, toast } from "./dom.js";
import { get } from "./api.js";

const kinds = {
  handshake: ["⇄", "connect"], message: ["→", "message"], invocation: ["ƒ", "invoke"], call: ["ƒ", "call"], mapping: ["⇉", "map"], http: ["⇒", "http"], frame: ["←", "frame"],
  post: ["⇐", "post"], get: ["?", "get"], delete: ["⊗", "delete"], close: ["×", "close"],
};
export const kindOf = (r) => (r.authorizer ? ["ƒ", "authorize"] : r.replay ? ["↻", "replay"] : kinds[r.kind] || ["·", r.kind]);

export function statusText(r) {
  if (r.running) return "…";
  if (r.kind === "message") return r.failed ? "unrouted" : "";
  if (r.kind === "frame" || r.kind === "mapping") return r.failed ? "error" : "";
  if (r.kind === "invocation" || r.kind === "call") return r.failed ? "error" : String(r.status || "ok");
  if (!r.status) return "reset";
  return String(r.status);
}

const most = 600;

// Timeline is the list of records, the newest first, and its filter.
export class Timeline {
  constructor(onOpen) {
    this.onOpen = onOpen;
    this.rows = new Map(); // seq: element
    this.session = "live";
    this.paused = false;
    this.waiting = 0;
    this.matched = 0;
    this.selected = 0;
    this.since = undefined;
    this.skipped = 0;
    this.list = $("list");
    this.list.addEventListener("click", (e) => {
      const row = e.target.closest("[role=option]");
      if (row) this.select(Number(row.dataset.seq));
    });
    this.list.addEventListener("keydown", (e) => {
      const step = { ArrowDown: 1, ArrowUp: -1, PageDown: 15, PageUp: -15 }[e.key];
      if (step) { e.preventDefault(); this.move(step); }
      if (e.key === "Home") { e.preventDefault(); this.newest(); }
      if (e.key === "Enter" && this.selected) this.select(this.selected);
    });
    let timer;
    const changed = () => { clearTimeout(timer); timer = setTimeout(() => this.reload(), 150); };
    $("filter").addEventListener("input", changed);
    $("filter").addEventListener("change", changed);
    $("filter").addEventListener("reset", () => setTimeout(changed));
    $("filter").addEventListener("submit", (e) => { e.preventDefault(); this.reload(); });
    $("more").addEventListener("click", () => this.older());
  }

  query() {
    const q = {};
    for (const [name, value] of new FormData($("filter"))) if (value.trim()) q[name] = value.trim();
    return q;
  }

  filterBy(name, value) {
    const field = $("filter").elements[name];
    field.value = field.value === value ? "" : value;
    this.reload();
  }

  setRoutes(routes) {
    const select = $("f-route"), chosen = select.value;
    select.replaceChildren(h("option", { value: "" }, "All routes"), ...routes.map((r) => h("option", { value: r }, r)));
    select.value = chosen;
  }

  async reload() {
    const turn = (this.turn = (this.turn || 0) + 1);
    const asked = { ...this.query(), limit: "200" };
    if (this.session === "imported") asked.session = "imported";
    let page;
    try {
      page = await get("records", asked);
    } catch (error) {
      if (turn !== this.turn) return;
      const problem = $("filter-problem");
      problem.textContent = error.message;
      problem.hidden = false;
      return;
    }
    if (turn !== this.turn) return; // a later question was asked meanwhile
    $("filter-problem").hidden = true;
    this.rows.clear();
    this.list.replaceChildren();
    this.waiting = this.skipped = 0;
    for (const r of page.records) this.append(r);
    this.matched = page.matched;
    this.kept = page.kept;
    this.filterTook = page.took;
    this.since = page.since;
    this.said(page.dropped);
    this.onReload?.();
  }

  async older() {
    const last = Math.min(...this.rows.keys());
    const asked = { ...this.query(), before: String(last), limit: "200" };
    if (this.session === "imported") asked.session = "imported";
    try {
      const page = await get("records", asked);
      for (const r of page.records) this.append(r);
      this.matched = page.matched;
      this.said(page.dropped);
    } catch (error) { toast(error.message, true); }
  }

  // take merges records of a tick, which match the filter.
  take(tick) {
    if (this.session !== "live") return;
    this.since = tick.since;
    if (this.paused) {
      this.waiting += tick.records.filter((r) => !this.rows.has(r.seq)).length;
      return;
    }
    const fresh = [];
    for (const r of tick.records) {
      const old = this.rows.get(r.seq);
      if (old) {
        const next = this.row(r);
        old.replaceWith(next);
        this.rows.set(r.seq, next);
      } else fresh.push(r);
    }
    fresh.sort((a, b) => a.seq - b.seq);
    const at = this.list.scrollTop, before = this.list.scrollHeight;
    for (const r of fresh) {
      const next = this.row(r);
      // Nearly always the newest of all; a change of an older record that was not shown is not.
      let place = this.list.firstElementChild;
      while (place && Number(place.dataset.seq) > r.seq) place = place.nextElementSibling;
      this.list.insertBefore(next, place);
      this.rows.set(r.seq, next);
      this.matched++;
    }
    while (this.rows.size > most) {
      const last = this.list.lastElementChild;
      this.rows.delete(Number(last.dataset.seq));
      last.remove();
    }
    if (at > 0 && this.list.scrollTop === at) this.list.scrollTop = at + this.list.scrollHeight - before; // keep what is read in place
    this.kept = tick.kept;
    this.skipped += tick.skipped || 0;
    this.said(tick.dropped);
  }

  said(dropped) {
    $("matched").textContent = this.skipped && this.session === "live" ? `newest ${many(this.rows.size)} of ${many(this.kept)}` : `${many(Math.min(this.matched, this.kept))} of ${many(this.kept)}`;
    const parts = [];
    if (this.skipped) parts.push("too fast to show each: pause, or filter");
    if (dropped.records) parts.push(`${many(dropped.records)} dropped to make room, ${many(dropped.failures)} of them failures`);
    $("dropped").textContent = parts.join(" · ");
    const filtered = Object.keys(this.query()).length > 0;
    $("empty").hidden = this.rows.size > 0;
    $("empty").textContent = filtered ? `Nothing that was recorded matches the filter.` : "Nothing yet. Connect a client, or compose something.";
    $("more").hidden = this.rows.size === 0 || this.rows.size >= this.matched;
    $("more-line").hidden = $("empty").hidden && $("more").hidden;
  }

  append(r) {
    const row = this.row(r);
    this.rows.set(r.seq, row);
    this.list.append(row);
  }

  row(r) {
    const [glyph, name] = kindOf(r);
    const status = statusText(r);
    return h("div", {
      class: `row k-${r.kind}${r.failed ? " failed" : ""}${r.running ? " running" : ""}`, role: "option", id: `r${r.seq}`, "data-seq": r.seq,
      "aria-selected": r.seq === this.selected ? "true" : "false",
    },
    h("span", { class: "c-time" }, clock(r.at)),
    h("span", { class: "c-kind" }, h("span", { class: "glyph", "aria-hidden": "true" }, glyph), name, r.fault && h("span", { class: "tag" }, "fault")),
    h("span", { class: "c-conn", title: r.connection }, r.connection && dot(r.connection), (r.connection || "").slice(0, 11)),
    h("span", { class: "c-route", title: r.cause }, r.function || r.route || ""),
    h("span", { class: `c-status${r.failed ? " bad" : ""}` }, status),
    h("span", { class: "c-took" }, took(r.took)),
    h("span", { class: "c-text" }, r.lines > 0 && h("span", { class: "tag plain" }, `${r.lines} log`), r.preview || ""));
  }

  mark(seq) {
    this.rows.get(this.selected)?.setAttribute("aria-selected", "false");
    this.selected = seq;
    const row = this.rows.get(seq);
    row?.setAttribute("aria-selected", "true");
    if (row) this.list.setAttribute("aria-activedescendant", row.id);
    else this.list.removeAttribute("aria-activedescendant");
    row?.scrollIntoView({ block: "nearest" });
  }

  select(seq) {
    this.mark(seq);
    if (seq) this.onOpen(seq);
  }

  move(step) {
    let row = this.rows.get(this.selected);
    if (!row) { this.newest(); return; }
    for (let i = 0; i < Math.abs(step); i++) {
      const next = step > 0 ? row.nextElementSibling : row.previousElementSibling;
      if (!next) break;
      row = next;
    }
    const seq = Number(row.dataset.seq);
    this.mark(seq);
    clearTimeout(this.opening);
    this.opening = setTimeout(() => this.onOpen(seq), 60);
  }

  newest() {
    const row = this.list.firstElementChild;
    if (row) this.select(Number(row.dataset.seq));
  }
}
