import { $, h, copy } from "./dom.js";
import { get, send } from "./api.js";
import { wirepostFault } from "./command.js";

const presets = [
  ["post:429", "Every post is refused: the client's buffer is full"],
  ["post:429:p=0.1", "A tenth of the posts is refused"],
  ["post:410:n=1", "The next post finds the connection gone"],
  ["post:reset-after", "Posts arrive, and their answers are lost"],
  ["invoke:500", "Every function fails"],
  ["invoke:504", "Every function takes too long"],
  ["message:drop", "Messages never reach their function"],
  ["disconnect:drop", "$disconnect is never delivered"],
  ["connect:403", "Nobody may connect"],
  ["frame-out:drop:delay=200ms", "What is sent is late, and lost"],
];

// Faults are rules: those in force, and those that were switched off here.
export class Faults {
  constructor(panel) {
    this.panel = panel;
    this.off = new Map(); // rule: true
    this.on = [];
    this.items = new Map(); // rule: its line
    this.list = h("ul", { class: "faults" });
    this.custom = h("input", { id: "fault-rule", spellcheck: false, autocomplete: "off", placeholder: "post:429:p=0.5,delay=200ms" });
    this.problem = h("p", { class: "problem", role: "alert", hidden: true });
    panel.append(
      h("section", { class: "box" }, h("h3", {}, "Faults"), h("p", { class: "sub" }, "Rules change at once, while clients stay connected. Of several that apply the first wins."), this.list,
        h("p", { class: "buttons" }, h("button", { id: "faults-clear", onclick: () => this.set([]) }, "All off"), h("button", { onclick: () => copy(() => wirepostFault(this.on.map((r) => r.rule))) }, "Copy as wirepost"))),
      h("section", { class: "box" }, h("h3", {}, "A rule of your own"),
        h("form", { class: "inline", onsubmit: (e) => { e.preventDefault(); this.add(this.custom.value.trim()); } },
          h("label", { class: "field" }, h("span", {}, "WHERE:WHAT[:KEY=VALUE,…]"), this.custom), h("button", { class: "primary", id: "fault-add" }, "Switch on")),
        this.problem,
        h("p", { class: "sub" }, "Where: connect, message, disconnect, invoke, post, get, delete, frame-out. What: a status, denied, buffer-full, drop, hang, reset-before, reset-after, close=CODE. Keys: p, n, after, for, delay, route, connection, message.")));
  }

  async refresh() {
    try { this.show(await get("faults")); } catch { /* the next tick asks again */ }
  }

  add(rule) {
    if (rule) this.set([...this.on.map((r) => r.rule), rule]);
  }

  async set(rules) {
    this.problem.hidden = true;
    try {
      const before = this.on;
      const now = await send("PUT", "faults", rules);
      for (const r of before) if (!now.some((n) => n.rule === r.rule)) this.off.set(r.rule, true);
      this.show(now);
    } catch (error) {
      this.problem.textContent = error.message;
      this.problem.hidden = false;
      this.show(this.on);
    }
  }

  show(rules) {
    this.on = rules;
    const badge = $("faults-count");
    badge.textContent = rules.length;
    badge.hidden = rules.length === 0;
    const rows = rules.map((r) => ({ rule: r.rule, on: true, calls: r.calls, hits: r.hits }));
    for (const rule of this.off.keys()) if (!rules.some((r) => r.rule === rule)) rows.push({ rule, on: false });
    for (const [rule, about] of presets) {
      const row = rows.find((r) => r.rule === rule);
      if (row) row.about = about;
      else rows.push({ rule, on: false, about });
    }
    // In place: a switch must not go away under a finger.
    const seen = new Set();
    let place = this.list.firstElementChild;
    for (const r of rows) {
      seen.add(r.rule);
      let item = this.items.get(r.rule);
      if (!item) this.items.set(r.rule, item = this.make(r.rule));
      item.element.className = r.on ? "on" : "";
      item.knob.setAttribute("aria-checked", String(r.on));
      item.about.textContent = r.on ? `hit ${r.hits} of ${r.calls}${r.about ? ` · ${r.about}` : ""}` : r.about || "switched off";
      if (item.element !== place) this.list.insertBefore(item.element, place);
      else place = place.nextElementSibling;
    }
    for (const [rule, item] of this.items) if (!seen.has(rule)) { item.element.remove(); this.items.delete(rule); }
  }

  make(rule) {
    const about = h("small");
    const knob = h("button", { class: "switch", role: "switch", "aria-checked": "false", "data-rule": rule, "aria-label": rule,
      onclick: () => (this.on.some((o) => o.rule === rule) ? this.set(this.on.map((o) => o.rule).filter((o) => o !== rule)) : this.add(rule)) }, h("span", { class: "knob" }));
    return { element: h("li", {}, knob, h("span", { class: "fault-text" }, h("code", {}, rule), about)), knob, about };
  }
}
