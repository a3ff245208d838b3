//! All values of a column in a group, counted and in order, in stretches of which a change writes those alone that it falls into.

use crate::error::Result;
use crate::packed::{Reader, put, put_bytes};
use crate::rolled::{Keep, Stretch};
use crate::share::Share;

/// Bytes of a stretch; one that grows beyond twice as many is cut.
const STRETCH_BYTES: usize = 1500;

/// The values of one cell of one group.
#[derive(Clone, Debug, Default)]
pub(super) struct Values {
    /// How many.
    total: u64,
    /// How many different ones.
    distinct: u64,
    /// A place for each quantile that is asked for, near where it was found last.
    places: Vec<Place>,
    changes: Changes,
}

/// A place in the order of values.
#[derive(Clone, Debug, Default)]
struct Place {
    /// From this value on.
    at: Vec<u8>,
    /// How many values are before it.
    before: u64,
}

/// Values that came and went since the last commit.
#[derive(Clone, Debug, Default)]
struct Changes {
    bytes: Vec<u8>,
    /// Where each value lies in `bytes`, and whether it came.
    all: Vec<(usize, usize, bool)>,
}

/// Where the values of a cell are kept.
#[derive(Clone, Copy)]
pub(super) struct At<'a> {
    pub(super) keep: &'a dyn Keep,
    pub(super) rollup: &'a str,
    pub(super) group: i64,
    pub(super) cell: usize,
}

impl Values {
    pub(super) fn new(quantiles: usize) -> Self {
        Self { places: vec![Place::default(); quantiles], ..Self::default() }
    }

    /// Notes that a value came or went; what `put` adds to the bytes is the value.
    pub(super) fn change(&mut self, add: bool, put: impl FnOnce(&mut Vec<u8>)) {
        let from = self.changes.bytes.len();
        put(&mut self.changes.bytes);
        self.changes.all.push((from, self.changes.bytes.len(), add));
    }

    /// The bytes that what is noted takes in memory.
    pub(super) fn weight(&self) -> usize {
        self.changes.bytes.len() + self.changes.all.len() * size_of::<(usize, usize, bool)>()
    }

    pub(super) fn distinct(&self) -> u64 {
        self.distinct
    }

    /// Writes what was noted; none where a value went that was never there.
    pub(super) fn write(&mut self, at: At<'_>) -> Result<Option<()>> {
        let changes = std::mem::take(&mut self.changes);
        let sums = changes.sums();
        let mut rest = sums.as_slice();
        while let Some((value, _)) = rest.first() {
            let stretch = at.keep.stretch(at.rollup, at.group, at.cell, value)?;
            let stretch = stretch.unwrap_or(Stretch { first: Vec::new(), entries: Vec::new(), next: None });
            let next = stretch.next.as_deref();
            let end = rest.partition_point(|(value, _)| next.is_none_or(|next| *value < next));
            let (here, after) = rest.split_at(end.max(1));
            let Some(merged) = self.merge(&stretch.entries, here) else { return Ok(None) };
            at.put(&stretch.first, &merged)?;
            rest = after;
        }
        Ok(Some(()))
    }

    /// The entries of a stretch with changes, both by rising value.
    fn merge(&mut self, entries: &[u8], changes: &[(&[u8], i64)]) -> Option<Vec<(Vec<u8>, u64)>> {
        let mut old = Entries::of(entries);
        let mut merged = Vec::new();
        let mut held = old.next()?;
        for (value, by) in changes {
            while let Some((before, times)) = held.take_if(|(old, _)| old.as_slice() < *value) {
                merged.push((before, times));
                held = old.next()?;
            }
            let there = held.take_if(|(old, _)| old.as_slice() == *value).map(|(_, times)| times);
            if there.is_some() {
                held = old.next()?;
            }
            let times = there.unwrap_or(0).checked_add_signed(*by)?;
            self.total = self.total.checked_add_signed(*by)?;
            self.distinct = self.distinct + u64::from(times > 0) - u64::from(there.is_some());
            for place in self.places.iter_mut().filter(|place| *value < place.at.as_slice()) {
                place.before = place.before.checked_add_signed(*by)?;
            }
            if times > 0 {
                merged.push(((*value).to_vec(), times));
            }
        }
        while let Some(entry) = held {
            merged.push(entry);
            held = old.next()?;
        }
        Some(merged)
    }

    /// The value of the `nth` quantile, which is that of a share; the outer none where what is kept does not go together.
    pub(super) fn quantile(&mut self, at: At<'_>, nth: usize, share: Share) -> Result<Option<Option<Vec<u8>>>> {
        if self.total == 0 {
            return Ok(Some(None));
        }
        let rank = u64::try_from(share.rank(self.total.into())).unwrap_or(self.total).min(self.total);
        let Some(place) = self.places.get_mut(nth) else { return Ok(None) };
        let Some(mut stretch) = at.keep.stretch(at.rollup, at.group, at.cell, &place.at)? else { return Ok(None) };
        let Some(skipped) = total(&stretch.entries, Some(&place.at)) else { return Ok(None) };
        let Some(mut before) = place.before.checked_sub(skipped) else { return Ok(None) };
        let value = loop {
            let here = total(&stretch.entries, None);
            let step = match here {
                _ if rank <= before => {
                    let found = at.keep.before(at.rollup, at.group, at.cell, &stretch.first)?;
                    let less = found.as_ref().and_then(|found| before.checked_sub(total(&found.entries, None)?));
                    found.zip(less)
                }
                Some(here) if rank > before + here => match &stretch.next {
                    Some(next) => {
                        let found = at.keep.stretch(at.rollup, at.group, at.cell, next)?;
                        found.map(|found| (found, before + here))
                    }
                    None => None,
                },
                Some(_) => break ranked(&stretch.entries, rank - before),
                None => None,
            };
            let Some((found, counted)) = step else { return Ok(None) };
            (stretch, before) = (found, counted);
        };
        *place = Place { at: stretch.first, before };
        Ok(value.map(Some))
    }

    pub(super) fn encode(&self, to: &mut Vec<u8>) {
        put(to, self.total);
        put(to, self.distinct);
        for Place { at, before } in &self.places {
            put_bytes(to, at);
            put(to, *before);
        }
    }

    pub(super) fn decode(from: &mut Reader<'_>, quantiles: usize) -> Option<Self> {
        let (total, distinct) = (from.number()?, from.number()?);
        let place = |_| Some(Place { at: from.bytes()?.to_vec(), before: from.number()? });
        let places = (0..quantiles).map(place).collect::<Option<_>>()?;
        Some(Self { total, distinct, places, changes: Changes::default() })
    }
}

impl At<'_> {
    /// Writes the entries of the stretch that begins at `first`, cut where there are too many.
    fn put(&self, first: &[u8], entries: &[(Vec<u8>, u64)]) -> Result<()> {
        let Self { keep, rollup, group, cell } = *self;
        if entries.is_empty() && !first.is_empty() {
            return keep.remove_stretch(rollup, group, cell, first);
        }
        let (mut all, mut before) = (Vec::new(), &[][..]);
        for (value, times) in entries {
            put_entry(&mut all, before, value, *times);
            before = value;
        }
        if all.len() <= 2 * STRETCH_BYTES {
            return keep.put_stretch(rollup, group, cell, first, &all);
        }
        let (mut first, mut bytes) = (first, all);
        bytes.clear();
        for (value, times) in entries {
            if bytes.len() >= STRETCH_BYTES {
                keep.put_stretch(rollup, group, cell, first, &bytes)?;
                first = value;
                bytes.clear();
            }
            let shared = if bytes.is_empty() { &[] } else { before };
            put_entry(&mut bytes, shared, value, *times);
            before = value;
        }
        keep.put_stretch(rollup, group, cell, first, &bytes)
    }
}

impl Changes {
    /// Each value that changed, by rising value, with how many more there are of it.
    fn sums(&self) -> Vec<(&[u8], i64)> {
        let value = |&(from, to, add): &(usize, usize, bool)| {
            (self.bytes.get(from..to).unwrap_or_default(), if add { 1 } else { -1 })
        };
        let mut all: Vec<(&[u8], i64)> = self.all.iter().map(value).collect();
        all.sort_unstable_by_key(|(value, _)| *value);
        let mut sums: Vec<(&[u8], i64)> = Vec::with_capacity(all.len());
        for (value, by) in all {
            match sums.last_mut() {
                Some((last, sum)) if *last == value => *sum += by,
                _ => sums.push((value, by)),
            }
        }
        sums.retain(|(_, by)| *by != 0);
        sums
    }
}

/// An entry: how much it shares with the value before it, what it does not, how often it is there.
fn put_entry(to: &mut Vec<u8>, before: &[u8], value: &[u8], times: u64) {
    let shared = before.iter().zip(value).take_while(|(a, b)| a == b).count();
    put(to, shared as u64);
    put_bytes(to, value.get(shared..).unwrap_or_default());
    put(to, times);
}

/// The entries of a stretch, one after the other.
struct Entries<'a> {
    from: Reader<'a>,
    value: Vec<u8>,
}

impl<'a> Entries<'a> {
    fn of(bytes: &'a [u8]) -> Self {
        Self { from: Reader(bytes), value: Vec::new() }
    }

    /// The next entry, lent; the outer none where it does not decode.
    fn lend(&mut self) -> Option<Option<(&[u8], u64)>> {
        if self.from.0.is_empty() {
            return Some(None);
        }
        let shared = usize::try_from(self.from.number()?).ok()?;
        if shared > self.value.len() {
            return None;
        }
        self.value.truncate(shared);
        self.value.extend_from_slice(self.from.bytes()?);
        let times = self.from.number()?;
        Some(Some((&self.value, times)))
    }

    fn next(&mut self) -> Option<Option<(Vec<u8>, u64)>> {
        self.lend().map(|entry| entry.map(|(value, times)| (value.to_vec(), times)))
    }
}

/// How many values a stretch has, or how many below one; none where it does not decode.
fn total(entries: &[u8], below: Option<&[u8]>) -> Option<u64> {
    let (mut entries, mut total) = (Entries::of(entries), 0u64);
    while let Some((value, times)) = entries.lend()? {
        if below.is_some_and(|below| value >= below) {
            break;
        }
        total = total.checked_add(times)?;
    }
    Some(total)
}

/// The value of a rank in a stretch, counted from 1.
fn ranked(entries: &[u8], mut rank: u64) -> Option<Vec<u8>> {
    let mut entries = Entries::of(entries);
    while let Some((value, times)) = entries.lend()? {
        match rank.checked_sub(times) {
            None | Some(0) => return Some(value.to_vec()),
            Some(rest) => rank = rest,
        }
    }
    None
}
