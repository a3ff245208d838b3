//! How a partition's disk does with the groups that it is given: whether it is slow, or has just refused one.

use std::time::{Duration, Instant};

use crate::error::Error;

/// A disk that takes longer for a group is slow, however small that is;
const SLOW_TIME: Duration = Duration::from_millis(500);
/// and it has as much more for so many bytes.
const SLOW_BYTES: usize = 8 << 20;
/// What held it up is told for so long after it was seen last, unless the disk takes a group as it should.
const TOLD_TIME: Duration = Duration::from_secs(5);

/// What is known of the disk.
#[derive(Debug, Default)]
pub(super) struct Hitch {
    /// The group that it has: since when, and how long it may take.
    given: Option<(Instant, Duration)>,
    last: Option<Last>,
}

/// What held it up last.
#[derive(Debug)]
struct Last {
    /// Why a group was refused; none where it was slow.
    refused: Option<Error>,
    since: Instant,
    seen: Instant,
}

/// Why a disk holds its partition up.
#[derive(Debug)]
pub(super) enum Why {
    /// It takes its time.
    Slow,
    /// It refused a group, with this error.
    Refused(Error),
}

impl Hitch {
    /// A group of so many bytes is given to the disk.
    pub(super) fn give(&mut self, bytes: usize, now: Instant) {
        // What was long ago is another time's.
        self.last.take_if(|last| now.saturating_duration_since(last.seen) >= TOLD_TIME);
        let parts = u32::try_from(bytes / SLOW_BYTES).unwrap_or(u32::MAX).saturating_add(1);
        self.given = Some((now, SLOW_TIME.saturating_mul(parts)));
    }

    /// The disk has taken the group.
    pub(super) fn taken(&mut self, now: Instant) {
        let slow = self.slow_since(now);
        self.given = None;
        self.last = slow.map(|since| Last { refused: None, since, seen: now });
    }

    /// The disk has refused the group.
    pub(super) fn refused(&mut self, cause: &Error, now: Instant) {
        self.given = None;
        let before = self.last.as_ref().filter(|last| last.refused.is_some());
        let since = before.map_or(now, |before| before.since);
        self.last = Some(Last { refused: Some(cause.clone()), since, seen: now });
    }

    /// Why it holds its partition up, if it does, and for how long it has.
    pub(super) fn held_up(&self, now: Instant) -> Option<(Why, Duration)> {
        if let Some(since) = self.slow_since(now) {
            return Some((Why::Slow, now.saturating_duration_since(since)));
        }
        let last = self.last.as_ref().filter(|last| now.saturating_duration_since(last.seen) < TOLD_TIME)?;
        let why = last.refused.clone().map_or(Why::Slow, Why::Refused);
        Some((why, now.saturating_duration_since(last.since)))
    }

    /// Since when it is slow, where it is slow with the group that it has.
    fn slow_since(&self, now: Instant) -> Option<Instant> {
        let (at, time_max) = self.given?;
        let before = self.last.as_ref().filter(|last| last.refused.is_none()).map(|last| last.since);
        (now.saturating_duration_since(at) >= time_max).then(|| before.unwrap_or(at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    const MB: usize = 1 << 20;

    #[test]
    fn what_a_disk_does_is_told_from_when_it_began_until_it_does_well() {
        let (begun, mut disk) = (Instant::now(), Hitch::default());
        let at = |millis: u64| begun + Duration::from_millis(millis);
        let told = |disk: &Hitch, millis: u64| {
            disk.held_up(at(millis)).map(|(why, time)| match why {
                Why::Slow => ("slow".to_owned(), time.as_millis()),
                Why::Refused(cause) => (cause.message().to_owned(), time.as_millis()),
            })
        };
        let slow = |millis: u128| Some(("slow".to_owned(), millis));
        disk.give(1, at(0));
        assert_eq!((told(&disk, 499), told(&disk, 500)), (None, slow(500)));
        disk.taken(at(600));
        assert_eq!(told(&disk, 700), slow(700), "it is told on");
        disk.give(1, at(1_000));
        assert_eq!(told(&disk, 1_100), slow(1_100), "while it has the next");
        disk.taken(at(1_600));
        assert_eq!(told(&disk, 1_700), slow(1_700), "which was slow too");
        assert_eq!(told(&disk, 1_600 + 5_000), None, "and not for ever");
        disk.give(1, at(8_000));
        disk.taken(at(8_010));
        assert_eq!(told(&disk, 8_020), None, "it does well");
        // A large group may take longer.
        disk.give(20 * MB, at(9_000));
        assert_eq!((told(&disk, 10_499), told(&disk, 10_500)), (None, slow(1_500)));
        let full = |n: u32| Error::new(Kind::Storage, format!("full {n}"));
        disk.refused(&full(1), at(20_000));
        assert_eq!(told(&disk, 20_100), Some(("full 1".to_owned(), 100)));
        disk.give(1, at(23_000));
        disk.refused(&full(2), at(23_001));
        assert_eq!(told(&disk, 27_000), Some(("full 2".to_owned(), 7_000)), "since the first refusal");
        assert_eq!(told(&disk, 28_001), None);
        disk.give(1, at(29_000));
        disk.taken(at(29_001));
        assert_eq!(told(&disk, 29_002), None);
    }
}
