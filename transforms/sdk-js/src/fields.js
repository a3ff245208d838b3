// Declarations of fields: `"text?"`, or `{ type: "int64?", aliases: ["index"] }`.

/** The types that a field may have, each with a word for the values that it takes. */
export const TYPES = {
  boolean: "true or false",
  int64: "a whole number of 64 bits",
  float64: "a number",
  timestamp: "a whole number of microseconds",
  text: "a text",
  bytes: "a Uint8Array",
  json: "a text that is JSON",
  "float64-list": "a list of numbers",
  "text-list": "a list of texts",
};

/** The fields of a declaration, in its order, as the contract has them. */
export function fields(declared, side) {
  const names = Object.keys(declared ?? {});
  if (names.length === 0) throw new TypeError(`${side}: there are no fields`);
  return names.map((name) => field(name, declared[name], side));
}

function field(name, declared, side) {
  const { type, aliases = [], ...rest } = typeof declared === "string" ? { type: declared } : declared;
  const unknown = Object.keys(rest);
  if (unknown.length > 0) throw new TypeError(`${side}.${name}: ${unknown[0]} is unknown; known are type, aliases`);
  const nullable = String(type).endsWith("?");
  const plain = nullable ? type.slice(0, -1) : type;
  if (!Object.hasOwn(TYPES, plain)) {
    const known = Object.keys(TYPES).join(", ");
    const wrong = `the type ${JSON.stringify(type)} is unknown`;
    throw new TypeError(`${side}.${name}: ${wrong}; write one of ${known}, with ? where it may be null`);
  }
  return { name, aliases: [...aliases], type: plain, nullable };
}
