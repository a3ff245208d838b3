//! A time zone: what its calendars and clocks show, and stretches of their time.

use std::fmt;
use std::time::Duration;

use jiff::ToSpan;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::{Timestamp, micros};
use crate::error::{Error, Kind, Result};

/// A time zone.
#[derive(Clone, PartialEq, Eq)]
pub struct Zone(pub(super) TimeZone);

/// What a calendar and a clock of a zone show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Local {
    /// The year.
    pub year: i16,
    /// The year that its ISO week belongs to.
    pub week_year: i16,
    /// The ISO week, from 1.
    pub week: i8,
    /// The month, from 1.
    pub month: i8,
    /// The day of the month, from 1.
    pub day: i8,
    /// The day of the year, from 1.
    pub day_of_year: i16,
    /// The day of the week, Monday being 1.
    pub weekday: i8,
    /// The hour, from 0.
    pub hour: i8,
    /// The minute.
    pub minute: i8,
    /// The second.
    pub second: i8,
    /// The fraction of the second, in nanoseconds.
    pub nanosecond: i32,
}

/// A stretch of a calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// From midnight to midnight.
    Day,
    /// From Monday to Monday.
    Week,
    /// From the first to the first.
    Month,
    /// From January to January.
    Year,
}

impl Unit {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Year => "year",
        }
    }
}

impl Zone {
    /// The zone whose clocks show UTC.
    pub const UTC: Self = Self(TimeZone::UTC);

    /// A zone by its name in the tz database, such as `Europe/London`; `UTC` needs no database.
    pub fn named(name: &str) -> Result<Self> {
        if name.eq_ignore_ascii_case("utc") {
            return Ok(Self::UTC);
        }
        TimeZone::get(name).map(Self).map_err(|_| {
            Error::new(Kind::Input, format!("the time zone {name:?} is not known here"))
                .hint("write a name such as \"Europe/London\", which needs the system's tzdata, or \"UTC\"")
        })
    }

    /// Its name in the tz database.
    pub fn name(&self) -> &str {
        self.0.iana_name().unwrap_or("UTC")
    }

    /// What its calendars and clocks show at a time; none where no calendar reaches.
    pub fn local(&self, at: Timestamp) -> Option<Local> {
        let shown = self.civil(at)?;
        let week = shown.date().iso_week_date();
        Some(Local {
            year: shown.year(),
            week_year: week.year(),
            week: week.week(),
            month: shown.month(),
            day: shown.day(),
            day_of_year: shown.day_of_year(),
            weekday: shown.weekday().to_monday_one_offset(),
            hour: shown.hour(),
            minute: shown.minute(),
            second: shown.second(),
            nanosecond: shown.subsec_nanosecond(),
        })
    }

    /// The start of the stretch of local time that a time lies in; stretches of `size` are counted from the local start of 1970. A
    /// local time that comes twice is the earlier, one that is left out the later. None where no calendar reaches.
    pub fn floor(&self, at: Timestamp, size: Duration) -> Option<Timestamp> {
        // As if the local time were UTC's, so that it can be counted.
        let counted = Timestamp(TimeZone::UTC.to_timestamp(self.civil(at)?).ok()?.as_microsecond());
        let start = Self::UTC.civil(counted.floor(size))?;
        Some(Timestamp(self.0.to_timestamp(start).ok()?.as_microsecond()))
    }

    /// Where the calendar's day, week, month or year of a time begins, and where the next one does. Where midnight comes twice it is
    /// the earlier, where it is left out the first time after it. None where no calendar reaches.
    pub fn calendar(&self, at: Timestamp, unit: Unit) -> Option<(Timestamp, Timestamp)> {
        let date = self.civil(at)?.date();
        let days = i64::from(date.weekday().to_monday_zero_offset());
        let (first, span) = match unit {
            Unit::Day => (date, 1.days()),
            Unit::Week => (date.checked_sub(days.days()).ok()?, 1.weeks()),
            Unit::Month => (date.first_of_month(), 1.months()),
            Unit::Year => (date.first_of_year(), 1.years()),
        };
        let midnight =
            |date: jiff::civil::Date| Some(Timestamp(date.to_zoned(self.0.clone()).ok()?.timestamp().as_microsecond()));
        Some((midnight(first)?, midnight(first.checked_add(span).ok()?)?))
    }

    /// The first end after `now` of a stretch of `size`, counted anew from the start of each local day, whose end ends the last.
    pub fn boundary(&self, now: Timestamp, size: Duration) -> Timestamp {
        let size = micros(size).max(1);
        let day = || {
            let date = self.civil(now)?.date();
            let midnight =
                |date: jiff::civil::Date| Some(date.to_zoned(self.0.clone()).ok()?.timestamp().as_microsecond());
            Some((midnight(date)?, midnight(date.tomorrow().ok()?)?))
        };
        let Some((start, end)) = day() else { return now.plus(Duration::from_micros(size.cast_unsigned())) };
        let passed = now.0.saturating_sub(start).max(0) / size;
        Timestamp(start.saturating_add((passed + 1).saturating_mul(size)).min(end))
    }

    pub(super) fn civil(&self, at: Timestamp) -> Option<DateTime> {
        Some(self.0.to_datetime(jiff::Timestamp::from_microsecond(at.0).ok()?))
    }
}

/// By its name.
/// Its name in the tz database.
impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Zone").field(&self.name()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    #[test]
    fn stretches_are_of_local_time() {
        let check = |zone: &str, time: &str, size: u64, expected: &str| {
            let zone = Zone::named(zone).unwrap();
            let start = zone.floor(at(time), Duration::from_secs(size)).unwrap();
            assert_eq!(start.to_string(), expected, "{time} by {size} s");
        };
        const HOUR: u64 = 3_600;
        const DAY: u64 = 24 * HOUR;
        check("UTC", "2019-01-01T07:21:13.5Z", HOUR, "2019-01-01T07:00:00Z");
        check("UTC", "1969-12-31T23:59:59Z", DAY, "1969-12-31T00:00:00Z");
        check("Europe/London", "2022-07-01T00:30:00Z", DAY, "2022-06-30T23:00:00Z");
        check("Asia/Kolkata", "2022-07-01T00:10:00Z", HOUR, "2022-06-30T23:30:00Z");
        check("America/New_York", "2022-07-01T03:59:59Z", DAY, "2022-06-30T04:00:00Z");
        // The second of two hours that both begin at 01:00 is counted to the first.
        check("Europe/London", "2022-10-30T01:30:00Z", HOUR, "2022-10-30T00:00:00Z");
        check("Europe/London", "2022-03-27T01:30:00Z", HOUR, "2022-03-27T01:00:00Z");
    }

    #[test]
    fn boundaries_begin_with_the_local_day() {
        let check = |zone: &str, now: &str, size: u64, expected: &str| {
            let next = Zone::named(zone).unwrap().boundary(at(now), Duration::from_secs(size));
            assert_eq!(next.to_string(), expected, "{now} by {size} s");
        };
        check("UTC", "2022-07-01T10:00:01Z", 600, "2022-07-01T10:10:00Z");
        check("UTC", "2022-07-01T10:10:00Z", 600, "2022-07-01T10:20:00Z");
        check("UTC", "2022-07-01T23:59:00Z", 7 * 3_600, "2022-07-02T00:00:00Z");
        check("Asia/Kolkata", "2022-07-01T18:29:59Z", 3_600, "2022-07-01T18:30:00Z");
        check("Asia/Kolkata", "2022-07-01T18:30:00Z", 3_600, "2022-07-01T19:30:00Z");
        // A day of 23 hours.
        check("Europe/London", "2022-03-27T22:59:00Z", 86_400, "2022-03-27T23:00:00Z");
        check("UTC", "2022-07-01T10:00:00Z", 10 * 86_400, "2022-07-02T00:00:00Z");
    }

    #[test]
    fn calendars_are_those_of_the_zone() {
        let check = |zone: &str, time: &str, unit, start: &str, end: &str| {
            let found = Zone::named(zone).unwrap().calendar(at(time), unit).unwrap();
            assert_eq!((found.0.to_string().as_str(), found.1.to_string().as_str()), (start, end), "{time} {unit:?}");
        };
        check("UTC", "2024-02-29T12:00:00Z", Unit::Day, "2024-02-29T00:00:00Z", "2024-03-01T00:00:00Z");
        check("UTC", "2024-02-29T12:00:00Z", Unit::Week, "2024-02-26T00:00:00Z", "2024-03-04T00:00:00Z");
        check("UTC", "2024-02-29T12:00:00Z", Unit::Month, "2024-02-01T00:00:00Z", "2024-03-01T00:00:00Z");
        check("UTC", "1969-12-31T23:59:59.999999Z", Unit::Year, "1969-01-01T00:00:00Z", "1970-01-01T00:00:00Z");
        // Days of 23 and of 25 hours.
        check("Europe/London", "2022-03-27T12:00:00Z", Unit::Day, "2022-03-27T00:00:00Z", "2022-03-27T23:00:00Z");
        check("Europe/London", "2022-10-30T12:00:00Z", Unit::Day, "2022-10-29T23:00:00Z", "2022-10-31T00:00:00Z");
        // Midnight is left out: the day begins at one.
        check("America/Sao_Paulo", "2018-11-04T12:00:00Z", Unit::Day, "2018-11-04T03:00:00Z", "2018-11-05T02:00:00Z");
        check("Asia/Tokyo", "2023-12-31T15:00:00Z", Unit::Year, "2023-12-31T15:00:00Z", "2024-12-31T15:00:00Z");
        assert_eq!(Zone::UTC.calendar(Timestamp::MIN, Unit::Day), None);
    }

    #[test]
    fn an_unknown_zone_is_said() {
        let fault = Zone::named("Europe/Lundon").unwrap_err();
        assert_eq!(fault.message(), "the time zone \"Europe/Lundon\" is not known here");
    }
}
