//! How a record's folder is named: after its partition, fields of its value, or a time.

use std::time::Duration;

use super::options::{Form, Options};
use super::pattern::Pattern;
use crate::json::{Kind, Scanner, unescape};
use crate::record::Record;
use crate::time::Timestamp;

/// The longest that a folder may be, in bytes, so that S3's 1,024 are enough for what stands before and behind it.
const FOLDER_BYTES_MAX: usize = 512;

/// How folders are named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Partitioner {
    /// `partition=0`.
    Default,
    /// `country=Albania/is_video=true`, after the fields that these paths lead to.
    Field(Vec<Path>),
    /// By a time.
    Time(ByTime),
}

/// A folder for each stretch of local time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ByTime {
    /// Its name.
    pub pattern: Pattern,
    /// How long a stretch is.
    pub duration: Duration,
    /// Which time.
    pub time: Extractor,
}

/// Which time of a record counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Extractor {
    /// When it was appended.
    Append,
    /// When it is landed, by the wall clock.
    Clock,
    /// A field of its value: milliseconds since 1970, or a text with them or with a time as ISO 8601 has it.
    Field(Path),
}

/// A field of the value, with those that it lies in before it: `place.country`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path(Vec<String>);

/// Where a record belongs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    /// The folder below its topic's.
    pub folder: String,
    /// The time of it that counts.
    pub time: Timestamp,
}

impl Path {
    /// Reads names with dots between them.
    pub fn parse(text: &str) -> Option<Self> {
        let names: Vec<String> = text.split('.').map(str::to_owned).collect();
        if names.iter().any(String::is_empty) { None } else { Some(Self(names)) }
    }

    fn name(&self) -> String {
        self.0.join(".")
    }
}

impl Options {
    /// Where a record of a topic belongs that stands in its object as `line`; an error says why it belongs nowhere. It is `now`.
    pub fn place(
        &self,
        (topic, partition): (&str, u32),
        record: &Record<'_>,
        line: &[u8],
        now: Timestamp,
    ) -> Result<Placed, String> {
        let (folder, time) = match &self.partitioner {
            Partitioner::Default => (format!("partition={partition}"), record.time),
            Partitioner::Field(paths) => (by_fields(paths, line)?, record.time),
            Partitioner::Time(by) => self.by_time(by, record, line, now)?,
        };
        if folder.len() > FOLDER_BYTES_MAX {
            return Err(format!("its folder would have {} bytes, where {FOLDER_BYTES_MAX} are the most", folder.len()));
        }
        if folder.split('/').any(|name| matches!(name, "." | "..")) || folder.chars().any(char::is_control) {
            return Err(format!("its folder would be {folder:?}, which not every S3 can name"));
        }
        if folder.split('/').any(|name| self.names_an_object(topic, name)) {
            return Err(format!("its folder would be {folder:?}, a part of which is as objects are named"));
        }
        Ok(Placed { folder, time })
    }

    fn by_time(
        &self,
        by: &ByTime,
        record: &Record<'_>,
        line: &[u8],
        now: Timestamp,
    ) -> Result<(String, Timestamp), String> {
        let time = match &by.time {
            Extractor::Append => record.time,
            Extractor::Clock => now,
            Extractor::Field(path) => time_of(path, line)?,
        };
        let start = self.zone.floor(time, by.duration).and_then(|start| self.zone.local(start));
        let start = start.ok_or_else(|| format!("its time {time} is in no calendar"))?;
        let mut folder = String::new();
        by.pattern.write(&start, &mut folder);
        Ok((folder, time))
    }

    /// Whether fields of the value are looked at, which only JSON has.
    pub fn looks_into_values(&self) -> bool {
        let by_field = match &self.partitioner {
            Partitioner::Default => false,
            Partitioner::Field(_) => true,
            Partitioner::Time(by) => matches!(by.time, Extractor::Field(_)),
        };
        by_field && self.form != Form::Json
    }
}

/// A field is a text, a whole number or a boolean; one that is absent is as one that is null.
fn by_fields(paths: &[Path], line: &[u8]) -> Result<String, String> {
    let mut folder = String::new();
    for path in paths {
        let name = path.name();
        let misfit =
            |found: &str| format!("field {name:?}: a text, a whole number or a boolean can name a folder, not {found}");
        let value = match find(path, line) {
            None => "null".to_owned(),
            Some(Found::Text(text)) => text,
            Some(Found::Word(word)) if is_whole(&word) || matches!(word.as_str(), "true" | "false") => word,
            Some(Found::Word(_)) => return Err(misfit("a number with a fraction")),
            Some(Found::Nested(what)) => return Err(misfit(what)),
        };
        if !folder.is_empty() {
            folder.push('/');
        }
        folder.push_str(&format!("{name}={value}"));
    }
    Ok(folder)
}

fn is_whole(word: &str) -> bool {
    word.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-')
}

fn time_of(path: &Path, line: &[u8]) -> Result<Timestamp, String> {
    let subject = || format!("field {:?}", path.name());
    let of_millis = |number: f64| Timestamp((number.trunc() * 1000.0) as i64);
    match find(path, line) {
        None => Err(format!("{}: there is no time in it", subject())),
        Some(Found::Nested(what)) => Err(format!("{}: expected a time, found {what}", subject())),
        Some(Found::Word(word)) => match word.parse::<f64>() {
            Ok(number) => Ok(of_millis(number)),
            Err(_) => Err(format!("{}: expected a time, found {word}", subject())),
        },
        Some(Found::Text(text)) => match text.parse::<i64>() {
            Ok(millis) => Ok(Timestamp(millis.saturating_mul(1000))),
            Err(_) => Timestamp::parse(&text).map_err(|error| format!("{}: {}", subject(), error.message())),
        },
    }
}

/// What a path leads to.
enum Found {
    Text(String),
    /// A number, `true` or `false`, as it stands.
    Word(String),
    Nested(&'static str),
}

/// Follows a path into a line of compact JSON; none where it leads to nothing, or to null.
fn find(path: &Path, line: &[u8]) -> Option<Found> {
    let mut from = Scanner::new(line).ok()?;
    for name in &path.0 {
        enter(&mut from, name)?;
    }
    match from.kind().ok()? {
        Kind::Null => None,
        Kind::Text => from.owned_text().ok().map(Found::Text),
        Kind::Number | Kind::Boolean => from.skip().ok().map(|word| Found::Word(word.to_owned())),
        kind => Some(Found::Nested(kind.word())),
    }
}

/// Goes to the value of a member of the object that comes next.
fn enter(from: &mut Scanner<'_>, name: &str) -> Option<()> {
    if !from.take(b'{') || from.take(b'}') {
        return None;
    }
    loop {
        let (key, escaped) = from.key().ok()?;
        let mut plain = String::new();
        if escaped {
            unescape(key, |part| plain.push_str(part)).ok()?;
        }
        if (if escaped { &plain } else { key }) == name {
            return Some(());
        }
        from.skip().ok()?;
        if !from.take(b',') {
            return None;
        }
    }
}
