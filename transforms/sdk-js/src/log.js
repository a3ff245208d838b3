// The host's log; outside a component, standard error.

let sink = (level, text) => console.error(`${level}: ${text}`);

/** Where lines go from now on: a function of a level and a text. */
export function logTo(given) {
  sink = given;
}

/** What helps to find a fault. */
export const debug = (text) => sink("debug", String(text));
/** What is worth knowing. */
export const info = (text) => sink("info", String(text));
/** What is odd, but no fault. */
export const warn = (text) => sink("warn", String(text));
/** What is wrong. */
export const error = (text) => sink("error", String(text));
