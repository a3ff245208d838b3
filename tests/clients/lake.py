"""Reads a lake with clients that are not ours: boto3 lists and fetches, pyarrow and DuckDB read the Parquet.

Prints one JSON object: for each table its objects and its rows as each client counts them, and a few of its values.
"""

import io
import json
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

import boto3
import duckdb
import pyarrow.parquet


def main(endpoint: str, bucket: str) -> None:
    s3 = boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="tidemill",
        aws_secret_access_key="tidemill",
    )
    tables = defaultdict(lambda: {"objects": 0, "pyarrow": 0})
    with tempfile.TemporaryDirectory() as folder:
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
            for entry in page.get("Contents", []):
                fetched = s3.get_object(Bucket=bucket, Key=entry["Key"])
                body = fetched["Body"].read()
                assert len(body) == entry["Size"], entry["Key"]
                assert len(fetched["Metadata"]["tidemill-sha256"]) == 64, entry["Key"]
                name = entry["Key"].split("/")[0]
                # Not a table: what tools that read tables pass over too.
                if name.startswith("_"):
                    continue
                table = tables[name]
                table["objects"] += 1
                read = pyarrow.parquet.read_table(io.BytesIO(body))
                table["pyarrow"] += read.num_rows
                table["columns"] = [f"{field.name} {field.type}" for field in read.schema]
                file = Path(folder) / name / f"{table['objects']}.parquet"
                file.parent.mkdir(exist_ok=True)
                file.write_bytes(body)
        for name, table in tables.items():
            files = f"{folder}/{name}/*.parquet"
            table["duckdb"] = duckdb.sql(f"SELECT count(*) FROM '{files}'").fetchone()[0]
        keys = duckdb.sql(f"SELECT count(DISTINCT ind), min(_offset) FROM '{folder}/pin/*.parquet'").fetchone()
    json.dump({"tables": tables, "pins": keys[0], "first": keys[1]}, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
