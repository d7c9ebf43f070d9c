const base = "/_wirepost/api/";
const headers = { "Wirepost-Inspector": "1" };

export class Refused extends Error {
  constructor(status, sentence) { super(sentence); this.status = status; }
}

async function read(response) {
  const text = await response.text();
  let value;
  try { value = JSON.parse(text); } catch { /* said below */ }
  if (!response.ok) throw new Refused(response.status, value?.error || `${response.status} ${response.statusText}`);
  return value;
}

export async function get(path, query) {
  const q = new URLSearchParams(query || {});
  return read(await fetch(`${base}${path}?${q}`, { headers }));
}

export async function send(method, path, body) {
  const options = { method, headers: { ...headers } };
  if (body !== undefined) {
    options.headers["Content-Type"] = "application/json";
    options.body = typeof body === "string" || body instanceof Blob ? body : JSON.stringify(body);
  }
  return read(await fetch(base + path, options));
}

export const post = (path, body) => send("POST", path, body);

export async function file(path, query) {
  const response = await fetch(`${base}${path}?${new URLSearchParams(query || {})}`, { headers });
  if (!response.ok) return read(response);
  return response.blob();
}

// follow reads the stream, line by line, and begins again when it breaks. What it
// returns ends it.
export function follow(query, onLine, onState) {
  const control = new AbortController();
  let wait = 500;
  (async () => {
    while (!control.signal.aborted) {
      try {
        const response = await fetch(`${base}stream?${new URLSearchParams(query())}`, { headers, signal: control.signal });
        if (!response.ok) await read(response);
        onState("live");
        wait = 500;
        const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
        let rest = "";
        for (;;) {
          const { value, done } = await reader.read();
          if (done) break;
          const lines = (rest + value).split("\n");
          rest = lines.pop();
          for (const line of lines) onLine(JSON.parse(line));
        }
      } catch (error) {
        if (control.signal.aborted) return;
        if (error.status === 401) { onState("ended", error.message); return; }
      }
      if (control.signal.aborted) return;
      onState("lost");
      await new Promise((r) => setTimeout(r, wait * (0.5 + Math.random())));
      wait = Math.min(wait * 2, 8000);
    }
  })();
  return () => control.abort();
}
