"""Reads a lake with clients that are not ours: boto3 and the AWS command line list and fetch, pyarrow and DuckDB read the Parquet.

Prints one JSON object: for each table its objects and its rows as each client counts them, and a few of its values.
"""

import io
import json
import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

import boto3
import duckdb
import pyarrow.parquet


def by_command(endpoint: str, bucket: str, folder: str) -> list[str]:
    """The keys that the AWS command line lists, once it has copied them all."""
    keys = {"AWS_ACCESS_KEY_ID": "tidemill", "AWS_SECRET_ACCESS_KEY": "tidemill", "AWS_DEFAULT_REGION": "us-east-1"}
    aws = [Path(sys.executable).with_name("aws"), "--endpoint-url", endpoint, "s3"]

    def run(*arguments: str) -> str:
        return subprocess.run([*aws, *arguments], env={**os.environ, **keys}, check=True, capture_output=True, text=True).stdout

    run("cp", "--recursive", f"s3://{bucket}", folder)
    return [line.split(maxsplit=3)[3] for line in run("ls", "--recursive", f"s3://{bucket}").splitlines()]


def main(endpoint: str, bucket: str) -> None:
    s3 = boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="tidemill",
        aws_secret_access_key="tidemill",
    )
    tables = defaultdict(lambda: {"objects": 0, "pyarrow": 0})
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as copies:
        listed = by_command(endpoint, bucket, copies)
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
            for entry in page.get("Contents", []):
                fetched = s3.get_object(Bucket=bucket, Key=entry["Key"])
                body = fetched["Body"].read()
                assert len(body) == entry["Size"], entry["Key"]
                assert listed.pop(0) == entry["Key"] and Path(copies, entry["Key"]).read_bytes() == body, entry["Key"]
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
        assert not listed, listed
        for name, table in tables.items():
            files = f"{folder}/{name}/*.parquet"
            table["duckdb"] = duckdb.sql(f"SELECT count(*) FROM '{files}'").fetchone()[0]
        keys = duckdb.sql(f"SELECT count(DISTINCT ind), min(_offset) FROM '{folder}/pin/*.parquet'").fetchone()
    json.dump({"tables": tables, "pins": keys[0], "first": keys[1]}, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
