//! What v3 answers for a record.

use serde::Serialize;

use super::record::{Part, Shape};
use crate::error::{Error, Kind};
use crate::http::records::Placed;
use crate::time::Timestamp;

/// The code of a record that was taken.
const TAKEN: u32 = 200;

/// A record that was taken; what is none is not there.
#[derive(Serialize)]
pub(super) struct Receipt<'a> {
    /// The id of an entry of a batch.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    /// Of a stream's record, where each receipt has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    error_code: Option<u32>,
    cluster_id: &'a str,
    topic_name: &'a str,
    partition_id: u32,
    offset: u64,
    #[serde(serialize_with = "crate::time::as_text")]
    timestamp: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<Part>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<Part>,
}

/// A record that was not.
#[derive(Serialize)]
pub(super) struct Failure<'a> {
    /// The id of an entry of a batch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) id: Option<&'a str>,
    /// The code.
    pub(super) error_code: u32,
    /// The reason.
    pub(super) message: &'a str,
}

/// Where records go: what their receipts repeat.
#[derive(Clone, Debug)]
pub(super) struct Target {
    /// The cluster, as the client calls it.
    pub(super) cluster: String,
    /// The topic.
    pub(super) topic: String,
}

impl Target {
    /// The receipt of a record; of an entry of a batch where it has an id.
    pub(super) fn receipt<'a>(&'a self, placed: &Placed, shape: &Shape, id: Option<&'a str>) -> Receipt<'a> {
        let time = shape.time.unwrap_or(placed.time);
        Receipt {
            id,
            error_code: id.is_none().then_some(TAKEN),
            cluster_id: &self.cluster,
            topic_name: &self.topic,
            partition_id: placed.partition,
            offset: placed.offset,
            // Milliseconds, as in Kafka.
            timestamp: Timestamp(time.0.div_euclid(1_000) * 1_000),
            key: shape.key,
            value: shape.value,
        }
    }
}

/// The code of a record that its partition did not take.
pub(super) fn code(error: &Error) -> u32 {
    match error.kind() {
        Kind::Missing => 40402,
        Kind::Input => 413,
        Kind::Busy => 429,
        Kind::Storage | Kind::Unavailable => 50003,
        _ => 50002,
    }
}
