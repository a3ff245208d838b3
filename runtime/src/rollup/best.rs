//! The first values of a group by one column: the greatest or the least, so many that taking some out leaves the next ones.

use std::cmp::Ordering;

use crate::packed::{Reader, put, put_bytes};

/// Values that are kept once there are more than twice as many; they are made up for from the rows when all have been taken out.
const KEPT: usize = 64;

/// The first values, best first, each with the values of another column that come with it.
#[derive(Clone, Debug, Default)]
pub(super) struct Best {
    entries: Vec<Entry>,
    /// The worst value that is kept, once worse ones were let go; none where all are kept.
    floor: Option<Box<[u8]>>,
    /// Whether it is to be written.
    changed: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    by: Box<[u8]>,
    shown: Option<Box<[u8]>>,
    times: u64,
}

/// Which values come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum First {
    Least,
    Greatest,
}

impl First {
    /// How two values follow each other.
    fn compare(self, one: &[u8], other: &[u8]) -> Ordering {
        match self {
            Self::Least => one.cmp(other),
            Self::Greatest => other.cmp(one),
        }
    }
}

impl Best {
    /// None, to be written in the place of what was read.
    pub(super) fn anew() -> Self {
        Self { changed: true, ..Self::default() }
    }

    /// Adds a value, or takes one out; false where it cannot be taken out, because it was never in.
    pub(super) fn change(&mut self, first: First, by: &[u8], shown: Option<&[u8]>, add: bool) -> bool {
        if self.floor.as_ref().is_some_and(|floor| first.compare(by, floor).is_gt()) {
            return true;
        }
        let order = |entry: &Entry| first.compare(&entry.by, by).then_with(|| entry.shown.as_deref().cmp(&shown));
        self.changed = true;
        match (self.entries.binary_search_by(order), add) {
            (Ok(at), _) => {
                let Some(entry) = self.entries.get_mut(at) else { return false };
                entry.times = if add { entry.times.saturating_add(1) } else { entry.times.saturating_sub(1) };
                if entry.times == 0 {
                    self.entries.remove(at);
                }
            }
            (Err(at), true) => {
                self.entries.insert(at, Entry { by: by.into(), shown: shown.map(Into::into), times: 1 });
                if self.entries.len() > 2 * KEPT {
                    self.let_go(first);
                }
            }
            (Err(_), false) => return false,
        }
        true
    }

    /// Keeps the first ones alone; of those that share a value all or none.
    fn let_go(&mut self, first: First) {
        let Some(floor) = self.entries.get(KEPT - 1).map(|entry| entry.by.clone()) else { return };
        let end = self.entries.partition_point(|entry| first.compare(&entry.by, &floor).is_le());
        if end < self.entries.len() {
            self.entries.truncate(end);
            self.floor = Some(floor);
        }
    }

    /// Whether all that were kept are gone, and the next ones are among the rows.
    pub(super) fn is_used_up(&self) -> bool {
        self.entries.is_empty() && self.floor.is_some()
    }

    /// The bytes that it takes in memory, about.
    pub(super) fn weight(&self) -> usize {
        self.entries.len() * 2 * size_of::<Entry>()
    }

    /// The first value.
    pub(super) fn first(&self) -> Option<&[u8]> {
        self.entries.first().map(|entry| &*entry.by)
    }

    /// What comes with the first value, in its own order.
    pub(super) fn shown(&self) -> impl Iterator<Item = Option<&[u8]>> {
        let first = self.entries.first().map(|entry| &entry.by);
        let of_first = self.entries.iter().take_while(move |entry| Some(&entry.by) == first);
        of_first.map(|entry| entry.shown.as_deref())
    }

    /// What is to be written, where it has changed since it was read.
    pub(super) fn encode(&self) -> Option<Vec<u8>> {
        if !self.changed {
            return None;
        }
        let mut to = Vec::new();
        put_optional(&mut to, self.floor.as_deref());
        put(&mut to, self.entries.len() as u64);
        for Entry { by, shown, times } in &self.entries {
            put_bytes(&mut to, by);
            put_optional(&mut to, shown.as_deref());
            put(&mut to, *times);
        }
        Some(to)
    }

    /// Reads what [`Best::encode`] wrote; none for all else.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut from = Reader(bytes);
        let floor = optional(&mut from)?;
        let mut entries = Vec::new();
        for _ in 0..from.number()? {
            entries.push(Entry { by: from.bytes()?.into(), shown: optional(&mut from)?, times: from.number()? });
        }
        from.0.is_empty().then_some(Self { entries, floor, changed: false })
    }
}

fn put_optional(to: &mut Vec<u8>, bytes: Option<&[u8]>) {
    to.push(u8::from(bytes.is_some()));
    bytes.iter().for_each(|bytes| put_bytes(to, bytes));
}

fn optional(from: &mut Reader<'_>) -> Option<Option<Box<[u8]>>> {
    Some(match from.byte()? {
        0 => None,
        1 => Some(from.bytes()?.into()),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};

    use super::*;

    fn again(best: &Best) -> Best {
        let mut best = best.clone();
        best.changed = true;
        Best::decode(&best.encode().unwrap()).unwrap()
    }

    #[test]
    fn the_first_is_always_known_or_known_to_be_gone() {
        for seed in 0..300 {
            let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
            let first = if random.random() { First::Least } else { First::Greatest };
            let (mut best, mut all) = (Best::default(), Vec::<(u8, u8)>::new());
            let (mut used_up, adds) = (false, random.random_range(0.3..0.9));
            for _ in 0..random.random_range(1..2000) {
                let add = all.is_empty() || random.random_bool(adds);
                let value = match add {
                    true => (random.random_range(0..250), random.random_range(0..4)),
                    // The first ones are taken out more often than others.
                    false => {
                        all.sort_unstable_by_key(|(by, shown)| {
                            (if first == First::Least { *by } else { !*by }, *shown)
                        });
                        let upto = random.random_range(1..=all.len());
                        all.remove(random.random_range(0..upto))
                    }
                };
                if add {
                    all.push(value);
                }
                assert!(best.change(first, &[value.0], Some(&[value.1]), add), "seed {seed}");
                if random.random_bool(0.1) {
                    best = again(&best);
                }
                if best.is_used_up() {
                    used_up = true;
                    best = Best::default();
                    all.iter().for_each(|(by, shown)| assert!(best.change(first, &[*by], Some(&[*shown]), true)));
                }
                let by = |values: &[(u8, u8)]| {
                    let of = values.iter().map(|(by, _)| *by);
                    if first == First::Least { of.min() } else { of.max() }
                };
                let expected = by(&all);
                assert_eq!(best.first().map(|by| by[0]), expected, "seed {seed}");
                let mut shown: Vec<u8> = all.iter().filter(|(by, _)| Some(*by) == expected).map(|of| of.1).collect();
                shown.sort_unstable();
                shown.dedup();
                assert_eq!(best.shown().map(|shown| shown.unwrap()[0]).collect::<Vec<_>>(), shown, "seed {seed}");
                assert!(best.entries.len() <= 2 * KEPT + 4, "seed {seed}");
            }
            assert!(used_up || seed > 20 || all.len() > 100 || best.floor.is_none(), "seed {seed}");
        }
    }

    #[test]
    fn what_was_never_in_cannot_be_taken_out() {
        let mut best = Best::default();
        assert!(!best.change(First::Greatest, &[1], None, false));
        assert!(best.change(First::Greatest, &[1], None, true));
        assert!(!best.change(First::Greatest, &[2], None, false));
        assert!(Best::decode(&[9]).is_none());
    }
}
