// Whole numbers of 64 bits: a number where that is exact, else a BigInt, so that nothing is ever rounded.

const WORD = 4294967296;

/** A BigInt as a number where that is exact. */
export function whole(big) {
  const number = Number(big);
  return Number.isSafeInteger(number) ? number : big;
}

/** The values of a BigInt64Array. */
export function readWhole(array) {
  const words = new Int32Array(array.buffer, array.byteOffset, array.length * 2);
  const values = new Array(array.length);
  for (let row = 0; row < values.length; row++) {
    const number = words[2 * row + 1] * WORD + (words[2 * row] >>> 0);
    values[row] = Number.isSafeInteger(number) ? number : array[row];
  }
  return values;
}

/** Whether a value is a whole number of 64 bits. */
export function isWhole(value) {
  return Number.isSafeInteger(value) || (typeof value === "bigint" && BigInt.asIntN(64, value) === value);
}

/** Values of which each is a whole number or null, as a BigInt64Array. */
export function writeWhole(values) {
  const array = new BigInt64Array(values.length);
  const words = new Int32Array(array.buffer);
  for (let row = 0; row < values.length; row++) {
    const value = values[row];
    if (typeof value === "number") {
      const high = Math.floor(value / WORD);
      words[2 * row] = value - high * WORD;
      words[2 * row + 1] = high;
    } else if (value !== null) {
      array[row] = value;
    }
  }
  return array;
}
