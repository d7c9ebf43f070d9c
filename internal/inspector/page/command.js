// Commands for a terminal that do what a record shows. What a client has sent is in
// them, and they are pasted into a shell: they have one line of ASCII characters that
// can be seen, so that no shell and no line editor acts on what is between quotes.

const plain = /^[A-Za-z0-9_@%+:,./-][A-Za-z0-9_@%+=:,./-]*$/;
const escapes = { "\n": "\\n", "\t": "\\t", "\r": "\\r", "\\": "\\\\", "'": "\\x27", "!": "\\x21" };

// quote makes one word of a text: as it is, in single quotes, or in the $'…' of bash,
// zsh, ksh and the shells of macOS and Alpine, which has escapes for bytes (dash, the
// sh of Debian, does not know it). No program can be given a NUL.
export function quote(text) {
  if (plain.test(text)) return text;
  if (text.includes("\0")) throw new Error("A NUL byte is in it, and no program can be given one as an argument");
  if (/^[ -~]*$/.test(text) && !(text.includes("'") && text.includes("!"))) return `'${text.replaceAll("'", `'\\''`)}'`;
  let word = "$'", afterByte = false;
  for (const c of text) {
    // A hexadecimal digit that follows \xHH would belong to it in some shells.
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
  if (data === "-") return `printf %s - | ${send} -`; // alone it means standard input
  return `${send}${data.startsWith("-") ? " --" : ""} ${quote(data)}`;
}

export const wirepostKick = (to) => `wirepost kick --to ${quote(to)}`;
export const wirepostFault = (rules) => (rules.length ? `wirepost fault ${rules.map(quote).join(" ")}` : "wirepost fault --clear");

// json is a JSON text of the same value without characters that cannot be seen.
export const json = (text) => text.replace(/[^\n\t\p{L}\p{M}\p{N}\p{P}\p{S}\p{Zs}]|\p{Default_Ignorable_Code_Point}/gu,
  (c) => c.split("").map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`).join(""));
