// Texts that stand for nothing, and times as text.
import assert from "node:assert/strict";
import { test } from "node:test";
import { parseTimestamp, present, trim } from "../src/index.js";
import { formatTimestamp } from "../src/time.js";

test("blanks matter only to the comparison", () => {
  const check = (text, expected) => assert.equal(present(text, ["None", "N/A"]), expected, JSON.stringify(text));
  check("a", "a");
  check(" a… \u00a0", " a… \u00a0");
  check("", null);
  check(" \t\u00a0\u3000\n", null);
  check("None", null);
  check("\u00a0N/A\n", null);
  check("none", "none");
  check("None of it", "None of it");
  check("None \u0085", null);
  check(null, null);
  assert.equal(trim("\ufeff a\u0085"), "\ufeff a");
  assert.equal(trim("a\nb \n"), "a\nb");
});

test("times are read strictly", () => {
  const check = (text, expected) => {
    const micros = parseTimestamp(text);
    assert.equal(micros === null ? null : formatTimestamp(micros), expected, text);
  };
  check("2018-05-27 11:30:59", "2018-05-27T11:30:59Z");
  check("2018-05-27T11:30:59.25", "2018-05-27T11:30:59.25Z");
  check("2018-05-27T11:30:59.1234567Z", "2018-05-27T11:30:59.123456Z");
  check("2018-05-27T13:30:59+02:00", "2018-05-27T11:30:59Z");
  check("2018-05-27T13:30:59-0230", "2018-05-27T16:00:59Z");
  check("2018-05-27T13:30:59+02", "2018-05-27T11:30:59Z");
  check("1969-12-31 23:59:59.999999", "1969-12-31T23:59:59.999999Z");
  check("9999-12-31 23:59:59.999999", "9999-12-31T23:59:59.999999Z");
  check("0001-01-01 00:00:00", "0001-01-01T00:00:00Z");
  check("2020-02-29 23:59:59", "2020-02-29T23:59:59Z");
  const wrong = [
    "2018-02-29 11:30:59",
    "2018-13-01 11:30:59",
    "2018-05-27 24:30:59",
    "2018-05-27 11:30:60",
    "2018:05:27 11:30:59",
    "2018-05-27",
    " 2018-05-27 11:30:59",
    "2018-05-27 11:30:59.",
    "2018-05-27 11:30:59+24:00",
    "2018-05-27 11:30:59\n",
    "",
  ];
  wrong.forEach((text) => check(text, null));
  assert.equal(parseTimestamp(null), null);
  assert.equal(parseTimestamp("9999-12-31 23:59:59.999999"), 253402300799999999n);
});
