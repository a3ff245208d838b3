//! One `[landings.NAME]` of a pipeline file: topics whose records are landed as they came.

use std::collections::HashMap;
use std::time::Duration;

use crate::landing::options::{Form, Options, TOPICS_DIR, Tombstones, ZERO_PAD};
use crate::landing::partitioner::{ByTime, Extractor, Partitioner, Path};
use crate::landing::pattern::Pattern;
use crate::landing::rotation::Bounds;
use crate::time::Zone;
use crate::wildcard::fits;

use super::fault::wrong;
use super::names;
use super::plan::{Landing, Table, Topic};
use super::section::Section;

/// Bounds on the records of an object.
const FLUSH: std::ops::RangeInclusive<u64> = 1..=100_000_000;
/// Bounds on the bytes of an object, which is one request.
const FLUSH_BYTES: std::ops::RangeInclusive<u64> = 1 << 10..=1 << 30;
/// The most bytes of an object where the file is silent.
const FLUSH_BYTES_USUAL: u64 = 128 << 20;
/// The shortest time after which an object ends.
const ROTATE_MIN: Duration = Duration::from_millis(100);
/// The longest name of a topic that is landed: with the landing's it begins the names of files.
const TOPIC_BYTES_MAX: usize = 150;
const HOUR: Duration = Duration::from_hours(1);
const HOURLY: &str = "'year'=YYYY/'month'=MM/'day'=dd/'hour'=HH";
const DAILY: &str = "'year'=YYYY/'month'=MM/'day'=dd";

#[derive(Clone, Copy)]
enum Kind {
    Default,
    Field,
    Time,
    Hourly,
    Daily,
}

#[derive(Clone, Copy)]
enum Word {
    Json,
    Text,
    Bytes,
}

/// Reads all landings, each of some of `topics`. No two may write to one folder, nor into that of a table.
pub(super) fn read_all(section: &Section<'_>, topics: &[Topic], tables: &[Table]) -> Vec<Landing> {
    let mut landings = Vec::new();
    let mut folders: HashMap<String, String> = HashMap::new();
    for (name, section) in section.children() {
        section.judge_name(names::table(&name));
        let named = topics_of(&section, topics);
        let options = options(&section);
        for topic in named {
            let landing = Landing { name: format!("{name}.{topic}"), options: options.clone(), topic };
            let folder = landing.options.folder(&landing.topic);
            if let Some(other) = folders.insert(folder.clone(), landing.name.clone()) {
                let clash =
                    wrong(format!("it lands topic {:?} in the folder {folder:?}, as {other:?} does", landing.topic));
                section.astray("topics", &clash.hint("give one of them another topics_dir"));
            }
            landings.push(landing);
        }
        let first = |path: &str| path.split('/').next().unwrap_or_default().to_owned();
        let ours: Vec<String> = landings.iter().map(|landing| first(&landing.options.folder(&landing.topic))).collect();
        let named = tables.iter().flat_map(|table| {
            std::iter::once(&table.name).chain(table.aggregates.iter().map(|aggregate| &aggregate.name))
        });
        if let Some(taken) = named.into_iter().find(|table| ours.contains(table)) {
            let clash = wrong(format!("its objects would lie in the folder of the table or aggregate {taken:?}"));
            section.astray("topics_dir", &clash.hint("write topics_dir = \"topics\", or another folder"));
        }
        section.finish();
    }
    landings
}

/// The topics that it names, by names or by patterns in which `*` stands for any text.
fn topics_of(section: &Section<'_>, topics: &[Topic]) -> Vec<String> {
    section.need("topics", "topics = [\"NAME\"], of which each may have a *");
    let mut found: Vec<String> = Vec::new();
    let written = section.texts("topics");
    if section.is_empty_list("topics") {
        section.wrong("topics", &wrong("there is no topic to land").hint("name one"));
    }
    for (index, pattern) in written.iter().enumerate() {
        let place = format!("{}[{index}]", section.path_of("topics"));
        let named: Vec<&str> =
            topics.iter().map(|topic| topic.name.as_str()).filter(|topic| fits(pattern, topic)).collect();
        if named.is_empty() {
            let meant = names::meant(pattern, topics.iter().map(|topic| topic.name.as_str()));
            section.astray_at(&place, &wrong(format!("no topic {pattern:?} is declared")).hint(meant));
        }
        for topic in named {
            if topic.len() > TOPIC_BYTES_MAX {
                let long =
                    format!("the name of topic {topic:?} is over the {TOPIC_BYTES_MAX} bytes that can be landed");
                section.wrong_at(&place, &wrong(long));
            }
            if !found.iter().any(|known| known == topic) {
                found.push(topic.to_owned());
            }
        }
    }
    found
}

fn options(section: &Section<'_>) -> Options {
    let words = [("json", Word::Json), ("text", Word::Text), ("bytes", Word::Bytes)];
    let word = section.choice("format", &words).unwrap_or(Word::Json);
    let (form, extension) = match word {
        Word::Json => (Form::Json, ".json".to_owned()),
        Word::Text => (Form::Text, ".json".to_owned()),
        Word::Bytes => {
            let separator = section.text("separator").unwrap_or_else(|| "\n".to_owned());
            let extension = section.text("extension").unwrap_or_else(|| ".bin".to_owned());
            judge_name_part(section, "extension", &extension);
            (Form::Bytes(separator), extension)
        }
    };
    let zone = section.text("zone").and_then(|name| section.judge("zone", Zone::named(&name))).unwrap_or(Zone::UTC);
    let partitioner = partitioner(&section.section("partitioner"));
    let tombstones = [("reject", Tombstones::Reject), ("ignore", Tombstones::Ignore)];
    let options = Options {
        topics_dir: topics_dir(section),
        file_delim: file_delim(section),
        zero_pad: section.number("zero_pad", 0..=20).and_then(|n| usize::try_from(n).ok()).unwrap_or(ZERO_PAD),
        extension,
        form,
        gzip: section.number("gzip", 0..=9).and_then(|level| u32::try_from(level).ok()),
        partitioner,
        bounds: bounds(section),
        tombstones: section.choice("tombstones", &tombstones).unwrap_or(Tombstones::Reject),
        zone,
    };
    if options.looks_into_values() {
        section.wrong("partitioner", &wrong("it looks into values, which are JSON only with format = \"json\""));
    }
    options
}

fn bounds(section: &Section<'_>) -> Bounds {
    section.need("flush", "flush = 1000, the records after which objects end");
    let interval = section.duration("rotate_interval", ROTATE_MIN);
    let on_change = section.flag("rotate_on_change");
    if on_change.is_some() && !section.has("rotate_interval") {
        section.astray("rotate_on_change", &wrong("it counts with a rotate_interval only"));
    }
    Bounds {
        records: section.number("flush", FLUSH).unwrap_or(1),
        bytes: section.size("flush_bytes", FLUSH_BYTES).unwrap_or(FLUSH_BYTES_USUAL),
        interval,
        on_change: on_change.unwrap_or(true),
        schedule: section.duration("rotate_schedule", ROTATE_MIN),
    }
}

fn topics_dir(section: &Section<'_>) -> String {
    let folder = section.text("topics_dir").unwrap_or_else(|| TOPICS_DIR.to_owned());
    let plain = folder.is_empty() || folder.split('/').all(|name| !matches!(name, "" | "." | ".."));
    if !plain || folder.chars().any(char::is_control) {
        section.wrong("topics_dir", &wrong(format!("{folder:?} has an empty part, dots or a control character")));
    }
    folder
}

/// With a digit, or with nothing between partition and offset, names of two partitions could be the same.
fn file_delim(section: &Section<'_>) -> String {
    let delim = section.text("file_delim").unwrap_or_else(|| "+".to_owned());
    judge_name_part(section, "file_delim", &delim);
    if delim.is_empty() || delim.chars().any(|c| c.is_ascii_digit()) {
        section.wrong("file_delim", &wrong(format!("{delim:?} is empty or has a digit")).hint("write \"+\""));
    }
    delim
}

fn judge_name_part(section: &Section<'_>, key: &str, part: &str) {
    if part.contains('/') || part.len() > 16 || part.chars().any(char::is_control) {
        section.wrong(key, &wrong(format!("{part:?} has a slash or a control character, or more than 16 bytes")));
    }
}

fn partitioner(section: &Section<'_>) -> Partitioner {
    let kinds = [
        ("default", Kind::Default),
        ("field", Kind::Field),
        ("time", Kind::Time),
        ("hourly", Kind::Hourly),
        ("daily", Kind::Daily),
    ];
    section.need("kind", "kind = \"default\", \"field\", \"time\", \"hourly\" or \"daily\"");
    let kind = section.choice("kind", &kinds);
    let partitioner = match kind {
        None | Some(Kind::Default) => Partitioner::Default,
        Some(Kind::Field) => {
            section.need("fields", "fields = [\"FIELD\"]");
            if section.is_empty_list("fields") {
                section.wrong("fields", &wrong("there is no field to name folders after").hint("name one"));
            }
            let mut paths = Vec::new();
            for (index, written) in section.texts("fields").iter().enumerate() {
                let place = format!("{}[{index}]", section.path_of("fields"));
                match Path::parse(written) {
                    Some(path) => paths.push(path),
                    None => section.wrong_at(&place, &wrong(format!("{written:?} is no field's name"))),
                }
            }
            Partitioner::Field(paths)
        }
        Some(Kind::Hourly) => by_time(section, Some((HOURLY, HOUR))),
        Some(Kind::Daily) => by_time(section, Some((DAILY, 24 * HOUR))),
        Some(Kind::Time) => by_time(section, None),
    };
    if kind.is_some() || !section.has("kind") {
        section.finish();
    }
    partitioner
}

fn by_time(section: &Section<'_>, fixed: Option<(&str, Duration)>) -> Partitioner {
    let time = match section.text("time").as_deref() {
        None | Some("append") => Extractor::Append,
        Some("clock") => Extractor::Clock,
        Some(field) => match Path::parse(field) {
            Some(path) => Extractor::Field(path),
            None => {
                section.wrong("time", &wrong(format!("{field:?} is no field's name")));
                Extractor::Append
            }
        },
    };
    let (pattern, duration) = match fixed {
        Some((pattern, duration)) => (pattern.to_owned(), duration),
        None => {
            section.need("path", &format!("path = \"{HOURLY}\""));
            section.need("duration", "duration = \"1h\"");
            let duration = section.duration("duration", Duration::from_millis(1)).unwrap_or(HOUR);
            (section.text("path").unwrap_or_else(|| HOURLY.to_owned()), duration)
        }
    };
    let pattern = section.judge("path", Pattern::parse(&pattern));
    match pattern {
        Some(pattern) => Partitioner::Time(ByTime { pattern, duration, time }),
        None => Partitioner::Default,
    }
}
