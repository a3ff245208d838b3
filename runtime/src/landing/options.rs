//! What a landing makes of records: the form of a value, the names of objects, when they are full.

use super::json::{self, Written};
use super::partitioner::Partitioner;
use super::rotation::Bounds;
use crate::text::utf8;
use crate::time::Zone;

/// The folder of all topics where a pipeline file does not say.
pub const TOPICS_DIR: &str = "topics";
/// Digits of an offset in a name where a pipeline file does not say.
pub const ZERO_PAD: usize = 10;

/// How a topic is landed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The folder of all topics, without a slash at its end; may be empty.
    pub topics_dir: String,
    /// What stands between topic, partition and offset in a name.
    pub file_delim: String,
    /// Digits of an offset in a name, at least.
    pub zero_pad: usize,
    /// What an object's name ends with, but for the mark of its compression.
    pub extension: String,
    /// The form of a value.
    pub form: Form,
    /// The level of gzip; none where objects are not compressed.
    pub gzip: Option<u32>,
    /// How folders are named.
    pub partitioner: Partitioner,
    /// When objects are full.
    pub bounds: Bounds,
    /// What becomes of records without a value.
    pub tombstones: Tombstones,
    /// The zone of folders by time, and of the clock that ends objects.
    pub zone: Zone,
}

/// The form in which a value stands in an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Form {
    /// JSON, compact, a line each.
    Json,
    /// A text as a JSON string, a line each.
    Text,
    /// Its bytes as they are, with these after each.
    Bytes(String),
}

/// What becomes of a record without a value; in JSON `null` is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tombstones {
    /// It is dropped.
    Ignore,
    /// It becomes a dead letter.
    Reject,
}

impl Options {
    /// What the keys of a topic's objects begin with, below the lake's prefix.
    pub fn folder(&self, topic: &str) -> String {
        if self.topics_dir.is_empty() { format!("{topic}/") } else { format!("{}/{topic}/", self.topics_dir) }
    }

    /// The key of the object of a folder whose first record has this offset, below the lake's prefix.
    pub fn key(&self, topic: &str, folder: &str, partition: u32, first_offset: u64) -> String {
        let Self { file_delim, zero_pad, extension, gzip, .. } = self;
        let (above, gz) = (self.folder(topic), if gzip.is_some() { ".gz" } else { "" });
        format!("{above}{folder}/{topic}{file_delim}{partition}{file_delim}{first_offset:0zero_pad$}{extension}{gz}")
    }

    /// Whether an object of the topic may be called so: where folders are those of a disk, nothing can lie below it.
    pub(super) fn names_an_object(&self, topic: &str, name: &str) -> bool {
        let Self { file_delim, extension, gzip, zero_pad, .. } = self;
        let name = if gzip.is_some() { name.strip_suffix(".gz") } else { Some(name) };
        let stem = name.and_then(|name| name.strip_suffix(extension)?.strip_prefix(topic)?.strip_prefix(file_delim));
        let digits = |text: &str, least: usize| text.len() >= least && text.bytes().all(|byte| byte.is_ascii_digit());
        stem.and_then(|stem| stem.split_once(file_delim))
            .is_some_and(|(partition, offset)| digits(partition, 1) && digits(offset, *zero_pad))
    }
}

impl Form {
    /// Appends a value to `out` as it stands in an object, with its end. False where it is a tombstone after all, with nothing
    /// appended; an error says why it cannot be landed.
    pub fn write(&self, value: &[u8], out: &mut Vec<u8>) -> Result<bool, String> {
        let start = out.len();
        match self {
            Self::Json => match json::compact(value, out) {
                Ok(Written::Value) => out.push(b'\n'),
                other => {
                    out.truncate(start);
                    return other.map(|_| false);
                }
            },
            Self::Text => {
                json::string(utf8(value).ok_or("the value is not UTF-8")?, out);
                out.push(b'\n');
            }
            Self::Bytes(separator) => {
                out.extend_from_slice(value);
                out.extend_from_slice(separator.as_bytes());
            }
        }
        Ok(true)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn options() -> Options {
        Options {
            topics_dir: TOPICS_DIR.to_owned(),
            file_delim: "+".to_owned(),
            zero_pad: ZERO_PAD,
            extension: ".json".to_owned(),
            form: Form::Json,
            gzip: None,
            partitioner: Partitioner::Default,
            bounds: Bounds { records: 1, bytes: u64::MAX, interval: None, on_change: true, schedule: None },
            tombstones: Tombstones::Reject,
            zone: Zone::UTC,
        }
    }

    #[test]
    fn keys_are_the_sinks() {
        let plain = options();
        assert_eq!(
            plain.key("0a1b.pin", "partition=0", 0, 42),
            "topics/0a1b.pin/partition=0/0a1b.pin+0+0000000042.json"
        );
        let dense = Options { topics_dir: String::new(), file_delim: "_".to_owned(), zero_pad: 1, ..options() };
        let dense = Options { gzip: Some(6), extension: ".bin".to_owned(), ..dense };
        assert_eq!(dense.key("pin", "country=x/y", 3, 98_765_432_109), "pin/country=x/y/pin_3_98765432109.bin.gz");
        for (options, topic, named, others) in [
            (
                &plain,
                "0a1b.pin",
                "0a1b.pin+0+0000000042.json",
                ["0a1b.pin+0+42.json", "pin+0+0000000042.json", "0a1b.pin++.json"],
            ),
            (
                &dense,
                "pin",
                "pin_3_98765432109.bin.gz",
                ["pin_3_98765432109.bin", "pin_3_.bin.gz", "2026_11_28.bin.gz"],
            ),
        ] {
            assert!(options.names_an_object(topic, named), "{named}");
            assert!(others.iter().all(|name| !options.names_an_object(topic, name)), "{others:?}");
        }
    }

    #[test]
    fn values_take_their_form() {
        let check = |form: &Form, value: &[u8], expected: Result<&str, &str>| {
            let mut out = b"before".to_vec();
            let landed = form.write(value, &mut out);
            let shown = String::from_utf8_lossy(&out[6..]).into_owned();
            assert_eq!(landed.map(|_| shown.as_str()), expected.map_err(str::to_owned));
        };
        check(&Form::Json, b" {\"a\": 1} ", Ok("{\"a\":1}\n"));
        check(&Form::Json, b" null ", Ok(""));
        check(&Form::Json, b"", Err("the value is not JSON: at byte 0: it ends where a value should stand"));
        check(&Form::Text, "a \"b\" 😀".as_bytes(), Ok("\"a \\\"b\\\" \\uD83D\\uDE00\"\n"));
        check(&Form::Text, b"\xff", Err("the value is not UTF-8"));
        check(&Form::Bytes("|".to_owned()), b"a\nb", Ok("a\nb|"));
        check(&Form::Bytes(String::new()), b"", Ok(""));
    }
}
