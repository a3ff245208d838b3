//! A configuration of the Kafka Connect S3 sink becomes a pipeline file that lands the same objects.

mod given;
mod idle;
mod regex;
#[cfg(test)]
mod tests;

use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

use self::given::Given;
use super::fault::Fault;
use super::units::show_duration;

/// The classes that are known, by the last part of their names.
const CONNECTORS: [&str; 1] = ["S3SinkConnector"];

/// Turns a connector's configuration, as properties or JSON, into a pipeline file: `topics` stand for those that it names by a regular
/// expression.
///
/// # Errors
///
/// All that would make other objects here than the sink makes, and what cannot be read.
pub fn import(file: &Path, text: &str, topics: &[String]) -> Result<String, Vec<Fault>> {
    let given = Given::read(file, text)?;
    let mut connector = Connector { given, lines: Vec::new(), comments: Vec::new() };
    let text = connector.pipeline(topics);
    let faults = connector.given.faults();
    if faults.is_empty() { Ok(text) } else { Err(faults) }
}

struct Connector {
    given: Given,
    /// Of the landing's section.
    lines: Vec<String>,
    comments: Vec<String>,
}

/// What a value is made of, by its converter.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Converted {
    Json,
    Text,
    Bytes,
}

impl Connector {
    fn pipeline(&mut self, topics: &[String]) -> String {
        let name = self.given.take("name").unwrap_or_else(|| "landing".to_owned());
        self.class("connector.class", &CONNECTORS);
        let bucket = self.given.take("s3.bucket.name").unwrap_or_default();
        if bucket.is_empty() {
            self.given.fault("s3.bucket.name", "is missing");
        }
        let region = self.given.take("s3.region");
        let endpoint = self.given.take("store.url");
        let declared = self.topics(topics);
        self.form();
        self.names();
        self.flush();
        self.partitioner();
        self.tombstones();
        idle::refuse(&mut self.given);
        self.comments.extend(idle::comments(&mut self.given));
        self.given.refuse_others();

        let mut text = String::new();
        let mut line = |written: &str| text += &format!("{written}\n");
        line("[pipeline]");
        line(&format!("name = {}", quoted(&pipeline_name(&name))));
        line("\n[lake]");
        line(&format!("bucket = {}", quoted(&bucket)));
        region.iter().for_each(|region| line(&format!("region = {}", quoted(region))));
        endpoint.iter().for_each(|url| line(&format!("endpoint = {}", quoted(url))));
        for topic in &declared {
            line(&format!("\n[topics.{}]", quoted(topic)));
        }
        line("\n[landings.raw]");
        self.lines.iter().for_each(|written| line(written));
        if !self.comments.is_empty() {
            line("\n# What means nothing here:");
            self.comments.iter().for_each(|comment| line(&format!("# {comment}")));
        }
        text
    }

    /// Takes a class that has to be one of these, by the last part of its name.
    fn class(&mut self, key: &str, known: &[&'static str]) -> Option<&'static str> {
        let class = self.given.take(key)?;
        let found = known.iter().find(|name| class.rsplit('.').next() == Some(**name)).copied();
        if found.is_none() {
            self.given
                .fault(key, &format!("{class:?} has nothing here that does the same; known are {}", known.join(", ")));
        }
        found
    }

    fn set(&mut self, key: &str, value: &str) {
        self.lines.push(format!("{key} = {value}"));
    }

    /// Which topics are landed; gives those that are to be declared.
    fn topics(&mut self, named: &[String]) -> Vec<String> {
        let listed = self
            .given
            .take("topics")
            .map(|list| list.split(',').map(|name| name.trim().to_owned()).collect::<Vec<_>>());
        let pattern = self.given.take("topics.regex");
        let (declared, landed) = match (named, listed, pattern) {
            ([_, ..], _, _) => (named.to_vec(), named.to_vec()),
            (_, Some(listed), None) => (listed.clone(), listed),
            (_, None, Some(pattern)) => match regex::names(&pattern) {
                Some(names) => {
                    let whole: Vec<String> = names.iter().filter(|name| !name.contains('*')).cloned().collect();
                    if whole.len() < names.len() {
                        let note = "topics.regex: of the topics that are declared those are landed that fit; add a [topics.NAME] for each";
                        self.comments.push(note.to_owned());
                    }
                    (whole, names)
                }
                None => {
                    let what = format!(
                        "{pattern:?} cannot be said by names and *; name the topics: --topic NAME, again for each"
                    );
                    self.given.fault("topics.regex", &what);
                    Default::default()
                }
            },
            (_, Some(_), Some(_)) => {
                self.given.fault("topics.regex", "there is \"topics\" too, and the sink takes one of them");
                Default::default()
            }
            (_, None, None) => {
                self.given.fault("topics", "is missing, as is \"topics.regex\"");
                Default::default()
            }
        };
        let list: Vec<String> = landed.iter().map(|name| quoted(name)).collect();
        self.set("topics", &format!("[{}]", list.join(", ")));
        declared
    }

    /// The form of values, which takes a converter and a format that fit each other.
    fn form(&mut self) {
        let formats = ["JsonFormat", "ByteArrayFormat"];
        let format = self.class("format.class", &formats);
        if !self.given.was("format.class") {
            self.given.fault("format.class", "is missing");
        }
        let converters = ["JsonConverter", "StringConverter", "ByteArrayConverter"];
        let converter = self.class("value.converter", &converters);
        if !self.given.was("value.converter") {
            let what =
                "is missing, so the worker's would be taken, which is not known here; write the one that is in use";
            self.given.fault("value.converter", what);
        }
        let schemas = self.given.flag("value.converter.schemas.enable");
        let converted = converter.map(|name| match name {
            "JsonConverter" => Converted::Json,
            "StringConverter" => Converted::Text,
            _ => Converted::Bytes,
        });
        if converted == Some(Converted::Json) && schemas != Some(false) {
            let what = "is not false, so the sink would take each value for an envelope of schema and payload";
            self.given.fault("value.converter.schemas.enable", what);
        }
        match (format, converted) {
            (Some("JsonFormat"), Some(Converted::Json)) => self.set("format", "\"json\""),
            (Some("JsonFormat"), Some(Converted::Text)) => self.set("format", "\"text\""),
            (Some("ByteArrayFormat"), Some(Converted::Bytes)) => self.bytes(),
            (Some(format), Some(_)) => {
                self.given.fault("format.class", &format!("{format} does not write what that value.converter gives"));
            }
            _ => {}
        }
        match self.given.take("s3.compression.type").as_deref() {
            None | Some("none") => drop(self.given.take("s3.compression.level")),
            Some("gzip") => {
                let level = self.given.number("s3.compression.level").filter(|level| *level >= 0).unwrap_or(6);
                self.set("gzip", &level.to_string());
            }
            Some(other) => {
                self.given.fault("s3.compression.type", &format!("{other:?} is not known; known are none, gzip"))
            }
        }
    }

    fn bytes(&mut self) {
        self.set("format", "\"bytes\"");
        for (theirs, ours) in [("format.bytearray.separator", "separator"), ("format.bytearray.extension", "extension")]
        {
            if let Some(text) = self.given.take(theirs) {
                self.set(ours, &quoted(&text));
            }
        }
    }

    fn names(&mut self) {
        for (theirs, ours) in [("topics.dir", "topics_dir"), ("file.delim", "file_delim")] {
            if let Some(text) = self.given.take(theirs) {
                self.set(ours, &quoted(&text));
            }
        }
        if self.given.take("directory.delim").is_some_and(|delim| delim != "/") {
            self.given.fault("directory.delim", "folders have a slash between them here");
        }
        if let Some(width) = self.given.number("filename.offset.zero.pad.width") {
            self.set("zero_pad", &width.to_string());
        }
    }

    fn flush(&mut self) {
        match self.given.number("flush.size") {
            Some(records) => self.set("flush", &records.to_string()),
            None if !self.given.was("flush.size") => self.given.fault("flush.size", "is missing"),
            None => {}
        }
        if let Some(schedule) = self.millis("rotate.schedule.interval.ms") {
            self.set("rotate_schedule", &quoted(&schedule));
            if !self.given.has("timezone") {
                self.given.fault("timezone", "is missing, which rotate.schedule.interval.ms needs");
            }
        }
    }

    fn partitioner(&mut self) {
        let known =
            ["DefaultPartitioner", "FieldPartitioner", "TimeBasedPartitioner", "HourlyPartitioner", "DailyPartitioner"];
        let class = self.class("partitioner.class", &known).unwrap_or("DefaultPartitioner");
        let is_by_time = !matches!(class, "DefaultPartitioner" | "FieldPartitioner");
        if class == "FieldPartitioner" {
            let fields = self.given.take("partition.field.name").unwrap_or_default();
            let fields: Vec<String> =
                fields.split(',').map(str::trim).filter(|name| !name.is_empty()).map(quoted).collect();
            if fields.is_empty() {
                self.given.fault("partition.field.name", "is missing");
            }
            self.set("partitioner", &format!("{{ kind = \"field\", fields = [{}] }}", fields.join(", ")));
        }
        if is_by_time {
            self.by_time(class);
        }
        let zone = self.given.take("timezone");
        if let Some(zone) = zone.filter(|zone| !zone.is_empty()) {
            self.set("zone", &quoted(&zone));
        } else if is_by_time {
            self.given.fault("timezone", "is missing, which folders by time need");
        }
        let interval = self.millis("rotate.interval.ms");
        let on_change = self.given.flag("rotate.file.on.partition.change");
        match interval {
            Some(_) if !is_by_time => {
                self.comments.push("rotate.interval.ms: the sink passes over it without folders by time".to_owned());
            }
            Some(interval) => {
                self.set("rotate_interval", &quoted(&interval));
                if on_change == Some(false) {
                    self.set("rotate_on_change", "false");
                }
            }
            None => {}
        }
    }

    fn by_time(&mut self, class: &str) {
        let time = match self.given.take("timestamp.extractor").as_deref() {
            None | Some("Wallclock") => "clock".to_owned(),
            Some("Record") => "append".to_owned(),
            Some("RecordField") => self.given.take("timestamp.field").unwrap_or_else(|| "timestamp".to_owned()),
            Some(other) => {
                let what = format!("{other:?} is not known; known are Wallclock, Record, RecordField");
                self.given.fault("timestamp.extractor", &what);
                String::new()
            }
        };
        let (time, locale) = (quoted(&time), self.given.take("locale"));
        if locale.is_some_and(|locale| !locale.to_lowercase().starts_with("en")) {
            self.given.fault("locale", "names of months and days are English here");
        }
        let written = match class {
            "HourlyPartitioner" => format!("{{ kind = \"hourly\", time = {time} }}"),
            "DailyPartitioner" => format!("{{ kind = \"daily\", time = {time} }}"),
            _ => {
                let path = self.given.take("path.format").unwrap_or_default();
                if let Err(fault) = crate::landing::pattern::Pattern::parse(&path) {
                    self.given.fault("path.format", &fault.line());
                }
                let duration = self.millis("partition.duration.ms").unwrap_or_else(|| {
                    self.given.fault("partition.duration.ms", "is missing, or no duration");
                    String::new()
                });
                let (path, duration) = (quoted(&path), quoted(&duration));
                format!("{{ kind = \"time\", path = {path}, duration = {duration}, time = {time} }}")
            }
        };
        self.set("partitioner", &written);
    }

    fn tombstones(&mut self) {
        match self.given.take("behavior.on.null.values").as_deref() {
            None | Some("fail") => {
                self.set("tombstones", "\"reject\"");
                self.comments.push(
                    "behavior.on.null.values = fail: a record without a value is a dead letter, and no stop".to_owned(),
                );
            }
            Some("ignore") => self.set("tombstones", "\"ignore\""),
            Some(_) => {
                let what = "a record without a value is ignored or a dead letter here; no object is made of it";
                self.given.fault("behavior.on.null.values", what);
            }
        }
    }

    /// A duration in milliseconds, as a pipeline file has it; none where it is absent or below 0, which turns it off.
    fn millis(&mut self, key: &str) -> Option<String> {
        let millis = self.given.number(key).filter(|millis| *millis > 0)?;
        Some(show_duration(Duration::from_millis(millis.cast_unsigned())))
    }
}

/// A text as TOML has it.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            '\n' => quoted.push_str("\\n"),
            control if control.is_control() => drop(write!(quoted, "\\u{:04X}", u32::from(control))),
            other => quoted.push(other),
        }
    }
    quoted + "\""
}

fn pipeline_name(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' { c } else { '-' };
    let name: String = name.to_lowercase().chars().map(plain).take(63).collect();
    if name.is_empty() { "landing".to_owned() } else { name }
}
