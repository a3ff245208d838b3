//! The frame: records that were appended together, behind one checked header.
//!
//! All numbers are little endian.
//!
//! | at | bytes | field | what it guards against |
//! |---|---|---|---|
//! | 0 | 4 | magic `TMfr` | a place that is no frame |
//! | 4 | 4 | crc32c of all that follows, header and payload | rot, torn writes |
//! | 8 | 1 | version, 1 | a reader that is too old |
//! | 9 | 1 | flags: 1 the payload is an LZ4 block, 2 a producer is named, 4 it is a key of this request alone | |
//! | 10 | 2 | where a producer is named, a sum over all records of its request; else zero | other records under a sequence |
//! | 12 | 4 | length of the frame, header and payload | |
//! | 16 | 4 | partition | a write that went to another place |
//! | 20 | 4 | count of records; 0 in a mark, which only says that all before it is synced, or which request came to nothing | |
//! | 24 | 4 | length of the payload once decompressed | |
//! | 28 | 4 | crc of the frame before it; of the segment's header in the first | a frame that is missing or stale |
//! | 32 | 8 | identity of the topic | a file of another topic |
//! | 40 | 8 | base offset of the segment | a file under a wrong name |
//! | 48 | 8 | offset of the first record | |
//! | 56 | 8 | position in the segment up to which all was synced when this was written | taking rot for a torn tail |
//! | 64 | 8 | append time of all its records, microseconds since 1970 | |
//! | 72 | 8 | producer | |
//! | 80 | 4 | the producer's epoch | |
//! | 84 | 4 | the producer's sequence | |
//! | 88 | | payload: see `payload.rs` | |
//!
//! The field at 56 tells two accidents apart. A bad frame that a later one calls synced was acknowledged: it is corrupt.
//! Any other bad tail was never acknowledged, even where a later frame of its group reached the disk before an earlier.

use super::append::Producer;
use super::fields::Fields;
use super::payload;
use super::place::Home;
use crate::sabotage::{self, Fault};
use crate::time::Timestamp;

/// The first bytes of every frame.
pub(super) const MAGIC: [u8; 4] = *b"TMfr";
/// The size of a frame's header.
pub(super) const HEADER_BYTES: usize = 88;
/// The largest frame.
pub(super) const BYTES_MAX: usize = HEADER_BYTES + payload::BYTES_MAX;

/// What is wrong with a whole frame of a version that is not known here.
pub(super) const UNKNOWN: &str = "its version is not known here";

const VERSION: u8 = 1;
const FLAG_LZ4: u8 = 1;
const FLAG_PRODUCER: u8 = 2;
const FLAG_KEY: u8 = 4;
const CHECKED_FROM: usize = 8;

/// The header of a frame, without its checksum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// Where it belongs.
    pub(super) home: Home,
    /// The size of header and payload.
    pub(super) length: usize,
    /// Whether the payload is an LZ4 block.
    pub(super) lz4: bool,
    /// The size of the payload once decompressed.
    pub(super) raw_bytes: usize,
    /// How many records it holds.
    pub(super) count: u32,
    /// The crc of what comes before it.
    pub(super) previous: u32,
    /// The offset of its first record.
    pub(super) base: u64,
    /// The position in the segment up to which all was synced when it was written.
    pub(super) synced: u64,
    /// The append time of its records.
    pub(super) time: Timestamp,
    /// Who sent it, where that is known.
    pub(super) producer: Option<Producer>,
}

impl Header {
    /// The offset after its last record.
    pub(super) fn end(&self) -> u64 {
        self.base.saturating_add(u64::from(self.count))
    }

    /// The header as it is stored before `payload`, and the frame's crc.
    pub(super) fn encode(&self, payload: &[u8]) -> ([u8; HEADER_BYTES], u32) {
        let producer = self.producer.unwrap_or_default();
        let named = u8::from(self.producer.is_some()) * FLAG_PRODUCER + u8::from(producer.key) * FLAG_KEY;
        let flags = u8::from(self.lz4) * FLAG_LZ4 + named;
        let mut stored = [0; HEADER_BYTES];
        let fields: [&[u8]; 15] = [
            &[VERSION, flags],
            &producer.sum.to_le_bytes(),
            &(self.length as u32).to_le_bytes(),
            &self.home.partition.to_le_bytes(),
            &self.count.to_le_bytes(),
            &(self.raw_bytes as u32).to_le_bytes(),
            &self.previous.to_le_bytes(),
            &self.home.topic.to_le_bytes(),
            &self.home.segment.to_le_bytes(),
            &self.base.to_le_bytes(),
            &self.synced.to_le_bytes(),
            &self.time.0.to_le_bytes(),
            &producer.id.to_le_bytes(),
            &producer.epoch.to_le_bytes(),
            &producer.sequence.to_le_bytes(),
        ];
        put(&mut stored, CHECKED_FROM, &fields);
        let crc = crc32c::crc32c_append(checksum(&stored), payload);
        put(&mut stored, 0, &[&MAGIC, &crc.to_le_bytes()]);
        (stored, crc)
    }

    /// Reads a header and its checksum, which [`check`] compares; says what is wrong with bytes that are none.
    pub(super) fn decode(stored: &[u8]) -> Result<(Self, u32), &'static str> {
        let mut fields = Fields(stored);
        if fields.array().is_some_and(|magic: [u8; 4]| magic != MAGIC) {
            return Err("no frame begins here");
        }
        let read = Self::fields(&mut fields).ok_or("its header is cut short")?;
        match read.0.length {
            HEADER_BYTES..=BYTES_MAX if read.0.raw_bytes <= payload::BYTES_MAX => Ok(read),
            _ => Err("its length cannot be"),
        }
    }

    fn fields(from: &mut Fields<'_>) -> Option<(Self, u32)> {
        let crc = from.u32()?;
        let (_version, flags, sum) = (from.u8()?, from.u8()?, from.u16()?);
        let (length, partition, count, raw) = (from.u32()?, from.u32()?, from.u32()?, from.u32()?);
        let (previous, topic, segment) = (from.u32()?, from.u64()?, from.u64()?);
        let (base, synced, time) = (from.u64()?, from.u64()?, from.i64()?);
        let (id, epoch, sequence) = (from.u64()?, from.u32()?, from.u32()?);
        let producer = Producer { id, epoch, sequence, key: flags & FLAG_KEY != 0, sum };
        let header = Self {
            home: Home { topic, partition, segment },
            length: length as usize,
            lz4: flags & FLAG_LZ4 != 0,
            raw_bytes: raw as usize,
            count,
            previous,
            base,
            synced,
            time: Timestamp(time),
            producer: (flags & FLAG_PRODUCER != 0).then_some(producer),
        };
        Some((header, crc))
    }
}

/// Whether `frame`, header and payload, is what was written: its checksum is `crc` and its version known.
pub(super) fn check(frame: &[u8], crc: u32) -> Result<(), &'static str> {
    if checksum(frame) != crc && !sabotage::is(Fault::ChecksumUnread) {
        return Err("its checksum is wrong");
    }
    match frame.get(CHECKED_FROM) {
        Some(&VERSION) => Ok(()),
        _ => Err(UNKNOWN),
    }
}

fn checksum(frame: &[u8]) -> u32 {
    crc32c::crc32c(frame.get(CHECKED_FROM..).unwrap_or_default())
}

fn put(into: &mut [u8], at: usize, fields: &[&[u8]]) {
    let bytes = fields.iter().flat_map(|field| field.iter());
    into.iter_mut().skip(at).zip(bytes).for_each(|(to, from)| *to = *from);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_back_what_was_encoded() {
        let payload = b"abc";
        let header = Header {
            home: Home { topic: 1 << 63, partition: 2, segment: 3 << 40 },
            length: HEADER_BYTES + payload.len(),
            lz4: true,
            raw_bytes: 9,
            count: 4,
            previous: 5,
            base: (1 << 63) + 6,
            synced: 7,
            time: Timestamp(-8),
            producer: Some(Producer { id: 9, epoch: 10, sequence: 11, key: true, sum: 12 }),
        };
        let (stored, crc) = header.encode(payload);
        assert_eq!(Header::decode(&stored), Ok((header, crc)));
        let mut frame = stored.to_vec();
        frame.extend_from_slice(payload);
        assert_eq!(check(&frame, crc), Ok(()));
        for bit in CHECKED_FROM * 8..frame.len() * 8 {
            frame[bit / 8] ^= 1 << (bit % 8);
            assert!(check(&frame, crc).is_err(), "bit {bit}");
            frame[bit / 8] ^= 1 << (bit % 8);
        }
    }

    #[test]
    fn refuses_what_is_no_header() {
        assert_eq!(Header::decode(&[0; HEADER_BYTES]), Err("no frame begins here"));
        assert_eq!(Header::decode(b"TMfr1234"), Err("its header is cut short"));
        assert_eq!(Header::decode(b""), Err("its header is cut short"));
        let mut huge = [0xff; HEADER_BYTES];
        huge[..4].copy_from_slice(&MAGIC);
        assert_eq!(Header::decode(&huge), Err("its length cannot be"));
    }
}
