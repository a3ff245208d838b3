//! Where a partition lives in another system, with the patience that reading it takes.

use std::time::Duration;

/// The folder in a data folder that says which files the topics of files have read; a file for each topic, [`manifest`].
pub const FILES: &str = "files";

/// The name of what a topic of files has read.
pub fn manifest(topic: &str) -> String {
    format!("{topic}.jsonl")
}

/// A partition of a topic in a Fluvio cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FluvioOptions {
    /// The cluster's public address, `host:port`.
    pub address: String,
    /// The topic's name there.
    pub topic: String,
    /// The partition, counted from 0.
    pub partition: u32,
}

/// How files are read, wherever they lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilesOptions {
    /// The names of the files that are read, where `*` stands for any text; of objects, what follows the prefix.
    pub names: String,
    /// Whether it is looked for more again and again; else once a start.
    pub watch: bool,
    /// How long a file in a watched folder must have stood still before it is taken.
    pub settle: Duration,
    /// What stands between the fields of a row of CSV.
    pub delimiter: u8,
    /// The columns of CSV whose fields are JSON, such as numbers; all others are texts.
    pub json: Vec<String>,
}

/// How long to wait for what; the client itself waits without end in places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// For a connection to the cluster.
    pub connect: Duration,
    /// For an answer: the state of the topic, the opening of a stream.
    pub answer: Duration,
    /// How long a stream may be silent before the cluster is asked whether there is more.
    pub silence: Duration,
    /// The pause after a first failed try; each further one is twice as long, and jittered.
    pub retry_min: Duration,
    /// The longest pause between two tries.
    pub retry_max: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            answer: Duration::from_secs(10),
            silence: Duration::from_secs(10),
            retry_min: Duration::from_millis(100),
            retry_max: Duration::from_secs(10),
        }
    }
}
