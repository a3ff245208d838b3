// Points in time as microseconds since 1970 in UTC, read from text and written as text.
import { SAFE, whole } from "./whole.js";

const TIME =
  /^(\d{4}-\d{2}-\d{2})[T ](\d{2}):(\d{2}):(\d{2})(?:\.(\d+))?(?:[Zz]|([+-]\d{2}(?::?\d{2})?))?$/;
/** The days of dates that were met: records that come together often share theirs. */
const known = new Map();
const KNOWN_MAX = 4096;
const DAYS_BEFORE_MONTH = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365];
const DAYS_TO_1970 = 719162;

/**
 * Reads `2018-05-27 11:30:59` or with a `T`, with or without a fraction (what is beyond the microsecond is cut off),
 * with or without `Z` or an offset such as `+02:00`; without one it is UTC. Null for anything else, and for null: no
 * blanks around it, no day that its month does not have, no hour 24, no second 60.
 */
export function parseTimestamp(text) {
  const parts = text === null || text === undefined ? null : TIME.exec(text);
  if (parts === null) return null;
  const days = daysBefore(parts[1]);
  const hour = +parts[2];
  const minute = +parts[3];
  const second = +parts[4];
  if (days === null || hour > 23 || minute > 59 || second > 59) return null;
  let seconds = days * 86400 + hour * 3600 + minute * 60 + second;
  const zone = parts[6];
  if (zone !== undefined) {
    const east = secondsEast(zone);
    if (east === null) return null;
    seconds -= east;
  }
  const fraction = parts[5] === undefined ? 0 : +parts[5].slice(0, 6).padEnd(6, "0");
  const micros = seconds * 1e6 + fraction;
  return micros < SAFE && micros > -SAFE ? micros : whole(BigInt(seconds) * 1000000n + BigInt(fraction));
}

/** The seconds of `+02:00`, `+0200` or `+02`. */
function secondsEast(zone) {
  const hours = +zone.slice(1, 3);
  const minutes = +(zone.slice(3).replace(":", "") || 0);
  if (hours > 23 || minutes > 59) return null;
  return (zone[0] === "-" ? -1 : 1) * (hours * 3600 + minutes * 60);
}

/** RFC 3339 in UTC, with a fraction only where there is one. */
export function formatTimestamp(micros) {
  const all = BigInt(micros);
  const fraction = Number(((all % 1000000n) + 1000000n) % 1000000n);
  const seconds = whole((all - BigInt(fraction)) / 1000000n);
  const shown = new Date(seconds * 1000).toISOString().slice(0, -5);
  return shown + (fraction === 0 ? "" : "." + String(fraction).padStart(6, "0").replace(/0+$/, "")) + "Z";
}

/** The days from 1970 to a date of the Gregorian calendar, or null where there is no such date. */
function daysBefore(date) {
  let days = known.get(date);
  if (days === undefined) {
    days = countDays(+date.slice(0, 4), +date.slice(5, 7), +date.slice(8, 10));
    if (known.size === KNOWN_MAX) known.clear();
    known.set(date, days);
  }
  return days;
}

function countDays(year, month, day) {
  if (month < 1 || month > 12) return null;
  const leap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  const start = DAYS_BEFORE_MONTH[month - 1];
  const length = DAYS_BEFORE_MONTH[month] - start + (leap && month === 2 ? 1 : 0);
  if (day < 1 || day > length) return null;
  const past = year - 1;
  const years = past * 365 + Math.floor(past / 4) - Math.floor(past / 100) + Math.floor(past / 400) - DAYS_TO_1970;
  return years + start + (leap && month > 2 ? 1 : 0) + day - 1;
}
