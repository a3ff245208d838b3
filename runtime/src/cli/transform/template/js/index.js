// The transform of the table NAME.
import { emit, parseTimestamp, present, reject, transform } from "tidemill-sdk";

export default transform({
  // What is read of a record: its fields are those of the JSON object. A ? is for what may be missing.
  inputs: {
    product: { type: "text?", aliases: ["sku"] },
    price: "float64?",
    at: "text?",
  },
  // What comes out of it: its fields are the table's columns, in this order.
  outputs: {
    product: "text",
    price: "float64?",
    at: "timestamp?",
  },
  clean,
});

/** A record becomes a row, or is rejected and kept as a dead letter with the reason. */
export function clean({ product, price, at }) {
  if (present(product, ["N/A"]) === null) return reject("the record names no product");
  if (price !== null && price < 0) return reject("the price is negative");
  return emit({ product, price, at: parseTimestamp(at) });
}
