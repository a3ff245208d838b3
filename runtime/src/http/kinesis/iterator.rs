//! `GetShardIterator`: a place in a shard, as a text that nobody else can make and that is good for five minutes.

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::Number;

use super::fault::{ACCOUNT, Checks, Fault};
use super::shard::{Sequence, Shard};
use super::{Named, Streams, input};
use crate::access::{Broken, Grant};
use crate::http::in_background;
use crate::log::Topic;
use crate::time::Timestamp;

/// How long an iterator is good for.
const LIFE: Duration = Duration::from_mins(5);
/// The five types.
const TYPES: &str =
    "satisfy enum value set: [AFTER_SEQUENCE_NUMBER, LATEST, AT_TIMESTAMP, AT_SEQUENCE_NUMBER, TRIM_HORIZON]";

/// A place in a shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Iterator {
    /// The stream.
    pub(super) stream: String,
    /// The shard.
    pub(super) shard: Shard,
    /// The offset of the next record.
    pub(super) next: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Get<'a> {
    stream_name: Option<Cow<'a, str>>,
    #[serde(rename = "StreamARN")]
    stream_arn: Option<Cow<'a, str>>,
    shard_id: Option<Cow<'a, str>>,
    shard_iterator_type: Option<Cow<'a, str>>,
    starting_sequence_number: Option<Cow<'a, str>>,
    timestamp: Option<Number>,
}

/// Where an iterator begins.
enum From {
    At(Sequence),
    After(Sequence),
    TrimHorizon,
    Latest,
    Time(Timestamp),
}

/// `GetShardIterator`.
pub(super) async fn get(streams: &Streams, body: &[u8], grant: &Grant) -> Result<Bytes, Fault> {
    let get: Get<'_> = input(body)?;
    let mut checks = Checks::default();
    if get.shard_id.is_none() {
        checks.missing("shardId");
    }
    let known = ["AT_SEQUENCE_NUMBER", "AFTER_SEQUENCE_NUMBER", "TRIM_HORIZON", "LATEST", "AT_TIMESTAMP"];
    match get.shard_iterator_type.as_deref() {
        None => checks.missing("shardIteratorType"),
        Some(kind) if !known.contains(&kind) => checks.wrong(kind, "shardIteratorType", TYPES),
        Some(_) => {}
    }
    checks.done()?;
    let named = Named { name: get.stream_name.clone(), arn: get.stream_arn.clone() };
    let stream = streams.name(&named)?;
    if !grant.consumes(&stream) {
        return Err(Fault::denied("GetShardIterator", &streams.arn(&stream)));
    }
    let topic = streams.topic(&named)?;
    let id = get.shard_id.as_deref().unwrap_or_default();
    let shard = Shard::parse(id).filter(|shard| shard.0 < topic.partitions()).ok_or_else(|| no_shard(id, &stream))?;
    let now = streams.clock.now();
    let from = begin(&get, shard, &stream, now)?;
    let partition = shard.0;
    let next = match from {
        From::At(sequence) => sequence.offset,
        From::After(sequence) => sequence.offset.saturating_add(1),
        From::TrimHorizon => topic.earliest(partition),
        From::Latest => topic.end(partition),
        From::Time(time) => in_background(&streams.door, move |_| topic.offset_at(partition, time))
            .await
            .map_err(|error| Fault::of(&error, &stream))?,
    };
    let beyond = matches!(from, From::At(_) | From::After(_)) && next > end(streams, &named, shard)?;
    if beyond {
        let number = get.starting_sequence_number.unwrap_or_default();
        return Err(unfit(&number, shard, &stream, "it is larger than that of the last record"));
    }
    let text = streams.seal(&Iterator { stream, shard, next }, now);
    Ok(serde_json::json!({ "ShardIterator": text }).to_string().into())
}

fn end(streams: &Streams, named: &Named<'_>, shard: Shard) -> Result<u64, Fault> {
    streams.topic(named).map(|topic: std::sync::Arc<Topic>| topic.end(shard.0))
}

/// Where a request wants to begin.
fn begin(get: &Get<'_>, shard: Shard, stream: &str, now: Timestamp) -> Result<From, Fault> {
    let kind = get.shard_iterator_type.as_deref().unwrap_or_default();
    let number = get.starting_sequence_number.as_deref();
    let sequence = || {
        let number = number.ok_or_else(|| {
            Fault::argument(format!("StartingSequenceNumber must be given for the ShardIteratorType {kind}."))
        })?;
        match Sequence::parse(number) {
            Some(sequence) if sequence.shard == shard => Ok(sequence),
            Some(_) => Err(unfit(number, shard, stream, "it is of another shard")),
            None => Err(unfit(number, shard, stream, "it is no sequence number")),
        }
    };
    match kind {
        "AT_SEQUENCE_NUMBER" => return sequence().map(From::At),
        "AFTER_SEQUENCE_NUMBER" => return sequence().map(From::After),
        _ if number.is_some() => {
            let what = format!("StartingSequenceNumber must not be given for the ShardIteratorType {kind}.");
            return Err(Fault::argument(what));
        }
        "TRIM_HORIZON" => return Ok(From::TrimHorizon),
        "LATEST" => return Ok(From::Latest),
        _ => {}
    }
    let time = get.timestamp.as_ref().and_then(Number::as_f64);
    let time =
        time.ok_or_else(|| Fault::argument("Timestamp must be given for the ShardIteratorType AT_TIMESTAMP."))?;
    let time = Timestamp((time * 1e6).round() as i64);
    if time > now {
        let what = "The timestampInMillis parameter cannot be greater than the currentTimestampInMillis.";
        let figures = format!("timestampInMillis: {}, currentTimestampInMillis: {}", time.0 / 1_000, now.0 / 1_000);
        return Err(Fault::argument(format!("{what} {figures}")));
    }
    Ok(From::Time(time))
}

fn unfit(number: &str, shard: Shard, stream: &str, why: &str) -> Fault {
    let place = format!("in GetShardIterator on shard {shard} in stream {stream} under account {ACCOUNT}");
    Fault::argument(format!("StartingSequenceNumber {number} used {place} is invalid because {why}."))
}

/// There is no such shard.
pub(super) fn no_shard(id: &str, stream: &str) -> Fault {
    let what = format!("Shard {id} in stream {stream} under account {ACCOUNT} does not exist");
    Fault::new("ResourceNotFoundException", what)
}

impl Streams {
    /// An iterator as a client gets it.
    pub(super) fn seal(&self, iterator: &Iterator, now: Timestamp) -> String {
        let mut bytes = Vec::with_capacity(20 + iterator.stream.len());
        bytes.extend_from_slice(&now.0.to_le_bytes());
        bytes.extend_from_slice(&iterator.next.to_le_bytes());
        bytes.extend_from_slice(&iterator.shard.0.to_le_bytes());
        bytes.extend_from_slice(iterator.stream.as_bytes());
        self.seal.seal(&bytes)
    }

    /// The iterator that a client has.
    pub(super) fn unseal(&self, text: &str) -> Result<Iterator, Fault> {
        let expired =
            || Fault::new("ExpiredIteratorException", "Iterator expired. Get another one from GetShardIterator.");
        let bytes = self.seal.open(text).map_err(|broken| match broken {
            // The process was started anew: who goes on after the last number that it saw loses nothing.
            Broken::Foreign => expired(),
            Broken::Forged => Fault::argument("Invalid ShardIterator."),
        })?;
        let read = || {
            let (made, rest) = bytes.split_first_chunk::<8>()?;
            let (next, rest) = rest.split_first_chunk::<8>()?;
            let (shard, stream) = rest.split_first_chunk::<4>()?;
            let stream = String::from_utf8(stream.to_vec()).ok()?;
            let shard = Shard(u32::from_le_bytes(*shard));
            Some((Timestamp(i64::from_le_bytes(*made)), Iterator { stream, shard, next: u64::from_le_bytes(*next) }))
        };
        let (made, iterator) = read().ok_or_else(|| Fault::argument("Invalid ShardIterator."))?;
        if self.clock.now().since(made) > LIFE { Err(expired()) } else { Ok(iterator) }
    }
}
