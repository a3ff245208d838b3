//! Points in time as microseconds since 1970 in UTC, read from text, written as text, asked of a clock.

mod cron;
mod zone;

use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

pub use self::cron::Cron;
pub use self::zone::{Local, Unit, Zone};
use crate::error::{Error, Kind, Result};
use crate::process;

/// The wall clock has jumped where it is so far ahead of the time that has passed.
const JUMP: Duration = Duration::from_hours(1);

/// Microseconds since 1970-01-01T00:00:00Z; negative before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// Before every other time: the watermark of a partition that has shown nothing.
    pub const MIN: Self = Self(i64::MIN);

    /// The start of the stretch of `size` that this time lies in, counted from 1970; `size` is at least 1 µs.
    #[must_use]
    pub fn floor(self, size: Duration) -> Self {
        let size = micros(size).max(1);
        Self(self.0.div_euclid(size).saturating_mul(size))
    }

    /// This time and `span` more, held at the end of what can be said.
    #[must_use]
    pub fn plus(self, span: Duration) -> Self {
        Self(self.0.saturating_add(micros(span)))
    }

    /// This time less `span`, held at the beginning of what can be said.
    #[must_use]
    pub fn minus(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(micros(span)))
    }

    /// How long after `earlier` this is; zero when it is not after.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// Reads RFC 3339, or the same with a blank for the `T`, with or without a zone (then UTC).
    pub fn parse(text: &str) -> Result<Self> {
        let wrong = |cause: jiff::Error| Error::new(Kind::Input, format!("time {text:?}: {cause}"));
        if let Ok(at) = text.parse::<jiff::Timestamp>() {
            return Ok(Self(at.as_microsecond()));
        }
        let civil: jiff::civil::DateTime = text.parse().map_err(wrong)?;
        let at = civil.to_zoned(jiff::tz::TimeZone::UTC).map_err(wrong)?;
        Ok(Self(at.timestamp().as_microsecond()))
    }

    /// For names of objects: `2026-11-22T21-05-00Z`, without colons, with a fraction only where there is one.
    pub fn for_key(self) -> String {
        match jiff::Timestamp::from_microsecond(self.0) {
            Ok(at) => at.strftime("%Y-%m-%dT%H-%M-%S%.fZ").to_string(),
            Err(_) => self.0.to_string(),
        }
    }
}

/// RFC 3339 in UTC, with a fraction only where there is one; a number where no calendar reaches.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_microsecond(self.0) {
            Ok(at) => write!(f, "{at}"),
            Err(_) => write!(f, "{}", self.0),
        }
    }
}

fn micros(span: Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
}

/// Serialises a time as text.
pub fn as_text<S: serde::Serializer>(at: &Timestamp, to: S) -> std::result::Result<S::Ok, S::Error> {
    to.collect_str(at)
}

/// Where the time comes from, so that a test can hold it in its hand.
#[derive(Debug)]
pub enum Clock {
    /// The machine's wall clock.
    System,
    /// A clock that stands until it is set.
    Manual(AtomicI64),
}

impl Clock {
    /// A clock that stands at `at`.
    pub fn manual(at: Timestamp) -> Self {
        Self::Manual(AtomicI64::new(at.0))
    }

    /// The time now.
    pub fn now(&self) -> Timestamp {
        match self {
            Self::System => Timestamp(jiff::Timestamp::now().as_microsecond()),
            Self::Manual(at) => Timestamp(at.load(Ordering::SeqCst)),
        }
    }

    /// The time by which things grow old: that of now, but for a wall clock that has jumped ahead since the process began. Nothing is
    /// given up, nor forgotten, because somebody set a clock.
    pub fn aged(&self) -> Timestamp {
        static BEGAN: OnceLock<(Timestamp, Duration)> = OnceLock::new();
        let (now, passed) = (self.now(), process::passed());
        match self {
            Self::System => {
                let (began, at) = BEGAN.get_or_init(|| (now, passed));
                aged(now, began.plus(passed.saturating_sub(*at)))
            }
            Self::Manual(_) => now,
        }
    }

    /// Sets a manual clock; the machine's own stays as it is.
    pub fn set(&self, to: Timestamp) {
        if let Self::Manual(at) = self {
            at.store(to.0, Ordering::SeqCst);
        }
    }
}

/// What a clock shows, where that is not far ahead of what it has to.
fn aged(now: Timestamp, expected: Timestamp) -> Timestamp {
    if now > expected.plus(JUMP) { expected } else { now }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_jumps_ahead_makes_nothing_old() {
        let at = |text: &str| Timestamp::parse(text).unwrap();
        let expected = at("2026-11-22T10:00:00Z");
        for (now, aged_at) in [
            ("2026-11-22T10:00:01Z", "2026-11-22T10:00:01Z"),
            ("2026-11-22T11:00:00Z", "2026-11-22T11:00:00Z"),
            ("2026-11-22T11:00:01Z", "2026-11-22T10:00:00Z"),
            ("2036-11-22T10:00:00Z", "2026-11-22T10:00:00Z"),
            ("2016-11-22T10:00:00Z", "2016-11-22T10:00:00Z"),
        ] {
            assert_eq!(aged(at(now), expected), at(aged_at), "{now}");
        }
        let now = Clock::System.aged();
        assert!(Clock::System.aged() >= now && Clock::System.now() >= now);
    }

    fn check(text: &str, shown: &str) {
        assert_eq!(Timestamp::parse(text).map(|t| t.to_string()).unwrap(), shown, "{text}");
    }

    #[test]
    fn reads_what_the_emulators_send() {
        check("2019-01-01T07:21:13", "2019-01-01T07:21:13Z");
        check("2019-01-01 07:21:13", "2019-01-01T07:21:13Z");
        check("2019-01-01 07:21:13.250", "2019-01-01T07:21:13.25Z");
        check("2019-01-01T09:21:13+02:00", "2019-01-01T07:21:13Z");
        assert!(Timestamp::parse("yesterday").is_err());
    }

    #[test]
    fn floors_towards_the_past() {
        let ten = Duration::from_secs(10);
        assert_eq!(Timestamp(-1).floor(ten), Timestamp(-10_000_000));
        assert_eq!(Timestamp(10_000_000).floor(ten), Timestamp(10_000_000));
        assert_eq!(Timestamp(10_000_000).for_key(), "1970-01-01T00-00-10Z");
        assert_eq!(Timestamp(10_250_000).for_key(), "1970-01-01T00-00-10.25Z");
    }
}
