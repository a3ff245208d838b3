//! What is committed, yet not in S3: segments that wait for their window to close, objects that wait for upload.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use hashbrown::HashMap;
use tokio::sync::Notify;

use crate::commit::{Object, Segment};
use crate::time::Timestamp;

/// Segments of one window become an object when they have so many bytes, though the window is still open.
const OBJECT_BYTES_MAX: u64 = 128 << 20;

/// A segment of so many bytes is an object by itself, as it stands: to join it with others would copy it, for row groups no larger.
const ALONE_BYTES_MIN: u64 = 4 << 20;

/// The shelf: the committer fills it, the lander and the uploader take from it.
#[derive(Debug, Default)]
pub struct Shelf {
    held: Mutex<Held>,
    more_due: Condvar,
    more_outbox: Notify,
}

#[derive(Debug, Default)]
struct Held {
    /// Segments by table, partition and window, in the order of their commits.
    segments: HashMap<Place, Vec<Segment>>,
    /// Up to where each partition's lake windows have closed.
    closed: HashMap<(String, u32), Timestamp>,
    /// Segments that were taken to be joined, by the object that they become: not landed yet.
    joining: usize,
    joining_bytes: u64,
    outbox: Vec<Object>,
    uploading: usize,
    ending: bool,
}

type Place = (String, u32, Timestamp);

/// What is on the shelf, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Stock {
    /// Segments that wait for their window to close, or are being joined.
    pub segments: usize,
    /// Their bytes.
    pub segment_bytes: u64,
    /// Objects that wait for upload or are on their way.
    pub objects: usize,
    /// The bytes of those that wait.
    pub object_bytes: u64,
}

impl Shelf {
    /// Adds committed segments.
    pub fn add(&self, segments: Vec<Segment>) {
        let mut held = self.held();
        for segment in segments {
            held.segments.entry(segment.place()).or_default().push(segment);
        }
        drop(held);
        self.more_due.notify_all();
    }

    /// The lake windows of a partition that begin before `start` get no more rows.
    pub fn close(&self, table: &str, partition: u32, start: Timestamp) {
        self.held().closed.insert((table.to_owned(), partition), start);
        self.more_due.notify_all();
    }

    /// Adds objects that were committed before.
    pub fn add_objects(&self, objects: impl IntoIterator<Item = Object>) {
        self.held().outbox.extend(objects);
        self.more_outbox.notify_one();
    }

    /// Segments that were taken have become this object, and the commit knows it.
    pub fn landed(&self, segments: usize, object: Object) {
        let mut held = self.held();
        held.joined(segments, object.bytes);
        held.outbox.push(object);
        drop(held);
        self.more_outbox.notify_one();
    }

    /// Takes segments of one window back that were not joined, before those that came since.
    pub fn put_back(&self, segments: Vec<Segment>) {
        let Some(place) = segments.first().map(Segment::place) else { return };
        let mut held = self.held();
        held.joined(segments.len(), bytes(&segments));
        held.segments.entry(place).or_default().splice(..0, segments);
        drop(held);
        self.more_due.notify_all();
    }

    /// Waits for segments that are due to become an object, and takes them; none when the shelf ends.
    pub fn take_due(&self) -> Option<Vec<Segment>> {
        let mut held = self.held();
        loop {
            if let Some(segments) = held.take() {
                held.joining += segments.len();
                held.joining_bytes += bytes(&segments);
                return Some(segments);
            }
            if held.ending {
                return None;
            }
            held = self.more_due.wait(held).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Waits for an object to upload, and takes it; none when the shelf ends and nothing is left, nor being joined.
    pub async fn take_object(&self) -> Option<Object> {
        loop {
            {
                let mut held = self.held();
                let ended = held.ending && held.joining == 0;
                if !held.outbox.is_empty() || ended {
                    // One word wakes one waiter, who passes it on.
                    self.more_outbox.notify_one();
                }
                if !held.outbox.is_empty() {
                    held.uploading += 1;
                    return Some(held.outbox.remove(0));
                }
                if ended {
                    return None;
                }
            }
            self.more_outbox.notified().await;
        }
    }

    /// An object that was taken is in the bucket, and the commit knows it.
    pub fn delivered(&self) {
        self.held().uploading -= 1;
    }

    /// Lets those who wait go when nothing is left for them.
    pub fn end(&self) {
        self.held().ending = true;
        self.more_due.notify_all();
        self.more_outbox.notify_one();
    }

    /// Whether it ends: what cannot be done now is left to the next start.
    pub fn is_ending(&self) -> bool {
        self.held().ending
    }

    /// What is on the shelf.
    pub fn stock(&self) -> Stock {
        let held = self.held();
        let segments = || held.segments.values().flatten();
        Stock {
            segments: segments().count() + held.joining,
            segment_bytes: segments().map(|segment| segment.bytes).sum::<u64>() + held.joining_bytes,
            objects: held.outbox.len() + held.uploading,
            object_bytes: held.outbox.iter().map(|object| object.bytes).sum(),
        }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn bytes(segments: &[Segment]) -> u64 {
    segments.iter().map(|segment| segment.bytes).sum()
}

/// How many of the segments, from the first on, become one object.
fn together(segments: &[Segment]) -> usize {
    let alone = |segment: &Segment| segment.bytes >= ALONE_BYTES_MIN;
    segments.iter().position(alone).map_or(segments.len(), |place| place.max(1))
}

impl Segment {
    fn place(&self) -> Place {
        (self.table.clone(), self.partition, self.window)
    }
}

impl Held {
    fn joined(&mut self, segments: usize, bytes: u64) {
        self.joining = self.joining.saturating_sub(segments);
        // An object is about as large as what it is made of; with nothing in hand, there are no bytes.
        self.joining_bytes = if self.joining == 0 { 0 } else { self.joining_bytes.saturating_sub(bytes) };
    }

    /// Takes segments that are due to become one object.
    fn take(&mut self) -> Option<Vec<Segment>> {
        let place = self.due()?;
        let mut segments = self.segments.remove(&place)?;
        let rest = segments.split_off(together(&segments));
        if !rest.is_empty() {
            self.segments.insert(place, rest);
        }
        Some(segments)
    }

    /// The first place whose segments are due: its window has closed, or they are many.
    fn due(&self) -> Option<Place> {
        let due = self.segments.iter().filter(|((table, partition, window), segments)| {
            let closed = self.closed.get(&(table.clone(), *partition)).is_some_and(|closed| window < closed);
            closed || segments.iter().map(|segment| segment.bytes).sum::<u64>() >= OBJECT_BYTES_MAX
        });
        due.map(|(place, _)| place).min().cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(table: &str, window: i64, bytes: u64) -> Segment {
        Segment {
            file: format!("{table}+{window}+{bytes}"),
            table: table.into(),
            partition: 0,
            epoch: 1,
            window: Timestamp(window),
            first_offset: 0,
            next_offset: 1,
            rows: 1,
            bytes,
            digest: String::new(),
            sha256: None,
        }
    }

    #[test]
    fn a_large_segment_is_an_object_by_itself() {
        let check = |bytes: &[u64], expected: usize| {
            let segments: Vec<Segment> = bytes.iter().map(|&bytes| segment("pin", 0, bytes)).collect();
            assert_eq!(together(&segments), expected, "{bytes:?}");
        };
        check(&[1, 2, 3], 3);
        check(&[ALONE_BYTES_MIN, 2], 1);
        check(&[1, 2, ALONE_BYTES_MIN, 3], 2);
        check(&[ALONE_BYTES_MIN - 1, ALONE_BYTES_MIN], 1);
    }

    #[test]
    fn gives_windows_that_closed_and_those_that_are_large() {
        let shelf = Shelf::default();
        shelf.add(vec![
            segment("pin", 0, 1),
            segment("pin", 10, 2),
            segment("pin", 0, 3),
            segment("geo", 0, OBJECT_BYTES_MAX),
        ]);
        shelf.close("pin", 0, Timestamp(10));
        shelf.end();
        let taken: Vec<Vec<u64>> =
            std::iter::from_fn(|| shelf.take_due()).map(|due| due.iter().map(|s| s.bytes).collect()).collect();
        assert_eq!(taken, [vec![OBJECT_BYTES_MAX], vec![1, 3]]);
        assert_eq!(shelf.stock().segments, 4, "one waits, three are being joined");
        shelf.add(vec![segment("pin", 0, 5)]);
        shelf.put_back(vec![segment("pin", 0, 1), segment("pin", 0, 3)]);
        assert_eq!((shelf.stock().segments, shelf.stock().segment_bytes), (5, 11 + OBJECT_BYTES_MAX));
        let again: Vec<u64> = shelf.take_due().unwrap().iter().map(|s| s.bytes).collect();
        assert_eq!(again, [1, 3, 5], "in the order of their commits");
    }
}
