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
    writer = _WRITERS[field.type]
    if not writer.all_fit(values):
        for value in values:
            if value is not None and not writer.fits(value):
                raise Unfit(f'column "{field.name}": expected {TYPES[field.type]}, found {_shown(value)}')
    validity = None
    if None in values:
        if not field.nullable:
            raise Unfit(f'column "{field.name}": it is not declared as one that may be null')
        validity = _bits(values)
        values = [writer.empty if value is None else value for value in values]
    return Column(validity, writer.write(values))


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


def _refused(constant):
    raise ValueError(constant)


def _is_json(value):
    if type(value) is not str:
        return False
    try:
        # The host takes no NaN or Infinity, which Python would.
        json.loads(value, parse_constant=_refused)
    except ValueError:
        return False
    return True


def _is_float(value):
    try:
        return type(value) is float or type(value) is int and float(value) is not None
    except OverflowError:
        return False


def _is_int64(value):
    return type(value) is int and value in _INT64


def _is_list(is_item):
    return lambda value: type(value) in (list, tuple) and all(map(is_item, value))


def _are(*types):
    """A look at the types of all values at once, which is fast; where it says no, each value is looked at."""
    return {*types, type(None)}.issuperset


def _lists_of(kind):
    """The same for lists, and for all of their items."""
    are_lists, are_items = _are(list, tuple), {kind}.issuperset

    def all_fit(values):
        return are_lists(map(type, values)) and are_items(map(type, chain.from_iterable(filter(None, values))))

    return all_fit


def _shown(value):
    return repr(value)[:100]


class _Writer:
    """How values of a type are written: whether all of them surely fit, whether one does, what stands for none."""

    __slots__ = ("all_fit", "fits", "empty", "write")

    def __init__(self, all_fit, fits, empty, write):
        self.all_fit = all_fit
        self.fits = fits
        self.empty = empty
        self.write = write

    @classmethod
    def of(cls, kind, empty, write):
        """A type whose values are all those of a type of Python."""
        are = _are(kind)
        return cls(lambda values: are(map(type, values)), lambda value: type(value) is kind, empty, write)


def _floats(values):
    return _are(float)(map(type, values))


def _whole(values):
    return _are(int)(map(type, values)) and all(map(_INT64.__contains__, filter(None, values)))


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
_WRITERS = {
    "boolean": _Writer.of(bool, False, bytes),
    "int64": _Writer(_whole, _is_int64, 0, list),
    "float64": _Writer(_floats, _is_float, 0.0, lambda values: list(map(float, values))),
    "timestamp": _Writer(_whole, _is_int64, 0, list),
    "text": _Writer.of(str, "", _write_texts),
    "bytes": _Writer.of(bytes, b"", lambda values: _write_lists(values, b"".join)),
    "json": _Writer(lambda values: False, _is_json, "", _write_texts),
    "float64-list": _Writer(
        _lists_of(float),
        _is_list(_is_float),
        (),
        lambda values: _write_lists(values, lambda lists: list(map(float, chain.from_iterable(lists)))),
    ),
    "text-list": _Writer(_lists_of(str), _is_list(lambda item: type(item) is str), (), _write_text_lists),
}
