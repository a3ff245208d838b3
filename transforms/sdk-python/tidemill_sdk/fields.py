# Declarations of fields: `"text?"`, or `{"type": "int64?", "aliases": ["index"]}`.

# The types that a field may have, each with a word for the values that it takes.
TYPES = {
    "boolean": "True or False",
    "int64": "a whole number of 64 bits",
    "float64": "a number",
    "timestamp": "a whole number of microseconds",
    "text": "a text",
    "bytes": "bytes",
    "json": "a text that is JSON",
    "float64-list": "a list of numbers",
    "text-list": "a list of texts",
}


class Field:
    """A field as the contract has it."""

    __slots__ = ("name", "aliases", "type", "nullable")

    def __init__(self, name, aliases, type, nullable):
        self.name = name
        self.aliases = aliases
        self.type = type
        self.nullable = nullable


def fields(declared, side):
    """The fields of a declaration, in its order."""
    if not declared:
        raise TypeError(f"{side}: there are no fields")
    return [_field(name, one, f"{side}.{name}") for name, one in declared.items()]


def _field(name, declared, subject):
    if isinstance(declared, str):
        declared = {"type": declared}
    unknown = sorted(declared.keys() - {"type", "aliases"})
    if unknown:
        raise TypeError(f"{subject}: {unknown[0]} is unknown; known are type, aliases")
    written = str(declared.get("type"))
    plain = written.removesuffix("?")
    if plain not in TYPES:
        raise TypeError(
            f'{subject}: the type "{written}" is unknown; write one of {", ".join(TYPES)}, with ? where it may be null'
        )
    return Field(name, list(declared.get("aliases", [])), plain, written.endswith("?"))
