//! What is committed, yet not in S3: segments that wait for their window to close, objects that wait for upload.

mod lane;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hashbrown::HashMap;
use tokio::sync::Notify;

use self::lane::Lane;
pub use self::lane::Noted;
use crate::commit::{Object, Segment};
use crate::error::Error;
use crate::time::{Clock, Timestamp};

/// Segments of one window become an object when they have so many bytes, though the window is still open; an object of several
/// segments has no more. So each is one request, which arrives whole or not at all.
const OBJECT_BYTES_MAX: u64 = 128 << 20;

/// A segment of so many bytes is an object by itself, as it stands: to join it with others would copy it, for row groups no larger.
const ALONE_BYTES_MIN: u64 = 4 << 20;

/// How long segments that could not be joined are left alone; those of others go on.
const REST_TIME: Duration = Duration::from_secs(1);

/// The shelf: the committer fills it, the lander and the uploaders take from it. Each table has its lane, so that one whose objects
/// do not arrive holds up no other.
#[derive(Debug)]
pub struct Shelf {
    held: Mutex<Held>,
    more_due: Condvar,
    more_outbox: Notify,
    /// What each table may have here before its workers wait.
    share_bytes: u64,
    /// The table of each aggregate.
    owners: HashMap<String, String>,
    clock: Arc<Clock>,
}

#[derive(Debug, Default)]
struct Held {
    /// Segments by their places, in the order of their commits.
    segments: HashMap<Place, Vec<Segment>>,
    /// Up to where each partition's lake windows have closed.
    closed: HashMap<(String, u32), Timestamp>,
    /// Segments that could not be joined, and until when they rest.
    resting: HashMap<Place, Instant>,
    lanes: HashMap<String, Lane>,
    /// How many objects that are not delivered lie in each file.
    files: HashMap<String, usize>,
    ending: bool,
}

/// Table, partition, window, revision: what a revision adds to a window is an object by itself.
type Place = (String, u32, Timestamp, u64);

/// What is on the shelf, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Stock {
    /// Segments that wait for their window to close, or are being joined.
    pub segments: usize,
    /// Their bytes.
    pub segment_bytes: u64,
    /// Objects that wait for upload or are on their way.
    pub objects: usize,
    /// Their bytes.
    pub object_bytes: u64,
}

impl Shelf {
    /// An empty shelf, on which each table may have `share_bytes`; `owners` are the tables of the aggregates.
    pub fn new(share_bytes: u64, owners: HashMap<String, String>, clock: Arc<Clock>) -> Self {
        let (held, more_due, more_outbox) = (Mutex::default(), Condvar::new(), Notify::new());
        Self { held, more_due, more_outbox, share_bytes, owners, clock }
    }

    /// Adds committed segments.
    pub fn add(&self, segments: Vec<Segment>) {
        let mut held = self.held();
        for segment in segments {
            self.lane(&mut held, &segment.table, |lane| lane.add(segment.bytes));
            held.segments.entry(segment.place()).or_default().push(segment);
        }
        drop(held);
        self.more_due.notify_all();
    }

    /// The lake windows of a partition that begin before `start` get no more rows.
    pub fn close(&self, table: &str, partition: u32, start: Timestamp) {
        let mut held = self.held();
        let closed = held.closed.entry((table.to_owned(), partition)).or_insert(start);
        *closed = start.max(*closed);
        drop(held);
        self.more_due.notify_all();
    }

    /// Adds objects that were committed before.
    pub fn add_objects(&self, objects: impl IntoIterator<Item = Object>) {
        let mut held = self.held();
        for object in objects {
            held.keep_file(&object);
            self.lane(&mut held, &object.table.clone(), |lane| lane.queue(object));
        }
        drop(held);
        self.more_outbox.notify_waiters();
    }

    /// Segments that were taken have become this object, and the commit knows it.
    pub fn landed(&self, segments: usize, object: Object) {
        let place = (object.table.clone(), object.partition, object.window, object.revision);
        let mut held = self.held();
        held.keep_file(&object);
        self.lane(&mut held, &place.0, |lane| {
            lane.forget(&self.subject(&place));
            lane.landed(segments, object);
        });
        drop(held);
        self.more_outbox.notify_waiters();
    }

    /// Takes segments of one window back that were not joined, before those that came since.
    pub fn put_back(&self, segments: Vec<Segment>) {
        let Some(place) = segments.first().map(Segment::place) else { return };
        let mut held = self.held();
        self.lane(&mut held, &place.0, |lane| lane.put_back(segments.len(), bytes(&segments)));
        held.segments.entry(place).or_default().splice(..0, segments);
        drop(held);
        self.more_due.notify_all();
    }

    /// The same where they could not be joined: they rest a while, and their table says why.
    pub fn put_back_to_rest(&self, segments: Vec<Segment>, error: &Error) {
        let Some(first) = segments.first() else { return };
        let (place, now) = (first.place(), self.clock.now());
        let mut held = self.held();
        self.lane(&mut held, &place.0, |lane| lane.note(self.subject(&place), error, now));
        held.resting.insert(place, Instant::now() + REST_TIME);
        drop(held);
        self.put_back(segments);
    }

    /// Waits for segments that are due to become an object, and takes them; none when the shelf ends.
    pub fn take_due(&self) -> Option<Vec<Segment>> {
        let mut held = self.held();
        loop {
            if let Some(segments) = self.take(&mut held, Instant::now()) {
                return Some(segments);
            }
            if held.ending {
                return None;
            }
            let now = Instant::now();
            // What is not due after its rest, its table having room again, is waited for no more.
            held.resting.retain(|_, until| *until > now);
            let rest = held.resting.values().min().map(|until| until.saturating_duration_since(now));
            held = match rest {
                Some(rest) => self.more_due.wait_timeout(held, rest).unwrap_or_else(PoisonError::into_inner).0,
                None => self.more_due.wait(held).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    /// Takes segments that are due, without waiting for them nor for those that rest.
    #[cfg(test)]
    pub(crate) fn take_due_now(&self) -> Option<Vec<Segment>> {
        self.take(&mut self.held(), Instant::now() + REST_TIME)
    }

    /// Waits for objects of a table (or of its aggregates) to upload, and takes one, or several that lie in one file; none when
    /// the shelf ends and nothing of the table is left, nor being joined.
    pub async fn take_objects(&self, table: &str) -> Option<Vec<Object>> {
        loop {
            let more = self.more_outbox.notified();
            let mut more = std::pin::pin!(more);
            // From here on no word is missed.
            more.as_mut().enable();
            {
                let mut held = self.held();
                let ending = held.ending;
                let lane = held.lanes.entry_ref(table).or_default();
                let objects = lane.send();
                if !objects.is_empty() {
                    return Some(objects);
                }
                if ending && lane.joining == 0 {
                    return None;
                }
            }
            more.await;
        }
    }

    /// A try to upload an object has failed; what is wrong is shown until it arrives.
    pub fn failed(&self, object: &Object, error: &Error) {
        let now = self.clock.now();
        let what = self.what(object);
        self.lane(&mut self.held(), &object.table, |lane| lane.note(what, error, now));
    }

    /// An object that was taken is in the bucket: nothing is wrong with it any more.
    pub fn arrived(&self, object: &Object) {
        self.lane(&mut self.held(), &object.table, |lane| lane.forget(&self.what(object)));
    }

    /// An aggregate's open windows take more memory than they may, or do not any more: its table's workers wait meanwhile.
    pub fn crowded(&self, aggregate: &str, error: Option<&Error>) {
        let (what, now) = (format!("table {:?}, aggregate {aggregate:?}", self.owner(aggregate)), self.clock.now());
        self.lane(&mut self.held(), aggregate, |lane| match error {
            Some(error) => lane.note(what, error, now),
            None => lane.forget(&what),
        });
    }

    /// Nothing of a table or aggregate may be cleaned before a person has looked at it.
    pub fn refuse(&self, name: &str, error: &Error) {
        let (what, now) = (format!("table {:?}, cache", self.owner(name)), self.clock.now());
        self.lane(&mut self.held(), name, |lane| lane.note(what, error, now));
    }

    /// Whether no other object that is not delivered lies in the file of this one.
    pub fn is_last_of_file(&self, object: &Object) -> bool {
        self.held().files.get(&object.file).is_none_or(|count| *count <= 1)
    }

    /// An object that was taken is in the bucket, and the commit knows it.
    pub fn delivered(&self, object: &Object) {
        let mut held = self.held();
        held.let_file_go(object);
        self.lane(&mut held, &object.table, |lane| lane.delivered(object.bytes));
    }

    /// Lets those who wait go when nothing is left for them.
    pub fn end(&self) {
        self.held().ending = true;
        self.more_due.notify_all();
        self.more_outbox.notify_waiters();
    }

    /// The tables with a lane: those that are `planned`, and those of which something is left though they are planned no more.
    pub fn tables<'a>(&self, planned: impl Iterator<Item = &'a str>) -> BTreeSet<String> {
        let held = self.held();
        planned.map(str::to_owned).chain(held.lanes.keys().cloned()).collect()
    }

    /// Whether a table's workers have to wait: its share of the spool is used up, or a person has to look at one of its objects or
    /// aggregates.
    pub fn holds(&self, table: &str) -> bool {
        self.held().lanes.get(table).is_some_and(Lane::holds)
    }

    /// What keeps the rows of a table from the bucket, or its workers from going on.
    pub fn troubles(&self, table: &str) -> Vec<Noted> {
        self.held().lanes.get(table).map(Lane::troubles).unwrap_or_default()
    }

    /// The bytes that a table and its aggregates have on the shelf.
    pub fn spooled(&self, table: &str) -> u64 {
        self.held().lanes.get(table).map_or(0, Lane::bytes)
    }

    /// What is on the shelf.
    pub fn stock(&self) -> Stock {
        let held = self.held();
        held.lanes.values().fold(Stock::default(), |stock, lane| {
            let Stock { segments, segment_bytes, objects, object_bytes } = lane.stock();
            Stock {
                segments: stock.segments + segments,
                segment_bytes: stock.segment_bytes + segment_bytes,
                objects: stock.objects + objects,
                object_bytes: stock.object_bytes + object_bytes,
            }
        })
    }

    /// Takes segments that are due, if there are any.
    fn take(&self, held: &mut Held, now: Instant) -> Option<Vec<Segment>> {
        let place = self.due(held, now)?;
        let segments = held.take(place.clone())?;
        held.resting.remove(&place);
        self.lane(held, &place.0, |lane| lane.take(segments.len(), bytes(&segments)));
        Some(segments)
    }

    /// Changes the lane of a table or aggregate, and looks whether its share is used up now.
    fn lane(&self, held: &mut Held, name: &str, change: impl FnOnce(&mut Lane)) {
        let table = self.owner(name);
        let lane = held.lanes.entry_ref(table).or_default();
        change(lane);
        lane.weigh(table, self.share_bytes, || self.clock.now());
    }

    fn owner<'a>(&'a self, name: &'a str) -> &'a str {
        self.owners.get(name).map_or(name, String::as_str)
    }

    /// How an object is called where it is in trouble.
    fn what(&self, object: &Object) -> String {
        format!("table {:?}, object {:?}", self.owner(&object.table), object.key)
    }

    /// How segments are called that are.
    fn subject(&self, (name, partition, window, _): &Place) -> String {
        format!("table {:?}, segments of {name:?}, partition {partition}, window {window}", self.owner(name))
    }

    /// The first place whose segments are due: its window has closed, they are many, or their table has no room for more.
    fn due(&self, held: &Held, now: Instant) -> Option<Place> {
        let due = held.segments.iter().filter(|(place, segments)| {
            let (table, partition, window, _) = place;
            let closed = || held.closed.get(&(table.clone(), *partition)).is_some_and(|closed| window < closed);
            let full = || held.lanes.get(self.owner(table)).is_some_and(Lane::is_full);
            let rests = held.resting.get(*place).is_some_and(|until| now < *until);
            !rests && (closed() || bytes(segments) >= OBJECT_BYTES_MAX || full())
        });
        due.map(|(place, _)| place).min().cloned()
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn bytes(segments: &[Segment]) -> u64 {
    segments.iter().map(|segment| segment.bytes).sum()
}

/// How many of the segments, from the first on, become one object. One whose rows take the place of others says by its offsets
/// which those are, and has no gap among them.
fn together(segments: &[Segment]) -> usize {
    let (mut sum, mut next) = (0, None);
    let fits = |segment: &&Segment| {
        sum += segment.bytes;
        let follows = !segment.replaces || next.is_none_or(|next| next == segment.first_offset);
        next = Some(segment.next_offset);
        segment.bytes < ALONE_BYTES_MIN && sum <= OBJECT_BYTES_MAX && follows
    };
    segments.iter().take_while(fits).count().max(1)
}

impl Segment {
    fn place(&self) -> Place {
        (self.table.clone(), self.partition, self.window, self.revision)
    }
}

impl Held {
    fn keep_file(&mut self, object: &Object) {
        *self.files.entry_ref(object.file.as_str()).or_default() += 1;
    }

    fn let_file_go(&mut self, object: &Object) {
        if let hashbrown::hash_map::EntryRef::Occupied(mut count) = self.files.entry_ref(object.file.as_str()) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }

    /// Takes segments of a place that are to become one object.
    fn take(&mut self, place: Place) -> Option<Vec<Segment>> {
        let mut segments = self.segments.remove(&place)?;
        let rest = segments.split_off(together(&segments));
        if !rest.is_empty() {
            self.segments.insert(place, rest);
        }
        Some(segments)
    }
}
