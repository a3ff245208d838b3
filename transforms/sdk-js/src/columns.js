// Columns of the contract as arrays of values, and back; null is a row without a value.
import { TYPES } from "./fields.js";
import { isWhole, readWhole, writeWhole } from "./whole.js";

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
const encoder = new TextEncoder();

/** How each type crosses the boundary: the tag of its values, their reader, what they have to be, their writer. */
const CODECS = {
  boolean: { tag: "booleans", read: (bytes) => Array.from(bytes, (byte) => byte !== 0), fits: (value) => typeof value === "boolean", write: (values) => Uint8Array.from(values, Number) },
  int64: { tag: "int64s", read: readWhole, fits: isWhole, write: writeWhole },
  float64: { tag: "float64s", read: (numbers) => Array.from(numbers), fits: (value) => typeof value === "number", write: (values) => Float64Array.from(values, Number) },
  timestamp: { tag: "timestamps", read: readWhole, fits: isWhole, write: writeWhole },
  text: { tag: "texts", read: readTexts, fits: (value) => typeof value === "string", write: writeTexts },
  bytes: { tag: "bytes", read: readBytes, fits: (value) => value instanceof Uint8Array, write: writeBytes },
  json: { tag: "json", read: readTexts, fits: isJson, write: writeTexts },
  "float64-list": { tag: "float64-lists", read: readLists, fits: isList("number"), write: writeLists },
  "text-list": { tag: "text-lists", read: readTextLists, fits: isList("string"), write: writeTextLists },
};

/** A value that its column cannot hold. */
export class Unfit extends Error {}

/** The values of a column, a row each. */
export function readColumn({ name, type }, { validity, values }) {
  const codec = CODECS[type];
  if (values.tag !== codec.tag) throw new Error(`field "${name}": the host gives ${values.tag}, not ${codec.tag}`);
  const read = codec.read(values.val);
  if (validity !== null && validity !== undefined) {
    for (let row = 0; row < read.length; row++) {
      if ((validity[row >> 3] & (1 << (row & 7))) === 0) read[row] = null;
    }
  }
  return read;
}

/** The column of values, each null or of the field's type; throws `Unfit` at the first that is neither. */
export function writeColumn({ name, type, nullable }, values) {
  const codec = CODECS[type];
  let validity = null;
  for (let row = 0; row < values.length; row++) {
    const value = values[row];
    if (value === null) {
      if (!nullable) throw new Unfit(`column "${name}": it is not declared as one that may be null`);
      if (validity === null) validity = new Uint8Array((values.length + 7) >> 3).fill(255);
      validity[row >> 3] &= ~(1 << (row & 7));
    } else if (!codec.fits(value)) {
      throw new Unfit(`column "${name}": expected ${TYPES[type]}, found ${shown(value)}`);
    }
  }
  return { validity: validity ?? undefined, values: { tag: codec.tag, val: codec.write(values) } };
}

function readTexts({ offsets, bytes }) {
  const rows = offsets.length - 1;
  const texts = new Array(rows);
  const all = decoder.decode(bytes);
  // Where all is ASCII, a place among the bytes is one in the text, and a slice costs no decoding.
  const ascii = all.length === bytes.length;
  for (let row = 0; row < rows; row++) {
    const [start, end] = [offsets[row], offsets[row + 1]];
    texts[row] = ascii ? all.slice(start, end) : decoder.decode(bytes.subarray(start, end));
  }
  return texts;
}

function writeTexts(values) {
  const rows = values.length;
  const offsets = new Uint32Array(rows + 1);
  let all = "";
  for (let row = 0; row < rows; row++) {
    const value = values[row];
    if (value !== null) all += value;
    offsets[row + 1] = all.length;
  }
  const bytes = encoder.encode(all);
  return bytes.length === all.length ? { offsets, bytes } : writeBytes(values.map((value) => (value === null ? null : encoder.encode(value))));
}

function readBytes({ offsets, bytes }) {
  return Array.from({ length: offsets.length - 1 }, (_, row) => bytes.slice(offsets[row], offsets[row + 1]));
}

function writeBytes(values) {
  const offsets = starts(values);
  const bytes = new Uint8Array(offsets[values.length]);
  values.forEach((value, row) => value !== null && bytes.set(value, offsets[row]));
  return { offsets, bytes };
}

function readLists({ offsets, items }) {
  return Array.from({ length: offsets.length - 1 }, (_, row) => Array.from(items.subarray(offsets[row], offsets[row + 1])));
}

function writeLists(values) {
  const offsets = starts(values);
  const items = new Float64Array(offsets[values.length]);
  values.forEach((value, row) => value !== null && items.set(value, offsets[row]));
  return { offsets, items };
}

function readTextLists({ offsets, items }) {
  const texts = readTexts(items);
  return Array.from({ length: offsets.length - 1 }, (_, row) => texts.slice(offsets[row], offsets[row + 1]));
}

function writeTextLists(values) {
  return { offsets: starts(values), items: writeTexts(values.flatMap((value) => value ?? [])) };
}

/** Where each row begins, and after them where the last one ends. */
function starts(values) {
  const offsets = new Uint32Array(values.length + 1);
  values.forEach((value, row) => (offsets[row + 1] = offsets[row] + (value === null ? 0 : value.length)));
  return offsets;
}

function isList(kind) {
  return (value) => (Array.isArray(value) || value instanceof Float64Array) && value.every((item) => typeof item === kind);
}

function isJson(value) {
  if (typeof value !== "string") return false;
  try {
    JSON.parse(value);
    return true;
  } catch {
    return false;
  }
}

function shown(value) {
  if (typeof value === "bigint") return `${value}`;
  return (value === undefined ? "undefined" : JSON.stringify(value))?.slice(0, 100) ?? typeof value;
}
