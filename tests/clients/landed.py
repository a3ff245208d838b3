"""Reads landed objects back: each byte against Python's own json, the rows with pyarrow and DuckDB. Prints what it saw, as JSON."""

import decimal
import gzip
import json
import pathlib
import sys

import duckdb
import pyarrow.json

FOLDER = pathlib.Path(sys.argv[1])
BUCKET = FOLDER / "data/lake/user-raw-bucket"


def java(number):
    """A fraction as Java writes it: small and large ones with an exponent. Marked, so that it can be told from a text."""
    value = float(number)
    if value == 0 or 1e-3 <= abs(value) < 1e7:
        return f"\x01{value!r}\x01"
    digits, exponent = f"{decimal.Decimal(repr(value)).normalize():e}".split("e")
    return f"\x01{digits if '.' in digits else digits + '.0'}E{int(exponent)}\x01"


def line(text):
    """A row as the sink writes it: compact, raw but for characters beyond the basic plane, which are two escapes."""
    text = json.dumps(json.loads(text, parse_float=java), separators=(",", ":"), ensure_ascii=False)
    text = text.replace('"\\u0001', "").replace('\\u0001"', "")
    units = (text[at] if ord(text[at]) < 0x10000 else text[at].encode("utf-16-be").hex().upper() for at in range(len(text)))
    return "".join(u if len(u) == 1 else f"\\u{u[:4]}\\u{u[4:]}" for u in units).encode() + b"\n"


def by_key(rows):
    return sorted(rows, key=lambda row: row.get("index", row.get("ind")))


def full(rows, names):
    return [{name: row.get(name) for name in names} for row in rows]


seen = {}
for topic in ["pin", "geo", "user"]:
    texts = (FOLDER / f"{topic}.jsonl").read_text().split("\n")
    rows = [json.loads(text) for text in texts]
    folder = BUCKET / "topics" / topic / "partition=0"
    files = sorted(folder.glob("*.json"))
    names = [f"{topic}+0+{offset:010}.json" for offset in range(len(rows))]
    assert [file.name for file in files] == names, files[:3]
    same = sum(file.read_bytes() == line(text) for file, text in zip(files, texts))
    assert same == len(rows) or sys.exit(next(f"{f}: {f.read_bytes()} {line(t)}" for f, t in zip(files, texts) if f.read_bytes() != line(t)))
    columns = list(dict.fromkeys(name for row in rows for name in row))
    whole = FOLDER / f"{topic}-whole.json"
    whole.write_bytes(b"".join(file.read_bytes() for file in files))
    options = pyarrow.json.ParseOptions(explicit_schema=None)
    table = pyarrow.json.read_json(whole, parse_options=options)
    arrow = [{k: v.isoformat() if hasattr(v, "isoformat") else v for k, v in row.items()} for row in table.to_pylist()]
    given = [{k: v.replace(" ", "T") if k in ("timestamp", "date_joined") else v for k, v in row.items()} for row in rows]
    query = f"SELECT * FROM read_json('{folder}/*.json', format='newline_delimited', map_inference_threshold=-1)"
    duck = duckdb.sql(query)
    read = [dict(zip(duck.columns, row)) for row in duck.fetchall()]
    read = [{k: v.isoformat() if hasattr(v, "isoformat") else str(v) if type(v).__name__ == "UUID" else v for k, v in row.items()} for row in read]
    read = [{k: v.replace(" ", "T") if k in ("timestamp", "date_joined") and v else v for k, v in row.items()} for row in read]
    many = sorted((BUCKET / "many" / topic / "partition=0").glob("*.json.gz"))
    unzipped = b"".join(gzip.decompress(file.read_bytes()) for file in many)
    seen[topic] = {
        "objects": len(files),
        "same_bytes": same,
        "pyarrow": by_key(full(arrow, columns)) == by_key(full(given, columns)),
        "duckdb": by_key(full(read, columns)) == by_key(full(given, columns)),
        "gzip": unzipped == whole.read_bytes(),
    }
print(json.dumps(seen))
