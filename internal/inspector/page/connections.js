import { $, h, span, bytes, dot, many, toast } from "./dom.js";
import { get, post } from "./api.js";

// Connections is the list of who is connected.
export class Connections {
  constructor(actions) {
    this.actions = actions;
    this.rows = new Map(); // ID: {element, update}
    $("connection-q").addEventListener("input", () => this.refresh());
  }

  async refresh() {
    const turn = (this.turn = (this.turn || 0) + 1);
    let page;
    try { page = await get("connections", { q: $("connection-q").value }); } catch { return; }
    if (turn !== this.turn) return;
    $("open").textContent = many(page.open);
    this.names = { users: new Set(), topics: new Set() };
    const list = $("connections"), seen = new Set();
    let place = list.firstElementChild;
    for (const c of page.connections) {
      seen.add(c.id);
      if (c.user) this.names.users.add(c.user);
      for (const t of c.topics || []) this.names.topics.add(t);
      let row = this.rows.get(c.id);
      if (!row) this.rows.set(c.id, row = this.make(c.id));
      row.update(c);
      if (row.element !== place) list.insertBefore(row.element, place);
      else place = place.nextElementSibling;
    }
    for (const [id, row] of this.rows) if (!seen.has(id)) { row.element.remove(); this.rows.delete(id); }
    this.empty ||= h("li", { class: "hint" });
    if (page.connections.length === 0) {
      this.empty.textContent = page.open ? "No connection matches." : "Nobody is connected.";
      list.append(this.empty);
    } else this.empty.remove();
    this.actions.audiences([...this.names.users].map((u) => `user:${u}`), [...this.names.topics].map((t) => `topic:${t}`), page.connections.map((c) => `connection:${c.id}`));
    this.mark();
  }

  mark() {
    const chosen = $("f-connection").value;
    for (const [id, row] of this.rows) row.choose.setAttribute("aria-pressed", String(chosen === id));
  }

  make(id) {
    const user = h("span", { class: "user" }), topics = h("span", { class: "topics" }), numbers = h("span", { class: "numbers" }), own = h("span", { class: "tag plain", hidden: true }, "yours");
    const choose = h("button", { class: "choose", "aria-pressed": "false", title: "Show only what happens on this connection", onclick: () => this.actions.filterBy(id) },
      dot(id), h("code", {}, id), own);
    const element = h("li", { class: "card" }, h("div", { class: "line" }, choose, h("span", { class: "acts" },
      h("button", { "aria-label": `Post to ${id}`, onclick: () => this.actions.compose({ to: `connection:${id}` }) }, "Post"),
      h("button", { "aria-label": `Kick ${id}`, onclick: () => this.kick(id) }, "Kick"))),
    h("div", { class: "line who" }, user, topics), numbers);
    const update = (c) => {
      own.hidden = !c.client;
      user.textContent = c.user || "";
      user.hidden = !c.user;
      topics.textContent = (c.topics || []).map((t) => `#${t}`).join(" ");
      topics.hidden = !c.topics;
      numbers.replaceChildren(`${span(c.age)} old · idle ${span(c.idle)} · in ${many(c.in)} (${bytes(c.inBytes)}) · out ${many(c.out)} (${bytes(c.outBytes)})`,
        h("span", { class: c.queue ? "queue bad" : "queue" }, ` · queue ${bytes(c.queue)}`));
      element.title = [c.ip, c.agent].filter(Boolean).join(" · ");
    };
    return { element, update, choose };
  }

  async kick(id) {
    try {
      const said = await post("kick", { to: `connection:${id}` });
      toast(said.errors[0] || said.result, said.failed);
      this.refresh();
    } catch (error) { toast(error.message, true); }
  }
}
