import { h, clock, code, dot, many, span } from "./dom.js";
import { get } from "./api.js";

const nameOf = (m) => m.user || `~${m.id}`;
const tag = (text) => h("span", { class: "tag" }, text);

// Presence is who is in which topic, with the lease of each session, and what has changed
// last.
export class Presence {
  constructor(panel, actions) {
    this.actions = actions;
    this.topic = "";
    this.topics = h("ul", { id: "presence-topics", class: "names" });
    this.problem = h("p", { class: "problem", role: "alert", hidden: true });
    this.title = h("h3", { id: "presence-title" }, "Members");
    this.members = h("ul", { id: "presence-members", class: "entries" });
    this.changes = h("ol", { id: "presence-changes", class: "entries" });
    panel.append(
      h("section", { class: "box" }, h("h3", {}, "Topics in which somebody is"), this.topics, this.problem),
      h("section", { class: "box" }, this.title, this.members),
      h("section", { class: "box" }, h("h3", {}, "Last change of each member"),
        h("p", { class: "sub" }, "In all topics, the newest first. Who has left stays for ten minutes."), this.changes));
  }

  choose(topic) {
    this.topic = topic;
    this.refresh();
  }

  async refresh() {
    const turn = (this.turn = (this.turn || 0) + 1);
    try {
      const now = await get("presence", this.topic ? { topic: this.topic } : {});
      if (turn !== this.turn) return;
      this.problem.hidden = true;
      this.showTopics(now);
      this.showMembers(now);
      this.showChanges(now);
    } catch (error) {
      if (turn !== this.turn) return;
      this.problem.textContent = error.message;
      this.problem.hidden = false;
    }
  }

  // changed tells whether a part of the page is to be made again: else what is focused stays.
  changed(part, value) {
    const now = JSON.stringify(value), was = (this.was ||= {})[part];
    this.was[part] = now;
    return now !== was;
  }

  showTopics({ supported, topics, topic }) {
    if (!this.changed("topics", [supported, topics, topic])) return;
    this.topics.replaceChildren(...topics.map((t) => h("li", {},
      h("button", { class: "choose", "aria-pressed": String(t.topic === topic), onclick: () => this.choose(t.topic) }, t.topic), h("span", { class: "sub" }, ` ${many(t.here)}`))));
    if (!supported) this.topics.append(h("li", { class: "sub" }, "This store keeps no presence."));
    else if (topics.length === 0) this.topics.append(h("li", { class: "sub" }, "None. A client that subscribes with presence is a member of its topic."));
  }

  showMembers({ topic, here, members }) {
    this.title.textContent = topic ? `${topic}: ${here === 1 ? "1 member" : `${many(here)} members`}` : "Members";
    const parts = members.map((m) => ({ ...m, sessions: m.sessions.map(({ left, ...s }) => s) })); // without what time changes
    if (this.changed("members", [topic, here, parts])) {
      this.leases = [];
      this.members.replaceChildren(...members.map((m) => this.member(m)));
      if (here > members.length) this.members.append(h("li", { class: "sub" }, `and ${many(here - members.length)} more`));
    }
    members.flatMap((m) => m.sessions).forEach((s, n) => {
      const lease = this.leases[n];
      lease.textContent = s.left > 0 ? `lease ends in ${span(s.left)}` : `lease ended ${span(-s.left)} ago`;
      lease.className = s.left > 0 ? "" : "bad";
    });
  }

  member(m) {
    return h("li", {}, h("p", { class: "kept" }, h("b", {}, nameOf(m)), h("span", {}, m.sessions.length === 1 ? "1 session" : `${m.sessions.length} sessions`),
      h("span", {}, `since ${clock(m.at)}`), m.unannounced && tag("not announced"), m.masked && tag("masked")),
    h("ul", { class: "sessions", "aria-label": `Sessions of ${nameOf(m)}` }, ...m.sessions.map((s) => this.session(s))),
    m.info && code(m.info, `Info of ${nameOf(m)}`), m.said && code(m.said, `What ${nameOf(m)} says`));
  }

  session(s) {
    const lease = h("span", {});
    this.leases.push(lease);
    const where = s.connection
      ? h("button", { class: "choose", title: "Show only what happens on this connection", onclick: () => this.actions.filterBy(s.connection) }, dot(s.connection), h("code", {}, s.connection))
      : h("span", { class: "sub" }, "no open connection");
    return h("li", { class: "kept" }, h("code", {}, s.id), where, lease);
  }

  showChanges({ changes }) {
    // Whose leases are over without a goodbye has vanished, until a sweep says that it left.
    const parts = changes.map((m) => [clock(m.at), nameOf(m), m.here ? "is in" : m.sessions.length ? "has vanished from" : "has left", m.topic, m.unannounced]);
    if (!this.changed("changes", parts)) return;
    this.changes.replaceChildren(...parts.map(([at, name, what, topic, unannounced]) => h("li", { class: "kept" }, h("span", {}, at), h("b", {}, name),
      h("span", {}, what), h("code", {}, topic), unannounced && tag("not announced"))));
    if (parts.length === 0) this.changes.append(h("li", { class: "sub" }, "None."));
  }
}
