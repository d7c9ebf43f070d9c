// Commands for a terminal that repeat what a record shows. They contain text that a
// client sent, and people paste them into a shell. So each is one line of visible ASCII:
// neither the shell nor its line editor acts on anything between the quotes.

const plain = /^[A-Za-z0-9_@%+:,./-][A-Za-z0-9_@%+=:,./-]*$/;
const escapes = { "\n": "\\n", "\t": "\\t", "\r": "\\r", "\\": "\\\\", "'": "\\x27", "!": "\\x21" };

// quote makes one word of a text. Where single quotes are not enough it uses $'…', which
// has escapes for bytes. bash, zsh, ksh and the shells of macOS and Alpine have it; dash,
// Debian's sh, does not. It throws for a NUL, which no program can receive.
export function quote(text) {
  if (plain.test(text)) return text;
  if (text.includes("\0")) throw new Error("A NUL byte cannot be part of an argument");
  if (/^[ -~]*$/.test(text) && !(text.includes("'") && text.includes("!"))) return `'${text.replaceAll("'", `'\\''`)}'`;
  let word = "$'", afterByte = false;
  for (const c of text) {
    // In some shells a hexadecimal digit after \xHH would belong to the escape.
    const isPlain = c >= " " && c <= "~" && !escapes[c] && !(afterByte && /[0-9A-Fa-f]/.test(c));
    const written = isPlain ? c : escapes[c] || bytesOf(c);
    afterByte = written.startsWith("\\x");
    word += written;
  }
  return `${word}'`;
}

const bytesOf = (c) => Array.from(new TextEncoder().encode(c), (b) => `\\x${b.toString(16).padStart(2, "0")}`).join("");

export function wscat(connect, query, text) {
  const url = connect + (query ? `?${query}` : "");
  let data = "";
  if (text !== undefined) data = text.startsWith("-") ? ` ${quote(`--execute=${text}`)}` : ` -x ${quote(text)}`;
  return `npx wscat -c ${quote(url)}${data}`;
}

export function wirepostSend(to, data) {
  const send = `wirepost send --to ${quote(to)}`;
  if (data === "-") return `printf %s - | ${send} -`; // a lone dash means standard input
  return `${send}${data.startsWith("-") ? " --" : ""} ${quote(data)}`;
}

export const wirepostKick = (to) => `wirepost kick --to ${quote(to)}`;
export const wirepostFault = (rules) => (rules.length ? `wirepost fault ${rules.map(quote).join(" ")}` : "wirepost fault --clear");

// json escapes the invisible characters of a JSON text; its value stays the same.
export const json = (text) => text.replace(/[^\n\t\p{L}\p{M}\p{N}\p{P}\p{S}\p{Zs}]|\p{Default_Ignorable_Code_Point}/gu,
  (c) => c.split("").map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`).join(""));
