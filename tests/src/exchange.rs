//! Exchanges with a door as text: a request, what its answer must be, what of it the next ones use.
//!
//! ```text
//! ## what it shows
//! > PUT /dev/streams/things/record
//! > content-type: application/json
//! {"Data": {"ind": 1}, "PartitionKey": "a"}
//! < 200
//! < content-type: application/json
//! {"SequenceNumber": "*", "ShardId": "~shardId-"}
//! = first /SequenceNumber
//! ```
//!
//! In an expected body `"*"` is anything and `"~part"` a text that has the part; `"...": "*"` in an object lets it have more. A body that is not JSON
//! is compared as it stands, `(nothing)` is an empty one. `< !name` is a header that is not there. `> kinesis ACTION` stands
//! for the request's line and the two headers of Kinesis's own API. In a request `${name}` is what was noted with `=`,
//! `<<x*N>>` so many letters, `<<base64*N>>` so many bytes in base64, `<<list*N TEXT>>` the text so often with commas.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::http::{self, Answer};

/// One of them, as it is written.
#[derive(Debug, Default)]
struct Exchange {
    name: String,
    request: Vec<String>,
    body: Vec<String>,
    answer: Vec<String>,
    expected: Vec<String>,
    noted: Vec<String>,
}

/// What was noted of answers.
pub type Notes = BTreeMap<String, String>;

/// Plays the exchanges of a file in their order; gives how many there are.
///
/// # Panics
///
/// An answer is not as it must be; all of those are told.
pub fn play(file: &str, to: SocketAddr, notes: &mut Notes) -> usize {
    let (mut wrong, mut count) = (Vec::new(), 0);
    for exchange in read(file) {
        count += 1;
        if let Err(difference) = exchange.play(to, notes) {
            wrong.push(format!("{}: {difference}", exchange.name));
        }
    }
    assert!(wrong.is_empty(), "{} of {count}:\n{}", wrong.len(), wrong.join("\n"));
    count
}

fn read(file: &str) -> Vec<Exchange> {
    let mut all: Vec<Exchange> = Vec::new();
    for line in file.lines() {
        if let Some(name) = line.strip_prefix("## ") {
            all.push(Exchange { name: name.to_owned(), ..Exchange::default() });
            continue;
        }
        // What stands before the first is for who reads the file.
        let Some(exchange) = all.last_mut() else { continue };
        match line.split_once(' ') {
            Some((">", head)) => exchange.request.push(head.to_owned()),
            Some(("<", head)) => exchange.answer.push(head.to_owned()),
            Some(("=", noted)) => exchange.noted.push(noted.to_owned()),
            _ if line.is_empty() => {}
            _ if exchange.answer.is_empty() => exchange.body.push(line.to_owned()),
            _ => exchange.expected.push(line.to_owned()),
        }
    }
    all
}

impl Exchange {
    fn play(&self, to: SocketAddr, notes: &mut Notes) -> Result<(), String> {
        let answer = self.ask(to, notes);
        let said: String = answer.body.chars().take(400).collect();
        let seen = format!("{} {said:?}\n{}", answer.status, answer.headers);
        let status = self.answer.first().ok_or("no status")?;
        if answer.status.to_string() != *status {
            return Err(format!("status {status} expected: {seen}"));
        }
        for line in self.answer.iter().skip(1) {
            let fits = match (line.strip_prefix('!'), line.split_once(": ")) {
                (Some(name), _) => header(&answer, name).is_none(),
                (None, Some((name, value))) => {
                    header(&answer, name).is_some_and(|found| like(&Value::from(value), &Value::from(found)))
                }
                (None, None) => header(&answer, line).is_some(),
            };
            if !fits {
                return Err(format!("header {line:?} expected: {seen}"));
            }
        }
        let expected = filled(&self.expected.join("\n"), notes);
        if !body_fits(&expected, &answer) {
            return Err(format!("body {expected:?} expected: {seen}"));
        }
        for noted in &self.noted {
            let (name, pointer) = noted.split_once(' ').ok_or("a name and a pointer")?;
            let found = answer.json().pointer(pointer).and_then(Value::as_str).map(str::to_owned);
            notes.insert(name.to_owned(), found.ok_or_else(|| format!("{pointer} expected: {seen}"))?);
        }
        Ok(())
    }

    fn ask(&self, to: SocketAddr, notes: &Notes) -> Answer {
        let lines: Vec<String> = self.request.iter().map(|line| filled(line, notes)).collect();
        let body = filled(&self.body.join("\n"), notes);
        let (first, rest) = lines.split_first().expect("a request");
        let (method, path) = first.split_once(' ').expect("a method and a path");
        let target = format!("Kinesis_20131202.{path}");
        let mut headers: Vec<(&str, &str)> = rest.iter().map(|line| line.split_once(": ").expect("a header")).collect();
        if method == "kinesis" {
            headers.extend([("x-amz-target", target.as_str()), ("content-type", "application/x-amz-json-1.1")]);
            return http::request(to, "POST", "/", &headers, body.as_bytes());
        }
        http::request(to, method, path, &headers, body.as_bytes())
    }
}

fn body_fits(expected: &str, answer: &Answer) -> bool {
    match expected {
        "" => true,
        "(nothing)" => answer.body.is_empty(),
        json if json.starts_with(['{', '[']) => {
            let expected: Value = serde_json::from_str(json).unwrap_or_else(|cause| panic!("{cause}: {json}"));
            serde_json::from_str(&answer.body).is_ok_and(|found| like(&expected, &found))
        }
        text => answer.body == text,
    }
}

/// Whether a value is what is expected.
fn like(expected: &Value, found: &Value) -> bool {
    match (expected, found) {
        (Value::String(any), _) if any == "*" => true,
        (Value::String(expected), Value::String(found)) => match expected.strip_prefix('~') {
            Some(part) => found.contains(part),
            None => expected == found,
        },
        (Value::Object(expected), Value::Object(found)) => {
            let named = expected.iter().filter(|(name, _)| *name != "...");
            let exact = expected.contains_key("...") || expected.len() == found.len();
            exact && named.into_iter().all(|(name, value)| found.get(name).is_some_and(|found| like(value, found)))
        }
        (Value::Array(expected), Value::Array(found)) => {
            expected.len() == found.len() && expected.iter().zip(found).all(|(one, other)| like(one, other))
        }
        (Value::Number(expected), Value::Number(found)) => expected.as_f64() == found.as_f64(),
        (expected, found) => expected == found,
    }
}

fn header(answer: &Answer, name: &str) -> Option<String> {
    let mut lines = answer.headers.lines().skip(1).filter_map(|line| line.split_once(':'));
    lines.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim().to_owned())
}

/// A line with what it stands for.
fn filled(line: &str, notes: &Notes) -> String {
    let mut line = line.to_owned();
    for (name, value) in notes {
        line = line.replace(&format!("${{{name}}}"), value);
    }
    while let Some((before, rest)) = line.rsplit_once("<<") {
        let (what, after) = rest.split_once(">>").expect("an end");
        let (kind, much) = what.split_once('*').expect("a number");
        let (number, text) = much.split_once(' ').unwrap_or((much, ""));
        let number: usize = number.parse().expect("a number");
        let made = match kind {
            "base64" => STANDARD.encode(vec![b'x'; number]),
            "list" => vec![text; number].join(","),
            letter => letter.repeat(number),
        };
        line = [before, &made, after].concat();
    }
    line
}
