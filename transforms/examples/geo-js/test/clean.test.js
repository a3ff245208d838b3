// Places and times of pins as they come and as they come out.
import assert from "node:assert/strict";
import { test } from "node:test";
import { run } from "tidemill-sdk/testing";
import geo, { clean } from "../src/index.js";

function check(record, expected) {
  const outcome = run(geo, [JSON.stringify(record)]);
  assert.deepEqual(outcome, { rows: [[0, expected]], rejected: [], dropped: [] }, JSON.stringify(record));
}

function checkRejected(record, reason) {
  const outcome = run(geo, [JSON.stringify(record)]);
  assert.deepEqual(outcome, { rows: [], rejected: [[0, reason]], dropped: [] }, JSON.stringify(record));
}

test("a whole record", () => {
  check(
    { ind: 0, timestamp: "2019-01-01 07:21:13", latitude: -88.8298, longitude: -170.188, country: "Albania" },
    { ind: 0, country: "Albania", coordinates: [-88.8298, -170.188], timestamp: "2019-01-01T07:21:13Z" },
  );
});

test("coordinates need both", () => {
  const coordinates = (record, expected) =>
    check({ ind: 1, ...record }, { ind: 1, country: null, coordinates: expected, timestamp: null });
  coordinates({ latitude: 1, longitude: 2 }, [1, 2]);
  coordinates({ latitude: 1.5 }, null);
  coordinates({ latitude: null, longitude: 1.5 }, null);
});

test("texts that stand for nothing are null", () => {
  const texts = (record, country, timestamp) =>
    check({ index: 1, ...record }, { ind: 1, country, coordinates: null, timestamp });
  texts({ country: "Côte d'Ivoire " }, "Côte d'Ivoire ", null);
  texts({ country: " \u00a0" }, null, null);
  texts({ timestamp: " 2018-05-27 11:30:59\u00a0" }, null, "2018-05-27T11:30:59Z");
  texts({ timestamp: "2018-02-29 11:30:59" }, null, null);
});

test("records of other tables are rejected", () => {
  checkRejected({ country: "Albania" }, 'the record has neither "ind" nor "index"');
  const foreign = "the record has no field of a geolocation but its number: it may be meant for another table";
  checkRejected({ index: 1, title: "a" }, foreign);
});

test("the function alone", () => {
  const raw = { ind: 1, timestamp: null, latitude: 2, longitude: 3, country: null };
  assert.deepEqual(clean(raw).rows, [{ ind: 1, country: null, coordinates: [2, 3], timestamp: null }]);
});
