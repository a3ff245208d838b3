//! Durations like `"1h30m"`, sizes like `"8MiB"`: read from text, written as text.

use std::time::Duration;

use crate::error::{Error, Kind, Result};

/// The units of a duration, in microseconds.
const DURATIONS: [(&str, u64); 5] =
    [("d", 86_400_000_000), ("h", 3_600_000_000), ("m", 60_000_000), ("s", 1_000_000), ("ms", 1_000)];

/// The units of a size, in bytes.
const SIZES: [(&str, u64); 9] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1_000),
    ("B", 1),
];

/// Reads `"250ms"`, `"10s"`, `"1h30m"`; at most what microseconds in 63 bits hold.
pub fn duration(text: &str) -> Result<Duration> {
    sum(text, &DURATIONS, "s", "1h30m").map(Duration::from_micros)
}

/// Reads `"8MiB"`, `"500kB"`, or plain bytes: `"1024"`.
pub fn size(text: &str) -> Result<u64> {
    let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let in_bytes = if plain { format!("{text}B") } else { text.to_owned() };
    sum(&in_bytes, &SIZES, "B", "8MiB")
}

/// As [`duration`] reads it: `1h30m`; what is less than a millisecond is left out.
pub fn show_duration(duration: Duration) -> String {
    let mut rest = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
    let mut shown = String::new();
    for (unit, micros) in DURATIONS {
        if rest >= micros {
            shown.push_str(&format!("{}{unit}", rest / micros));
            rest %= micros;
        }
    }
    if shown.is_empty() { "0s".to_owned() } else { shown }
}

/// As [`size`] reads it, in the largest unit that leaves no fraction: `8MiB`.
pub fn show_size(bytes: u64) -> String {
    let whole = SIZES.iter().find(|(_, unit_bytes)| bytes > 0 && bytes.is_multiple_of(*unit_bytes));
    let (unit, unit_bytes) = whole.copied().unwrap_or(("B", 1));
    format!("{}{unit}", bytes / unit_bytes)
}

fn sum(text: &str, units: &[(&str, u64)], usual: &str, example: &str) -> Result<u64> {
    let wrong = |what: &str| Error::new(Kind::Input, format!("{text:?} {what}"));
    if let Some(positive) = text.strip_prefix('-') {
        return Err(wrong("is negative").hint(format!("write {positive:?}")));
    }
    let mut total: u64 = 0;
    let mut rest = text;
    loop {
        let (digits, after) = split(rest, |c| c.is_ascii_digit());
        let (unit, after) = split(after, char::is_alphabetic);
        if digits.is_empty() || !after.is_empty() && !after.starts_with(|c: char| c.is_ascii_digit()) {
            return Err(wrong("is not whole numbers with units").hint(format!("write one such as {example:?}")));
        }
        if unit.is_empty() {
            return Err(wrong("has no unit").hint(format!("write \"{text}{usual}\"")));
        }
        let Some(&(_, each)) = units.iter().find(|(name, _)| *name == unit) else {
            return Err(wrong(&format!("has the unknown unit {unit:?}")).hint(meant(text, unit, units)));
        };
        let product = digits.parse::<u64>().ok().and_then(|number| number.checked_mul(each));
        let sum = product.and_then(|product| total.checked_add(product));
        total = sum.filter(|&sum| i64::try_from(sum).is_ok()).ok_or_else(|| wrong("is too large"))?;
        rest = after;
        if rest.is_empty() {
            return Ok(total);
        }
    }
}

fn split(text: &str, belongs: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(|c| !belongs(c)).unwrap_or(text.len()))
}

fn meant(text: &str, unit: &str, units: &[(&str, u64)]) -> String {
    let lower = unit.to_lowercase();
    let same = |name: &&(&str, u64)| name.0.to_lowercase() == lower;
    let longer = |name: &&(&str, u64)| lower.starts_with(name.0);
    let shorter = |name: &&(&str, u64)| name.0.to_lowercase().starts_with(&lower);
    let found = units.iter().find(same).or_else(|| units.iter().find(longer)).or_else(|| units.iter().find(shorter));
    match found {
        Some((name, _)) => format!("write {:?}", text.replace(unit, name)),
        None => format!("units are {}", units.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(read: Result<String>, expected: &str) {
        let got = match read {
            Ok(shown) => shown,
            Err(error) => format!("{}; {}", error.message(), error.next_step().unwrap_or_default()),
        };
        assert_eq!(got, expected);
    }

    #[test]
    fn durations() {
        for text in ["250ms", "10s", "1m", "1h30m", "7d", "1d1ms", "0s"] {
            check(duration(text).map(show_duration), text);
        }
        check(duration("90s").map(show_duration), "1m30s");
        check(duration("10").map(show_duration), r#""10" has no unit; write "10s""#);
        check(duration("1h30").map(show_duration), r#""1h30" has no unit; write "1h30s""#);
        check(duration("-5s").map(show_duration), r#""-5s" is negative; write "5s""#);
        check(
            duration("5 s").map(show_duration),
            r#""5 s" is not whole numbers with units; write one such as "1h30m""#,
        );
        check(
            duration("1.5h").map(show_duration),
            r#""1.5h" is not whole numbers with units; write one such as "1h30m""#,
        );
        check(duration("").map(show_duration), r#""" is not whole numbers with units; write one such as "1h30m""#);
        check(duration("10min").map(show_duration), r#""10min" has the unknown unit "min"; write "10m""#);
        check(
            duration("10 ").map(show_duration),
            r#""10 " is not whole numbers with units; write one such as "1h30m""#,
        );
        check(duration("3w").map(show_duration), r#""3w" has the unknown unit "w"; units are d, h, m, s, ms"#);
        check(duration("999999999d").map(show_duration), r#""999999999d" is too large; "#);
    }

    #[test]
    fn sizes() {
        for text in ["8MiB", "1GiB", "500kB", "3B", "0B"] {
            check(size(text).map(show_size), text);
        }
        check(size("1024").map(show_size), "1KiB");
        check(size("8mib").map(show_size), r#""8mib" has the unknown unit "mib"; write "8MiB""#);
        check(size("8G").map(show_size), r#""8G" has the unknown unit "G"; write "8GiB""#);
        check(size("8 MiB").map(show_size), r#""8 MiB" is not whole numbers with units; write one such as "8MiB""#);
        check(size("99999999999999999999").map(show_size), r#""99999999999999999999B" is too large; "#);
    }
}
