//! A pipeline as it is meant: every name resolved, every size checked, every path absolute.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::component::Trust;
use crate::component::limits::Limits;
use crate::lake;
use crate::log;
use crate::window::spec::Aggregate;

/// What a pipeline file means.
#[derive(Clone, Debug)]
pub struct Pipeline {
    /// Its name.
    pub name: String,
    /// The file that it was read from.
    pub file: PathBuf,
    /// The folder that holds all that it keeps.
    pub data: PathBuf,
    /// Where it listens.
    pub listen: Listen,
    /// Bounds on what HTTP clients may send.
    pub ingest: Ingest,
    /// When an epoch ends.
    pub epoch: EpochBounds,
    /// The lake.
    pub lake: lake::options::Options,
    /// The topics, by rising name.
    pub topics: Vec<Topic>,
    /// The tables, in the file's order.
    pub tables: Vec<Table>,
    /// The named queries, in the file's order.
    pub queries: Vec<Query>,
    /// Whose signature components must carry.
    pub trust: Trust,
}

/// Where a pipeline listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// The REST proxy.
    pub topics: SocketAddr,
    /// Status, metrics and what the operator does.
    pub admin: SocketAddr,
}

/// Bounds on what HTTP clients may send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ingest {
    /// The largest request body.
    pub body_bytes_max: usize,
    /// The most records in a request.
    pub records_max: usize,
    /// The most bytes of requests that are worked on at one time; beyond it clients get 429.
    pub inflight_bytes_max: usize,
}

/// When an epoch ends: as soon as one of these is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EpochBounds {
    /// So long after its first record.
    pub time: Duration,
    /// So many records.
    pub records: u64,
    /// So many bytes of records, and of the rows that wait in memory for the cache.
    pub bytes: u64,
}

/// A topic and where it lives.
#[derive(Clone, Debug)]
pub struct Topic {
    /// Its name.
    pub name: String,
    /// Its backend.
    pub backend: Backend,
}

/// Where a topic lives.
#[derive(Clone, Debug)]
pub enum Backend {
    /// In our own log, under the data folder.
    Embedded(log::options::Options),
    /// In a Fluvio cluster.
    Fluvio {
        /// The cluster's public address, `host:port`.
        address: String,
        /// The topic's name there.
        topic: String,
        /// How many partitions it has.
        partitions: u32,
    },
}

impl Backend {
    /// How many partitions the topic has.
    pub fn partitions(&self) -> u32 {
        match self {
            Self::Embedded(options) => options.partitions,
            Self::Fluvio { partitions, .. } => *partitions,
        }
    }
}

/// A transform of a table.
#[derive(Clone, Debug)]
pub struct Transform {
    /// The component's file.
    pub component: PathBuf,
    /// The crate that the component is built from, where the file names a crate.
    pub source: Option<PathBuf>,
    /// Its parameters as JSON.
    pub parameters: String,
    /// Its limits.
    pub limits: Limits,
    /// The entry of the file that names it, as seen from its table: `transform`, or `transforms[1]`.
    pub place: String,
}

impl Transform {
    /// The entry of the file that sets its parameters, as seen from its table.
    pub fn parameters_place(&self) -> String {
        match self.place.strip_suffix(']') {
            Some(_) => format!("{}.parameters", self.place),
            None => "parameters".to_owned(),
        }
    }
}

/// A table: a topic's records, cleaned by its transforms, kept in lake and cache.
#[derive(Clone, Debug)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// The topic that it reads.
    pub topic: String,
    /// Its transforms, at least one, in the order in which its records pass them.
    pub transforms: Vec<Transform>,
    /// The columns whose values tell rows apart; none where the cache keeps no rows.
    pub key: Vec<String>,
    /// The columns that the cache keeps of the latest row of each key.
    pub cache: Vec<String>,
    /// The folder of its test cases, which may not be there.
    pub cases: PathBuf,
    /// The size of its lake windows, over append time.
    pub window: Duration,
    /// Its aggregates, in the file's order.
    pub aggregates: Vec<Aggregate>,
}

/// A named query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// Its name, and that of its view.
    pub name: String,
    /// One SELECT in SQLite's core SQL.
    pub sql: String,
    /// The file that it came from, where it came from one.
    pub file: Option<PathBuf>,
}
