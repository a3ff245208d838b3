// Texts that stand for no value, and the blanks around a text.

/** Unicode's White_Space, which the SDKs of all languages go by: `String.prototype.trim` has another list. */
const BLANK = "\\t-\\r \\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";
const AROUND = new RegExp(`^[${BLANK}]+|[${BLANK}]+$`, "g");

/** The text without the blanks around it. */
export function trim(text) {
  // Most texts are told by their first and last character to have none.
  const first = text.charCodeAt(0);
  const last = text.charCodeAt(text.length - 1);
  if (first > 32 && first < 127 && last > 32 && last < 127) return text;
  return text.replace(AROUND, "");
}

/** The text as it is, or null where it is blank or, apart from blanks around it, one of `sentinels`. */
export function present(text, sentinels) {
  if (text === null || text === undefined) return null;
  const core = trim(text);
  if (core === "" || (sentinels !== undefined && sentinels.includes(core))) return null;
  return text;
}
