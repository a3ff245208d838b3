// What the transform makes of the sample, and of one record.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { emit } from "tidemill-sdk";
import { run } from "tidemill-sdk/testing";
import transform, { clean } from "../src/index.js";

test("the sample", () => {
  const lines = readFileSync(new URL("../sample.jsonl", import.meta.url), "utf8").trim().split("\n");
  const outcome = run(transform, lines);
  assert.deepEqual(outcome.rows, [
    [0, { product: "tea", price: 2.5, at: "2026-05-27T11:30:59Z" }],
    [1, { product: "rice", price: null, at: null }],
  ]);
  assert.deepEqual(outcome.rejected, [
    [2, "the record names no product"],
    [3, "the price is negative"],
  ]);
});

test("one record", () => {
  assert.deepEqual(clean({ product: "tea", price: 2.5, at: null }), emit({ product: "tea", price: 2.5, at: null }));
});
