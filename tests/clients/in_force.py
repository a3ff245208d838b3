"""Asks DuckDB a query, with a lake's objects in the place of its own, and prints how many rows each mark has."""

import json
import sys

import duckdb

pattern, query = sys.argv[1], sys.stdin.read().replace("s3://mine/pin/**/*.parquet", sys.argv[1])
counts = duckdb.connect().execute(f"SELECT mark, count(*) FROM ({query}) GROUP BY 1").fetchall()
print(json.dumps(dict(counts)))
