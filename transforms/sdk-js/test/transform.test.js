// Declarations, verdicts, parameters, and what becomes of a record on which the function fails.
import assert from "node:assert/strict";
import { test } from "node:test";
import { drop, emit, emitAll, info, reject, transform } from "../src/index.js";
import { guest } from "../src/guest.js";
import { run } from "../src/testing.js";

const words = transform({
  inputs: { line: { type: "text", aliases: ["text"] }, "@offset": "int64" },
  outputs: { word: "text", line: "int64", price: "float64?" },
  parameters: {
    least: { type: "integer", minimum: 1, default: 1, description: "Shorter words are left out." },
    stop: { type: "array", items: { type: "string" }, default: ["the"] },
    currency: { type: "string", enum: ["EUR", "USD"], default: "EUR" },
    note: { type: "string", default: null },
  },
  clean({ line, "@offset": offset }, { least, stop }) {
    if (line === "") return reject("the line is empty");
    if (line === "skip") return drop();
    if (line === "throw") throw new TypeError("a fault");
    if (line === "nothing") return undefined;
    if (line === "unfit") return emitAll([{ word: "good", line: offset }, { word: 5, line: offset }]);
    if (line === "one") return emit({ word: "one", line: offset, price: 1 });
    const kept = line.split(" ").filter((word) => word.length >= least && !stop.includes(word));
    return emitAll(kept.map((word) => ({ word, line: offset })));
  },
});

const line = (text) => JSON.stringify({ line: text });

test("verdicts", () => {
  const outcome = run(words, ["the tea", "", "skip", "the", "one", "a b"].map(line));
  assert.deepEqual(outcome.rows, [
    [0, { word: "tea", line: 0, price: null }],
    [4, { word: "one", line: 4, price: 1 }],
    [5, { word: "a", line: 5, price: null }],
    [5, { word: "b", line: 5, price: null }],
  ]);
  assert.deepEqual(outcome.rejected, [[1, "the line is empty"]]);
  assert.deepEqual(outcome.dropped, [2, 3]);
});

test("a record that fails is rejected alone", () => {
  const outcome = run(words, ["tea", "throw", "nothing", "unfit", "salt"].map(line));
  assert.deepEqual(outcome.rows.map(([place]) => place), [0, 4]);
  assert.deepEqual(outcome.rejected, [
    [1, "the transform threw TypeError: a fault"],
    [2, "the transform gave no verdict: it has to return emit, emitAll, drop or reject"],
    [3, 'column "word": expected a text, found 5'],
  ]);
});

test("parameters are filled in and checked", () => {
  assert.deepEqual(run(words, [line("the tea")], { least: 4 }).dropped, [0]);
  assert.deepEqual(run(words, [line("the tea")], { stop: [] }).rows.length, 2);
  const refused = (parameters, message) => assert.throws(() => run(words, [], parameters), { message });
  refused({ least: 0 }, 'parameter "least": 0 is less than 1');
  refused({ least: 1.5 }, 'parameter "least": 1.5 is not a whole number');
  refused({ stop: ["a", 1] }, 'parameter "stop": item 1: 1 is not a text');
  refused({ currency: "GBP" }, 'parameter "currency": "GBP" is not one of "EUR", "USD"');
  refused({ lest: 1 }, 'parameter "lest" is unknown; known are least, stop, currency, note');
});

test("a parameter without a default has to be given", () => {
  const needy = transform({ ...declared(), parameters: { currency: { type: "string" } } });
  assert.throws(() => run(needy, []), { message: 'parameter "currency" is missing' });
  assert.deepEqual(needy.schema.required, ["currency"]);
});

function declared() {
  return { inputs: { a: "text?" }, outputs: { a: "text?" }, clean: emit };
}

test("declarations are checked", () => {
  const refused = (change, message) => assert.throws(() => transform({ ...declared(), ...change }), { message });
  refused({ inputs: {} }, "inputs: there are no fields");
  refused({ inputs: { a: { type: "text", alias: "b" } } }, "inputs.a: alias is unknown; known are type, aliases");
  refused({ clean: undefined }, "transform: clean is not a function");
  refused({ input: {} }, "transform: input is unknown; known are inputs, outputs, parameters, clean");
  refused({ parameters: { a: { type: "string", pattern: "x" } } }, /^parameters.a: pattern is unknown/);
  refused({ parameters: { a: { type: "number", default: "x" } } }, 'parameter "a": "x" is not a number');
  refused({ outputs: { a: "string" } }, /^outputs.a: the type "string" is unknown/);
});

test("the exports of the contract", () => {
  const said = [];
  const log = (level, text) => said.push([level, text]);
  const { describe, configure, apply } = guest(words, { name: "words", version: "1.0.0" }, log);
  const description = describe();
  assert.equal(description.summary, "");
  assert.deepEqual(description.inputs[0], { name: "line", aliases: ["text"], type: "text", nullable: false });
  assert.deepEqual(description.outputs[2], { name: "price", aliases: [], type: "float64", nullable: true });
  assert.equal(JSON.parse(description.parameters).additionalProperties, false);
  assert.throws(() => apply({ rows: 0, columns: [] }), (thrown) => typeof thrown === "string");
  assert.throws(() => configure('{"least": 0}'), (thrown) => thrown === 'parameter "least": 0 is less than 1');
  configure("{}");
  info("it is configured");
  assert.deepEqual(said, [["info", "it is configured"]]);
});
