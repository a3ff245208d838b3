// Texts and byte strings one after another, cut by offsets.

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
const encoder = new TextEncoder();

export function readTexts({ offsets, bytes }) {
  const rows = offsets.length - 1;
  const texts = new Array(rows);
  const all = decoder.decode(bytes);
  if (all.length === bytes.length) {
    // All of it is ASCII: a place among the bytes is one in the text, and a slice costs no decoding.
    let start = 0;
    for (let row = 0; row < rows; row++) {
      const end = offsets[row + 1];
      texts[row] = all.slice(start, end);
      start = end;
    }
    return texts;
  }
  for (let row = 0; row < rows; row++) {
    texts[row] = decoder.decode(bytes.subarray(offsets[row], offsets[row + 1]));
  }
  return texts;
}

export function writeTexts(values) {
  const rows = values.length;
  const offsets = new Uint32Array(rows + 1);
  let all = "";
  for (let row = 0; row < rows; row++) {
    const value = values[row];
    if (value !== null) all += value;
    offsets[row + 1] = all.length;
  }
  const bytes = encoder.encode(all);
  if (bytes.length === all.length) return { offsets, bytes };
  return writeBytes(values.map((value) => (value === null ? null : encoder.encode(value))));
}

export function readBytes({ offsets, bytes }) {
  const values = new Array(offsets.length - 1);
  for (let row = 0; row < values.length; row++) values[row] = bytes.slice(offsets[row], offsets[row + 1]);
  return values;
}

export function writeBytes(values) {
  const offsets = starts(values);
  const bytes = new Uint8Array(offsets[values.length]);
  for (let row = 0; row < values.length; row++) {
    if (values[row] !== null) bytes.set(values[row], offsets[row]);
  }
  return { offsets, bytes };
}

/** Where each row begins, and after them where the last one ends. */
export function starts(values) {
  const offsets = new Uint32Array(values.length + 1);
  let end = 0;
  for (let row = 0; row < values.length; row++) {
    if (values[row] !== null) end += values[row].length;
    offsets[row + 1] = end;
  }
  return offsets;
}

export function isJson(value) {
  if (typeof value !== "string") return false;
  try {
    JSON.parse(value);
    return true;
  } catch {
    return false;
  }
}
