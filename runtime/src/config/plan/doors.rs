//! The doors that stand beside the REST proxy's listener: an API gateway, and Kinesis's own API.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// An API gateway before topics and streams.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gateway {
    /// Where it listens.
    pub listen: SocketAddr,
    /// The file of its API keys, as `tidemill key` writes it; without it, the listeners' own keys are asked for, if there are any.
    pub keys: Option<PathBuf>,
    /// Its stages, in the file's order.
    pub stages: Vec<Stage>,
    /// Its usage plans, in the file's order; a key that is in none for a stage is refused there. Where there is no plan, no
    /// key needs one.
    pub plans: Vec<UsagePlan>,
}

/// A stage: the first part of a path, and what lies behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stage {
    /// Its name.
    pub name: String,
    /// Whether `/{proxy+}` leads to the REST proxy.
    pub proxy: bool,
    /// Whether `/streams` leads to Kinesis.
    pub streams: bool,
    /// What a stream is given of a request's data.
    pub quoting: Quoting,
    /// How a failure of Kinesis is answered.
    pub status: StatusMapping,
    /// The shards of a stream that is created without a word about them.
    pub shards: u32,
    /// How long an integration may take.
    pub timeout: Duration,
    /// What all its clients together may ask.
    pub throttle: Option<Throttle>,
}

/// What a stream is given of the data in a request through the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quoting {
    /// As the mapping of AWS's tutorial: JSON text with the quotes of strings for one record, strings without them in a batch.
    Sample,
    /// JSON text always, so that a string keeps its quotes.
    Json,
    /// Strings without their quotes, all else as JSON text.
    Plain,
    /// The request's whole body as it came, under a partition key of its own.
    Body,
}

/// How the gateway answers where Kinesis refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatusMapping {
    /// With 200, as an integration with a single default answer does.
    Faithful,
    /// With the status that Kinesis gave.
    Mapped,
}

/// A token bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Throttle {
    /// Requests a second.
    pub rate: u64,
    /// Requests at once.
    pub burst: u64,
}

/// What a client may ask of stages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsagePlan {
    /// Its name.
    pub name: String,
    /// The stages that it is for.
    pub stages: Vec<String>,
    /// The ids of its keys; all keys where it names none.
    pub keys: Vec<String>,
    /// How fast each key may ask.
    pub throttle: Option<Throttle>,
    /// How much each key may ask.
    pub quota: Option<Quota>,
}

/// Requests in a period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// So many.
    pub requests: u64,
    /// In each of these.
    pub period: Period,
}

/// A stretch of the calendar, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Period {
    /// From midnight on.
    Day,
    /// From the midnight before Sunday on.
    Week,
    /// From the first of the month on.
    Month,
}

/// Kinesis's own API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kinesis {
    /// Where it listens.
    pub listen: SocketAddr,
    /// The file of access keys with which requests must be signed; without it, no signature is looked at.
    pub keys: Option<PathBuf>,
    /// The region in the names of its streams.
    pub region: String,
    /// Whether a shard takes and gives no more in a second than AWS's do.
    pub shard_limits: bool,
}

impl UsagePlan {
    /// Whether it is for a stage and for a key, by the key's id.
    pub fn covers(&self, stage: &str, key: &str) -> bool {
        let named = |id: &String| key.starts_with(id.as_str()) || id.starts_with(key);
        self.stages.iter().any(|name| name == stage) && (self.keys.is_empty() || self.keys.iter().any(named))
    }
}
