//! The pattern of a folder's name by time: the letters of Joda-Time, as people have them in `path.format`.

use crate::error::{Error, Kind, Result};
use crate::time::Local;

/// The letters that mean something here.
const LETTERS: &str = "yYxwDMdeEaKhHkmsS";
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const WEEKDAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
/// Characters of the short names of months and weekdays.
const SHORT: usize = 3;

/// A pattern such as `'year'=YYYY/'month'=MM/'day'=dd/'hour'=HH`; names are English.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    /// A letter, and how often it stands there.
    Field(char, usize),
}

impl Pattern {
    /// Reads a pattern.
    pub fn parse(text: &str) -> Result<Self> {
        let wrong = |what: String| Error::new(Kind::Input, format!("the pattern {text:?} {what}"));
        let mut parts: Vec<Part> = Vec::new();
        let mut rest = text.chars().peekable();
        while let Some(character) = rest.next() {
            match character {
                '\'' => push_text(
                    &mut parts,
                    &quoted(&mut rest).ok_or_else(|| wrong("has a quote that does not end".into()))?,
                ),
                letter if letter.is_ascii_alphabetic() => {
                    let mut count = 1;
                    while rest.next_if_eq(&letter).is_some() {
                        count += 1;
                    }
                    if !LETTERS.contains(letter) {
                        let hint = format!("put text between single quotes; the letters are {LETTERS}");
                        return Err(wrong(format!("has the letter {letter:?}, which means nothing here")).hint(hint));
                    }
                    parts.push(Part::Field(letter, count));
                }
                other => push_text(&mut parts, other.encode_utf8(&mut [0; 4])),
            }
        }
        if parts.is_empty() { Err(wrong("is empty".into())) } else { Ok(Self(parts)) }
    }

    /// Writes what it makes of a local time.
    pub fn write(&self, at: &Local, into: &mut String) {
        for part in &self.0 {
            match part {
                Part::Text(text) => into.push_str(text),
                Part::Field(letter, count) => into.push_str(&field(*letter, *count, at)),
            }
        }
    }
}

fn push_text(parts: &mut Vec<Part>, text: &str) {
    match parts.last_mut() {
        Some(Part::Text(before)) => before.push_str(text),
        _ => parts.push(Part::Text(text.to_owned())),
    }
}

/// What stands up to the closing quote; two quotes are one, also outside of others.
fn quoted(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<String> {
    if rest.next_if_eq(&'\'').is_some() {
        return Some("'".to_owned());
    }
    let mut text = String::new();
    loop {
        match rest.next()? {
            '\'' if rest.next_if_eq(&'\'').is_some() => text.push('\''),
            '\'' => return Some(text),
            other => text.push(other),
        }
    }
}

fn field(letter: char, count: usize, at: &Local) -> String {
    let padded = |number: i64| format!("{number:0count$}");
    let named = |names: &[&str], nth: i8| {
        let name = usize::try_from(nth - 1).ok().and_then(|nth| names.get(nth)).copied().unwrap_or_default();
        let shown = if count > SHORT { name } else { name.get(..SHORT).unwrap_or(name) };
        shown.to_owned()
    };
    // With two letters a year has two digits.
    let year = |year: i16| if count == 2 { padded(i64::from(year.rem_euclid(100))) } else { padded(i64::from(year)) };
    let half = i64::from(at.hour % 12);
    match letter {
        'y' | 'Y' => year(at.year),
        'x' => year(at.week_year),
        'w' => padded(at.week.into()),
        'D' => padded(at.day_of_year.into()),
        'M' if count >= SHORT => named(&MONTHS, at.month),
        'M' => padded(at.month.into()),
        'd' => padded(at.day.into()),
        'e' => padded(at.weekday.into()),
        'E' => named(&WEEKDAYS, at.weekday),
        'a' => if at.hour < 12 { "AM" } else { "PM" }.to_owned(),
        'K' => padded(half),
        'h' => padded(if half == 0 { 12 } else { half }),
        'k' => padded(if at.hour == 0 { 24 } else { at.hour.into() }),
        'H' => padded(at.hour.into()),
        'm' => padded(at.minute.into()),
        's' => padded(at.second.into()),
        // Digits of the fraction, of which milliseconds are known.
        _ => format!("{:03}", at.nanosecond / 1_000_000).chars().chain(std::iter::repeat('0')).take(count).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::{Timestamp, Zone};

    #[test]
    fn patterns_as_joda_reads_them() {
        let check = |pattern: &str, time: &str, expected: &str| {
            let shown = match Pattern::parse(pattern) {
                Ok(pattern) => {
                    let mut shown = String::new();
                    pattern.write(&Zone::UTC.local(Timestamp::parse(time).unwrap()).unwrap(), &mut shown);
                    shown
                }
                Err(error) => error.message().to_owned(),
            };
            assert_eq!(shown, expected, "{pattern}");
        };
        let time = "2022-07-04T15:06:07.089Z";
        check("'year'=YYYY/'month'=MM/'day'=dd/'hour'=HH", time, "year=2022/month=07/day=04/hour=15");
        check("'dt'=yyyy-MM-dd", time, "dt=2022-07-04");
        check("yy/M/d/H/m/s", time, "22/7/4/15/6/7");
        check("mm-DD", time, "06-185");
        check("xxxx-'W'ww-e", "2021-01-03T00:00:00Z", "2020-W53-7");
        check("YYYY", "2021-01-03T00:00:00Z", "2021");
        check("MMM MMMM EEE EEEE", time, "Jul July Mon Monday");
        check("hh a K k", time, "03 PM 3 15");
        check("hh a KK kk", "2022-07-04T00:00:00Z", "12 AM 00 24");
        check("S SS SSS SSSS", time, "0 08 089 0890");
        check("''YYYY'o''clock'", time, "'2022o'clock");
        check("DDD", "2022-01-02T00:00:00Z", "002");
        check("", time, "the pattern \"\" is empty");
        check("year=YYYY", time, "the pattern \"year=YYYY\" has the letter 'r', which means nothing here");
        check("'year=YYYY", time, "the pattern \"'year=YYYY\" has a quote that does not end");
        check("YYYY Z", time, "the pattern \"YYYY Z\" has the letter 'Z', which means nothing here");
    }
}
