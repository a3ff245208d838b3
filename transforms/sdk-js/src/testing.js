// A small host for tests: JSON records in, JSON rows out, through the columns of the contract.
import { readColumn, writeColumn } from "./columns.js";
import { configured } from "./parameters.js";
import { run as runBatch } from "./run.js";
import { formatTimestamp, parseTimestamp } from "./time.js";

/**
 * Runs a transform over records, each a JSON object as text: `{ rows: [[place, row]], rejected: [[place, reason]],
 * dropped: [place] }`. A record has to be of the declared types; the host rejects others before a transform sees them.
 */
export function run(transform, lines, parameters = {}) {
  const given = configured(transform.schema, JSON.stringify(parameters));
  const records = lines.map((line) => [line, JSON.parse(line)]);
  const values = (field) => records.map((record, place) => input(field, record, place));
  const columns = transform.inputs.map((field) => writeColumn(field, values(field)));
  const output = runBatch(transform, given, { rows: records.length, columns });
  const rows = Array.from(output.sources, (source) => [source, {}]);
  transform.outputs.forEach((field, nth) => {
    const column = readColumn(field, output.rows.columns[nth]);
    rows.forEach(([, made], row) => (made[field.name] = shown(field.type, column[row])));
  });
  const rejected = output.rejected.map(({ row, reason }) => [row, reason]);
  const known = new Set([...output.sources, ...rejected.map(([row]) => row)]);
  return { rows, rejected, dropped: records.map((_, place) => place).filter((place) => !known.has(place)) };
}

/** The value of a field; parts of the record itself are what a record without key and headers has. */
function input({ name, aliases, type }, [line, record], place) {
  const parts = { "@value": new TextEncoder().encode(line), "@offset": place, "@partition": 0, "@time": 0 };
  if (name.startsWith("@")) return parts[name] ?? null;
  const found = [name, ...aliases].find((known) => Object.hasOwn(record, known));
  const value = found === undefined ? null : record[found];
  if (value === null) return null;
  if (type === "json") return JSON.stringify(value);
  if (type === "timestamp" && typeof value === "string") return parseTimestamp(value);
  if (type === "bytes") return Uint8Array.from(atob(value), (character) => character.charCodeAt(0));
  return value;
}

function shown(type, value) {
  if (value === null) return null;
  if (type === "timestamp") return formatTimestamp(value);
  if (type === "json") return JSON.parse(value);
  if (type === "bytes") return btoa(String.fromCharCode(...value));
  return value;
}
