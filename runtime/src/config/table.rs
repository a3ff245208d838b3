//! One `[tables.NAME]` of a pipeline file, with its aggregates.

use std::collections::HashSet;
use std::ops::RangeInclusive;
use std::path::Path;
use std::time::Duration;

use crate::expression::Grouping;
use crate::window::spec::{self, Aggregate, MEMORY_MAX, Measure};

use super::fault::wrong;
use super::plan::{Retention, Table, Topic};
use super::section::Section;
use super::{grouping, names, paths, transform, units, window};

/// The size of a lake window where the file is silent.
const WINDOW: Duration = Duration::from_mins(1);
/// The shortest time for which the cache keeps rows.
const RETENTION_MIN: Duration = Duration::from_secs(1);
/// What an aggregate's open windows may be allowed of memory.
const MEMORY: RangeInclusive<u64> = 1 << 16..=1 << 44;
/// The columns that every aggregate has besides its own.
const AGGREGATE_COLUMNS: [&str; 2] = ["window_start", "window_end"];

/// Reads a table; its paths are seen from `folder`, its topic is one of `topics`.
pub(super) fn read(name: &str, section: &Section<'_>, folder: &Path, topics: &[Topic]) -> Table {
    section.judge_name(names::table(name));
    let topic = topic(section, topics);
    let transforms = transform::read(section, folder);
    let cases = section.text("cases").and_then(|written| section.judge("cases", paths::folder(folder, &written)));
    let cases = cases.unwrap_or_else(|| folder.join("cases").join(name));
    let (key, cache) = (columns(section, "key"), columns(section, "cache"));
    keep(section, &key, &cache);
    let window = section.duration("window", Duration::from_secs(1)).unwrap_or(WINDOW);
    if window.subsec_nanos() != 0 {
        section.wrong("window", &wrong("a lake window is of whole seconds, since its start names its objects"));
    }
    let aggregates: Vec<Aggregate> = section.items("aggregates").iter().map(aggregate).collect();
    let retention = retention(&section.section("retention"), &key, &aggregates);
    section.finish();
    let unwrap = topics.iter().find(|known| known.name == topic).map(|known| known.unwrap.clone()).unwrap_or_default();
    Table { name: name.to_owned(), topic, unwrap, transforms, key, cache, cases, window, aggregates, retention }
}

/// What the cache keeps of its rows, and of the windows of its aggregates.
fn retention(section: &Section<'_>, key: &[String], aggregates: &[Aggregate]) -> Retention {
    let of_rows = ["age", "rows"].into_iter().find(|name| section.has(name));
    if let (Some(name), true) = (of_rows, key.is_empty()) {
        section.astray(
            name,
            &wrong("the cache keeps no rows of this table").hint("name its key and cache, or leave it out"),
        );
    }
    let windows = section.section("aggregates");
    let mut kept = Vec::new();
    for (name, age) in windows.pairs() {
        if !aggregates.iter().any(|aggregate| aggregate.name == name) {
            let meant = names::meant(&name, aggregates.iter().map(|aggregate| aggregate.name.as_str()));
            windows.astray(&name, &wrong(format!("the table has no aggregate {name:?}")).hint(meant));
        }
        if let Some(age) = windows.judge(&name, units::duration(&age)) {
            kept.push((name, age));
        }
    }
    let retention = Retention {
        age: section.duration("age", RETENTION_MIN),
        rows: section.number("rows", 1..=i64::MAX.cast_unsigned()),
        aggregates: kept,
    };
    section.finish();
    retention
}

fn topic(section: &Section<'_>, topics: &[Topic]) -> String {
    section.need("topic", "topic = \"NAME\" of the topic that it reads");
    let Some(topic) = section.text("topic") else { return String::new() };
    if !topics.iter().any(|known| known.name == topic) {
        let meant = names::meant(&topic, topics.iter().map(|topic| topic.name.as_str()));
        section.astray("topic", &wrong(format!("the topic {topic:?} is not declared")).hint(meant));
    }
    topic
}

fn columns(section: &Section<'_>, key: &'static str) -> Vec<String> {
    let columns = section.texts(key);
    for (index, column) in columns.iter().enumerate() {
        let place = format!("{}[{index}]", section.path_of(key));
        if let Err(fault) = names::column(column) {
            section.wrong_at(&place, &fault);
        } else if columns.iter().take(index).any(|before| before.eq_ignore_ascii_case(column)) {
            section.wrong_at(&place, &wrong(format!("the column {column:?} stands here twice")));
        }
    }
    columns
}

/// The cache keeps a row of some columns for each key, or nothing.
fn keep(section: &Section<'_>, key: &[String], cache: &[String]) {
    if key.is_empty() && !cache.is_empty() {
        let keyless = wrong("columns are cached by key, and there is no key");
        section.astray("cache", &keyless.hint("write key = [\"COLUMN\"], the columns that tell rows apart"));
    }
    for (index, column) in key.iter().enumerate() {
        if !cache.contains(column) {
            let place = format!("{}[{index}]", section.path_of("key"));
            let uncached = wrong(format!("the key column {column:?} is not cached"));
            section.astray_at(&place, &uncached.hint(format!("add {column:?} to cache")));
        }
    }
}

fn aggregate(section: &Section<'_>) -> Aggregate {
    section.need("name", "name = \"NAME\"");
    let name = section.text("name").unwrap_or_default();
    if section.has("name") {
        section.judge("name", names::table(&name));
    }
    let placed = grouping::read(section, "by");
    for (place, Grouping { name, .. }) in &placed {
        if AGGREGATE_COLUMNS.contains(&name.to_lowercase().as_str()) {
            section.wrong_at(place, &wrong(format!("every aggregate has its own column {name:?}")));
        }
    }
    let by: Vec<Grouping> = placed.into_iter().map(|(_, grouping)| grouping).collect();
    section.need("window", "window = { kind = \"tumbling\", size = \"1m\" }");
    let window = window::read(&section.section("window"));
    section.need("measures", "measures = { rows = \"count()\" }");
    let measures = measures(section, &by);
    let memory_max = section.memory("memory", MEMORY);
    section.finish();
    Aggregate { name, by, window, measures, memory_max: memory_max.unwrap_or(MEMORY_MAX) }
}

fn measures(section: &Section<'_>, by: &[Grouping]) -> Vec<(String, Measure)> {
    let declared = section.section("measures");
    // SQLite does not tell cases apart.
    let mut taken: HashSet<String> = AGGREGATE_COLUMNS.iter().map(|name| (*name).to_owned()).collect();
    taken.extend(by.iter().map(|by| by.name.to_lowercase()));
    let pairs = declared.pairs();
    let mut measures = Vec::new();
    for (name, text) in &pairs {
        declared.judge(name, names::column(name));
        if !taken.insert(name.to_lowercase()) {
            declared.wrong(name, &wrong(format!("the aggregate has another column {name:?}")).hint("rename this one"));
        }
        if let Some(measure) = declared.judge(name, spec::parse(text)) {
            measures.push((name.clone(), measure));
        }
    }
    if section.has("measures") && declared.is_empty() {
        section.wrong("measures", &wrong("there is nothing to measure").hint("write { rows = \"count()\" }"));
    }
    measures
}
