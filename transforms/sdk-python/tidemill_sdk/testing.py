# A small host for tests: JSON records in, JSON rows out, through the columns of the contract.
import base64
import json

from .columns import read, write
from .parameters import configured
from .run import run as run_batch
from .time import format_timestamp, parse_timestamp


class Outcome:
    """What came of records: `rows` and `rejected` with the place of the record, the places of what was `dropped`."""

    def __init__(self, rows, rejected, dropped):
        self.rows = rows
        self.rejected = rejected
        self.dropped = dropped


def run(transform, lines, parameters=None):
    """Runs a transform over records, each a JSON object as text.

    A record has to be of the declared types; the host rejects others before a transform sees them.
    """
    given = configured(transform.schema, json.dumps(parameters or {}))
    records = [(line, json.loads(line)) for line in lines]
    columns = [
        write(field, [_input(field, line, record, place) for place, (line, record) in enumerate(records)])
        for field in transform.inputs
    ]
    made = run_batch(transform, given, columns, len(records))
    names = [field.name for field in transform.outputs]
    values = [
        [_shown(field.type, value) for value in read(field, column)]
        for field, column in zip(transform.outputs, made.columns)
    ]
    rows = [(source, dict(zip(names, row))) for source, row in zip(made.sources, zip(*values))]
    known = {*made.sources, *(place for place, _ in made.rejected)}
    return Outcome(rows, made.rejected, [place for place in range(len(records)) if place not in known])


def _input(field, line, record, place):
    """The value of a field; parts of the record itself are what a record without key and headers has."""
    if field.name.startswith("@"):
        return {"@value": line.encode(), "@offset": place, "@partition": 0, "@time": 0}.get(field.name)
    found = next((name for name in (field.name, *field.aliases) if name in record), None)
    value = None if found is None else record[found]
    if value is None:
        return None
    if field.type == "json":
        return json.dumps(value)
    if field.type == "timestamp" and isinstance(value, str):
        return parse_timestamp(value)
    if field.type == "bytes":
        return base64.b64decode(value)
    return value


def _shown(kind, value):
    if value is None:
        return None
    if kind == "timestamp":
        return format_timestamp(value)
    if kind == "json":
        return json.loads(value)
    if kind == "bytes":
        return base64.b64encode(value).decode()
    return value
