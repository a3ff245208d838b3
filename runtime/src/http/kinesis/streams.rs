//! Streams: listed, described, created, deleted; and what of Kinesis is not offered.

use std::borrow::Cow;
use std::os::unix::fs::MetadataExt as _;
use std::time::Duration;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};

use super::fault::{Checks, Fault};
use super::iterator::no_shard;
use super::shard::{Sequence, Shard};
use super::{Named, Streams, input};
use crate::access::Grant;
use crate::http::in_background;
use crate::log::Topic;

/// The most shards of a stream.
const SHARDS_MAX: i64 = 256;
/// The shards of a stream that is made on demand.
const SHARDS_ON_DEMAND: i64 = 4;
/// The longest retention that Kinesis can say, in hours: what is kept for ever.
const RETENTION_HOURS_MAX: u64 = 8_760;
/// What is listed at once, at most and unless told.
const LIST_MAX: i64 = 10_000;
const LIST_USUAL: i64 = 100;
const SHARDS_LIST_USUAL: i64 = 1_000;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct OfStream<'a> {
    stream_name: Option<Cow<'a, str>>,
    #[serde(rename = "StreamARN")]
    stream_arn: Option<Cow<'a, str>>,
    limit: Option<i64>,
    exclusive_start_shard_id: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct List<'a> {
    limit: Option<i64>,
    exclusive_start_stream_name: Option<Cow<'a, str>>,
    next_token: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListShards<'a> {
    stream_name: Option<Cow<'a, str>>,
    #[serde(rename = "StreamARN")]
    stream_arn: Option<Cow<'a, str>>,
    max_results: Option<i64>,
    exclusive_start_shard_id: Option<Cow<'a, str>>,
    next_token: Option<Cow<'a, str>>,
    shard_filter: Option<Filter<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Filter<'a> {
    r#type: Option<Cow<'a, str>>,
    shard_id: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Create<'a> {
    stream_name: Option<Cow<'a, str>>,
    shard_count: Option<i64>,
    stream_mode_details: Option<Mode<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Mode<'a> {
    stream_mode: Option<Cow<'a, str>>,
}

impl Streams {
    /// The topic that a request asks about, for who may.
    fn asked<'a>(&self, action: &str, of: &OfStream<'a>, grant: &Grant) -> Result<std::sync::Arc<Topic>, Fault> {
        let named = Named { name: of.stream_name.clone(), arn: of.stream_arn.clone() };
        let stream = self.name(&named)?;
        // Who produces looks at the shards first.
        if !grant.consumes(&stream) && !grant.produces(&stream) {
            return Err(Fault::denied(action, &self.arn(&stream)));
        }
        self.topic(&named)
    }

    /// What is said of a stream however it is asked.
    fn facts(&self, topic: &Topic) -> Value {
        let hour = Duration::from_hours(1).as_secs();
        let hours = topic.options().retention_age.map(|age| age.as_secs().div_ceil(hour));
        json!({
            "StreamName": topic.name(),
            "StreamARN": self.arn(topic.name()),
            "StreamStatus": "ACTIVE",
            "StreamModeDetails": { "StreamMode": "PROVISIONED" },
            "RetentionPeriodHours": hours.map_or(RETENTION_HOURS_MAX, |hours| hours.min(RETENTION_HOURS_MAX)),
            "StreamCreationTimestamp": self.created(topic.name()),
            "EnhancedMonitoring": [{ "ShardLevelMetrics": [] }],
            "EncryptionType": "NONE",
        })
    }

    /// When the topic's folder was made, in seconds since 1970.
    fn created(&self, topic: &str) -> f64 {
        let folder = self.door.runtime.pipeline().data.join("topics").join(topic);
        let found = std::fs::metadata(folder);
        let made = found.as_ref().ok().and_then(|found| found.created().ok());
        let since = made.and_then(|made| made.duration_since(std::time::UNIX_EPOCH).ok());
        since.map_or_else(|| found.map_or(0.0, |found| found.mtime() as f64), |since| since.as_millis() as f64 / 1e3)
    }
}

/// `DescribeStream`.
pub(super) fn describe(streams: &Streams, body: &[u8], grant: &Grant) -> Result<Bytes, Fault> {
    let of: OfStream<'_> = input(body)?;
    let mut checks = Checks::default();
    checks.within(of.limit, "limit", 1, LIST_MAX);
    checks.done()?;
    let topic = streams.asked("DescribeStream", &of, grant)?;
    let first = after(of.exclusive_start_shard_id.as_deref(), topic.name())?;
    let (shards, more) = shards(&topic, first, of.limit.unwrap_or(LIST_USUAL));
    let mut facts = streams.facts(&topic);
    if let Some(facts) = facts.as_object_mut() {
        facts.insert("Shards".to_owned(), shards.into());
        facts.insert("HasMoreShards".to_owned(), more.is_some().into());
    }
    Ok(json!({ "StreamDescription": facts }).to_string().into())
}

/// `DescribeStreamSummary`.
pub(super) fn summary(streams: &Streams, body: &[u8], grant: &Grant) -> Result<Bytes, Fault> {
    let topic = streams.asked("DescribeStreamSummary", &input(body)?, grant)?;
    let mut facts = streams.facts(&topic);
    if let Some(facts) = facts.as_object_mut() {
        facts.insert("OpenShardCount".to_owned(), topic.partitions().into());
        facts.insert("ConsumerCount".to_owned(), 0.into());
    }
    Ok(json!({ "StreamDescriptionSummary": facts }).to_string().into())
}

/// `ListStreams`.
pub(super) fn list(streams: &Streams, body: &[u8], grant: &Grant) -> Result<Bytes, Fault> {
    let List { limit, exclusive_start_stream_name, next_token } = input(body)?;
    let mut checks = Checks::default();
    checks.within(limit, "limit", 1, LIST_MAX);
    checks.done()?;
    if !grant.consumes_some() {
        return Err(Fault::denied("ListStreams", &streams.arn("*")));
    }
    let start = next_token.or(exclusive_start_stream_name).unwrap_or_default();
    let limit = usize::try_from(limit.unwrap_or(LIST_USUAL)).unwrap_or(1);
    let names = streams.door.runtime.topic_names();
    let mut names = names.iter().filter(|name| name.as_str() > &*start && grant.consumes(name));
    let listed: Vec<&String> = names.by_ref().take(limit).collect();
    let more = names.next().is_some();
    let summary = |name: &&String| {
        json!({
            "StreamName": name,
            "StreamARN": streams.arn(name),
            "StreamStatus": "ACTIVE",
            "StreamModeDetails": { "StreamMode": "PROVISIONED" },
            "StreamCreationTimestamp": streams.created(name),
        })
    };
    let summaries: Vec<Value> = listed.iter().map(summary).collect();
    let mut answer = json!({ "StreamNames": listed, "HasMoreStreams": more, "StreamSummaries": summaries });
    if let (true, Some(last), Some(answer)) = (more, listed.last(), answer.as_object_mut()) {
        answer.insert("NextToken".to_owned(), last.as_str().into());
    }
    Ok(answer.to_string().into())
}

/// `ListShards`.
pub(super) fn list_shards(streams: &Streams, body: &[u8], grant: &Grant) -> Result<Bytes, Fault> {
    let ListShards { stream_name, stream_arn, max_results, exclusive_start_shard_id, next_token, shard_filter } =
        input(body)?;
    let mut checks = Checks::default();
    checks.within(max_results, "maxResults", 1, LIST_MAX);
    let kinds =
        ["AFTER_SHARD_ID", "AT_TRIM_HORIZON", "FROM_TRIM_HORIZON", "AT_LATEST", "AT_TIMESTAMP", "FROM_TIMESTAMP"];
    let kind = shard_filter.as_ref().and_then(|filter| filter.r#type.as_deref());
    match (&shard_filter, kind) {
        (Some(_), None) => checks.missing("shardFilter.type"),
        (_, Some(kind)) if !kinds.contains(&kind) => {
            checks.wrong(kind, "shardFilter.type", &format!("satisfy enum value set: [{}]", kinds.join(", ")));
        }
        _ => {}
    }
    checks.done()?;
    // A token says all: the stream, and the shard after which to go on.
    let of_token =
        next_token.as_deref().map(|token| token.split_once('/').ok_or_else(|| no_token(token))).transpose()?;
    if of_token.is_some() && (stream_name.is_some() || stream_arn.is_some() || exclusive_start_shard_id.is_some()) {
        return Err(Fault::argument(
            "NextToken and StreamName, StreamARN or ExclusiveStartShardId cannot be given together.",
        ));
    }
    let named = match of_token {
        Some((stream, _)) => Some(Cow::Borrowed(stream)),
        None => stream_name,
    };
    let of = OfStream { stream_name: named, stream_arn, limit: None, exclusive_start_shard_id: None };
    let topic = streams.asked("ListShards", &of, grant)?;
    let filtered =
        shard_filter.as_ref().filter(|_| kind == Some("AFTER_SHARD_ID")).and_then(|filter| filter.shard_id.as_deref());
    let start = of_token.map(|(_, shard)| shard).or(exclusive_start_shard_id.as_deref()).or(filtered);
    let first = after(start, topic.name())?;
    let (shards, more) = shards(&topic, first, max_results.unwrap_or(SHARDS_LIST_USUAL));
    let mut answer = json!({ "Shards": shards });
    if let (Some(last), Some(answer)) = (more, answer.as_object_mut()) {
        answer.insert("NextToken".to_owned(), format!("{}/{last}", topic.name()).into());
    }
    Ok(answer.to_string().into())
}

/// `DescribeLimits`.
pub(super) fn limits(streams: &Streams, grant: &Grant) -> Result<Bytes, Fault> {
    if !grant.consumes_some() {
        return Err(Fault::denied("DescribeLimits", "*"));
    }
    let runtime = &streams.door.runtime;
    let names = runtime.topic_names();
    let open: u32 = names.iter().filter_map(|name| runtime.topic(name)).map(|topic| topic.partitions()).sum();
    let limits = json!({
        "ShardLimit": i64::from(open).max(LIST_MAX),
        "OpenShardCount": open,
        "OnDemandStreamCount": 0,
        "OnDemandStreamCountLimit": 0,
    });
    Ok(limits.to_string().into())
}

/// `ListTagsForStream`: there are none.
pub(super) fn tags(streams: &Streams, body: &[u8], grant: &Grant) -> Result<Bytes, Fault> {
    streams.asked("ListTagsForStream", &input(body)?, grant)?;
    Ok(json!({ "Tags": [], "HasMoreTags": false }).to_string().into())
}

/// `CreateStream`: a topic, which is active at once.
pub(super) async fn create(streams: &Streams, body: &[u8], grant: &Grant) -> Result<Bytes, Fault> {
    let Create { stream_name, shard_count, stream_mode_details } = input(body)?;
    let mut checks = Checks::default();
    if stream_name.is_none() {
        checks.missing("streamName");
    }
    checks.within(shard_count, "shardCount", 1, i64::from(i32::MAX));
    let mode = stream_mode_details.as_ref().and_then(|mode| mode.stream_mode.as_deref());
    if let Some(mode) = mode.filter(|mode| !["PROVISIONED", "ON_DEMAND"].contains(mode)) {
        checks.wrong(mode, "streamModeDetails.streamMode", "satisfy enum value set: [PROVISIONED, ON_DEMAND]");
    }
    checks.done()?;
    let name = streams.name(&Named { name: stream_name, arn: None })?;
    if !grant.administers() {
        return Err(Fault::denied("CreateStream", &streams.arn(&name)));
    }
    let count = match (shard_count, mode) {
        (Some(_), Some("ON_DEMAND")) => {
            return Err(Fault::argument("ShardCount cannot be given where StreamMode is ON_DEMAND."));
        }
        (Some(count), _) => count,
        (None, Some("ON_DEMAND")) => SHARDS_ON_DEMAND,
        (None, _) => 1,
    };
    if count > SHARDS_MAX {
        let what = format!("This request would exceed the shard limit of {SHARDS_MAX} for a stream.");
        return Err(Fault::new("LimitExceededException", what));
    }
    let (made, partitions) = (name.clone(), u32::try_from(count).unwrap_or(1));
    let created = in_background(&streams.door, move |runtime| runtime.create_topic(&made, partitions)).await;
    created.map(|_| Bytes::new()).map_err(|error| match error.kind() {
        crate::error::Kind::Conflict => {
            let what = format!("Stream {name} under account {} already exists.", super::ACCOUNT);
            Fault::new("ResourceInUseException", what)
        }
        _ => Fault::of(&error, &name),
    })
}

/// `DeleteStream`.
pub(super) async fn delete(streams: &Streams, body: &[u8], grant: &Grant) -> Result<Bytes, Fault> {
    let of: OfStream<'_> = input(body)?;
    let name = streams.name(&Named { name: of.stream_name, arn: of.stream_arn })?;
    if !grant.administers() {
        return Err(Fault::denied("DeleteStream", &streams.arn(&name)));
    }
    let deleted = name.clone();
    let deleted = in_background(&streams.door, move |runtime| runtime.delete_topic(&deleted)).await;
    deleted.map(|_| Bytes::new()).map_err(|error| Fault::of(&error, &name))
}

/// The first shard after one.
fn after(start: Option<&str>, stream: &str) -> Result<u32, Fault> {
    let Some(start) = start else { return Ok(0) };
    Shard::parse(start).map(|shard| shard.0.saturating_add(1)).ok_or_else(|| no_shard(start, stream))
}

fn no_token(token: &str) -> Fault {
    Fault::argument(format!("NextToken {token} is invalid."))
}

/// Shards from `first` on, so many, and the last of them where there are more.
fn shards(topic: &Topic, first: u32, limit: i64) -> (Vec<Value>, Option<Shard>) {
    let count = topic.partitions();
    let last = first.saturating_add(u32::try_from(limit).unwrap_or(u32::MAX)).min(count);
    let shard = |shard: Shard| {
        let (first, last) = shard.range(count);
        json!({
            "ShardId": shard.to_string(),
            "HashKeyRange": { "StartingHashKey": first.to_string(), "EndingHashKey": last.to_string() },
            "SequenceNumberRange": { "StartingSequenceNumber": Sequence { shard, offset: 0 }.to_string() },
        })
    };
    let listed = (first..last).map(|nth| shard(Shard(nth))).collect();
    (listed, (last < count).then(|| Shard(last.saturating_sub(1))))
}
