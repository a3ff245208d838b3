//! Points in time as microseconds since 1970 in UTC, read from text.

use std::fmt;

/// Microseconds since 1970-01-01T00:00:00Z; negative before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

const SECOND: i64 = 1_000_000;
const DAYS_TO_1970: i64 = 719_162;
const DAYS_BEFORE_MONTH: [u16; 13] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365];

impl Timestamp {
    /// Reads `2018-05-27 11:30:59` or `2018-05-27T11:30:59`, with or without a fraction (what is beyond the microsecond
    /// is cut off), with or without `Z` or an offset as in `+02:00`, `+0200` or `+02`; without one it is UTC.
    ///
    /// Nothing else is a time: no blanks around it, no day that its month does not have, no hour 24, no second 60.
    pub fn parse(text: &str) -> Option<Self> {
        let (head, tail) = text.as_bytes().split_first_chunk::<19>()?;
        let &[y0, y1, y2, y3, b'-', m0, m1, b'-', d0, d1, b'T' | b' ', h0, h1, b':', i0, i1, b':', s0, s1] = head
        else {
            return None;
        };
        let year = number([y0, y1])? * 100 + number([y2, y3])?;
        let days = days_before(year, number([m0, m1])?, number([d0, d1])?)?;
        let seconds = seconds_of_day([h0, h1], [i0, i1])? + below(number([s0, s1])?, 60)?;
        let (fraction, tail) = fraction(tail)?;
        let local = (days * 86_400 + seconds) * SECOND + fraction;
        Some(Self(local - offset(tail)? * SECOND))
    }
}

/// RFC 3339 in UTC, with a fraction only where there is one.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, fraction) = (self.0.div_euclid(SECOND), self.0.rem_euclid(SECOND));
        let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
        let (year, month, day) = date(days);
        write!(f, "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60)?;
        if fraction != 0 {
            let digits = format!("{fraction:06}");
            write!(f, ".{}", digits.trim_end_matches('0'))?;
        }
        f.write_str("Z")
    }
}

/// Two digits.
fn number([tens, ones]: [u8; 2]) -> Option<i64> {
    let (tens, ones) = (tens.wrapping_sub(b'0'), ones.wrapping_sub(b'0'));
    if tens < 10 && ones < 10 { Some(i64::from(tens * 10 + ones)) } else { None }
}

fn below(value: i64, bound: i64) -> Option<i64> {
    if value < bound { Some(value) } else { None }
}

fn seconds_of_day(hour: [u8; 2], minute: [u8; 2]) -> Option<i64> {
    Some(below(number(hour)?, 24)? * 3600 + below(number(minute)?, 60)? * 60)
}

/// The microseconds of `.123`, if `text` begins so, and what comes after it.
fn fraction(text: &[u8]) -> Option<(i64, &[u8])> {
    let Some((b'.', text)) = text.split_first() else { return Some((0, text)) };
    let end = text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    let (digits, tail) = text.split_at_checked(end)?;
    if digits.is_empty() {
        return None;
    }
    let padded = digits.iter().copied().chain(std::iter::repeat(b'0')).take(6);
    Some((padded.fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0')), tail))
}

/// Seconds east of UTC.
fn offset(text: &[u8]) -> Option<i64> {
    let (sign, text) = match text.split_first() {
        None | Some((b'Z' | b'z', [])) => return Some(0),
        Some((b'+', text)) => (1, text),
        Some((b'-', text)) => (-1, text),
        Some(_) => return None,
    };
    let east = match *text {
        [h0, h1] => seconds_of_day([h0, h1], *b"00")?,
        [h0, h1, m0, m1] | [h0, h1, b':', m0, m1] => seconds_of_day([h0, h1], [m0, m1])?,
        _ => return None,
    };
    Some(sign * east)
}

/// The days from 1970 to a date of the Gregorian calendar, if there is such a date.
fn days_before(year: i64, month: i64, day: i64) -> Option<i64> {
    let index = usize::try_from(month - 1).ok()?;
    let (start, end) = (*DAYS_BEFORE_MONTH.get(index)?, *DAYS_BEFORE_MONTH.get(index + 1)?);
    let leap = is_leap(year);
    let length = i64::from(end - start) + i64::from(leap && month == 2);
    if day < 1 || day > length {
        return None;
    }
    Some(days_before_year(year) + i64::from(start) + i64::from(leap && month > 2) + day - 1)
}

fn days_before_year(year: i64) -> i64 {
    let past = year - 1;
    past * 365 + past.div_euclid(4) - past.div_euclid(100) + past.div_euclid(400) - DAYS_TO_1970
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

/// The year, month and day that lie `days` after 1970-01-01.
fn date(days: i64) -> (i64, i64, i64) {
    // A year is counted too long here, so the guess is at or before the year that is looked for.
    let mut year = 1970 + if days < 0 { days.div_euclid(365) } else { days / 366 };
    while days_before_year(year + 1) <= days {
        year += 1;
    }
    let mut day = days - days_before_year(year) + 1;
    let mut month = 1;
    for pair in DAYS_BEFORE_MONTH.windows(2) {
        let [start, end] = *pair else { continue };
        let length = i64::from(end - start) + i64::from(month == 2 && is_leap(year));
        if day <= length {
            break;
        }
        (day, month) = (day - length, month + 1);
    }
    (year, month, day)
}

#[cfg(test)]
mod tests;
