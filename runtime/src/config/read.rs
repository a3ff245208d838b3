//! A pipeline file becomes a pipeline: its sections one by one, then what holds between them.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use toml::de::DeTable;

use crate::error::Result;
use crate::lake::options::{self as lake, Endpoint, Format, Patience, SPOOL_BYTES};

use super::Declared;
use super::fault::{Fault, Faults, Place, fault_at, join, wrong};
use super::plan::{EpochBounds, Ingest, Pipeline, Query, Table, Topic};
use super::section::Section;
use super::{gateway, kinesis, landing, listen, names, paths, rollup, schedule, table, topic, trust};
use crate::rollup::spec::Rollup;

/// Bounds on a request's body.
const BODY_BYTES: std::ops::RangeInclusive<u64> = 1 << 10..=1 << 30;
/// The most records that a request may be allowed to hold.
const RECORDS_MAX: u64 = 1_000_000;
/// The most bytes of requests that may be allowed at one time.
const INFLIGHT_BYTES_MAX: u64 = 64 << 30;
/// The most topics that a pipeline may be allowed to be given while it runs.
const TOPICS_MAX: u64 = 1_000;

/// The shortest epoch.
const EPOCH_TIME_MIN: Duration = Duration::from_millis(10);
/// The most records that an epoch may be allowed to hold.
const EPOCH_RECORDS_MAX: u64 = 16 << 20;
/// Bounds on the bytes of records that an epoch may be allowed to hold.
const EPOCH_BYTES: std::ops::RangeInclusive<u64> = 1 << 10..=1 << 30;

/// The shortest time-out of the lake, and the shortest of its longest pauses.
const LAKE_TIME_MIN: Duration = Duration::from_millis(10);
/// Bounds on what may wait for the lake on this disk.
const SPOOL_RANGE: std::ops::RangeInclusive<u64> = 1 << 20..=1 << 50;

/// Reads a pipeline file and the SQL files that it names.
///
/// # Errors
///
/// Every fault of the file, by its place: TOML that cannot be read, unknown keys, wrong types and values, names that
/// clash, references to what is not declared, paths that do not exist. What needs a transform's own words about
/// itself is left to [`check`](super::check()).
pub fn read(path: &Path) -> Result<Declared, Vec<Fault>> {
    let text = text_of(path).map_err(|fault| vec![fault])?;
    let (root, syntax) = DeTable::parse_recoverable(&text);
    let faults = Faults::new(path, &text, root.get_ref(), &syntax);
    let pipeline = pipeline(&Section::root(root.get_ref(), &faults), path);
    let (places, found) = faults.into_parts();
    if found.is_empty() { Ok(Declared { pipeline, places }) } else { Err(found) }
}

fn text_of(path: &Path) -> Result<String, Fault> {
    let unread = |cause| fault_at(path, Place::START, format!("the file cannot be read: {cause}"));
    let bytes = std::fs::read(path).map_err(unread)?;
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let text = String::from_utf8_lossy(error.as_bytes());
        fault_at(path, Place::of(&text, valid), "the file is not UTF-8".to_owned())
    })
}

fn pipeline(root: &Section<'_>, path: &Path) -> Pipeline {
    root.need("pipeline", "a section [pipeline] with a name");
    root.need("topics", "a section [topics.NAME] for each topic");
    root.need("lake", "a section [lake] with a bucket");
    let file = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let file = file.canonicalize().unwrap_or(file);
    let folder = file.parent().unwrap_or(Path::new("/"));

    let own = root.section("pipeline");
    own.need("name", "name = \"NAME\"");
    let name = own.text("name").unwrap_or_default();
    if own.has("name") {
        own.judge("name", names::pipeline(&name));
    }
    let data = paths::absolute(folder, &own.text("data").unwrap_or_else(|| format!("data/{name}")));
    if data.exists() && !data.is_dir() {
        own.wrong("data", &wrong(format!("{} is not a folder", data.display())));
    }
    own.finish();

    let (listen, ingest) = (listen::read(&root.section("listen"), folder), ingest(&root.section("ingest")));
    let epoch = epoch(&root.section("epoch"));
    let lake_section = root.section("lake");
    let lake = lake(&lake_section);
    let (gateway_section, kinesis_section) = (root.section("gateway"), root.section("kinesis"));
    let gateway = root.has("gateway").then(|| gateway::read(&gateway_section, folder));
    let kinesis = root.has("kinesis").then(|| kinesis::read(&kinesis_section, folder));
    let (at_gateway, at_kinesis) = ((&gateway_section, gateway.as_ref()), (&kinesis_section, kinesis.as_ref()));
    listen::ports_apart((&lake_section, &lake.endpoint), &listen, at_gateway, at_kinesis);
    let topics = topics(&root.section("topics"), folder, &data, &lake);
    let tables = tables(&root.section("tables"), folder, &topics);
    let landings = landing::read_all(&root.section("landings"), &topics, &tables);
    let rollups = rollup::read_all(&root.section("rollups"), &tables);
    let queries = queries(&root.section("queries"), folder);
    let hosts = schedule::hosts(&root.section("calls"));
    let known = schedule::Known { folder, queries: &queries, tables: &tables, landings: &landings, hosts: &hosts };
    let schedules = schedule::read_all(&root.section("schedules"), &known);
    let trust = trust::read(&root.section("trust"), folder);
    root.finish();
    share_names(root, &tables, &rollups, &queries);
    Pipeline {
        name,
        file: file.clone(),
        data,
        listen,
        gateway,
        kinesis,
        ingest,
        epoch,
        lake,
        topics,
        tables,
        landings,
        rollups,
        queries,
        schedules,
        trust,
    }
}

fn ingest(section: &Section<'_>) -> Ingest {
    let ingest = Ingest {
        body_bytes_max: section.memory("body", BODY_BYTES).unwrap_or(8 << 20),
        records_max: section.number("records", 1..=RECORDS_MAX).and_then(|n| usize::try_from(n).ok()).unwrap_or(10_000),
        inflight_bytes_max: section.memory("inflight", *BODY_BYTES.start()..=INFLIGHT_BYTES_MAX).unwrap_or(256 << 20),
        create_topics: section.flag("create_topics").unwrap_or(false),
        partitions: topic::partitions(section),
        topics_max: section.number("topics", 0..=TOPICS_MAX).and_then(|n| usize::try_from(n).ok()).unwrap_or(100),
    };
    section.finish();
    if ingest.inflight_bytes_max < ingest.body_bytes_max {
        let key = if section.has("inflight") { "inflight" } else { "body" };
        section
            .wrong(key, &wrong("ingest.inflight is less than ingest.body, so the largest body would never be taken"));
    }
    ingest
}

fn epoch(section: &Section<'_>) -> EpochBounds {
    let epoch = EpochBounds {
        time: section.duration("time", EPOCH_TIME_MIN).unwrap_or(Duration::from_secs(1)),
        records: section.number("records", 1..=EPOCH_RECORDS_MAX).unwrap_or(1_000_000),
        bytes: section.size("bytes", EPOCH_BYTES).unwrap_or(64 << 20),
    };
    section.finish();
    epoch
}

fn lake(section: &Section<'_>) -> lake::Options {
    section.need("bucket", "bucket = \"NAME\"");
    let bucket = section.text("bucket").unwrap_or_default();
    if section.has("bucket") {
        section.judge("bucket", names::bucket(&bucket));
    }
    let prefix = section.text("prefix").unwrap_or_default();
    let trimmed = prefix.trim_matches('/');
    if trimmed != prefix {
        section.wrong(
            "prefix",
            &wrong(format!("{prefix:?} begins or ends with a slash")).hint(format!("write {trimmed:?}")),
        );
    }
    if prefix.contains("//") || prefix.chars().any(char::is_control) {
        section.wrong("prefix", &wrong(format!("{prefix:?} has an empty part or a control character")));
    }
    let usual = Patience::default();
    let formats = [("parquet", Format::Parquet), ("json", Format::Json)];
    let options = lake::Options {
        endpoint: endpoint(section, |section| {
            section.number("port", 0..=u64::from(u16::MAX)).and_then(|port| u16::try_from(port).ok()).unwrap_or(0)
        }),
        region: section.text("region"),
        format: section.choice("format", &formats).unwrap_or(Format::Parquet),
        patience: Patience {
            request: section.duration("timeout", LAKE_TIME_MIN).unwrap_or(usual.request),
            pause: section.duration("retry", LAKE_TIME_MIN).unwrap_or(usual.pause),
        },
        spool_bytes_max: section.size("spool", SPOOL_RANGE).unwrap_or(SPOOL_BYTES),
        bucket,
        prefix,
    };
    section.finish();
    options
}

/// Which S3 a section names; AWS where it is silent. An embedded one has the port that `port` finds.
pub(super) fn endpoint(section: &Section<'_>, port: impl Fn(&Section<'_>) -> u16) -> Endpoint {
    let Some(written) = section.text("endpoint") else { return Endpoint::Aws };
    match written.as_str() {
        "aws" => Endpoint::Aws,
        "embedded" => Endpoint::Embedded { port: port(section) },
        url => {
            let host = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
            if url.contains('@') {
                let secret = wrong("the URL carries a user, which is shown wherever the endpoint is");
                section.wrong("endpoint", &secret.hint("leave it out: credentials come from the environment"));
            } else if host.is_none_or(|host| host.is_empty() || host.starts_with('/')) {
                let meant = "write \"embedded\", \"aws\" or a URL such as \"http://127.0.0.1:9000\"";
                port(section);
                section.wrong("endpoint", &wrong(format!("{url:?} is not an S3 endpoint")).hint(meant));
            }
            Endpoint::Url(written)
        }
    }
}

fn topics(section: &Section<'_>, folder: &Path, data: &Path, lake: &lake::Options) -> Vec<Topic> {
    let read = |(name, section): &(String, Section<'_>)| topic::read(name, section, folder, data, lake);
    let mut topics: Vec<Topic> = section.children().iter().map(read).collect();
    topics.sort_by(|one, other| one.name.cmp(&other.name));
    topics
}

fn tables(section: &Section<'_>, folder: &Path, topics: &[Topic]) -> Vec<Table> {
    section.children().iter().map(|(name, section)| table::read(name, section, folder, topics)).collect()
}

fn queries(section: &Section<'_>, folder: &Path) -> Vec<Query> {
    let mut queries = Vec::new();
    for (name, section) in section.children() {
        queries.push(query(name, &section, folder));
    }
    queries
}

fn query(name: String, section: &Section<'_>, folder: &Path) -> Query {
    section.judge_name(names::table(&name));
    let (written, inline) = (section.text("sql"), section.text("query"));
    if !section.has("query") {
        section.need("sql", "sql = \"FILE.sql\", or query = \"SELECT ..\"");
    } else if section.has("sql") {
        section.wrong("query", &wrong("there is \"sql\" too").hint("keep one of them"));
    }
    let from_file = written.and_then(|written| section.judge("sql", paths::sql(folder, &written)));
    let key = if from_file.is_some() { "sql" } else { "query" };
    let (file, sql) = match from_file {
        Some((file, sql)) => (Some(file), Some(sql)),
        None => (None, inline),
    };
    if sql.as_ref().is_some_and(|sql| sql.trim().is_empty()) {
        section.wrong(key, &wrong("the SQL is empty"));
    }
    section.finish();
    Query { name, sql: sql.unwrap_or_default(), file }
}

/// Tables, aggregates, rollups and queries become tables and views of one SQLite database.
fn share_names(root: &Section<'_>, tables: &[Table], rollups: &[Rollup], queries: &[Query]) {
    let mut named: Vec<(&str, String)> = Vec::new();
    for table in tables {
        let path = join("tables", &table.name);
        for (index, aggregate) in table.aggregates.iter().enumerate() {
            named.push((&aggregate.name, format!("{path}.aggregates[{index}].name")));
        }
        named.push((&table.name, path));
    }
    for rollup in rollups {
        named.push((&rollup.name, join("rollups", &rollup.name)));
    }
    for query in queries {
        named.push((&query.name, join("queries", &query.name)));
    }
    root.sort_by_place(&mut named);
    let mut owners: HashMap<&str, &str> = HashMap::new();
    for (name, path) in &named {
        match owners.get(name) {
            Some(owner) if !name.is_empty() => {
                let taken = format!("the name {name:?} is already that of {owner}");
                root.wrong_at(
                    path,
                    &wrong(taken).hint("tables, aggregates, rollups and queries share one database: rename one"),
                );
            }
            _ => _ = owners.insert(name, path),
        }
    }
}
