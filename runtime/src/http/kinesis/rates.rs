//! What a shard takes and gives in a second, where AWS's limits are kept.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::shard::Shard;
use crate::config::plan::Throttle;
use crate::http::bucket::Bucket;
use crate::time::Timestamp;

/// Records that a shard takes in a second.
pub(in crate::http) const WRITE_RECORDS: u64 = 1_000;
/// KiB of data and keys that it takes, each record's counted up.
pub(in crate::http) const WRITE_KIB: u64 = 1_024;
/// Reads that it answers.
pub(in crate::http) const READS: u64 = 5;
/// Shards of which it is known; those that have rested are forgotten for others.
const SHARDS_MAX: usize = 100_000;
/// How long a bucket takes to be full again.
const FULL: Duration = Duration::from_secs(1);

/// Tokens of shards.
#[derive(Debug, Default)]
pub struct Rates(Mutex<HashMap<(String, u32), Buckets>>);

#[derive(Debug)]
struct Buckets {
    records: Bucket,
    kib: Bucket,
    reads: Bucket,
}

impl Rates {
    /// Whether a shard takes one more record of so many bytes.
    pub(super) fn writes(&self, stream: &str, shard: Shard, bytes: usize, now: Timestamp) -> bool {
        let kib = (bytes as u64).div_ceil(1024).clamp(1, WRITE_KIB);
        self.with(stream, shard, now, |buckets| {
            buckets.records.draw(second(WRITE_RECORDS), 1, now) && buckets.kib.draw(second(WRITE_KIB), kib, now)
        })
    }

    /// Whether a shard answers one more read.
    pub(super) fn reads(&self, stream: &str, shard: Shard, now: Timestamp) -> bool {
        self.with(stream, shard, now, |buckets| buckets.reads.draw(second(READS), 1, now))
    }

    fn with(&self, stream: &str, shard: Shard, now: Timestamp, draw: impl FnOnce(&mut Buckets) -> bool) -> bool {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= SHARDS_MAX {
            all.retain(|_, buckets| buckets.records.rested(now).min(buckets.reads.rested(now)) < FULL);
        }
        let full = |tokens| Bucket::full(second(tokens), now);
        let buckets = all.entry((stream.to_owned(), shard.0)).or_insert_with(|| Buckets {
            records: full(WRITE_RECORDS),
            kib: full(WRITE_KIB),
            reads: full(READS),
        });
        draw(buckets)
    }
}

/// So many a second, and so many at once.
fn second(tokens: u64) -> Throttle {
    Throttle { rate: tokens, burst: tokens }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shard_takes_so_much_in_a_second() {
        let rates = Rates::default();
        let at = |micros| Timestamp(micros);
        let taken =
            |shard, bytes, micros| (0..2_000).filter(|_| rates.writes("pin", Shard(shard), bytes, at(micros))).count();
        assert_eq!(taken(0, 100, 0), 1_000, "records");
        assert_eq!(taken(0, 100, 500_000), 500, "half a second later");
        assert_eq!(taken(1, 2_048, 0), 512, "bytes");
        assert_eq!(taken(2, 10 << 20, 0), 1, "one that is larger than a second's takes all of it");
        let reads = |shard| (0..9).filter(|_| rates.reads("pin", Shard(shard), at(0))).count();
        assert_eq!([reads(0), reads(0), reads(3)], [5, 0, 5]);
    }
}
