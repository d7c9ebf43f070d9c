import { h, bytes, clock, code, many } from "./dom.js";
import { get } from "./api.js";

// Logs are the topics whose messages are kept, and the newest messages of one of them.
export class Logs {
  constructor(panel) {
    this.topic = "";
    this.shown = "";
    this.list = h("ul", { id: "logs" });
    this.name = h("input", { id: "log-topic", spellcheck: false, autocomplete: "off", placeholder: "lobby" });
    this.problem = h("p", { class: "problem", role: "alert", hidden: true });
    this.messages = h("ol", { id: "log-messages" });
    this.title = h("h3", { id: "log-title" }, "Messages");
    panel.append(
      h("section", { class: "box" }, h("h3", {}, "Topics with a log"), h("p", { class: "sub" }, "Those of open connections, and those that you name here."), this.list,
        h("form", { class: "inline", onsubmit: (e) => { e.preventDefault(); this.choose(this.name.value.trim()); } },
          h("label", { class: "field" }, h("span", {}, "Topic"), this.name), h("button", { class: "primary", id: "log-show" }, "Show")),
        this.problem),
      h("section", { class: "box" }, this.title, this.messages));
  }

  choose(topic) {
    if (!topic) return;
    this.topic = topic;
    this.refresh();
  }

  async refresh() {
    const turn = (this.turn = (this.turn || 0) + 1);
    try {
      const { supported, logs } = await get("logs");
      const log = this.topic && supported ? await get("log", { topic: this.topic }) : undefined;
      if (turn !== this.turn) return;
      this.problem.hidden = true;
      this.showTopics(supported, logs);
      if (log) this.showLog(log);
    } catch (error) {
      if (turn !== this.turn) return;
      this.problem.textContent = error.message;
      this.problem.hidden = false;
    }
  }

  showTopics(supported, logs) {
    const now = JSON.stringify([supported, logs, this.topic]);
    if (now === this.shownTopics) return; // a focused button stays
    this.shownTopics = now;
    this.list.replaceChildren(...logs.map((l) => h("li", {}, h("button", { class: "choose", "aria-pressed": String(l.topic === this.topic), onclick: () => this.choose(l.topic) }, l.topic), h("code", {}, ` ${l.epoch}:${l.offset}`))));
    if (!supported) this.list.append(h("li", { class: "sub" }, "This store keeps no messages."));
    else if (logs.length === 0) this.list.append(h("li", { class: "sub" }, "None is known. A message that is published with a time to keep makes one."));
  }

  showLog(log) {
    const now = JSON.stringify(log);
    if (now === this.shown) return;
    this.shown = now;
    this.title.textContent = log.epoch ? `${log.topic}: the log ends at ${log.epoch}:${log.offset}` : `${log.topic} has no log`;
    const lines = log.messages.map((m) => ({ at: m.offset, line: this.line(m) }));
    for (const [from, to] of log.gone) {
      lines.push({ at: to, line: h("li", { class: "gone" }, from === to ? `${from} is gone` : `${from} to ${to} are gone`) });
    }
    lines.sort((a, b) => b.at - a.at);
    this.messages.replaceChildren(...lines.map((l) => l.line));
  }

  line(m) {
    return h("li", {}, h("p", { class: "kept" }, h("b", {}, many(m.offset)), h("code", {}, m.id), h("span", {}, bytes(m.size)),
      h("span", { title: `kept until ${new Date(m.end).toLocaleString()}` }, `${clock(Date.parse(m.at))} to ${new Date(m.end).toLocaleString()}`),
      m.masked ? h("span", { class: "tag" }, "masked") : undefined, m.size > m.text.length && !m.masked ? h("span", { class: "tag" }, "cut") : undefined),
    code(m.text, `Message ${m.offset}`));
  }
}
