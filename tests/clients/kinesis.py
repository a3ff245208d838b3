"""Kinesis's own API as boto3 and the AWS command line use it.

usage: kinesis.py ENDPOINT STREAM ID SECRET

The key ID may do everything. Prints what was seen as JSON.
"""

import base64
import datetime
import json
import os
import subprocess
import sys
import urllib.error
import urllib.request

import boto3
import botocore.auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

endpoint, stream, key_id, secret = sys.argv[1:]
config = Config(retries={"max_attempts": 1, "mode": "standard"})


def client(key_id=key_id, secret=secret):
    return boto3.client(
        "kinesis",
        endpoint_url=endpoint,
        region_name="eu-west-1",
        aws_access_key_id=key_id,
        aws_secret_access_key=secret,
        config=config,
    )


def code(ask):
    """The error that a request ends with."""
    try:
        ask()
    except ClientError as error:
        return error.response["Error"]["Code"]
    return None


def read(kinesis, shard, **start):
    """All that a shard has from a place on."""
    iterator = kinesis.get_shard_iterator(StreamName=stream, ShardId=shard, **start)["ShardIterator"]
    records = []
    while True:
        answer = kinesis.get_records(ShardIterator=iterator, Limit=7)
        if not answer["Records"]:
            assert answer["MillisBehindLatest"] == 0
            return records
        records += answer["Records"]
        iterator = answer["NextShardIterator"]


def through_boto3():
    kinesis = client()
    kinesis.create_stream(StreamName=stream, ShardCount=4)
    kinesis.get_waiter("stream_exists").wait(StreamName=stream)
    rows = [{"ind": ind, "text": "ü" * ind} for ind in range(40)]
    one = kinesis.put_record(StreamName=stream, Data=json.dumps(rows[0]), PartitionKey="0")
    batch = [{"Data": json.dumps(row).encode(), "PartitionKey": str(row["ind"])} for row in rows[1:]]
    many = kinesis.put_records(StreamName=stream, Records=batch)
    placed = [(one["ShardId"], one["SequenceNumber"])]
    placed += [(record["ShardId"], record["SequenceNumber"]) for record in many["Records"]]
    shards = [shard for page in kinesis.get_paginator("list_shards").paginate(StreamName=stream) for shard in page["Shards"]]
    by_shard = {shard["ShardId"]: read(kinesis, shard["ShardId"], ShardIteratorType="TRIM_HORIZON") for shard in shards}
    found = {(shard, record["SequenceNumber"]): json.loads(record["Data"]) for shard, all in by_shard.items() for record in all}
    first = placed[5]
    at = read(kinesis, first[0], ShardIteratorType="AT_SEQUENCE_NUMBER", StartingSequenceNumber=first[1])
    after = read(kinesis, first[0], ShardIteratorType="AFTER_SEQUENCE_NUMBER", StartingSequenceNumber=first[1])
    old = datetime.datetime(2000, 1, 1, tzinfo=datetime.timezone.utc)
    names = [name for page in kinesis.get_paginator("list_streams").paginate() for name in page["StreamNames"]]
    described = kinesis.describe_stream(StreamName=stream)["StreamDescription"]
    return {
        "shards": len(shards),
        "spread": len([all for all in by_shard.values() if all]),
        "failed": many["FailedRecordCount"],
        "found": [found.get(place) for place in placed] == rows,
        "at": at[0]["SequenceNumber"] == first[1],
        "after": len(at) - len(after),
        "dated": read(kinesis, first[0], ShardIteratorType="AT_TIMESTAMP", Timestamp=old) == by_shard[first[0]],
        "latest": read(kinesis, first[0], ShardIteratorType="LATEST"),
        "listed": stream in names,
        "active": described["StreamStatus"],
        "created": abs((datetime.datetime.now(datetime.timezone.utc) - described["StreamCreationTimestamp"]).total_seconds()) < 600,
        "arrived": abs((datetime.datetime.now(datetime.timezone.utc) - at[0]["ApproximateArrivalTimestamp"]).total_seconds()) < 600,
        "summary": kinesis.describe_stream_summary(StreamName=stream)["StreamDescriptionSummary"]["OpenShardCount"],
        "limits": kinesis.describe_limits()["OpenShardCount"] >= 4,
        "again": code(lambda: kinesis.create_stream(StreamName=stream, ShardCount=1)),
        "retention": code(lambda: kinesis.increase_stream_retention_period(StreamName=stream, RetentionPeriodHours=48)),
        "absent": code(lambda: kinesis.describe_stream(StreamName="absent")),
        "too_many": code(lambda: kinesis.put_records(StreamName=stream, Records=batch * 13)),
        "forged": code(lambda: kinesis.get_records(ShardIterator="A" * 56)),
    }


def signed(body=b"{}", sent=None, headers={}, skew=0, secret=secret, key_id=key_id, service="kinesis", drop=()):
    """The error that a signed request ends with, changed on its way."""
    now = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None) + datetime.timedelta(seconds=skew)
    real = botocore.auth.get_current_datetime
    botocore.auth.get_current_datetime = lambda *_, **__: now
    target = {"X-Amz-Target": "Kinesis_20131202.ListStreams", "Content-Type": "application/x-amz-json-1.1"}
    request = AWSRequest(method="POST", url=endpoint + "/", data=body, headers=target)
    botocore.auth.SigV4Auth(Credentials(key_id, secret), service, "eu-west-1").add_auth(request)
    botocore.auth.get_current_datetime = real
    final = {**dict(request.headers), **headers}
    for name in drop:
        del final[name]
    request = urllib.request.Request(endpoint + "/", data=body if sent is None else sent, headers=final, method="POST")
    try:
        return urllib.request.urlopen(request).status
    except urllib.error.HTTPError as error:
        answer = json.loads(error.read())
        assert error.headers["x-amzn-ErrorType"] == answer["__type"], answer
        return answer["__type"]


def signatures():
    return {
        "good": signed(),
        "unsigned": signed(drop=["Authorization"]),
        "other_body": signed(sent=b"{ }"),
        "other_target": signed(headers={"X-Amz-Target": "Kinesis_20131202.DescribeLimits"}),
        "other_secret": signed(secret=secret[::-1]),
        "unknown": signed(key_id="AKIANOBODY"),
        "expired": signed(skew=-1000),
        "early": signed(skew=1000),
        "within": signed(skew=-600),
        "other_service": signed(service="s3"),
        "undated": signed(drop=["X-Amz-Date"]),
        "bearer": signed(headers={"Authorization": "Bearer " + secret}),
        "garbled": signed(headers={"Authorization": "AWS4-HMAC-SHA256 Credential=x"}),
        "wrong_by_boto3": code(lambda: client(secret="x" * 40).list_streams()),
    }


def through_the_command_line():
    environment = {
        **os.environ,
        "AWS_ACCESS_KEY_ID": key_id,
        "AWS_SECRET_ACCESS_KEY": secret,
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_PAGER": "",
    }
    command = os.path.join(os.path.dirname(sys.executable), "aws")

    def aws(*arguments):
        all = [command, "--endpoint-url", endpoint, "--output", "json", "kinesis", *arguments]
        done = subprocess.run(all, env=environment, capture_output=True, text=True)
        return done, json.loads(done.stdout) if done.stdout.strip() else None

    name = stream + "-cli"
    aws("create-stream", "--stream-name", name, "--shard-count", "2")
    put = aws("put-record", "--stream-name", name, "--partition-key", "a", "--data", "hello")[1]
    records = json.dumps([{"Data": "more", "PartitionKey": "a"}])
    many = aws("put-records", "--stream-name", name, "--records", records)[1]
    iterator = aws("get-shard-iterator", "--stream-name", name, "--shard-id", put["ShardId"], "--shard-iterator-type", "TRIM_HORIZON")[1]
    read = aws("get-records", "--shard-iterator", iterator["ShardIterator"])[1]
    listed = aws("list-streams")[1]
    deleted = aws("delete-stream", "--stream-name", name)[0]
    return {
        "data": [base64.b64decode(record["Data"]).decode() for record in read["Records"]],
        "failed": many["FailedRecordCount"],
        "listed": name in listed["StreamNames"],
        "deleted": deleted.returncode,
        "gone": "ResourceNotFoundException" in aws("describe-stream", "--stream-name", name)[0].stderr,
    }


seen = {"boto3": through_boto3(), "signatures": signatures(), "cli": through_the_command_line()}
print(json.dumps(seen))
