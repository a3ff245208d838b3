// What a pipeline file may set of a transform, held against its JSON Schema.

const TYPES = {
  boolean: { is: (value) => typeof value === "boolean", word: "true or false" },
  integer: { is: Number.isSafeInteger, word: "a whole number" },
  number: { is: (value) => typeof value === "number", word: "a number" },
  string: { is: (value) => typeof value === "string", word: "a text" },
};
/** The words of JSON Schema that a parameter may use; others would look as if they were heeded. */
const WORDS = ["type", "items", "default", "minimum", "maximum", "enum", "description"];

/** The schema of an object with these properties; one without a default has to be given. */
export function schema(properties) {
  const required = [];
  for (const [name, property] of Object.entries(properties)) {
    for (const part of [property, property.items ?? {}]) {
      const odd = Object.keys(part).find((word) => !WORDS.includes(word));
      if (odd === undefined) continue;
      throw new TypeError(`parameters.${name}: ${odd} is unknown; known are ${WORDS.join(", ")}`);
    }
    const kind = property.type === "array" ? property.items?.type : property.type;
    if (!Object.hasOwn(TYPES, String(kind))) {
      const known = Object.keys(TYPES).join(", ");
      throw new TypeError(`parameters.${name}: write a type: ${known}, or array with items of one`);
    }
    if (!("default" in property)) required.push(name);
    else if (property.default !== null) hold(property, property.default, name);
  }
  if (Object.keys(properties).length === 0) return {};
  return { type: "object", properties, required, additionalProperties: false };
}

/** The parameters of a JSON object, with defaults filled in; throws a sentence where one does not fit. */
export function configured({ properties = {} }, text) {
  const given = parsed(text);
  const known = Object.keys(properties);
  const unknown = Object.keys(given).find((name) => !known.includes(name));
  if (unknown !== undefined) {
    const all = known.length === 0 ? "there are none" : `known are ${known.join(", ")}`;
    throw new Error(`parameter "${unknown}" is unknown; ${all}`);
  }
  const parameters = {};
  for (const name of known) {
    const property = properties[name];
    if (Object.hasOwn(given, name) && !(given[name] === null && property.default === null)) {
      parameters[name] = hold(property, given[name], name);
    } else if ("default" in property) {
      parameters[name] = property.default;
    } else {
      throw new Error(`parameter "${name}" is missing`);
    }
  }
  return Object.freeze(parameters);
}

function parsed(text) {
  let given;
  try {
    given = JSON.parse(text);
  } catch (cause) {
    throw new Error(`the parameters are not JSON: ${cause.message}`);
  }
  if (given === null || typeof given !== "object" || Array.isArray(given)) {
    throw new Error("the parameters are not an object");
  }
  return given;
}

function hold(property, value, name) {
  if (property.type !== "array") return one(property, value, `parameter "${name}"`);
  if (!Array.isArray(value)) throw new Error(`parameter "${name}": it is not a list`);
  value.forEach((item, place) => one(property.items, item, `parameter "${name}": item ${place}`));
  return value;
}

function one({ type, minimum, maximum, enum: known }, value, subject) {
  const shown = JSON.stringify(value);
  if (!TYPES[type].is(value)) throw new Error(`${subject}: ${shown} is not ${TYPES[type].word}`);
  if (minimum !== undefined && value < minimum) throw new Error(`${subject}: ${shown} is less than ${minimum}`);
  if (maximum !== undefined && value > maximum) throw new Error(`${subject}: ${shown} is more than ${maximum}`);
  if (known !== undefined && !known.includes(value)) {
    throw new Error(`${subject}: ${shown} is not one of ${known.map((word) => JSON.stringify(word)).join(", ")}`);
  }
  return value;
}
