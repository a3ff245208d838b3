//! A pipeline as it is meant: every name resolved, every size checked, every path absolute.

mod doors;
mod form;
mod schedules;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use crate::component::Trust;
use crate::component::limits::Limits;
use crate::decode::Unwrap;
use crate::lake;
use crate::landing;
use crate::log;
use crate::rollup::spec::Rollup;
use crate::source::options::FilesOptions;
use crate::window::spec::Aggregate;

pub use self::doors::{Gateway, Kinesis, Period, Quota, Quoting, Stage, StatusMapping, Throttle, UsagePlan};
pub use self::form::Form;
pub use self::schedules::{Call, Export, Held, Job, Method, Overlap, Schedule};

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
    /// The API gateway, where there is one.
    pub gateway: Option<Gateway>,
    /// Kinesis's own API, where it is offered.
    pub kinesis: Option<Kinesis>,
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
    /// The topics that are landed as they came, in the file's order.
    pub landings: Vec<Landing>,
    /// The rollups, in the file's order.
    pub rollups: Vec<Rollup>,
    /// The named queries, in the file's order.
    pub queries: Vec<Query>,
    /// What is done by the clock, in the file's order.
    pub schedules: Vec<Schedule>,
    /// Whose signature components must carry.
    pub trust: Trust,
}

impl Pipeline {
    /// The names of the tables and landings that read a topic.
    pub fn readers<'a>(&'a self, topic: &str) -> impl Iterator<Item = &'a str> {
        let tables = self.tables.iter().map(|table| (&table.name, &table.topic));
        let all = tables.chain(self.landings.iter().map(|landing| (&landing.name, &landing.topic)));
        all.filter(move |(_, of)| *of == topic).map(|(name, _)| name.as_str())
    }

    /// The names of all tables and landings, each of which has a lane of its own on the way to the lake.
    pub fn lanes(&self) -> impl Iterator<Item = &str> {
        let tables = self.tables.iter().map(|table| table.name.as_str());
        tables.chain(self.landings.iter().map(|landing| landing.name.as_str()))
    }
}

/// Where a pipeline listens, and whom it lets in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// The REST proxy.
    pub topics: SocketAddr,
    /// Status, metrics and what the operator does.
    pub admin: SocketAddr,
    /// The names by which clients may call it, besides `localhost` and any IP address.
    pub hosts: Vec<String>,
    /// The file of the keys of which a request must carry one; without it, none is asked for.
    pub keys: Option<PathBuf>,
    /// What it proves itself with; without it, nothing is encrypted.
    pub tls: Option<Tls>,
    /// Bounds on connections and on the heads of requests.
    pub limits: ListenLimits,
}

impl Listen {
    /// What the URLs of one of its listeners begin with, as a client on this machine writes them.
    pub fn url(&self, at: SocketAddr) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        match self.hosts.first() {
            Some(host) => format!("{scheme}://{host}:{}", at.port()),
            None => format!("{scheme}://{}", Self::near(at)),
        }
    }

    /// The address under which a client on this machine finds a listener.
    pub fn near(at: SocketAddr) -> SocketAddr {
        match at.ip() {
            ip if !ip.is_unspecified() => at,
            IpAddr::V4(_) => SocketAddr::from((Ipv4Addr::LOCALHOST, at.port())),
            IpAddr::V6(_) => SocketAddr::from((Ipv6Addr::LOCALHOST, at.port())),
        }
    }
}

/// The files by which a listener proves itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// Its certificate and those that lead to its authority, in PEM.
    pub certificate: PathBuf,
    /// The certificate's private key, in PEM.
    pub key: PathBuf,
    /// Certificates of authorities, one of which must have signed a client's; without it, clients need none.
    pub clients: Option<PathBuf>,
    /// The oldest version that is spoken.
    pub oldest: TlsVersion,
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsVersion {
    /// 1.2.
    V1_2,
    /// 1.3.
    V1_3,
}

/// Bounds on a listener's connections, and on what comes before a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenLimits {
    /// Connections open at one time; for one more, the one that has waited longest for its client goes.
    pub connections_max: usize,
    /// Those of one address, other than the machine's own.
    pub address_connections_max: usize,
    /// Headers of a request.
    pub headers_max: usize,
    /// Bytes of a request's line and headers.
    pub head_bytes_max: usize,
    /// Bytes of a request's path and query.
    pub uri_bytes_max: usize,
    /// The time for the TLS handshake.
    pub handshake_time_max: Duration,
    /// The time from the first byte of a request's head to its last.
    pub head_time_max: Duration,
    /// How long a body may pause.
    pub body_pause_max: Duration,
    /// The time for all of a body.
    pub body_time_max: Duration,
    /// How long a client may take nothing of its answer.
    pub answer_pause_max: Duration,
    /// How long a connection may be quiet between requests.
    pub idle_time_max: Duration,
    /// Consumers of the REST proxy at one time.
    pub consumers_max: usize,
    /// How long one of them may ask for nothing before it is forgotten.
    pub consumer_idle_time_max: Duration,
}

impl Default for ListenLimits {
    fn default() -> Self {
        Self {
            connections_max: 1_024,
            address_connections_max: 64,
            headers_max: 100,
            head_bytes_max: 16 << 10,
            uri_bytes_max: 8 << 10,
            handshake_time_max: Duration::from_secs(10),
            head_time_max: Duration::from_secs(10),
            body_pause_max: Duration::from_secs(10),
            body_time_max: Duration::from_secs(60),
            answer_pause_max: Duration::from_secs(30),
            idle_time_max: Duration::from_secs(60),
            consumers_max: 100,
            consumer_idle_time_max: Duration::from_secs(300),
        }
    }
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
    /// Whether the first record for a topic that is not there makes it.
    pub create_topics: bool,
    /// How many partitions a topic gets whose maker does not say.
    pub partitions: u32,
    /// The most topics that may be made while the pipeline runs, beside those of its file.
    pub topics_max: usize,
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
    /// What is taken off its values before they are decoded.
    pub unwrap: Unwrap,
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
    /// In files, which are one partition.
    Files {
        /// How they are read.
        options: FilesOptions,
        /// Where they lie.
        origin: Origin,
    },
}

/// Where files lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A file of this disk, or a folder of them.
    Path(PathBuf),
    /// The objects of a bucket whose keys begin with the prefix.
    Bucket(Box<lake::options::Options>),
}

/// As people know it.
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => path.display().fmt(f),
            Self::Bucket(bucket) => write!(f, "s3://{}/{}", bucket.bucket, bucket.prefix),
        }
    }
}

impl Backend {
    /// How many partitions the topic has.
    pub fn partitions(&self) -> u32 {
        match self {
            Self::Embedded(options) => options.partitions,
            Self::Fluvio { partitions, .. } => *partitions,
            Self::Files { .. } => 1,
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
    /// What is taken off that topic's values before they are decoded.
    pub unwrap: Unwrap,
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
    /// What the cache keeps of it.
    pub retention: Retention,
}

/// What the cache keeps of a table; all, where nothing is said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    /// Rows of records that are not older.
    pub age: Option<Duration>,
    /// So many rows, the latest.
    pub rows: Option<u64>,
    /// Closed windows of aggregates that ended not longer ago, by the aggregate's own time.
    pub aggregates: Vec<(String, Duration)>,
}

impl Retention {
    /// Whether there is anything to prune.
    pub fn is_bounded(&self) -> bool {
        self.age.is_some() || self.rows.is_some() || !self.aggregates.is_empty()
    }
}

/// A topic whose records are landed as they came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Landing {
    /// The landing's name in the file, a dot, and the topic's: no table has a dot in its name.
    pub name: String,
    /// The topic that it reads.
    pub topic: String,
    /// How its objects are made.
    pub options: landing::options::Options,
}

/// Whether a name of the ledger is a landing's, and not a table's or an aggregate's.
pub fn is_landing(name: &str) -> bool {
    name.contains('.')
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
