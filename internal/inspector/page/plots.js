import { $, svg } from "./dom.js";

const width = 300, height = 56, span = 300;
const points = new Map(); // Unix second: point
let last = 0;

// take adds seconds, which may be known already.
export function take(seconds) {
  for (const p of seconds) {
    points.set(p.at, p);
    last = Math.max(last, p.at);
  }
  for (const at of points.keys()) if (at < last - span) points.delete(at);
}

function line(values, max, from) {
  let d = "", open = false;
  values.forEach((v, i) => {
    if (v === undefined) { open = false; return; }
    const x = (i * width) / (span - 1), y = height - 2 - (v / max) * (height - 6);
    d += `${open ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`;
    if (!open && (values[i + 1] === undefined)) d += `h1`;
    open = true;
  });
  return svg("path", { d, class: from, fill: "none", "vector-effect": "non-scaling-stroke" });
}

function nice(max) {
  if (max <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(max));
  return [1, 2, 5, 10].map((m) => m * power).find((m) => m >= max);
}

function draw(id, label, rows, drawn) {
  const max = nice(Math.max(...rows.flatMap((r) => r.values.filter((v) => v !== undefined)), 0));
  const graph = svg("svg", { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", role: "img", "aria-label": label });
  graph.append(svg("line", { x1: 0, x2: width, y1: 4, y2: 4, class: "grid" }), svg("line", { x1: 0, x2: width, y1: height - 2, y2: height - 2, class: "grid" }));
  for (const r of rows) graph.append(drawn(r, max));
  const top = document.createElement("span");
  top.className = "scale";
  top.textContent = max >= 1 ? max.toLocaleString("en") : String(max);
  $(id).replaceChildren(graph, top);
}

const number = (v) => (v >= 100 ? Math.round(v).toLocaleString("en") : v >= 10 ? v.toFixed(0) : Number.isInteger(v) ? String(v) : v.toFixed(v < 1 ? 2 : 1));

export function show() {
  if (!last) return;
  // The last second has not ended: the one before is what happens now.
  const at = (name, idle) => Array.from({ length: span }, (_, i) => {
    const p = points.get(last - span + i);
    return p === undefined || (idle && !p.calls) ? (idle ? undefined : 0) : p[name];
  });
  const now = points.get(last - 1) || { in: 0, out: 0, failures: 0, calls: 0 };
  $("now-in").textContent = number(now.in);
  $("now-out").textContent = number(now.out);
  $("now-fail").textContent = number(now.failures);
  $("now-p50").textContent = now.calls ? number(now.p50) : "–";
  $("now-p95").textContent = now.calls ? number(now.p95) : "–";
  draw("plot-messages", `Messages per second: ${now.in} in, ${now.out} out`,
    [{ values: at("out"), from: "p-out" }, { values: at("in"), from: "p-in" }], (r, max) => line(r.values, max, r.from));
  draw("plot-latency", `Time of invocations: median ${number(now.p50 || 0)} ms, 95th percentile ${number(now.p95 || 0)} ms`,
    [{ values: at("p95", true), from: "p-p95" }, { values: at("p50", true), from: "p-p50" }], (r, max) => line(r.values, max, r.from));
  draw("plot-failures", `Failures per second: ${now.failures}`, [{ values: at("failures"), from: "p-fail" }], (r, max) => {
    let d = "";
    r.values.forEach((v, i) => { if (v) d += `M${((i * width) / (span - 1)).toFixed(1)} ${height - 2}v-${((v / max) * (height - 6)).toFixed(1)}`; });
    return svg("path", { d, class: r.from, fill: "none", "vector-effect": "non-scaling-stroke" });
  });
}
