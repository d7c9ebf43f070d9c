// Everything that is shown is made here, of text: no string becomes HTML.

export const $ = (id) => document.getElementById(id);

// h makes an element. Properties that begin with "on" are listeners; those of data
// and aria are attributes.
export function h(tag, props, ...children) {
  const e = document.createElement(tag);
  for (const [name, value] of Object.entries(props || {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) e.addEventListener(name.slice(2), value);
    else if (name === "class") e.className = value;
    else if (name in e && !name.includes("-") && name !== "list" && name !== "form") e[name] = value;
    else e.setAttribute(name, value === true ? "" : value);
  }
  e.append(...children.flat().filter((c) => c !== undefined && c !== null && c !== false));
  return e;
}

export function svg(tag, attributes, ...children) {
  const e = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes || {})) e.setAttribute(name, value);
  e.append(...children);
  return e;
}

let toastTimer;
export function toast(text, bad) {
  const t = $("toast");
  t.textContent = text;
  t.classList.toggle("bad", !!bad);
  t.hidden = false;
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => { t.hidden = true; }, bad ? 8000 : 3000);
}

// copy puts the result of make on the clipboard and shows a note. If make throws, it
// shows the error instead.
export async function copy(make, note) {
  let text;
  try { text = make(); } catch (error) { toast(error.message, true); return; }
  try {
    await navigator.clipboard.writeText(text);
    toast(note || "Copied", !!note);
  } catch {
    toast("The browser did not allow copying", true);
  }
}

const two = (n) => String(n).padStart(2, "0");

export function clock(ms) {
  const d = new Date(ms);
  return `${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}.${String(d.getMilliseconds()).padStart(3, "0")}`;
}

export function span(ms) {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  const s = ms / 1000;
  if (s < 10) return `${s.toFixed(1)} s`;
  if (s < 60) return `${Math.floor(s)} s`;
  if (s < 3600) return `${Math.floor(s / 60)} m ${two(Math.floor(s % 60))} s`;
  return `${Math.floor(s / 3600)} h ${two(Math.floor(s / 60) % 60)} m`;
}

export function took(ms) {
  if (ms === undefined) return "";
  if (ms < 1) return `${ms.toFixed(2)} ms`;
  if (ms < 100) return `${ms.toFixed(1)} ms`;
  return span(ms);
}

export function bytes(n) {
  if (n < 1024) return `${n} B`;
  if (n < 1 << 20) return `${(n / 1024).toFixed(n < 10240 ? 1 : 0)} KB`;
  return `${(n / (1 << 20)).toFixed(1)} MB`;
}

export const many = (n) => n.toLocaleString("en");

// hue gives a connection the same colour each time.
export function hue(id) {
  let n = 0;
  for (let i = 0; i < id.length; i++) n = (n * 31 + id.charCodeAt(i)) >>> 0;
  return n % 12;
}

export const dot = (id) => h("span", { class: `id-dot hue-${hue(id)}`, "aria-hidden": "true" });

// pretty is JSON over several lines, or the text as it is.
export function pretty(text) {
  try {
    const value = JSON.parse(text);
    if (value !== null && typeof value === "object") return JSON.stringify(value, null, 2);
  } catch { /* not JSON, or cut */ }
  return text;
}

const tokens = /("(?:[^"\\]|\\.)*")(\s*:)?|\b(true|false|null)\b|-?\b\d+(?:\.\d+)?(?:[eE][+-]?\d+)?\b/g;

// code shows a payload, its JSON in colours.
export function code(text, label) {
  const pre = h("pre", { class: "code", tabIndex: 0, role: "region", "aria-label": label });
  const shown = pretty(text);
  if (shown.length > 40000) {
    pre.textContent = shown;
    return pre;
  }
  let end = 0;
  for (const m of shown.matchAll(tokens)) {
    pre.append(shown.slice(end, m.index));
    const kind = m[1] ? (m[2] ? "j-key" : "j-string") : m[3] ? "j-word" : "j-number";
    pre.append(h("span", { class: kind }, m[1] || m[0]));
    if (m[2]) pre.append(m[2]);
    end = m.index + m[0].length;
  }
  pre.append(shown.slice(end));
  return pre;
}
