import { $, h, clock, took, bytes, code, copy, dot } from "./dom.js";
import { get } from "./api.js";
import { kindOf, statusText } from "./timeline.js";
import { wscat, wirepostSend, wirepostKick, json } from "./command.js";

const sentences = {
  handshake: "Client asks to connect", message: "Client sends a message", invocation: "Function is invoked", call: "Function is called", mapping: "Mapping template makes a text", http: "HTTP request", frame: "Client gets a frame",
  post: "Post to the connection", get: "Somebody asks about the connection", delete: "Somebody closes the connection", close: "Connection is over",
};

// notWhole returns a note for payloads that were not recorded exactly as they were sent.
const notWhole = (r) => (r.masked || new TextEncoder().encode(r.text || "").length !== (r.size || 0)) && "Copied, but the record is not exact: it was cut, masked, or is not UTF-8";

// invokes tells whether a record is of an invocation.
const invokes = (r) => r.kind === "invocation" || r.kind === "call";

// Exchange shows a record with all that belongs to it.
export class Exchange {
  constructor(panel, actions) {
    this.panel = panel;
    this.actions = actions; // {compose, replay, filterBy, session, connect}
    this.seq = 0;
    this.clear();
  }

  clear() {
    this.seq = 0;
    this.running = false;
    this.panel.replaceChildren(h("div", { class: "hint" }, h("p", {}, "Choose a record to see the whole exchange: the client's message, what the function got, logged and answered, and what was sent."),
      h("p", {}, h("kbd", {}, "j"), " and ", h("kbd", {}, "k"), " walk through the timeline, ", h("kbd", {}, "?"), " lists all keys.")));
  }

  async open(seq) {
    this.seq = seq;
    let records;
    try {
      const query = { seq: String(seq) };
      if (this.actions.session() === "imported") query.session = "imported";
      ({ records } = await get("exchange", query));
    } catch (error) {
      if (this.seq === seq) this.panel.replaceChildren(h("p", { class: "problem" }, error.message));
      return;
    }
    if (this.seq === seq) this.show(records);
  }

  // again reads an exchange that has not ended.
  again() {
    if (this.seq && this.running) this.open(this.seq);
  }

  show(records) {
    const first = records[0], of = records.find((r) => r.seq === this.seq) || first;
    this.running = records.some((r) => r.running);
    const at = this.panel.scrollTop;
    const last = records.findLast((r) => !r.alongside) || of;
    const whole = Math.max(last.at + (invokes(last) ? last.took || 0 : 0), first.kind === "http" ? first.at + (first.took || 0) : 0) - first.at;
    this.panel.replaceChildren(
      h("header", { class: "exchange-head" },
        h("h3", {}, of.connection ? [dot(of.connection), h("code", {}, of.connection)] : "No connection", (of.function || of.route) && h("span", { class: "route" }, of.function || of.route)),
        h("p", { class: "sub" }, `${clock(first.at)} · ${records.length} ${records.length === 1 ? "step" : "steps"}${records.length > 1 ? ` in ${took(Math.max(whole, 0))}` : ""}`,
          of.request && [" · request ", h("code", {}, of.request)]),
        of.connection && h("p", { class: "buttons" },
          h("button", { onclick: () => this.actions.filterBy("connection", of.connection) }, "Only this connection"),
          h("button", { onclick: () => this.actions.compose({ to: `connection:${of.connection}` }) }, "Post to it"))),
      ...records.map((r) => this.step(r, first.at, r.seq === this.seq)));
    this.panel.scrollTop = at;
  }

  step(r, began, chosen) {
    const [glyph, name] = kindOf(r);
    const status = statusText(r);
    const notes = [];
    if (r.masked) notes.push("secrets were masked before this was kept");
    if (r.fault) notes.push("a fault made this go wrong");
    if (r.alongside) notes.push(invokes(r) ? "ran meanwhile, and may have caused this" : "happened while the function ran");
    if (r.replay) notes.push("replayed from this page");
    const invocation = invokes(r);
    if (r.cause) notes.push(r.kind === "http" ? `to the ${r.cause}` : `by ${r.cause}`);
    return h("article", { class: `step${r.failed ? " failed" : ""}${chosen ? " chosen" : ""}${r.alongside ? " alongside" : ""}` },
      h("header", {},
        h("span", { class: "glyph", "aria-hidden": "true" }, glyph),
        h("h4", {}, r.authorizer ? "Authorizer is asked" : sentences[r.kind] || name),
        status && h("span", { class: `c-status${r.failed ? " bad" : ""}` }, status),
        h("span", { class: "c-took" }, took(r.took)),
        h("span", { class: "offset" }, `+${took(Math.max(0, r.at - began))}`)),
      r.connection && r.alongside && h("p", { class: "sub" }, dot(r.connection), h("code", {}, r.connection), r.route && ` ${r.route}`),
      notes.length > 0 && h("p", { class: "sub note" }, notes.join(" · ")),
      r.function && h("p", { class: "sub" }, h("code", {}, r.function)),
      r.target && h("pre", { class: "code", tabIndex: 0 }, r.target),
      r.reason && h("p", { class: r.failed ? "reason bad" : "reason" }, r.reason),
      r.detail && r.kind !== "mapping" && h("p", { class: r.failed ? "reason bad" : "reason" }, r.detail),
      r.detail && r.kind === "mapping" && this.payload("Template", r.detail, r.detail.length, false),
      r.text && this.payload(invocation ? "Event" : r.kind === "mapping" ? "In" : "Payload", r.text, r.size, invocation && !chosen),
      r.lines?.length > 0 && h("div", { class: "logs" }, h("h5", {}, "Log"), h("pre", { class: "code log", tabIndex: 0, role: "region", "aria-label": "Log lines" }, r.lines.join("\n")),
        r.linesDropped > 0 && h("p", { class: "sub" }, `${r.linesDropped} more lines were not kept`)),
      r.answer && this.payload(r.kind === "mapping" ? "Out" : "Answer", r.answer, r.answerSize, false),
      r.error && h("p", { class: "reason bad" }, r.error),
      r.running && h("p", { class: "sub" }, "is still running"),
      h("p", { class: "buttons" }, this.buttons(r)));
  }

  payload(title, text, size, folded) {
    const cut = size > new TextEncoder().encode(text).length && size > 8192;
    return h("details", { open: !folded, class: "payload" },
      h("summary", {}, title, " ", h("span", { class: "sub" }, bytes(size)), cut && h("span", { class: "tag" }, "cut at 8 KB")),
      code(text, title));
  }

  buttons(r) {
    const all = [];
    const text = r.text || "";
    if (r.kind === "call") all.push(h("button", { onclick: () => copy(() => json(text), notWhole(r)) }, "Copy event"));
    if (r.kind === "invocation") {
      all.push(h("button", { class: "primary", onclick: () => this.actions.replay(r) }, "Edit and replay"),
        h("button", { onclick: () => copy(() => json(text), notWhole(r)) }, "Copy event"));
    }
    if (r.kind === "message" || r.kind === "handshake") {
      all.push(h("button", { onclick: () => this.copyWscat(r) }, "Copy as wscat"));
    }
    if (r.kind === "message") {
      all.push(h("button", { onclick: () => this.actions.compose({ message: text }) }, "Send again…"));
    }
    if (r.kind === "post") {
      const to = `connection:${r.connection}`;
      all.push(h("button", { onclick: () => copy(() => wirepostSend(to, text), notWhole(r)) }, "Copy as wirepost"),
        h("button", { onclick: () => this.actions.compose({ to, data: text }) }, "Post again…"));
    }
    if (r.kind === "delete") all.push(h("button", { onclick: () => copy(() => wirepostKick(`connection:${r.connection}`)) }, "Copy as wirepost"));
    return all;
  }

  async copyWscat(r) {
    let target = r.target, isCut = false;
    if (!target && r.connection) {
      const query = { kind: "handshake", connection: r.connection, limit: "1" };
      if (this.actions.session() === "imported") query.session = "imported";
      try {
        target = (await get("records", query)).records[0]?.preview;
        isCut = new TextEncoder().encode(target || "").length > 196; // a preview has 200 bytes
      } catch { /* the URL goes without */ }
    }
    const query = (target || "").split("?")[1];
    const note = (isCut && "Copied, but the URL was cut") || (r.kind === "message" && notWhole(r));
    copy(() => wscat(this.actions.connect(), query, r.kind === "message" ? r.text || "" : undefined), note);
  }
}
