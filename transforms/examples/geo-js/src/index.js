// The transform of the table geo, as transforms/geo has it in Rust.
import { emit, parseTimestamp, present, reject, transform, trim } from "tidemill-sdk";

export default transform({
  inputs: {
    ind: { type: "int64?", aliases: ["index"] },
    timestamp: "text?",
    latitude: "float64?",
    longitude: "float64?",
    country: "text?",
  },
  outputs: {
    ind: "int64",
    country: "text?",
    coordinates: "float64-list?",
    timestamp: "timestamp?",
  },
  clean,
});

/** A text that is blank becomes null, and so does one that should be a time but is none. */
export function clean({ ind, timestamp, latitude, longitude, country }) {
  if (ind === null) return reject('the record has neither "ind" nor "index"');
  if (timestamp === null && latitude === null && longitude === null && country === null) {
    return reject("the record has no field of a geolocation but its number: it may be meant for another table");
  }
  return emit({
    ind,
    country: present(country),
    coordinates: latitude === null || longitude === null ? null : [latitude, longitude],
    timestamp: timestamp === null ? null : parseTimestamp(trim(timestamp)),
  });
}
