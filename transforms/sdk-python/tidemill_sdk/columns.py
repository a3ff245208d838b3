# Columns of the contract as lists of values, and back; None is a row without a value.
import json
from itertools import accumulate, chain, pairwise

from .fields import TYPES

# The eight rows of each byte of a validity.
_ROWS = [tuple(bool(byte >> bit & 1) for bit in range(8)) for byte in range(256)]
_INT64 = range(-(2**63), 2**63)


class Unfit(Exception):
    """A value that its column cannot hold."""


class Column:
    """A column as the contract has it, free of the classes that exist in a component only: `values` is a list of
    numbers, or offsets with what they cut."""

    __slots__ = ("validity", "values")

    def __init__(self, validity, values):
        self.validity = validity
        self.values = values


def read(field, column):
    """The values of a column, a row each."""
    values = _READERS[field.type](column.values)
    if column.validity is None:
        return values
    present = chain.from_iterable(map(_ROWS.__getitem__, column.validity))
    return [value if is_there else None for value, is_there in zip(values, present)]


def write(field, values):
    """The column of values, each None or of the field's type; raises `Unfit` at the first that is neither."""
    types, fits, empty, writer = _WRITERS[field.type]
    # One look at all types is fast; only where it fails, or where a type is not all, each value is looked at.
    if not types.issuperset(map(type, values)) or fits is not None:
        for value in values:
            if value is not None and not (type(value) in types and (fits is None or fits(value))):
                raise Unfit(f'column "{field.name}": expected {TYPES[field.type]}, found {_shown(value)}')
    validity = None
    if None in values:
        if not field.nullable:
            raise Unfit(f'column "{field.name}": it is not declared as one that may be null')
        validity = _bits(values)
        values = [empty if value is None else value for value in values]
    return Column(validity, writer(values))


def _bits(values):
    digits = "".join("0" if value is None else "1" for value in reversed(values))
    return int(digits, 2).to_bytes((len(values) + 7) // 8, "little")


def _read_texts(values):
    offsets, data = values
    if data.isascii():
        # A place among the bytes is one in the text.
        text = data.decode()
        return [text[start:end] for start, end in pairwise(offsets)]
    return [data[start:end].decode() for start, end in pairwise(offsets)]


def _write_texts(values):
    text = "".join(values)
    if text.isascii():
        return list(accumulate(map(len, values), initial=0)), text.encode()
    # A half of a pair, which JSON can smuggle in, is no character that a text may have.
    return _write_lists([value.encode(errors="replace") for value in values], b"".join)


def _read_lists(values):
    offsets, items = values
    return [items[start:end] for start, end in pairwise(offsets)]


def _write_lists(values, join):
    return list(accumulate(map(len, values), initial=0)), join(values)


def _read_text_lists(values):
    offsets, items = values
    return _read_lists((offsets, _read_texts(items)))


def _write_text_lists(values):
    return _write_lists(values, lambda lists: _write_texts(list(chain.from_iterable(lists))))


def _is_json(value):
    try:
        json.loads(value)
    except ValueError:
        return False
    return True


def _is_float(value):
    try:
        float(value)
    except OverflowError:
        return False
    return True


def _shown(value):
    return repr(value)[:100]


_NONE = type(None)
_READERS = {
    "boolean": lambda values: [byte != 0 for byte in values],
    "int64": list,
    "float64": list,
    "timestamp": list,
    "text": _read_texts,
    "bytes": _read_lists,
    "json": _read_texts,
    "float64-list": _read_lists,
    "text-list": _read_text_lists,
}
# For each type: the types of Python that it takes, what else they have to be, what stands for none, how they are written.
_WRITERS = {
    "boolean": ({bool, _NONE}, None, False, bytes),
    "int64": ({int, _NONE}, _INT64.__contains__, 0, list),
    "float64": ({float, int, _NONE}, _is_float, 0.0, lambda values: list(map(float, values))),
    "timestamp": ({int, _NONE}, _INT64.__contains__, 0, list),
    "text": ({str, _NONE}, None, "", _write_texts),
    "bytes": ({bytes, _NONE}, None, b"", lambda values: _write_lists(values, b"".join)),
    "json": ({str, _NONE}, _is_json, "", _write_texts),
    "float64-list": (
        {list, tuple, _NONE},
        lambda value: {float, int}.issuperset(map(type, value)) and all(map(_is_float, value)),
        (),
        lambda values: _write_lists(values, lambda lists: list(map(float, chain.from_iterable(lists)))),
    ),
    "text-list": ({list, tuple, _NONE}, lambda value: {str}.issuperset(map(type, value)), (), _write_text_lists),
}
