// Commands for a terminal that do what a record shows.

// quote makes one word of a text for a POSIX shell.
export function quote(text) {
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

export function wscat(connect, query, text) {
  const url = connect + (query ? `?${query}` : "");
  return `npx wscat -c ${quote(url)}${text === undefined ? "" : ` -x ${quote(text)}`}`;
}

export const wirepostSend = (to, data) => `wirepost send --to ${quote(to)} ${quote(data)}`;
export const wirepostKick = (to) => `wirepost kick --to ${quote(to)}`;
export const wirepostFault = (rules) => (rules.length ? `wirepost fault ${rules.map(quote).join(" ")}` : "wirepost fault --clear");
