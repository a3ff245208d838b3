# What a pipeline file may set of a transform, held against its JSON Schema.
import json

_TYPES = {
    "boolean": (lambda value: type(value) is bool, "true or false"),
    "integer": (lambda value: type(value) is int, "a whole number"),
    "number": (lambda value: type(value) in (int, float), "a number"),
    "string": (lambda value: type(value) is str, "a text"),
}
# The words of JSON Schema that a parameter may use; others would look as if they were heeded.
_WORDS = ("type", "items", "default", "minimum", "maximum", "enum", "description")


def schema(properties):
    """The schema of an object with these properties; one without a default has to be given."""
    if not properties:
        return {}
    for name, one in properties.items():
        subject = f"parameters.{name}"
        for part in (one, one.get("items", {})):
            odd = next((word for word in part if word not in _WORDS), None)
            if odd is not None:
                raise TypeError(f"{subject}: {odd} is unknown; known are {', '.join(_WORDS)}")
        kind = one.get("items", {}).get("type") if one.get("type") == "array" else one.get("type")
        if kind not in _TYPES:
            raise TypeError(f"{subject}: write a type: {', '.join(_TYPES)}, or array with items of one")
        if one.get("default") is not None:
            _hold(one, one["default"], name)
    required = [name for name, one in properties.items() if "default" not in one]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def configured(schema, text):
    """The parameters of a JSON object, with defaults filled in; raises a sentence where one does not fit."""
    try:
        given = json.loads(text)
    except ValueError as cause:
        raise ValueError(f"the parameters are not JSON: {cause}") from None
    if not isinstance(given, dict):
        raise ValueError("the parameters are not an object")
    properties = schema.get("properties", {})
    unknown = next((name for name in given if name not in properties), None)
    if unknown is not None:
        known = f"known are {', '.join(properties)}" if properties else "there are none"
        raise ValueError(f'parameter "{unknown}" is unknown; {known}')
    return {name: _one_of(given, name, one) for name, one in properties.items()}


def _one_of(given, name, schema):
    value = given.get(name)
    optional = "default" in schema and schema["default"] is None
    if name in given and not (value is None and optional):
        return _hold(schema, value, name)
    if "default" in schema:
        return schema["default"]
    raise ValueError(f'parameter "{name}" is missing')


def _hold(schema, value, name):
    subject = f'parameter "{name}"'
    if schema["type"] != "array":
        return _one(schema, value, subject)
    if type(value) is not list:
        raise ValueError(f"{subject}: it is not a list")
    return [_one(schema["items"], item, f"{subject}: item {place}") for place, item in enumerate(value)]


def _one(schema, value, subject):
    is_of_type, word = _TYPES[schema["type"]]
    shown = json.dumps(value)
    if not is_of_type(value):
        raise ValueError(f"{subject}: {shown} is not {word}")
    if "minimum" in schema and value < schema["minimum"]:
        raise ValueError(f"{subject}: {shown} is less than {schema['minimum']}")
    if "maximum" in schema and value > schema["maximum"]:
        raise ValueError(f"{subject}: {shown} is more than {schema['maximum']}")
    if "enum" in schema and value not in schema["enum"]:
        known = ", ".join(json.dumps(word) for word in schema["enum"])
        raise ValueError(f"{subject}: {shown} is not one of {known}")
    return value
