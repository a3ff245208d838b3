//! `tidemill topic`: what stands in a topic, shown in a terminal.

use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

use base64::Engine as _;
use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use super::Ended;
use super::log::Lines;
use crate::error::{Error, Kind, OrFail, Result};
use crate::log::follow::{Follower, partitions};
use crate::pipeline::places::Places;
use crate::record::{Batch, Record, headers};
use crate::time::Timestamp;

/// How often it is looked for new records.
const LOOK_TIME: Duration = Duration::from_millis(100);

/// See what stands in a pipeline's topics.
#[derive(Debug, Subcommand)]
pub(super) enum Topic {
    /// Print the records of a topic, a line each: read from the data folder, whether the pipeline runs or not.
    Consume(Consume),
}

#[derive(Debug, Args)]
pub(super) struct Consume {
    /// The topic: one of the pipeline file, or one that was made while it ran.
    topic: String,
    /// The pipeline file.
    #[arg(long, short, default_value = "pipelines/pinterest.toml")]
    pipeline: PathBuf,
    /// Where to begin: `earliest`, `latest`, an offset, or a time such as `2026-11-26T21:00:00Z`.
    #[arg(long, default_value = "earliest", value_name = "OFFSET|TIME")]
    from: String,
    /// This partition alone.
    #[arg(long)]
    partition: Option<u32>,
    /// Wait for more at the end.
    #[arg(long, short)]
    follow: bool,
    /// End after so many records.
    #[arg(long, value_name = "N")]
    max: Option<u64>,
    /// Of values that are JSON objects print these fields alone, between commas; a dot leads into an object: `ind,user.name`.
    #[arg(long, value_name = "FIELDS", value_delimiter = ',')]
    fields: Vec<String>,
    /// Print each record as a JSON object, with its partition, offset, time, key and headers.
    #[arg(long)]
    json: bool,
}

/// Where to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum From {
    Earliest,
    Latest,
    Offset(u64),
    Time(Timestamp),
}

impl Topic {
    pub(super) fn run(self) -> Result<Ended> {
        match self {
            Self::Consume(consume) => consume.run(),
        }
    }
}

impl Consume {
    fn run(self) -> Result<Ended> {
        let from = from(&self.from)?;
        let pipeline = super::pipeline(&self.pipeline, None)?;
        let dir = Places::of(&pipeline.data).topics;
        let count = partitions(&dir, &self.topic).map_err(|error| match error.kind() {
            Kind::Missing => Error::new(Kind::Missing, format!("topic {:?}: there is none in {dir:?}", self.topic))
                .hint("a pipeline's topics are there once it has run"),
            _ => error,
        })?;
        if let Some(odd) = self.partition.filter(|partition| *partition >= count) {
            let what = format!("topic {:?}: partition {odd} does not exist", self.topic);
            return Err(Error::new(Kind::Missing, what).hint(format!("it has partitions 0 to {}", count - 1)));
        }
        let chosen = (0..count).filter(|partition| self.partition.is_none_or(|one| one == *partition));
        let mut followers = Vec::new();
        for partition in chosen {
            let first = if let From::Offset(offset) = from { offset } else { 0 };
            let mut follower = Follower::open(&dir, &self.topic, partition, first)?;
            if from == From::Latest {
                let mut passed = Batch::default();
                while follower.read(&mut passed)? {
                    passed.clear();
                }
            }
            followers.push((partition, follower));
        }
        let since = if let From::Time(time) = from { time } else { Timestamp::MIN };
        match self.print(&mut followers, since, &mut Lines::new(io::stdout().lock(), false)) {
            // Who reads it has seen enough.
            Err(error) if error.kind() == Kind::Unavailable => Ok(Ended::Well),
            printed => printed.map(|()| Ended::Well),
        }
    }

    fn print(&self, followers: &mut [(u32, Follower)], since: Timestamp, into: &mut impl Write) -> Result<()> {
        let mut left = self.max.unwrap_or(u64::MAX);
        let mut batch = Batch::default();
        loop {
            let mut found = false;
            for (partition, follower) in &mut *followers {
                batch.clear();
                found |= follower.read(&mut batch)?;
                for record in batch.iter().filter(|record| record.time >= since) {
                    if left == 0 {
                        return Ok(());
                    }
                    left -= 1;
                    let line = self.line(*partition, &record);
                    written(into.write_all(&[&line[..], b"\n"].concat()))?;
                }
            }
            if left == 0 || !(found || self.follow) {
                return written(into.flush());
            }
            if !found {
                written(into.flush())?;
                std::thread::sleep(LOOK_TIME);
            }
        }
    }

    fn line(&self, partition: u32, record: &Record<'_>) -> Vec<u8> {
        let value =
            if self.fields.is_empty() { None } else { record.value.and_then(|value| picked(value, &self.fields)) };
        if !self.json {
            return match (value, record.value) {
                (Some(value), _) => value.to_string().into_bytes(),
                (None, Some(value)) => value.to_vec(),
                (None, None) => b"null".to_vec(),
            };
        }
        let headers: Vec<Value> = headers(record.headers)
            .map(|(name, value)| json!({ "name": String::from_utf8_lossy(name), "value": value.map(shown) }))
            .collect();
        let line = json!({
            "topic": self.topic,
            "partition": partition,
            "offset": record.offset,
            "time": record.time.to_string(),
            "key": record.key.map(shown),
            "value": value.or_else(|| record.value.map(shown)),
            "headers": headers,
        });
        line.to_string().into_bytes()
    }
}

fn from(text: &str) -> Result<From> {
    match text {
        "earliest" => Ok(From::Earliest),
        "latest" => Ok(From::Latest),
        _ => match text.parse() {
            Ok(offset) => Ok(From::Offset(offset)),
            Err(_) => Timestamp::parse(text).map(From::Time).map_err(|_| {
                Error::new(Kind::Input, format!("--from {text:?} is no offset and no time"))
                    .hint("write earliest, latest, an offset such as 42, or a time such as 2026-11-26T21:00:00Z")
            }),
        },
    }
}

/// Bytes as JSON: what they are if they are JSON, a text if they are UTF-8, else an object that has them in base64.
fn shown(bytes: &[u8]) -> Value {
    if let Ok(value) = serde_json::from_slice(bytes) {
        return value;
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => text.into(),
        Err(_) => json!({ "base64": base64::engine::general_purpose::STANDARD.encode(bytes) }),
    }
}

/// The fields of a JSON object that are wanted, those that are there; none where it is no object.
fn picked(value: &[u8], fields: &[String]) -> Option<Value> {
    let value: Value = serde_json::from_slice(value).ok()?;
    value.as_object()?;
    let mut picked = Map::new();
    for field in fields {
        let found = field.split('.').try_fold(&value, |value, name| value.get(name));
        picked.extend(found.map(|found| (field.clone(), found.clone())));
    }
    Some(picked.into())
}

fn written(done: io::Result<()>) -> Result<()> {
    match done {
        Err(cause) if cause.kind() == io::ErrorKind::BrokenPipe => {
            Err(Error::new(Kind::Unavailable, "standard output: nobody reads it"))
        }
        done => done.or_fail(Kind::Storage, || "standard output"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_to_begin() {
        for (text, expected) in [
            ("earliest", Some(From::Earliest)),
            ("latest", Some(From::Latest)),
            ("0", Some(From::Offset(0))),
            ("1970-01-01T00:00:01Z", Some(From::Time(Timestamp(1_000_000)))),
            ("1970-01-01 00:00:01", Some(From::Time(Timestamp(1_000_000)))),
            ("-1", None),
            ("yesterday", None),
        ] {
            assert_eq!(from(text).ok(), expected, "{text}");
        }
    }

    #[test]
    fn fields_are_picked() {
        let check = |value: &str, fields: &[&str], expected: Option<&str>| {
            let fields: Vec<String> = fields.iter().map(|field| (*field).to_owned()).collect();
            let picked = picked(value.as_bytes(), &fields).map(|picked| picked.to_string());
            assert_eq!(picked.as_deref(), expected, "{value}, {fields:?}");
        };
        let value = r#"{"a":1,"b":{"c":[2],"d":null}}"#;
        check(value, &["a"], Some(r#"{"a":1}"#));
        check(value, &["b.c", "a"], Some(r#"{"b.c":[2],"a":1}"#));
        check(value, &["b.d", "b.e", "a.x"], Some(r#"{"b.d":null}"#));
        check("[1]", &["a"], None);
        check("no JSON", &["a"], None);
    }
}
