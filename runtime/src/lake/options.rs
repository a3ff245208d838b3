//! Where the lake is, how long it is waited for, in which form objects are written.

use std::time::Duration;

/// The lake of a pipeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The bucket's name.
    pub bucket: String,
    /// What every key begins with, without a slash at its end; may be empty.
    pub prefix: String,
    /// Which S3 it is.
    pub endpoint: Endpoint,
    /// The region, where it is not left to the environment.
    pub region: Option<String>,
    /// The form of the objects.
    pub format: Format,
    /// How long it is waited for.
    pub patience: Patience,
    /// How many bytes may wait for it on this disk; each table has an equal share.
    pub spool_bytes_max: u64,
}

/// How long a lake is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// The longest that one request may take; a body gets more by its size.
    pub request: Duration,
    /// The longest pause before a request that failed is sent again.
    pub pause: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { request: Duration::from_secs(30), pause: Duration::from_secs(30) }
    }
}

/// [`Options::spool_bytes_max`] where a pipeline file does not say.
pub const SPOOL_BYTES: u64 = 10 << 30;

/// Which S3 a lake uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// Our own server in this process, on loopback, over files in the data folder; port 0 takes a free one.
    Embedded {
        /// The port that it listens on.
        port: u16,
    },
    /// AWS, by the region and credentials of the environment.
    Aws,
    /// Any other S3, by URL, with the bucket in the path.
    Url(String),
}

/// The form of the objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Parquet, compressed with snappy.
    Parquet,
    /// A JSON object a line.
    Json,
}

impl Format {
    /// The end of an object's key, without the dot.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Parquet => "parquet",
            Self::Json => "json",
        }
    }
}
