//! The snapshot of producers: what a partition's frames before an offset say of them, so that they need not be read again.
//!
//! It is written before a segment is begun and at a clean stop, beside the newest segment and under its name, and synced.
//! It is derived: one that is missing, garbled, of another place, or that knows of more than the log holds is made again
//! from the frames. All numbers are little endian; a crc32c of all that is before it ends the file.
//!
//! | bytes | field |
//! |---|---|
//! | 8 | magic `TMprods1` |
//! | 20 | identity of the topic, partition, base offset of the segment |
//! | 8 | the offset up to which it knows the frames |
//! | 32 | time and identity of the producer that was forgotten last, of the key that was; `i64::MIN` and 0 for none |
//! | 4 | count of floors; each 2 bytes bucket, 4 bytes epoch |
//! | 4 | count of appends; each 1 byte whether it is a key, 8 id, 4 epoch, 4 sequence, 2 sum, 8 offset, 4 count, 4 size, 8 time |

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::append::Producer;
use super::fields::Fields;
use super::memory::{Age, Found, Part};
use super::place::Home;
use crate::disk::{self, File};
use crate::time::Timestamp;

const MAGIC: [u8; 8] = *b"TMprods1";
const EXTENSION: &str = "producers";

/// The path of the snapshot beside the segment that begins with `base`.
pub(super) fn path(folder: &Path, base: u64) -> PathBuf {
    folder.join(format!("{base:020}.{EXTENSION}"))
}

/// Keeps what the frames before offset `upto` say, so that a crash leaves this or what was there before.
pub(super) fn write(folder: &Path, home: Home, upto: u64, found: &Found) -> io::Result<()> {
    let unnamed = folder.join(format!("{:020}.{EXTENSION}.new", home.segment));
    let kept = File::create(&unnamed).and_then(|mut file| {
        file.write_all(&encode(home, upto, found))?;
        file.sync_all()?;
        disk::rename(&unnamed, path(folder, home.segment))?;
        disk::sync_folder(folder)
    });
    if kept.is_err() {
        drop(disk::remove_file(&unnamed));
    }
    kept
}

/// Reads what was kept beside a segment, with the offset up to which it knows the frames.
pub(super) fn read(folder: &Path, home: Home) -> Option<(u64, Found)> {
    decode(&disk::read(path(folder, home.segment)).ok()?, home)
}

/// Removes the snapshots of all but these segments.
pub(super) fn prune(folder: &Path, bases: &[u64]) -> io::Result<()> {
    for path in disk::list(folder)? {
        let base = path.file_stem().and_then(|stem| stem.to_str()?.parse::<u64>().ok());
        let snapshot = path.extension().is_some_and(|extension| extension == EXTENSION);
        if snapshot && !base.is_some_and(|base| bases.contains(&base)) {
            disk::remove_file(&path)?;
        }
    }
    Ok(())
}

fn start(home: Home) -> Vec<u8> {
    let mut stored = MAGIC.to_vec();
    stored.extend_from_slice(&home.topic.to_le_bytes());
    stored.extend_from_slice(&home.partition.to_le_bytes());
    stored.extend_from_slice(&home.segment.to_le_bytes());
    stored
}

/// What is known of producers up to an offset as it is stored.
pub(super) fn encode(home: Home, upto: u64, found: &Found) -> Vec<u8> {
    let mut stored = start(home);
    let mut put = |bytes: &[u8]| stored.extend_from_slice(bytes);
    put(&upto.to_le_bytes());
    for forgotten in found.forgotten {
        let (time, id) = forgotten.unwrap_or((Timestamp::MIN, 0));
        put(&time.0.to_le_bytes());
        put(&id.to_le_bytes());
    }
    put(&(found.floors.len() as u32).to_le_bytes());
    for (bucket, epoch) in &found.floors {
        put(&bucket.to_le_bytes());
        put(&epoch.to_le_bytes());
    }
    put(&(found.requests.len() as u32).to_le_bytes());
    for (producer, part) in &found.requests {
        put(&[u8::from(producer.key)]);
        put(&producer.id.to_le_bytes());
        put(&producer.epoch.to_le_bytes());
        put(&producer.sequence.to_le_bytes());
        put(&producer.sum.to_le_bytes());
        put(&part.first_offset.to_le_bytes());
        put(&part.count.to_le_bytes());
        put(&part.bytes.to_le_bytes());
        put(&part.time.0.to_le_bytes());
    }
    let crc = crc32c::crc32c(&stored);
    stored.extend_from_slice(&crc.to_le_bytes());
    stored
}

/// Reads what [`encode`] made of the same place.
pub(super) fn decode(stored: &[u8], home: Home) -> Option<(u64, Found)> {
    let (body, crc) = stored.split_last_chunk::<4>()?;
    if crc32c::crc32c(body) != u32::from_le_bytes(*crc) {
        return None;
    }
    let (partition, mut from) = (home.partition, Fields(body.strip_prefix(start(home).as_slice())?));
    let upto = from.u64()?;
    let forgotten = [age(&mut from)?, age(&mut from)?];
    let mut found = Found { forgotten, ..Found::default() };
    for _ in 0..from.u32()? {
        found.floors.push((from.u16()?, from.u32()?));
    }
    for _ in 0..from.u32()? {
        let (key, id, epoch) = (from.u8()? != 0, from.u64()?, from.u32()?);
        let producer = Producer { id, epoch, sequence: from.u32()?, key, sum: from.u16()? };
        let (first_offset, count, bytes, time) = (from.u64()?, from.u32()?, from.u32()?, Timestamp(from.i64()?));
        found.requests.push((producer, Part { partition, first_offset, count, bytes, time }));
    }
    from.0.is_empty().then_some((upto, found))
}

/// An age, or none.
fn age(from: &mut Fields<'_>) -> Option<Option<Age>> {
    let (time, id) = (Timestamp(from.i64()?), from.u64()?);
    Some(Some((time, id)).filter(|_| time != Timestamp::MIN))
}
