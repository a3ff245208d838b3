//! How a topic is kept: sizes, retention, compression.

use std::time::Duration;

/// The options of an embedded topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// How many partitions; a topic can be given more, never fewer.
    pub partitions: u32,
    /// A segment is sealed when it has grown to this size.
    pub segment_bytes: u64,
    /// Sealed segments whose last record is older than this are removed; `None` keeps them.
    pub retention_age: Option<Duration>,
    /// Sealed segments are removed, oldest first, until a partition is no larger than this; `None` keeps them.
    pub retention_bytes: Option<u64>,
    /// How frames are compressed.
    pub compression: Compression,
    /// The largest record, key, value and headers together.
    pub record_bytes_max: usize,
}

/// How frames are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    None,
    /// LZ4 blocks: fast both ways.
    Lz4,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            partitions: 1,
            segment_bytes: 256 << 20,
            retention_age: None,
            retention_bytes: None,
            compression: Compression::Lz4,
            record_bytes_max: 1 << 20,
        }
    }
}
