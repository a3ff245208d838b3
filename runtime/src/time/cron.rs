//! Times that come again by a calendar and a clock, as cron writes them: `0 0 * * *`.

use std::fmt;
use std::time::Duration;

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{AmbiguousOffset, TimeZone};

use super::{Timestamp, Zone};
use crate::error::{Error, Kind, Result};

/// Days that are looked at for the next time: longer than from one 29 February on a given weekday to the next, over a century.
const DAYS_MAX: usize = 366 * 45;
/// Names for five fields at once.
const NAMES: [(&str, &str); 7] = [
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
    ("@monthly", "0 0 1 * *"),
    ("@weekly", "0 0 * * 0"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@hourly", "0 * * * *"),
];
const MONTHS: [&str; 12] = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const WEEKDAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

/// A field: what it is called, its least and greatest number, names from the least on.
struct Field {
    what: &'static str,
    min: u32,
    max: u32,
    names: &'static [&'static str],
}

const FIELDS: [Field; 5] = [
    Field { what: "minute", min: 0, max: 59, names: &[] },
    Field { what: "hour", min: 0, max: 23, names: &[] },
    Field { what: "day of the month", min: 1, max: 31, names: &[] },
    Field { what: "month", min: 1, max: 12, names: &MONTHS },
    Field { what: "day of the week", min: 0, max: 7, names: &WEEKDAYS },
];

/// Times that come again: minutes of hours of days.
///
/// Where both days, of the month and of the week, are named, either is enough. The clock of a zone leaves times out and shows others
/// twice. Times at certain hours come once a day all the same: where the clock has left one out, at the end of the gap; where it
/// shows one twice, the first time. Times of every hour come by the hour that passes: none in a gap, and both where there are two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cron {
    written: String,
    /// A bit a number, for each field.
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    weekdays: u64,
    /// Whether either day is enough.
    either_day: bool,
}

/// As it was written.
impl fmt::Display for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

impl Cron {
    /// Reads five fields (minute, hour, day of the month, month, day of the week), each `*` or a list of numbers, names, ranges and
    /// steps: `*/15`, `MON-FRI`, `0,30`, `8-18/2`; or `@daily` and its like.
    pub fn parse(text: &str) -> Result<Self> {
        let written = text.trim();
        let named = NAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(written)).map(|(_, fields)| *fields);
        let fields: Vec<&str> = named.unwrap_or(written).split_whitespace().collect();
        let [minutes, hours, days, months, weekdays] = fields.as_slice() else {
            let count = fields.len();
            let what = format!("{written:?} has {count} field{}, not five", if count == 1 { "" } else { "s" });
            let all: Vec<&str> = NAMES.iter().map(|(name, _)| *name).collect();
            return Err(Error::new(Kind::Input, what).hint(format!(
                "write minute, hour, day, month, weekday: \"0 0 * * *\", or one of {}",
                all.join(", ")
            )));
        };
        let [minute, hour, day, month, weekday] = &FIELDS;
        let sunday = |bits: u64| if bits & (1 << 7) == 0 { bits } else { bits | 1 };
        let cron = Self {
            written: written.to_owned(),
            minutes: minute.read(minutes)?,
            hours: hour.read(hours)?,
            days: day.read(days)?,
            months: month.read(months)?,
            weekdays: sunday(weekday.read(weekdays)?),
            either_day: !days.starts_with('*') && !weekdays.starts_with('*'),
        };
        match cron.after(Timestamp(0), &Zone::UTC) {
            Some(_) => Ok(cron),
            None => Err(Error::new(Kind::Input, format!("{written:?} never comes: there is no such day"))),
        }
    }

    /// The first of its times after one, by the calendar and clock of a zone. None where no calendar reaches.
    pub fn after(&self, at: Timestamp, zone: &Zone) -> Option<Timestamp> {
        // What a clock shows may lie a day before or behind: what it shows at this time is looked for from the day before on.
        let mut date = zone.civil(at)?.date().yesterday().ok()?;
        let mut found = None;
        for _ in 0..DAYS_MAX {
            // Where a clock is put back over midnight, the next day's first times come before this day's last.
            let before = found;
            if self.has(date) {
                found = self.times(date, &zone.0).filter(|time| *time > at).chain(found).min();
            }
            if before.is_some() {
                break;
            }
            date = date.tomorrow().ok()?;
        }
        found
    }

    /// Its times after `from` and up to `upto`, the latest `max` of them.
    pub fn latest(&self, from: Timestamp, upto: Timestamp, zone: &Zone, max: usize) -> Vec<Timestamp> {
        let mut times = Vec::new();
        // From nearby first: of a minute's times in a year, the last day has enough.
        for days in [1, 32, 366, 50 * 366] {
            let base = Timestamp(from.0.max(upto.minus(Duration::from_hours(24 * days)).0));
            times = self.between(base, upto, zone);
            if times.len() >= max || base == from {
                break;
            }
        }
        times.drain(..times.len().saturating_sub(max));
        times
    }

    fn between(&self, from: Timestamp, upto: Timestamp, zone: &Zone) -> Vec<Timestamp> {
        let mut times = Vec::new();
        let mut last = from;
        while let Some(next) = self.after(last, zone).filter(|next| *next <= upto) {
            times.push(next);
            last = next;
        }
        times
    }

    fn has(&self, date: Date) -> bool {
        let day = bit(self.days, u32::from(date.day().unsigned_abs()));
        let weekday = bit(self.weekdays, u32::from(date.weekday().to_sunday_zero_offset().unsigned_abs()));
        let fits = if self.either_day { day || weekday } else { day && weekday };
        fits && bit(self.months, u32::from(date.month().unsigned_abs()))
    }

    /// All of its times on a day.
    fn times<'a>(&'a self, date: Date, zone: &'a TimeZone) -> impl Iterator<Item = Timestamp> + 'a {
        let hours = (0..24_i8).filter(move |hour| bit(self.hours, u32::from(hour.unsigned_abs())));
        let shown = hours.flat_map(move |hour| {
            let minutes = (0..60_i8).filter(move |minute| bit(self.minutes, u32::from(minute.unsigned_abs())));
            minutes.filter_map(move |minute| Some(date.to_datetime(Time::new(hour, minute, 0, 0).ok()?)))
        });
        shown.flat_map(move |shown| self.instants(shown, zone).into_iter().flatten())
    }

    /// When a clock shows this, so far as it counts.
    fn instants(&self, shown: DateTime, zone: &TimeZone) -> [Option<Timestamp>; 2] {
        let by_the_hour = self.hours == (1 << 24) - 1;
        let at = |offset: jiff::tz::Offset| offset.to_timestamp(shown).ok().map(|at| Timestamp(at.as_microsecond()));
        match zone.to_ambiguous_timestamp(shown).offset() {
            AmbiguousOffset::Unambiguous { offset } => [at(offset), None],
            AmbiguousOffset::Fold { before, after } => [at(before), at(after).filter(|_| by_the_hour)],
            AmbiguousOffset::Gap { .. } if by_the_hour => [None, None],
            AmbiguousOffset::Gap { after, .. } => {
                // Seen from behind the gap, it lies before the gap's end, which is the next change of the clock.
                let before = after.to_timestamp(shown).ok();
                let end = before.and_then(|before| zone.following(before).next());
                [end.map(|end| Timestamp(end.timestamp().as_microsecond())), None]
            }
        }
    }
}

fn bit(bits: u64, number: u32) -> bool {
    bits & (1 << number) != 0
}

impl Field {
    /// The bits of a list.
    fn read(&self, list: &str) -> Result<u64> {
        let mut bits = 0;
        for part in list.split(',') {
            bits |= self.part(part).map_err(|error| error.within(format!("{} {part:?}", self.what)))?;
        }
        Ok(bits)
    }

    /// The bits of a number, a range or a step.
    fn part(&self, part: &str) -> Result<u64> {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, step.parse().ok().filter(|step| *step > 0).ok_or_else(|| self.wrong())?),
            None => (part, 1_usize),
        };
        let (from, to) = match range.split_once('-') {
            _ if range == "*" => (self.min, self.max),
            Some((from, to)) => (self.number(from)?, self.number(to)?),
            // A step from a number on goes to the end.
            None if part.contains('/') => (self.number(range)?, self.max),
            None => (self.number(range)?, self.number(range)?),
        };
        if from > to {
            return Err(
                Error::new(Kind::Input, "the range goes backwards").hint("write two ranges, with a comma between")
            );
        }
        Ok((from..=to).step_by(step).fold(0, |bits, number| bits | 1 << number))
    }

    fn number(&self, text: &str) -> Result<u32> {
        let named = self.names.iter().position(|name| name.eq_ignore_ascii_case(text));
        let named = named.and_then(|place| u32::try_from(place).ok()).map(|place| place + self.min);
        let digits = || text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten();
        let number = named.or_else(digits).filter(|number| (self.min..=self.max).contains(number));
        number.ok_or_else(|| self.wrong())
    }

    fn wrong(&self) -> Error {
        let Self { min, max, names, .. } = self;
        let names = match names {
            [first, .., last] => format!(" or {first} to {last}"),
            _ => String::new(),
        };
        Error::new(Kind::Input, format!("it is not of numbers from {min} to {max}{names}"))
            .hint("write *, a number, a range such as 1-5, a step such as */2, or several with commas between")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    /// The times that follow on `from` are these.
    fn check(cron: &str, zone: &str, from: &str, expected: &[&str]) {
        let (cron, zone) = (Cron::parse(cron).unwrap(), Zone::named(zone).unwrap());
        let mut last = at(from);
        for expected in expected {
            last = cron.after(last, &zone).unwrap();
            assert_eq!(last.to_string(), *expected, "{cron} after {from}");
        }
    }

    #[test]
    fn times_by_the_calendar() {
        const NEW_YEAR: &str = "2022-01-01T00:00:00Z";
        check("0 0 * * *", "UTC", NEW_YEAR, &["2022-01-02T00:00:00Z", "2022-01-03T00:00:00Z"]);
        check("@daily", "UTC", "2021-12-31T23:59:59.999999Z", &[NEW_YEAR]);
        check("@hourly", "UTC", "2022-01-01T22:30:00Z", &["2022-01-01T23:00:00Z", "2022-01-02T00:00:00Z"]);
        check("@weekly", "UTC", NEW_YEAR, &["2022-01-02T00:00:00Z", "2022-01-09T00:00:00Z"]);
        check("@monthly", "UTC", NEW_YEAR, &["2022-02-01T00:00:00Z", "2022-03-01T00:00:00Z"]);
        check("@yearly", "UTC", NEW_YEAR, &["2023-01-01T00:00:00Z"]);
        check(
            "*/20 9-10 * * *",
            "UTC",
            "2022-01-01T09:10:00Z",
            &["2022-01-01T09:20:00Z", "2022-01-01T09:40:00Z", "2022-01-01T10:00:00Z", "2022-01-01T10:20:00Z"],
        );
        check(
            "5/25 12 * * *",
            "UTC",
            "2022-01-01T12:05:00Z",
            &["2022-01-01T12:30:00Z", "2022-01-01T12:55:00Z", "2022-01-02T12:05:00Z"],
        );
        check("0 12 * * mon-FRI", "UTC", "2022-01-07T12:00:00Z", &["2022-01-10T12:00:00Z"]);
        check("0 12 * * 7", "UTC", NEW_YEAR, &["2022-01-02T12:00:00Z"]);
        check("0 0 29 feb *", "UTC", NEW_YEAR, &["2024-02-29T00:00:00Z", "2028-02-29T00:00:00Z"]);
        check("0 0 31 * *", "UTC", "2022-01-31T00:00:00Z", &["2022-03-31T00:00:00Z", "2022-05-31T00:00:00Z"]);
        // Either day is enough.
        check("0 0 13 * FRI", "UTC", "2022-05-07T00:00:00Z", &["2022-05-13T00:00:00Z", "2022-05-20T00:00:00Z"]);
        check("0 0 13 * FRI", "UTC", "2022-06-11T00:00:00Z", &["2022-06-13T00:00:00Z", "2022-06-17T00:00:00Z"]);
        check("0 0 29 2 *", "UTC", "2096-03-01T00:00:00Z", &["2104-02-29T00:00:00Z"]);
    }

    #[test]
    fn times_by_a_clock_that_is_put_forward() {
        // London has no time from 01:00 to 02:00.
        check("30 1 * * *", "Europe/London", "2022-03-26T12:00:00Z", &["2022-03-27T01:00:00Z", "2022-03-28T00:30:00Z"]);
        check("0 0 * * *", "Europe/London", "2022-03-26T12:00:00Z", &["2022-03-27T00:00:00Z", "2022-03-27T23:00:00Z"]);
        check("30 * * * *", "Europe/London", "2022-03-27T00:00:00Z", &["2022-03-27T00:30:00Z", "2022-03-27T01:30:00Z"]);
        check(
            "0,15,30 1,2 * * *",
            "Europe/London",
            "2022-03-27T00:00:00Z",
            &["2022-03-27T01:00:00Z", "2022-03-27T01:15:00Z", "2022-03-27T01:30:00Z", "2022-03-28T00:00:00Z"],
        );
        // A zone that puts its clock forward at midnight, and one that left a day out.
        check(
            "0 0 * * *",
            "America/Santiago",
            "2022-09-10T12:00:00Z",
            &["2022-09-11T04:00:00Z", "2022-09-12T03:00:00Z"],
        );
        check("0 12 * * *", "Pacific/Apia", "2011-12-30T00:00:00Z", &["2011-12-30T10:00:00Z", "2011-12-30T22:00:00Z"]);
    }

    #[test]
    fn times_by_a_clock_that_is_put_back() {
        // London has the time from 01:00 to 02:00 twice.
        check("30 1 * * *", "Europe/London", "2022-10-29T12:00:00Z", &["2022-10-30T00:30:00Z", "2022-10-31T01:30:00Z"]);
        check(
            "*/30 * * * *",
            "Europe/London",
            "2022-10-30T00:00:00Z",
            &["2022-10-30T00:30:00Z", "2022-10-30T01:00:00Z", "2022-10-30T01:30:00Z", "2022-10-30T02:00:00Z"],
        );
        check(
            "*/30 1 * * *",
            "Europe/London",
            "2022-10-29T12:00:00Z",
            &["2022-10-30T00:00:00Z", "2022-10-30T00:30:00Z", "2022-10-31T01:00:00Z"],
        );
        check("0 0 * * *", "Europe/London", "2022-10-30T00:00:00Z", &["2022-10-31T00:00:00Z"]);
    }

    /// Every time by a zone's clock comes once, whatever it is asked after.
    #[test]
    fn what_is_asked_after_changes_nothing() {
        let zone = Zone::named("Europe/London").unwrap();
        for cron in ["30 1 * * *", "*/7 * * * *", "15 0-3 * * *"] {
            let cron = Cron::parse(cron).unwrap();
            for (from, to) in
                [("2022-03-26T22:00:00Z", "2022-03-28T04:00:00Z"), ("2022-10-29T22:00:00Z", "2022-10-31T04:00:00Z")]
            {
                let (mut last, to) = (at(from), at(to));
                while last < to {
                    let next = cron.after(last, &zone).unwrap();
                    assert!(next > last);
                    for between in [Timestamp((last.0 + next.0) / 2), Timestamp(next.0 - 1)] {
                        assert_eq!(cron.after(between, &zone), Some(next), "{cron} after {between}");
                    }
                    last = next;
                }
            }
        }
    }

    #[test]
    fn the_latest_times() {
        let check = |cron: &str, from: &str, upto: &str, max: usize, count: usize, first: &str| {
            let times = Cron::parse(cron).unwrap().latest(at(from), at(upto), &Zone::UTC, max);
            assert_eq!((times.len(), times[0].to_string().as_str()), (count, first), "{cron} from {from}");
            assert!(times.is_sorted() && times.iter().all(|time| at(from) < *time && *time <= at(upto)));
        };
        check("* * * * *", "2020-01-01T00:00:00Z", "2022-01-01T00:00:00Z", 100, 100, "2021-12-31T22:21:00Z");
        check("0 0 * * *", "2020-01-01T00:00:00Z", "2022-01-01T00:00:00Z", 100, 100, "2021-09-24T00:00:00Z");
        check("@yearly", "2000-06-01T00:00:00Z", "2022-01-01T00:00:00Z", 100, 22, "2001-01-01T00:00:00Z");
        check("0 * * * *", "2022-01-01T00:00:00Z", "2022-01-01T03:00:00Z", 100, 3, "2022-01-01T01:00:00Z");
        let none = Cron::parse("@yearly").unwrap().latest(
            at("2022-01-01T00:00:00Z"),
            at("2022-06-01T00:00:00Z"),
            &Zone::UTC,
            9,
        );
        assert!(none.is_empty());
    }

    #[test]
    fn what_is_wrong_is_said() {
        let check =
            |text: &str, expected: &str| assert_eq!(Cron::parse(text).unwrap_err().to_string(), expected, "{text}");
        check("0 0 * *", "\"0 0 * *\" has 4 fields, not five");
        check("", "\"\" has 0 fields, not five");
        check("@dayly", "\"@dayly\" has 1 field, not five");
        check("60 0 * * *", "minute \"60\": it is not of numbers from 0 to 59");
        check("0 24 * * *", "hour \"24\": it is not of numbers from 0 to 23");
        check("0 0 0 * *", "day of the month \"0\": it is not of numbers from 1 to 31");
        check("0 0 * 13 *", "month \"13\": it is not of numbers from 1 to 12 or JAN to DEC");
        check("0 0 * * 8", "day of the week \"8\": it is not of numbers from 0 to 7 or SUN to SAT");
        check("0 0 L * *", "day of the month \"L\": it is not of numbers from 1 to 31");
        check("0 0 * * FRI-MON", "day of the week \"FRI-MON\": the range goes backwards");
        check("*/0 0 * * *", "minute \"*/0\": it is not of numbers from 0 to 59");
        check("1, 0 * * *", "minute \"\": it is not of numbers from 0 to 59");
        check("+1 0 * * *", "minute \"+1\": it is not of numbers from 0 to 59");
        check("0 0 30 2 *", "\"0 0 30 2 *\" never comes: there is no such day");
    }
}
