// A transform: what it reads, what it writes, what may be set of it, and its function over one record.
import { fields } from "./fields.js";
import { schema } from "./parameters.js";

/**
 * Declares a transform. `inputs` and `outputs` map names to types, `parameters` maps names to JSON Schemas, and
 * `clean(record, parameters)` makes a verdict of one record. The module of a package exports it as its default.
 */
export function transform({ inputs, outputs, parameters = {}, clean, ...rest }) {
  const unknown = Object.keys(rest);
  if (unknown.length > 0) {
    throw new TypeError(`transform: ${unknown[0]} is unknown; known are inputs, outputs, parameters, clean`);
  }
  if (typeof clean !== "function") throw new TypeError("transform: clean is not a function");
  return {
    inputs: fields(inputs, "inputs"),
    outputs: fields(outputs, "outputs"),
    schema: schema(parameters),
    clean,
  };
}
