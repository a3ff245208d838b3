// Lists of numbers and of texts, cut by offsets.
import { readTexts, starts, writeTexts } from "./texts.js";

/** Tells a list whose items are all of this kind, as `typeof` has it. */
export function isListOf(kind) {
  return (value) => {
    if (!Array.isArray(value)) return false;
    for (let place = 0; place < value.length; place++) {
      if (typeof value[place] !== kind) return false;
    }
    return true;
  };
}

export function readLists({ offsets, items }) {
  const lists = new Array(offsets.length - 1);
  for (let row = 0; row < lists.length; row++) lists[row] = Array.from(items.subarray(offsets[row], offsets[row + 1]));
  return lists;
}

export function writeLists(values) {
  const offsets = starts(values);
  const items = new Float64Array(offsets[values.length]);
  let next = 0;
  for (let row = 0; row < values.length; row++) {
    const value = values[row];
    const length = value === null ? 0 : value.length;
    for (let place = 0; place < length; place++) items[next++] = value[place];
  }
  return { offsets, items };
}

export function readTextLists({ offsets, items }) {
  const texts = readTexts(items);
  const lists = new Array(offsets.length - 1);
  for (let row = 0; row < lists.length; row++) lists[row] = texts.slice(offsets[row], offsets[row + 1]);
  return lists;
}

export function writeTextLists(values) {
  return { offsets: starts(values), items: writeTexts(values.flatMap((value) => value ?? [])) };
}
