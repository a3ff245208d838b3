//! A shard is a partition: its name, the keys that belong to it, the numbers of its records.

use std::fmt;

use md5::{Digest as _, Md5};

/// What the name of each shard begins with.
const NAME: &str = "shardId-";
/// Digits after that.
const NAME_DIGITS: usize = 12;
/// What each sequence number begins with.
const SEQUENCE: &str = "49";
/// Digits of the offset in it, and of the shard.
const OFFSET_DIGITS: usize = 34;
/// Digits of the shard.
const SHARD_DIGITS: usize = 20;

/// A shard's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shard(pub(super) u32);

impl Shard {
    /// Reads a name; none where it is no shard's.
    pub(super) fn parse(name: &str) -> Option<Self> {
        let digits = name.strip_prefix(NAME).filter(|digits| digits.len() == NAME_DIGITS)?;
        digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok())?.map(Self)
    }

    /// The shard of a hash among so many.
    pub(super) fn of_hash(hash: u128, shards: u32) -> Self {
        let Some(width) = width(shards) else { return Self(0) };
        let shard = u32::try_from(hash / width).unwrap_or(u32::MAX);
        Self(shard.min(shards.saturating_sub(1)))
    }

    /// The shard of a partition key among so many.
    pub(super) fn of_key(key: &str, shards: u32) -> Self {
        if shards <= 1 { Self(0) } else { Self::of_hash(hash(key), shards) }
    }

    /// The first and the last hash that belong to it among so many.
    pub(super) fn range(self, shards: u32) -> (u128, u128) {
        let Some(width) = width(shards) else { return (0, u128::MAX) };
        let first = width * u128::from(self.0);
        let last = if self.0 + 1 >= shards { u128::MAX } else { first + (width - 1) };
        (first, last)
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{NAME}{:0NAME_DIGITS$}", self.0)
    }
}

/// The number of a record: 56 digits, as AWS's have, that grow with its offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sequence {
    /// The shard.
    pub(super) shard: Shard,
    /// The record's offset.
    pub(super) offset: u64,
}

impl Sequence {
    /// Reads a number; none where it is no record's.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix(SEQUENCE)?;
        if digits.len() != OFFSET_DIGITS + SHARD_DIGITS || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let (offset, shard) = digits.split_at(OFFSET_DIGITS);
        Some(Self { offset: offset.parse().ok()?, shard: Shard(shard.parse().ok()?) })
    }
}

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SEQUENCE}{:0OFFSET_DIGITS$}{:0SHARD_DIGITS$}", self.offset, self.shard.0)
    }
}

/// The hash of a partition key.
fn hash(key: &str) -> u128 {
    u128::from_be_bytes(Md5::digest(key).into())
}

/// How many hashes a shard has among so many; none where one has all, which no number says.
fn width(shards: u32) -> Option<u128> {
    let shards = u128::from(shards);
    // One more where they divide the whole without a rest.
    (shards > 1).then(|| u128::MAX / shards + u128::from(u128::MAX % shards == shards - 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_lie_where_kinesis_puts_them() {
        // The hash of each, and its shard among four, three and one: floor(hash * shards / 2^128).
        for (key, hashed, expected) in [
            ("partition-1", 198_019_941_650_871_988_756_153_596_255_032_211_816, [2, 1, 0]),
            ("test", 12_707_736_894_140_473_154_801_792_860_916_528_374, [0, 0, 0]),
            ("pin", 184_011_435_405_556_718_603_799_026_083_581_983_707, [2, 1, 0]),
            ("0", 276_215_275_525_073_243_129_443_018_166_533_317_850, [3, 2, 0]),
            ("é", 136_732_923_097_551_493_579_404_309_126_273_812_335, [1, 1, 0]),
        ] {
            assert_eq!(hash(key), hashed, "{key}");
            assert_eq!([4, 3, 1].map(|shards| Shard::of_key(key, shards).0), expected, "{key}");
        }
    }

    #[test]
    fn ranges_are_aws_own_and_leave_no_hash_out() {
        // As `aws kinesis describe-stream` shows a stream of three shards.
        assert_eq!(Shard(0).range(3), (0, 113_427_455_640_312_821_154_458_202_477_256_070_484));
        assert_eq!(Shard(1).range(3).0, 113_427_455_640_312_821_154_458_202_477_256_070_485);
        assert_eq!(Shard(2).range(3).1, u128::MAX);
        for shards in [1, 2, 3, 4, 5, 7, 64, 255, 256] {
            let mut next = Some(0);
            for shard in (0..shards).map(Shard) {
                let (first, last) = shard.range(shards);
                assert_eq!(Some(first), next, "{shards}");
                assert_eq!([first, last].map(|hash| Shard::of_hash(hash, shards)), [shard; 2], "{shards}");
                next = last.checked_add(1);
            }
            assert_eq!(next, None, "{shards}");
        }
    }

    #[test]
    fn numbers_and_names_are_read_as_they_are_written() {
        let number = |offset| Sequence { shard: Shard(3), offset }.to_string();
        for offset in [0, 1, 9, 10, u64::MAX] {
            assert_eq!(number(offset).len(), 56);
            assert_eq!(Sequence::parse(&number(offset)), Some(Sequence { shard: Shard(3), offset }));
        }
        assert!(number(9) < number(10) && number(10) < number(u64::MAX));
        for wrong in ["", "0", "49", &number(1)[1..], &format!("{}0", number(1)), &number(1).replace('3', "x")] {
            assert_eq!(Sequence::parse(wrong), None, "{wrong}");
        }
        assert_eq!(Shard(12).to_string(), "shardId-000000000012");
        assert_eq!(Shard::parse("shardId-000000000012"), Some(Shard(12)));
        for wrong in ["", "shardId-12", "shardId-00000000001x", "0", "shardid-000000000012", "shardId-999999999999"] {
            assert_eq!(Shard::parse(wrong), None, "{wrong}");
        }
    }
}
