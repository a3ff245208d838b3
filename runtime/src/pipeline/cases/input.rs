//! The lines of a case's input: records as a topic gives them, and times up to which none comes.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::error::{Error, Kind, OrFail, Result};
use crate::record::push_header;
use crate::time::Timestamp;

/// 2100-01-01: the append time of a case that names none. No column of times lies so far ahead of it as to count as late.
const BEGIN: Timestamp = Timestamp(4_102_444_800_000_000);
/// What a line may say of its record in place of the bare value.
const MARKS: [&str; 8] = ["@value", "@bytes", "@key", "@headers", "@time", "@partition", "@table", "@now"];
/// The partitions that a case may have.
const PARTITIONS_MAX: u32 = 64;

/// What happens next in a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A record comes.
    Record(Given),
    /// Nothing comes any more up to this time.
    Quiet(Timestamp),
}

/// A record of a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Given {
    /// Its line in the input, from 1.
    pub(super) line: u64,
    /// The table that takes it, where the line says so.
    pub(super) table: Option<String>,
    pub(super) partition: u32,
    pub(super) time: Timestamp,
    pub(super) key: Option<Vec<u8>>,
    pub(super) value: Option<Vec<u8>>,
    /// As records store them.
    pub(super) headers: Vec<u8>,
}

impl Step {
    /// When it happens.
    pub(super) fn time(&self) -> Timestamp {
        match self {
            Self::Record(given) => given.time,
            Self::Quiet(now) => *now,
        }
    }

    /// The record, if it is one.
    pub(super) fn record(&self) -> Option<&Given> {
        match self {
            Self::Record(given) => Some(given),
            Self::Quiet(_) => None,
        }
    }
}

type Marks<'a> = BTreeMap<String, &'a RawValue>;

/// Bytes as a line writes them.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Text(String),
    Base64 { base64: String },
}

/// Reads an input. A line is the value of a record; or an object whose keys all begin with `@`: then it says more of the
/// record than its value, or, with `@now`, lets time pass. Blank lines count, but nothing comes of them.
pub(super) fn parse(text: &[u8]) -> Result<Vec<Step>> {
    let mut steps = Vec::new();
    let mut now = None;
    for (line, bytes) in (1..).zip(text.split(|&byte| byte == b'\n')) {
        if !bytes.trim_ascii().is_empty() {
            let step = step(line, bytes, &mut now);
            steps.push(step.map_err(|error| error.within(format!("line {line}")))?);
        }
    }
    Ok(steps)
}

fn step(line: u64, bytes: &[u8], now: &mut Option<Timestamp>) -> Result<Step> {
    let marks = marks(bytes);
    if let Some(unknown) = marks.keys().find(|mark| !MARKS.contains(&mark.as_str())) {
        return Err(wrong(format!("{unknown:?} is not known")).hint(format!("known are {}", MARKS.join(", "))));
    }
    let time = match marks.get("@now").or_else(|| marks.get("@time")) {
        Some(written) => time(written, *now)?,
        None => now.unwrap_or(BEGIN),
    };
    *now = Some(time);
    if marks.contains_key("@now") {
        return if marks.len() == 1 { Ok(Step::Quiet(time)) } else { Err(wrong("\"@now\" stands alone in its line")) };
    }
    if marks.is_empty() {
        let value = Some(bytes.to_vec());
        return Ok(Step::Record(Given {
            line,
            table: None,
            partition: 0,
            time,
            key: None,
            value,
            headers: Vec::new(),
        }));
    }
    let table = marks.get("@table").map(|written| read("\"@table\"", written)).transpose()?;
    let (partition, key, value) = (partition(&marks)?, key(&marks)?, value(&marks)?);
    Ok(Step::Record(Given { line, table, partition, time, key, value, headers: headers(&marks)? }))
}

/// What an object says whose keys all begin with `@`; nothing where the line is something else.
fn marks(bytes: &[u8]) -> Marks<'_> {
    let marks: Marks<'_> = serde_json::from_slice(bytes).unwrap_or_default();
    if marks.keys().all(|key| key.starts_with('@')) { marks } else { Marks::new() }
}

fn time(written: &RawValue, now: Option<Timestamp>) -> Result<Timestamp> {
    let text: String = read("the time", written)?;
    let time = Timestamp::parse(&text)?;
    match now {
        Some(now) if time < now => {
            let error = wrong(format!("time goes back, from {now} to {time}, and append time never does"));
            Err(error.hint("put the lines in the order of their times; the first may say when it all begins"))
        }
        _ => Ok(time),
    }
}

fn value(marks: &Marks<'_>) -> Result<Option<Vec<u8>>> {
    match (marks.get("@value"), marks.get("@bytes")) {
        (Some(_), Some(_)) => Err(wrong("it has both \"@value\" and \"@bytes\"").hint("keep one of them")),
        (Some(json), None) => Ok((json.get() != "null").then(|| json.get().as_bytes().to_vec())),
        (None, Some(base64)) => {
            let base64 = read("\"@bytes\"", base64)?;
            bytes(Written::Base64 { base64 }).map(Some)
        }
        (None, None) => Err(wrong("it has neither \"@value\" nor \"@bytes\"")
            .hint("write {\"@value\": {..}}; null is a record without a value")),
    }
}

fn key(marks: &Marks<'_>) -> Result<Option<Vec<u8>>> {
    let Some(written) = marks.get("@key") else { return Ok(None) };
    let key: Option<Written> = read("\"@key\"", written)?;
    key.map(bytes).transpose()
}

fn partition(marks: &Marks<'_>) -> Result<u32> {
    let Some(written) = marks.get("@partition") else { return Ok(0) };
    let partition = serde_json::from_str(written.get()).ok().filter(|partition| *partition < PARTITIONS_MAX);
    partition.ok_or_else(|| wrong(format!("\"@partition\" is {written}, not a number below {PARTITIONS_MAX}")))
}

fn headers(marks: &Marks<'_>) -> Result<Vec<u8>> {
    let Some(written) = marks.get("@headers") else { return Ok(Vec::new()) };
    let pairs: Vec<(String, Option<Written>)> = read("\"@headers\"", written)?;
    let mut stored = Vec::new();
    for (name, value) in pairs {
        let value = value.map(bytes).transpose()?;
        push_header(&mut stored, name.as_bytes(), value.as_deref());
    }
    Ok(stored)
}

fn bytes(written: Written) -> Result<Vec<u8>> {
    match written {
        Written::Text(text) => Ok(text.into_bytes()),
        Written::Base64 { base64 } => STANDARD.decode(&base64).or_fail(Kind::Input, || "base64"),
    }
}

fn read<'a, T: Deserialize<'a>>(what: &str, written: &'a RawValue) -> Result<T> {
    let forms = "\"@key\" is a text or {\"base64\": \"..\"}, \"@headers\" a list of pairs [\"name\", \"value\"], the others a text";
    serde_json::from_str(written.get())
        .map_err(|_| wrong(format!("{what} is {written}, which does not fit")).hint(forms))
}

fn wrong(what: impl Into<String>) -> Error {
    Error::new(Kind::Input, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(line: u64, time: Timestamp, value: &str) -> Given {
        Given { line, table: None, partition: 0, time, key: None, value: Some(value.into()), headers: Vec::new() }
    }

    fn check(text: &str, expected: &[Step]) {
        assert_eq!(parse(text.as_bytes()).unwrap(), expected, "{text}");
    }

    fn check_wrong(text: &str, expected: &str) {
        assert_eq!(parse(text.as_bytes()).unwrap_err().message(), expected, "{text}");
    }

    #[test]
    fn a_line_is_a_value() {
        check(
            "{\"a\": 1}\n\n[2]\n",
            &[Step::Record(given(1, BEGIN, "{\"a\": 1}")), Step::Record(given(3, BEGIN, "[2]"))],
        );
        check("no JSON", &[Step::Record(given(1, BEGIN, "no JSON"))]);
        check("{}", &[Step::Record(given(1, BEGIN, "{}"))]);
        check(r#"{"@timestamp": 1, "a": 2}"#, &[Step::Record(given(1, BEGIN, r#"{"@timestamp": 1, "a": 2}"#))]);
    }

    #[test]
    fn a_line_can_say_more() {
        let at = |text| Timestamp::parse(text).unwrap();
        let noon = at("2026-11-22T12:00:00Z");
        let mut headers = Vec::new();
        push_header(&mut headers, b"h", Some(b"v"));
        push_header(&mut headers, b"n", None);
        let whole = Given { key: Some(b"k".into()), headers, ..given(1, noon, r#"{"a":  1}"#) };
        check(
            "{\"@value\": {\"a\":  1}, \"@key\": \"k\", \"@headers\": [[\"h\",\"v\"],[\"n\",null]], \"@time\": \"2026-11-22T12:00:00Z\"}\n{}",
            &[Step::Record(whole), Step::Record(given(2, noon, "{}"))],
        );
        let bytes = Given { key: Some(vec![255]), ..given(1, BEGIN, "\n") };
        check(r#"{"@bytes": "Cg==", "@key": {"base64": "/w=="}}"#, &[Step::Record(bytes)]);
        let second = Given { partition: 1, ..given(1, BEGIN, "2") };
        check(r#"{"@value": 2, "@partition": 1}"#, &[Step::Record(second)]);
        let of_pin = Given { table: Some("pin".into()), ..given(1, BEGIN, "2") };
        check(r#"{"@table": "pin", "@value": 2}"#, &[Step::Record(of_pin)]);
        check(r#"{"@value": null}"#, &[Step::Record(Given { value: None, ..given(1, BEGIN, "") })]);
        check(r#"{"@now": "2026-11-22 12:00:00"}"#, &[Step::Quiet(noon)]);
    }

    #[test]
    fn what_is_wrong() {
        check_wrong("\n{\"@vale\": 1}", "line 2: \"@vale\" is not known");
        check_wrong(r#"{"@key": "k"}"#, "line 1: it has neither \"@value\" nor \"@bytes\"");
        check_wrong(r#"{"@value": 1, "@bytes": ""}"#, "line 1: it has both \"@value\" and \"@bytes\"");
        check_wrong(r#"{"@value": 1, "@key": 5}"#, "line 1: \"@key\" is 5, which does not fit");
        check_wrong(r#"{"@value": 1, "@partition": 64}"#, "line 1: \"@partition\" is 64, not a number below 64");
        check_wrong(r#"{"@value": 1, "@partition": "1"}"#, "line 1: \"@partition\" is \"1\", not a number below 64");
        check_wrong(r#"{"@value": 1, "@now": "2026-11-22"}"#, "line 1: \"@now\" stands alone in its line");
        let back =
            "line 2: time goes back, from 2100-01-01T00:00:00Z to 2026-11-22T00:00:00Z, and append time never does";
        check_wrong("1\n{\"@now\": \"2026-11-22 00:00:00\"}", back);
    }
}
