import { h, code, copy, toast, pretty } from "./dom.js";
import { get, post, send } from "./api.js";
import { wscat, wirepostSend, wirepostKick } from "./command.js";

const field = (label, control, hint) => h("label", { class: "field" }, h("span", {}, label), control, hint && h("small", {}, hint));

// Compose is where people do something themselves.
export class Compose {
  constructor(panel, actions) {
    this.panel = panel;
    this.actions = actions; // {connect, refresh}
    this.replayBox = h("div");
    this.query = h("input", { id: "client-query", spellcheck: false, autocomplete: "off", placeholder: "user=alice&topic=lobby" });
    this.headers = h("textarea", { id: "client-headers", rows: 2, spellcheck: false, placeholder: "Authorization: Bearer …" });
    this.protocols = h("input", { id: "client-protocols", spellcheck: false, autocomplete: "off" });
    this.clients = h("div", { class: "clients" });
    this.message = h("textarea", { id: "client-message", rows: 3, spellcheck: false, "aria-label": "Message" }, '{"action":"ping"}');
    this.from = h("select", { id: "client-from", "aria-label": "Client that sends" });
    this.sendButton = h("button", { class: "primary", id: "client-send", onclick: () => this.sendMessage() }, "Send");
    this.sender = h("div", { class: "group", hidden: true }, field("Client", this.from), field("Message", this.message),
      h("p", { class: "buttons" }, this.sendButton,
        h("button", { onclick: () => copy(() => wscat(this.actions.connect(), this.queries?.get(this.from.value), this.message.value)) }, "Copy as wscat"),
        h("button", { id: "client-close", onclick: () => this.closeClient() }, "Close this client")));
    this.audience = h("input", { id: "post-to", list: "audiences", spellcheck: false, autocomplete: "off", value: "everyone" });
    this.audiences = h("datalist", { id: "audiences" });
    this.data = h("textarea", { id: "post-data", rows: 4, spellcheck: false }, '{"text":"hi"}');
    this.result = h("p", { class: "result", id: "post-result", role: "status" });
    panel.append(this.replayBox,
      h("section", { class: "box" }, h("h3", {}, "A client of your own"),
        field("Query", this.query, "what the URL has behind its question mark"),
        h("details", {}, h("summary", {}, "Headers and subprotocols"), field("Headers, one a line", this.headers), field("Subprotocols, by commas", this.protocols)),
        h("p", { class: "buttons" }, h("button", { class: "primary", id: "client-connect", onclick: () => this.connect() }, "Connect"),
          h("button", { onclick: () => copy(() => wscat(this.actions.connect(), this.query.value)) }, "Copy as wscat")),
        this.sender),
      h("section", { class: "box" }, h("h3", {}, "To an audience"),
        field("Audience", h("span", {}, this.audience, this.audiences), "everyone, user:NAME, topic:NAME or connection:ID"),
        field("Data", this.data),
        h("p", { class: "buttons" },
          h("button", { class: "primary", id: "post-send", onclick: () => this.publish("publish") }, "Post"),
          h("button", { id: "post-kick", onclick: () => this.publish("kick") }, "Kick"),
          h("button", { onclick: () => copy(() => wirepostSend(this.audience.value, this.data.value)) }, "Copy as wirepost"),
          h("button", { onclick: () => copy(() => wirepostKick(this.audience.value)) }, "Copy kick")),
        this.result));
  }

  setQuery(query) { if (!this.query.value) this.query.value = query; }

  setAudiences(users, topics, connections) {
    const all = ["everyone", ...users, ...topics, ...connections.slice(0, 50)].join("\n");
    if (all === this.allAudiences) return;
    this.allAudiences = all;
    this.audiences.replaceChildren(...all.split("\n").map((a) => h("option", { value: a })));
  }

  prefill({ to, data, message }) {
    if (to !== undefined) this.audience.value = to;
    if (data !== undefined) this.data.value = data;
    if (message !== undefined) this.message.value = message;
    if (message !== undefined && this.sender.hidden) {
      toast("Connect a client first; the message is ready for it");
      this.query.focus();
    } else (message !== undefined ? this.message : this.data).focus();
  }

  async connect() {
    const headers = {};
    for (const line of this.headers.value.split("\n")) {
      const at = line.indexOf(":");
      if (at > 0) headers[line.slice(0, at).trim()] = line.slice(at + 1).trim();
    }
    const protocols = this.protocols.value.split(",").map((p) => p.trim()).filter(Boolean);
    try {
      const c = await post("clients", { query: this.query.value.trim(), headers, protocols });
      toast(`Connected as ${c.connection}`);
      await this.refresh(c.n);
      this.actions.refresh();
    } catch (error) { toast(error.message, true); }
  }

  async refresh(choose) {
    let all;
    try { all = await get("clients"); } catch { return; }
    const key = JSON.stringify(all);
    if (key === this.known && !choose) return;
    this.known = key;
    const chosen = choose ? String(choose) : this.from.value;
    this.queries = new Map(all.map((c) => [String(c.n), c.query]));
    this.from.replaceChildren(...all.map((c) => h("option", { value: c.n }, `${c.n} · ${c.connection}${c.query ? ` · ${c.query}` : ""}`)));
    if (this.queries.has(chosen)) this.from.value = chosen;
    this.sender.hidden = all.length === 0;
  }

  async sendMessage() {
    try { await post(`clients/${this.from.value}`, { text: this.message.value }); toast("Sent"); } catch (error) { toast(error.message, true); this.refresh(); }
  }

  async closeClient() {
    try { await send("DELETE", `clients/${this.from.value}`); } catch (error) { toast(error.message, true); }
    setTimeout(() => { this.refresh(); this.actions.refresh(); }, 300);
  }

  async publish(what) {
    const body = { to: this.audience.value.trim() };
    if (what === "publish") body.data = this.data.value;
    this.result.className = "result";
    try {
      const said = await post(what, body);
      this.result.textContent = [said.result, ...said.errors].join(" — ");
      this.result.classList.toggle("bad", said.failed);
    } catch (error) {
      this.result.textContent = error.message;
      this.result.classList.add("bad");
    }
    this.actions.refresh();
  }

  // replay opens an event for editing.
  replay(r) {
    const event = h("textarea", { id: "replay-event", rows: 16, spellcheck: false, "aria-label": "Event" }, pretty(r.text || ""));
    const said = h("div", { id: "replay-result", role: "status" });
    const notes = [];
    if (r.size > 8192) notes.push("The event was cut at 8 KB: complete it first.");
    if (r.masked) notes.push("What is (masked) was never kept: put a value in if the function needs it.");
    const go = async () => {
      let parsed;
      try { parsed = JSON.parse(event.value); } catch (error) {
        said.replaceChildren(h("p", { class: "reason bad" }, `The event is not JSON: ${error.message}`));
        return;
      }
      said.replaceChildren(h("p", { class: "sub" }, "running…"));
      try {
        const out = await post("replay", { route: r.route, authorizer: !!r.authorizer, event: parsed });
        said.replaceChildren(out.error ? h("p", { class: "reason bad" }, out.error) : code(out.answer, "Answer"));
      } catch (error) { said.replaceChildren(h("p", { class: "reason bad" }, error.message)); }
    };
    this.replayBox.replaceChildren(h("section", { class: "box replay" }, h("h3", {}, "Replay ", h("span", { class: "route" }, r.authorizer ? "authorizer" : r.route)),
      h("p", { class: "sub" }, "The event goes to the function, not through the gateway: its answer is shown here and sent to nobody, but what the function posts is posted.", notes.length > 0 && h("b", {}, " ", notes.join(" "))),
      event, h("p", { class: "buttons" }, h("button", { class: "primary", id: "replay-go", onclick: go }, "Replay"),
        h("button", { onclick: () => this.replayBox.replaceChildren() }, "Close")), said));
    event.focus();
    this.panel.scrollTop = 0;
  }
}
