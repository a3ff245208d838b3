//! `GetRecords`: the records from an iterator on, and the iterator of those that follow.

use std::borrow::Cow;
use std::io::Write as _;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Deserialize;
use tokio::sync::OwnedSemaphorePermit;

use super::fault::{Checks, Fault};
use super::iterator::{Iterator, no_shard};
use super::shard::{Sequence, Shard};
use super::{Rates, Streams, input};
use crate::access::Grant;
use crate::error::Result;
use crate::http::{Door, in_background};
use crate::log::Topic;
use crate::record::{Batch, Record, Source as _};

/// Records of an answer.
const RECORDS_MAX: usize = 10_000;
/// Bytes of the records of an answer; one record is given whatever it has.
const BYTES_MAX: usize = 10 << 20;
/// Bytes that are read from the topic at a time.
const READ_BYTES: usize = 1 << 20;
/// Characters of an iterator.
const ITERATOR_MAX: usize = 512;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Get<'a> {
    shard_iterator: Option<Cow<'a, str>>,
    limit: Option<i64>,
}

/// `GetRecords`.
pub(super) async fn records(streams: &Streams, body: &[u8], grant: &Grant) -> Result<Bytes, Fault> {
    let get: Get<'_> = input(body)?;
    let mut checks = Checks::default();
    match get.shard_iterator.as_deref() {
        None => checks.missing("shardIterator"),
        Some(text) => checks.length(text, "shardIterator", ITERATOR_MAX),
    }
    checks.within(get.limit, "limit", 1, RECORDS_MAX as i64);
    checks.done()?;
    let Iterator { stream, shard, next } = streams.unseal(get.shard_iterator.as_deref().unwrap_or_default())?;
    if !grant.consumes(&stream) {
        return Err(Fault::denied("GetRecords", &streams.arn(&stream)));
    }
    let topic = streams.door.runtime.topic(&stream).ok_or_else(|| Fault::no_stream(&stream))?;
    if shard.0 >= topic.partitions() {
        return Err(no_shard(&shard.to_string(), &stream));
    }
    if next > topic.end(shard.0) {
        // The stream was deleted and made anew, or an older copy of its data was put back.
        return Err(Fault::new(
            "ExpiredIteratorException",
            "Iterator expired: the stream is not the one that it was made for.",
        ));
    }
    let answers = |rates: &Rates| rates.reads(&stream, shard, streams.clock.now());
    if !streams.rates.as_deref().is_none_or(answers) {
        return Err(Fault::throughput(&stream));
    }
    let limit = get.limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(RECORDS_MAX);
    let read = Arc::clone(&topic);
    let reading = streams.reads.acquire().await.map_err(|_| Fault::throughput(&stream))?;
    let found = in_background(&streams.door, move |_| Found::read(&read, shard, next, limit)).await;
    let found = found.map_err(|error| Fault::of(&error, &stream))?;
    let now = streams.clock.now();
    let behind = match found.last_time {
        Some(time) if found.next < topic.end(shard.0) => now.since(time).as_millis(),
        _ => 0,
    };
    let following = streams.seal(&Iterator { stream, shard, next: found.next }, now);
    let mut answer = Vec::with_capacity(found.json.len() + 512);
    // Writing to memory does not fail; an iterator is base64, which needs no escapes.
    drop(write!(answer, "{{\"MillisBehindLatest\":{behind},\"NextShardIterator\":\"{following}\",\"Records\":["));
    answer.extend_from_slice(&found.json);
    answer.extend_from_slice(b"]}");
    drop((reading, found));
    Held::answer(&streams.door, answer).ok_or_else(|| Fault::throughput(topic.name()))
}

/// An answer with its room among the bodies that are under way, until its client has taken it.
struct Held {
    answer: Vec<u8>,
    _room: OwnedSemaphorePermit,
}

impl Held {
    /// An answer's bytes; none where there is no room.
    fn answer(door: &Door, answer: Vec<u8>) -> Option<Bytes> {
        let kib = u32::try_from(answer.len().div_ceil(1024)).ok()?;
        let room = Arc::clone(&door.room).try_acquire_many_owned(kib).ok()?;
        Some(Bytes::from_owner(Self { answer, _room: room }))
    }
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.answer
    }
}

/// Records that were read, as JSON with commas between them.
struct Found {
    json: Vec<u8>,
    next: u64,
    last_time: Option<crate::time::Timestamp>,
}

impl Found {
    fn read(topic: &Topic, shard: Shard, from: u64, limit: usize) -> Result<Self> {
        let mut reader = topic.reader(shard.0, from)?;
        let mut batch = Batch::default();
        while batch.len() < limit && batch.bytes() < BYTES_MAX {
            let records = batch.len();
            reader.read(&mut batch, READ_BYTES)?;
            if batch.len() == records {
                break;
            }
        }
        let mut found = Self { json: Vec::with_capacity(batch.bytes() * 3 / 2), next: from, last_time: None };
        let mut bytes = 0;
        for record in batch.iter().take(limit) {
            bytes += record.bytes();
            if bytes > BYTES_MAX && found.last_time.is_some() {
                break;
            }
            found.push(shard, &record);
        }
        // What retention has removed, or was left out, is passed over.
        found.next = found.next.max(topic.earliest(shard.0));
        Ok(found)
    }

    /// Adds a record: a tombstone has no data here, a record without a key an empty one.
    fn push(&mut self, shard: Shard, record: &Record<'_>) {
        let json = &mut self.json;
        if self.last_time.is_some() {
            json.push(b',');
        }
        let (seconds, millis) = (record.time.0.div_euclid(1_000_000), record.time.0.rem_euclid(1_000_000) / 1_000);
        drop(write!(json, "{{\"ApproximateArrivalTimestamp\":{seconds}.{millis:03},\"Data\":\""));
        let data = record.value.unwrap_or_default();
        let start = json.len();
        json.resize(start + data.len().div_ceil(3) * 4, 0);
        let written = json.get_mut(start..).map_or(0, |to| STANDARD.encode_slice(data, to).unwrap_or(0));
        json.truncate(start + written);
        json.extend_from_slice(b"\",\"PartitionKey\":");
        let key = String::from_utf8_lossy(record.key.unwrap_or_default());
        drop(serde_json::to_writer(&mut *json, &key));
        let number = Sequence { shard, offset: record.offset };
        drop(write!(json, ",\"SequenceNumber\":\"{number}\"}}"));
        self.next = record.offset + 1;
        self.last_time = Some(record.time);
    }
}
