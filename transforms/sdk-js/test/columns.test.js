// Values through columns and back, and values that a column cannot hold.
import assert from "node:assert/strict";
import { test } from "node:test";
import { readColumn, writeColumn } from "../src/columns.js";

function check(type, values, read = values) {
  const field = { name: "x", type, nullable: true };
  assert.deepEqual(Array.from(readColumn(field, writeColumn(field, values))), read, type);
}

test("each type comes back as it went", () => {
  check("boolean", [true, null, false]);
  check("int64", [0, -1, 1, null, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER, 2 ** 32, -(2 ** 32) - 1]);
  check("float64", [0.1, null, -2.5, Infinity]);
  check("timestamp", [1527420659250000, null, -1]);
  check("text", ["plain", null, "", "ascii only"]);
  check("text", ["\ufeffmark", "Åland 🇦🇽", null, "plain"]);
  check("bytes", [Uint8Array.of(0, 255), null, new Uint8Array()]);
  check("json", ['{"a": [1]}', null, "1e400"]);
  check("float64-list", [[1, 2.5], null, []]);
  check("text-list", [["é", ""], null, [], ["b"]]);
});

test("whole numbers are never rounded", () => {
  const large = 2n ** 53n;
  check("int64", [large, -large, 2n ** 63n - 1n, -(2n ** 63n)]);
  check("int64", [5n], [5]);
  check("timestamp", [253402300799999999n]);
});

test("many rows with nulls among them", () => {
  const values = Array.from({ length: 1000 }, (_, row) => (row % 3 === 0 ? null : `row ${row}`));
  check("text", values);
});

test("what does not fit is said", () => {
  const unfit = (type, nullable, value, message) =>
    assert.throws(() => writeColumn({ name: "x", type, nullable }, [value]), { message: `column "x": ${message}` });
  unfit("text", false, null, "it is not declared as one that may be null");
  unfit("text", true, 5, "expected a text, found 5");
  unfit("int64", true, 1.5, "expected a whole number of 64 bits, found 1.5");
  unfit("int64", true, 2 ** 53, `expected a whole number of 64 bits, found ${2 ** 53}`);
  unfit("int64", true, 2n ** 63n, `expected a whole number of 64 bits, found ${2n ** 63n}`);
  unfit("timestamp", true, "2018-05-27", 'expected a whole number of microseconds, found "2018-05-27"');
  unfit("boolean", true, 1, "expected true or false, found 1");
  unfit("json", true, "{", 'expected a text that is JSON, found "{"');
  unfit("float64-list", true, [1, "2"], 'expected a list of numbers, found [1,"2"]');
});
