//! One `[topics.NAME]` of a pipeline file.

use std::path::Path;
use std::time::Duration;

use super::fault::wrong;
use super::plan::{Backend, Topic};
use super::section::Section;
use super::{files, names};
use crate::decode::Unwrap;
use crate::lake::options as lake;
use crate::log::options::{Compression, Options};
use crate::source::options::{FILES, manifest};

/// The most partitions of a topic; each has a thread for every table that reads it.
pub const PARTITIONS_MAX: u64 = 256;
/// Bounds on a segment.
const SEGMENT_BYTES: std::ops::RangeInclusive<u64> = 64 << 10..=16 << 30;
/// Bounds on a record.
const RECORD_BYTES: std::ops::RangeInclusive<u64> = 1..=256 << 20;

#[derive(Clone, Copy)]
enum Kind {
    Embedded,
    Fluvio,
    Files,
}

/// Reads a topic; its paths are seen from `folder`, its bucket is where the `lake` is, unless it says otherwise, and what was read of it before
/// stands in `data`.
pub(super) fn read(name: &str, section: &Section<'_>, folder: &Path, data: &Path, lake: &lake::Options) -> Topic {
    section.judge_name(names::topic(name));
    let kinds = [("embedded", Kind::Embedded), ("fluvio", Kind::Fluvio), ("files", Kind::Files)];
    let kind = section.choice("backend", &kinds);
    let backend = match kind {
        Some(Kind::Fluvio) => fluvio(name, section),
        Some(Kind::Files) => {
            let was_read = data.join(FILES).join(manifest(name)).exists();
            files::read(section, folder, was_read, lake)
        }
        _ => Backend::Embedded(embedded(section)),
    };
    let unwrap = unwrap(section);
    // Which keys belong to a backend that is not known cannot be said.
    if kind.is_some() || !section.has("backend") {
        section.finish();
    }
    Topic { name: name.to_owned(), backend, unwrap }
}

/// What is taken off its values.
fn unwrap(section: &Section<'_>) -> Unwrap {
    let mut unwrap = Unwrap::default();
    for (index, step) in section.texts("unwrap").iter().enumerate() {
        if let Err(fault) = unwrap.push(step) {
            section.wrong_at(&format!("{}[{index}]", section.path_of("unwrap")), &fault);
        }
    }
    unwrap
}

fn embedded(section: &Section<'_>) -> Options {
    let default = Options::default();
    let compressions = [("lz4", Compression::Lz4), ("none", Compression::None)];
    let options = Options {
        partitions: partitions(section),
        segment_bytes: section.size("segment", SEGMENT_BYTES).unwrap_or(default.segment_bytes),
        retention_age: section.duration("retention", Duration::from_secs(1)),
        retention_bytes: section.size("retention_size", *SEGMENT_BYTES.start()..=i64::MAX as u64),
        compression: section.choice("compression", &compressions).unwrap_or(default.compression),
        record_bytes_max: section.memory("record", RECORD_BYTES).unwrap_or(default.record_bytes_max),
    };
    if options.segment_bytes < options.record_bytes_max as u64 {
        let key = if section.has("segment") { "segment" } else { "record" };
        section.wrong(key, &wrong("a segment is smaller than the largest record"));
    }
    options
}

fn fluvio(name: &str, section: &Section<'_>) -> Backend {
    section.need("address", "address = \"HOST:PORT\" of the cluster");
    let address = section.text("address").unwrap_or_default();
    let port = address.rsplit_once(':').and_then(|(host, port)| port.parse::<u16>().ok().filter(|_| !host.is_empty()));
    if section.has("address") && port.is_none() {
        section.wrong("address", &wrong(format!("{address:?} has no host and port")).hint("write \"HOST:9003\""));
    }
    Backend::Fluvio {
        address,
        topic: section.text("topic").unwrap_or_else(|| name.to_owned()),
        partitions: partitions(section),
    }
}

/// How many partitions it gets.
pub(super) fn partitions(section: &Section<'_>) -> u32 {
    section.number("partitions", 1..=PARTITIONS_MAX).and_then(|n| u32::try_from(n).ok()).unwrap_or(1)
}
