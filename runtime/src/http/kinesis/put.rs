//! `PutRecord` and `PutRecords`: records in, their numbers out, once they are synced.

use std::borrow::Cow;
use std::fmt;
use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::de::{Error as _, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::fault::{Checks, Fault};
use super::shard::{Sequence, Shard};
use super::{Named, Rates, Streams, input};
use crate::access::Grant;
use crate::error::{Error, Kind};
use crate::http::records::{Incoming, Outcome, Records};

/// Records of a request.
pub(in crate::http) const RECORDS_MAX: usize = 500;
/// Bytes of data and keys in a request.
pub(in crate::http) const REQUEST_BYTES_MAX: usize = 10 << 20;
/// Bytes of data and key of a record, where the topic takes so many.
pub(in crate::http) const RECORD_BYTES_MAX: usize = 10 << 20;
/// Characters of a partition key.
const KEY_MAX: usize = 256;
/// About how many bytes the answer for a record has.
const RECEIPT_BYTES: usize = 128;

/// A record as it comes in; what must be there is looked for by [`checked`].
#[derive(Debug, Default)]
pub(in crate::http) struct Entry<'a> {
    /// Its data.
    pub(in crate::http) data: Option<Data<'a>>,
    /// The key by which its shard is found.
    pub(in crate::http) key: Option<Cow<'a, str>>,
    /// The hash that is taken instead of the key's.
    pub(in crate::http) hash: Option<Cow<'a, str>>,
}

/// The data of a record.
#[derive(Debug)]
pub(in crate::http) enum Data<'a> {
    /// In base64.
    Base64(Cow<'a, str>),
    /// As it is.
    Plain(Cow<'a, [u8]>),
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct One<'a> {
    #[serde(borrow)]
    stream_name: Option<Cow<'a, str>>,
    #[serde(borrow, rename = "StreamARN")]
    stream_arn: Option<Cow<'a, str>>,
    #[serde(borrow)]
    data: Option<Cow<'a, str>>,
    #[serde(borrow)]
    partition_key: Option<Cow<'a, str>>,
    #[serde(borrow)]
    explicit_hash_key: Option<Cow<'a, str>>,
    #[serde(borrow)]
    sequence_number_for_ordering: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Many<'a> {
    #[serde(borrow)]
    stream_name: Option<Cow<'a, str>>,
    #[serde(borrow, rename = "StreamARN")]
    stream_arn: Option<Cow<'a, str>>,
    #[serde(borrow)]
    records: Option<Vec<Entry<'a>>>,
}

/// `PutRecord`.
pub(super) async fn one(streams: &Streams, body: &[u8], grant: &Grant) -> Result<Bytes, Fault> {
    let One { stream_name, stream_arn, data, partition_key, explicit_hash_key, sequence_number_for_ordering } =
        input(body)?;
    if let Some(after) = sequence_number_for_ordering
        && Sequence::parse(&after).is_none()
    {
        return Err(Fault::argument(format!("SequenceNumberForOrdering {after} is no sequence number.")));
    }
    let entry = Entry { data: data.map(Data::Base64), key: partition_key, hash: explicit_hash_key };
    streams.put_one(&Named { name: stream_name, arn: stream_arn }, entry, grant).await
}

/// `PutRecords`.
pub(super) async fn many(streams: &Streams, body: &[u8], grant: &Grant) -> Result<Bytes, Fault> {
    let Many { stream_name, stream_arn, records } = input(body)?;
    let named = Named { name: stream_name, arn: stream_arn };
    streams.put_many(&named, records, grant).await
}

impl Streams {
    /// Puts one record; the answer's body.
    pub(in crate::http) async fn put_one(
        &self,
        named: &Named<'_>,
        entry: Entry<'_>,
        grant: &Grant,
    ) -> Result<Bytes, Fault> {
        let (stream, outcomes) = self.put("PutRecord", named, &[entry], |_| String::new(), grant).await?;
        match outcomes.into_iter().next() {
            Some(Ok(placed)) => {
                let mut body = Vec::with_capacity(RECEIPT_BYTES);
                write_placed(&mut body, placed.partition, placed.offset);
                Ok(body.into())
            }
            Some(Err(error)) => Err(Fault::of(&error, &stream)),
            None => Err(Fault::argument("There is no record.")),
        }
    }

    /// Puts the records of a request; the answer's body.
    pub(in crate::http) async fn put_many(
        &self,
        named: &Named<'_>,
        entries: Option<Vec<Entry<'_>>>,
        grant: &Grant,
    ) -> Result<Bytes, Fault> {
        let mut checks = Checks::default();
        match entries.as_ref().map(Vec::len) {
            None => checks.missing("records"),
            Some(0) => checks.wrong("[]", "records", "have length greater than or equal to 1"),
            Some(RECORDS_MAX..) if entries.as_ref().is_some_and(|all| all.len() > RECORDS_MAX) => {
                checks.wrong("[PutRecordsRequestEntry]", "records", "have length less than or equal to 500");
            }
            _ => {}
        }
        checks.done()?;
        let at = |nth: usize| format!("records.{}.member.", nth + 1);
        let (stream, outcomes) = self.put("PutRecords", named, &entries.unwrap_or_default(), at, grant).await?;
        Ok(receipts(&outcomes, &stream).into())
    }

    async fn put(
        &self,
        action: &str,
        named: &Named<'_>,
        entries: &[Entry<'_>],
        at: impl Fn(usize) -> String,
        grant: &Grant,
    ) -> Result<(String, Vec<Outcome>), Fault> {
        let stream = self.name(named)?;
        if !grant.produces(&stream) {
            return Err(Fault::denied(action, &self.arn(&stream)));
        }
        let topic = self.topic(named)?;
        let record_bytes_max = topic.options().record_bytes_max.min(RECORD_BYTES_MAX);
        checked(entries, &at)?;
        let shards = topic.partitions();
        let mut records = Records::new(&self.door, topic, None, entries.len());
        let (mut decoded, mut bytes, now) = (Vec::new(), 0, self.clock.now());
        for (nth, entry) in entries.iter().enumerate() {
            let key = entry.key.as_deref().unwrap_or_default();
            let data = plain(entry, &mut decoded)
                .map_err(|cause| Fault::serialization(format!("{}Data is not base64: {cause}", at(nth))))?;
            bytes += data.len() + key.len();
            if data.len() > record_bytes_max {
                let mut checks = Checks::default();
                let constraint = format!("have length less than or equal to {record_bytes_max}");
                checks.wrong(format_args!("{} bytes", data.len()), format_args!("{}data", at(nth)), &constraint);
                checks.done()?;
            }
            if data.len() + key.len() > record_bytes_max {
                let what = format!("data and partitionKey have {} bytes", data.len() + key.len());
                return Err(Fault::argument(format!("{}{what}, over the limit of {record_bytes_max}.", at(nth))));
            }
            if bytes > REQUEST_BYTES_MAX {
                return Err(Fault::argument("Records size exceeds 10 MB limit"));
            }
            let shard = match &entry.hash {
                Some(hash) => Shard::of_hash(explicit(hash)?, shards),
                None => Shard::of_key(key, shards),
            };
            let taken = |rates: &Rates| rates.writes(&stream, shard, data.len() + key.len(), now);
            if !self.rates.as_deref().is_none_or(taken) {
                records.refuse(Error::new(Kind::Busy, format!("shard {shard} takes no more in this second")));
                continue;
            }
            records.push(&Incoming {
                partition: Some(i64::from(shard.0)),
                key: Some(key.as_bytes()),
                value: Some(data),
                ..Incoming::default()
            });
        }
        let outcomes = records.append().await;
        outcomes.map(|outcomes| (stream, outcomes)).map_err(|_| Fault::argument("The request is out of turn."))
    }
}

/// The data of a record, which base64 is decoded for into `decoded`.
fn plain<'a>(entry: &'a Entry<'_>, decoded: &'a mut Vec<u8>) -> Result<&'a [u8], base64::DecodeError> {
    match &entry.data {
        Some(Data::Plain(data)) => Ok(data),
        Some(Data::Base64(text)) => {
            decoded.clear();
            STANDARD.decode_vec(text.as_bytes(), decoded)?;
            Ok(decoded)
        }
        None => Ok(&[]),
    }
}

/// All that can be said of records before a byte of them is decoded.
fn checked(entries: &[Entry<'_>], at: &impl Fn(usize) -> String) -> Result<(), Fault> {
    let mut checks = Checks::default();
    for (nth, entry) in entries.iter().enumerate() {
        if entry.data.is_none() {
            checks.missing(format_args!("{}data", at(nth)));
        }
        match entry.key.as_deref() {
            None => checks.missing(format_args!("{}partitionKey", at(nth))),
            // What fits is not worth a text that says where it stands.
            Some(key) if !key.is_empty() && key.len() <= KEY_MAX => {}
            Some(key) => checks.length(key, format_args!("{}partitionKey", at(nth)), KEY_MAX),
        }
        if let Some(hash) = entry.hash.as_deref().filter(|hash| !is_number(hash)) {
            let pattern = "satisfy regular expression pattern: 0|([1-9]\\d{0,38})";
            checks.wrong(hash, format_args!("{}explicitHashKey", at(nth)), pattern);
        }
    }
    checks.done()
}

fn is_number(text: &str) -> bool {
    let plain = (1..=39).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    plain && (text == "0" || !text.starts_with('0'))
}

fn explicit(text: &str) -> Result<u128, Fault> {
    text.parse().map_err(|_| {
        let what = "Invalid ExplicitHashKey. ExplicitHashKey must be in the range: [0, 2^128-1]. Specified value was";
        Fault::argument(format!("{what} {text}"))
    })
}

/// What became of each record, in the order of the request.
fn receipts(outcomes: &[Outcome], stream: &str) -> Vec<u8> {
    let failed = outcomes.iter().filter(|outcome| outcome.is_err()).count();
    let mut body = Vec::with_capacity(64 + outcomes.len() * RECEIPT_BYTES);
    // Writing to memory does not fail.
    drop(write!(body, "{{\"FailedRecordCount\":{failed},\"Records\":["));
    for (nth, outcome) in outcomes.iter().enumerate() {
        if nth > 0 {
            body.push(b',');
        }
        match outcome {
            Ok(placed) => write_placed(&mut body, placed.partition, placed.offset),
            Err(error) => {
                let fault = Fault::of(error, stream);
                let message = serde_json::Value::from(fault.message);
                drop(write!(body, "{{\"ErrorCode\":\"{}\",\"ErrorMessage\":{message}}}", fault.kind));
            }
        }
    }
    body.extend_from_slice(b"]}");
    body
}

fn write_placed(body: &mut Vec<u8>, partition: u32, offset: u64) {
    let shard = Shard(partition);
    let number = Sequence { shard, offset };
    drop(write!(body, "{{\"SequenceNumber\":\"{number}\",\"ShardId\":\"{shard}\"}}"));
}

/// By hand, for what serde derives would take a list of three for a record too.
impl<'de: 'a, 'a> Deserialize<'de> for Entry<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(EntryVisitor)
    }
}

struct EntryVisitor;

/// A text, borrowed where it has no escapes.
#[derive(Deserialize)]
#[serde(transparent)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de> Visitor<'de> for EntryVisitor {
    type Value = Entry<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a record")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut entry = Entry::default();
        while let Some(Text(name)) = map.next_key()? {
            let taken = match &*name {
                "Data" => {
                    let text = map.next_value::<Option<Text<'de>>>()?;
                    std::mem::replace(&mut entry.data, text.map(|Text(text)| Data::Base64(text))).is_some()
                }
                "PartitionKey" => std::mem::replace(&mut entry.key, text(&mut map)?).is_some(),
                "ExplicitHashKey" => std::mem::replace(&mut entry.hash, text(&mut map)?).is_some(),
                _ => map.next_value::<IgnoredAny>().map(|_| false)?,
            };
            if taken {
                return Err(A::Error::custom(format!("duplicate field `{name}`")));
            }
        }
        Ok(entry)
    }
}

fn text<'de, A: MapAccess<'de>>(map: &mut A) -> Result<Option<Cow<'de, str>>, A::Error> {
    Ok(map.next_value::<Option<Text<'de>>>()?.map(|Text(text)| text))
}
