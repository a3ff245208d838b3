// Columns of the contract as arrays of values, and back; null is a row without a value.
//
// The engine in a component interprets all that is not its own code, so each value goes through as few steps as can be:
// plain loops, no iterators, no calls.
import { TYPES } from "./fields.js";
import { isListOf, readLists, readTextLists, writeLists, writeTextLists } from "./lists.js";
import { isJson, readBytes, readTexts, writeBytes, writeTexts } from "./texts.js";
import { isWhole, readWhole, writeWhole } from "./whole.js";

/** How each type crosses the boundary: the tag of its values, their reader and writer, and what a value has to be. */
const CODECS = {
  boolean: { tag: "booleans", read: readBooleans, write: writeBooleans, fits: (value) => typeof value === "boolean" },
  int64: { tag: "int64s", read: readWhole, write: writeWhole, fits: isWhole },
  float64: { tag: "float64s", read: (all) => all, write: writeNumbers, fits: (value) => typeof value === "number" },
  timestamp: { tag: "timestamps", read: readWhole, write: writeWhole, fits: isWhole },
  text: { tag: "texts", read: readTexts, write: writeTexts, fits: (value) => typeof value === "string" },
  bytes: { tag: "bytes", read: readBytes, write: writeBytes, fits: (value) => value instanceof Uint8Array },
  json: { tag: "json", read: readTexts, write: writeTexts, fits: isJson },
  "float64-list": { tag: "float64-lists", read: readLists, write: writeLists, fits: isListOf("number") },
  "text-list": { tag: "text-lists", read: readTextLists, write: writeTextLists, fits: isListOf("string") },
};
/** Types whose values are all that `typeof` gives this word for. */
const PLAIN = { boolean: "boolean", float64: "number", text: "string" };

/** A value that its column cannot hold. */
export class Unfit extends Error {}

/** The values of a column, a row each. */
export function readColumn({ name, type }, { validity, values }) {
  const codec = CODECS[type];
  if (values.tag !== codec.tag) throw new Error(`field "${name}": the host gives ${values.tag}, not ${codec.tag}`);
  const read = codec.read(values.val);
  if (validity === null || validity === undefined) return read;
  const rows = read.length;
  const nullable = new Array(rows);
  for (let row = 0; row < rows; row++) {
    nullable[row] = (validity[row >> 3] & (1 << (row & 7))) === 0 ? null : read[row];
  }
  return nullable;
}

/** The column of values, each null or of the field's type; throws `Unfit` at the first that is neither. */
export function writeColumn(field, values) {
  const { tag, write, fits } = CODECS[field.type];
  const plain = PLAIN[field.type];
  const rows = values.length;
  let nulls = 0;
  for (let row = 0; row < rows; row++) {
    const value = values[row];
    if (value === null) nulls++;
    else if (typeof value !== plain && !fits(value)) throw unfit(field, value);
  }
  if (nulls > 0 && !field.nullable) {
    throw new Unfit(`column "${field.name}": it is not declared as one that may be null`);
  }
  return { validity: nulls > 0 ? bits(values) : undefined, values: { tag, val: write(values) } };
}

function bits(values) {
  const validity = new Uint8Array((values.length + 7) >> 3);
  for (let row = 0; row < values.length; row++) {
    if (values[row] !== null) validity[row >> 3] |= 1 << (row & 7);
  }
  return validity;
}

function unfit({ name, type }, value) {
  const shown = typeof value === "bigint" ? String(value) : (JSON.stringify(value) ?? String(value));
  return new Unfit(`column "${name}": expected ${TYPES[type]}, found ${shown.slice(0, 100)}`);
}

function readBooleans(bytes) {
  const values = new Array(bytes.length);
  for (let row = 0; row < values.length; row++) values[row] = bytes[row] !== 0;
  return values;
}

function writeBooleans(values) {
  const bytes = new Uint8Array(values.length);
  for (let row = 0; row < values.length; row++) {
    if (values[row]) bytes[row] = 1;
  }
  return bytes;
}

function writeNumbers(values) {
  const numbers = new Float64Array(values.length);
  for (let row = 0; row < values.length; row++) {
    const value = values[row];
    if (value !== null) numbers[row] = value;
  }
  return numbers;
}
