// Whole numbers of 64 bits: a number where that is exact, else a BigInt, so that nothing is ever rounded.

const WORD = 4294967296;
/** Whole numbers nearer to zero are exact. */
export const SAFE = 2 ** 53;

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
    values[row] = number < SAFE && number > -SAFE ? number : array[row];
  }
  return values;
}

/** Whether a value is a whole number of 64 bits. */
export function isWhole(value) {
  // Most are small, which is seen without a call.
  if (typeof value === "number" && (value | 0) === value) return true;
  return Number.isSafeInteger(value) || (typeof value === "bigint" && BigInt.asIntN(64, value) === value);
}

/** Values of which each is a whole number or null, as a BigInt64Array. */
export function writeWhole(values) {
  const array = new BigInt64Array(values.length);
  const words = new Int32Array(array.buffer);
  for (let row = 0; row < values.length; row++) {
    const value = values[row];
    if (typeof value === "number") {
      // A word keeps what is left of a number modulo its size.
      words[2 * row] = value;
      words[2 * row + 1] = Math.floor(value / WORD);
    } else if (value !== null) {
      array[row] = value;
    }
  }
  return array;
}
