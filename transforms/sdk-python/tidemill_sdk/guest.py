# A transform as the exports of the contract's world; `tidemill transform build` writes the module that calls this.
import json

import wit_world
from componentize_py_types import Err
from wit_world.imports import columns as wit

from .columns import Column
from .log import log_to
from .parameters import configured
from .run import run
from .transform import Transform

_TYPES = {kind.name.lower().replace("_", "-"): kind for kind in wit_world.FieldType}
_LEVELS = {level.name.lower(): level for level in wit_world.LogLevel}
_VALUES = {
    "boolean": wit.Values_Booleans,
    "int64": wit.Values_Int64s,
    "float64": wit.Values_Float64s,
    "timestamp": wit.Values_Timestamps,
    "text": wit.Values_Texts,
    "bytes": wit.Values_Bytes,
    "json": wit.Values_Json,
    "float64-list": wit.Values_Float64Lists,
    "text-list": wit.Values_TextLists,
}


def world(module, name, version, summary):
    """The class that componentize-py looks for, of the one transform in `module`."""
    found = [one for one in vars(module).values() if isinstance(one, Transform)]
    if len(found) != 1:
        raise TypeError(f'module "{module.__name__}" has {len(found)} transforms, not one')
    transform = found[0]
    log_to(lambda level, text: wit_world.log(_LEVELS[level], text))
    inputs, outputs = _declared(transform.inputs), _declared(transform.outputs)
    # Of the instance, not of an object: who makes objects of the class, and when, is componentize-py's affair.
    state = {}

    class WitWorld(wit_world.WitWorld):
        def describe(self):
            return wit_world.Description(name, version, summary, inputs, outputs, json.dumps(transform.schema))

        def configure(self, parameters):
            try:
                state["parameters"] = configured(transform.schema, parameters)
            except ValueError as cause:
                raise Err(str(cause)) from None

        def apply(self, input):
            if "parameters" not in state:
                raise Err("the transform has no parameters yet: configure comes before apply")
            given = [_read(field.type, column) for field, column in zip(transform.inputs, input.columns)]
            made = run(transform, state["parameters"], given, input.rows)
            written = [_write(field.type, column) for field, column in zip(transform.outputs, made.columns)]
            rejected = [wit_world.Rejection(row, reason) for row, reason in made.rejected]
            return wit_world.Output(wit.Batch(len(made.sources), written), made.sources, rejected)

    return WitWorld


def _declared(fields):
    return [wit_world.Field(field.name, field.aliases, _TYPES[field.type], field.nullable) for field in fields]


def _read(kind, column):
    value = column.values.value
    if kind in ("text", "json", "bytes"):
        value = value.offsets, value.bytes
    elif kind == "float64-list":
        value = value.offsets, value.items
    elif kind == "text-list":
        value = value.offsets, (value.items.offsets, value.items.bytes)
    return Column(column.validity, value)


def _write(kind, column):
    values = column.values
    if kind in ("text", "json", "bytes"):
        values = wit.TextValues(*values)
    elif kind == "float64-list":
        values = wit.Float64ListValues(*values)
    elif kind == "text-list":
        values = wit.TextListValues(values[0], wit.TextValues(*values[1]))
    return wit.Column(column.validity, _VALUES[kind](values))
