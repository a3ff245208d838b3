//! A pipeline as text, for a person who wants to see what it will do.

use std::path::Path;
use std::time::Duration;

use crate::expression::{Expression, Grouping};
use crate::lake::options::Endpoint;
use crate::landing::options::Options;
use crate::landing::partitioner::Partitioner;
use crate::rollup::spec::Rollup;
use crate::schema::Field;
use crate::window::spec::{Aggregate, Kind, Time};

use super::plan::{Backend, Job, Landing, Pipeline, Query, Schedule, Table, Topic, Transform};
use super::units::{show_duration, show_size};
use super::{Described, Descriptions};

/// Hexadecimal digits of a digest that are enough to tell components apart by eye.
const DIGEST_SHOWN: usize = 12;
const HOUR: Duration = Duration::from_hours(1);

/// Draws a pipeline: where it listens and keeps things, its topics, its tables from field to aggregate, its queries.
/// A table without a description is drawn without its fields.
pub fn picture(pipeline: &Pipeline, described: &Descriptions) -> String {
    let mut lines = vec![format!("pipeline {}", pipeline.name)];
    lines.extend(aligned("  ", &surroundings(pipeline)));
    lines.push(String::new());
    lines.push("topics".to_owned());
    lines.extend(aligned("  ", &pipeline.topics.iter().map(draw_topic).collect::<Vec<_>>()));
    for table in &pipeline.tables {
        lines.push(String::new());
        lines.extend(draw_table(pipeline, table, described.get(&table.name)));
    }
    for rollup in &pipeline.rollups {
        lines.push(String::new());
        lines.push(format!("rollup {}", rollup.name));
        lines.extend(aligned("  ", &draw_rollup(pipeline, rollup)));
    }
    if !pipeline.landings.is_empty() {
        lines.push(String::new());
        lines.push("landings".to_owned());
        lines.extend(aligned("  ", &pipeline.landings.iter().map(draw_landing).collect::<Vec<_>>()));
    }
    if !pipeline.queries.is_empty() {
        lines.push(String::new());
        lines.push("queries".to_owned());
        lines.extend(aligned(
            "  ",
            &pipeline.queries.iter().map(|query| draw_query(pipeline, query)).collect::<Vec<_>>(),
        ));
    }
    if !pipeline.schedules.is_empty() {
        lines.push(String::new());
        lines.push("schedules".to_owned());
        lines.extend(aligned("  ", &pipeline.schedules.iter().map(draw_schedule).collect::<Vec<_>>()));
    }
    lines.push(String::new());
    lines.join("\n")
}

fn surroundings(pipeline: &Pipeline) -> Vec<Vec<String>> {
    let (listen, ingest, lake) = (&pipeline.listen, &pipeline.ingest, &pipeline.lake);
    let endpoint = match &lake.endpoint {
        Endpoint::Embedded { port: 0 } => "the embedded S3 server, on a free port".to_owned(),
        Endpoint::Embedded { port } => format!("the embedded S3 server, http://127.0.0.1:{port}"),
        Endpoint::Aws => lake.region.as_ref().map_or("AWS".to_owned(), |region| format!("AWS, {region}")),
        Endpoint::Url(url) => url.clone(),
    };
    let slash = if lake.prefix.is_empty() { "" } else { "/" };
    let accepted = format!(
        "bodies up to {}, {} records each, {} at one time",
        show_size(ingest.body_bytes_max as u64),
        ingest.records_max,
        show_size(ingest.inflight_bytes_max as u64)
    );
    let mut rows = vec![
        row(["file", &pipeline.file.display().to_string()]),
        row(["data", &pipeline.data.display().to_string()]),
        row(["topics at", &listen.url(listen.topics)]),
        row(["", &accepted]),
        row(["admin at", &listen.url(listen.admin)]),
    ];
    rows.extend(doors(pipeline));
    rows.extend([
        row(["lake", &format!("s3://{}{slash}{} as {}", lake.bucket, lake.prefix, lake.format.extension())]),
        row(["", &endpoint]),
    ]);
    if let Some(keys) = &listen.keys {
        rows.push(row(["lets in", &format!("requests with a key of {}", keys.display())]));
    }
    for (nth, key) in pipeline.trust.keys().iter().enumerate() {
        rows.push(row([if nth == 0 { "trusts" } else { "" }, &format!("components signed by {key}")]));
    }
    rows
}

/// The doors beside the listeners.
fn doors(pipeline: &Pipeline) -> Vec<Vec<String>> {
    let listen = &pipeline.listen;
    let mut rows = Vec::new();
    if let Some(gateway) = &pipeline.gateway {
        for (nth, stage) in gateway.stages.iter().enumerate() {
            let to = match (stage.proxy, stage.streams) {
                (true, true) => "the REST proxy and Kinesis",
                (true, false) => "the REST proxy",
                _ => "Kinesis",
            };
            let rate =
                stage.throttle.map_or(String::new(), |throttle| format!(", {} requests a second", throttle.rate));
            let url = format!("{}/{} to {to}{rate}", listen.url(gateway.listen), stage.name);
            rows.push(row([if nth == 0 { "gateway at" } else { "" }, &url]));
        }
        for plan in &gateway.plans {
            let keys = if plan.keys.is_empty() { "all keys".to_owned() } else { plural(plan.keys.len() as u32, "key") };
            rows.push(row(["", &format!("usage plan {} for {keys} in {}", plan.name, plan.stages.join(", "))]));
        }
    }
    if let Some(kinesis) = &pipeline.kinesis {
        let signed = if kinesis.keys.is_some() { "signed requests" } else { "whoever comes" };
        rows.push(row(["kinesis at", &format!("{}, for {signed}", listen.url(kinesis.listen))]));
    }
    rows
}

fn draw_topic(topic: &Topic) -> Vec<String> {
    let partitions = plural(topic.backend.partitions(), "partition");
    match &topic.backend {
        Backend::Embedded(options) => {
            let kept = match (options.retention_age, options.retention_bytes) {
                (None, None) => "kept for ever".to_owned(),
                (Some(age), None) => format!("kept for {}", show_duration(age)),
                (None, Some(bytes)) => format!("kept up to {} a partition", show_size(bytes)),
                (Some(age), Some(bytes)) => {
                    format!("kept for {}, up to {} a partition", show_duration(age), show_size(bytes))
                }
            };
            let record = format!("records up to {}", show_size(options.record_bytes_max as u64));
            row([&topic.name, "embedded", &partitions, &format!("{kept}, {record}")])
        }
        Backend::Files { options, origin } => {
            let looked = if options.watch { "watched" } else { "read once a start" };
            row([&topic.name, "files", &partitions, &format!("{} in {origin}, {looked}", options.names)])
        }
        Backend::Fluvio { address, topic: there, .. } => {
            row([&topic.name, "fluvio", &partitions, &format!("topic {there} at {address}")])
        }
    }
}

fn draw_table(pipeline: &Pipeline, table: &Table, described: Option<&Vec<Described>>) -> Vec<String> {
    let mut lines = vec![format!("table {}", table.name)];
    let described = described.map_or(&[][..], Vec::as_slice);
    let mut facts = vec![row(["topic", &table.topic])];
    if !table.unwrap.is_empty() {
        facts.push(row(["unwrapped", &table.unwrap.steps().join(", ")]));
    }
    for (index, transform) in table.transforms.iter().enumerate() {
        let head = if index == 0 { "transform" } else { "then" };
        facts.push(row([head, &made_of(pipeline, transform, described.get(index))]));
        if transform.parameters != "{}" {
            facts.push(row(["parameters", &transform.parameters]));
        }
    }
    let cached = match table.key.as_slice() {
        [] => "nothing".to_owned(),
        key => format!("the latest row of each {}", key.join(", ")),
    };
    facts.push(row(["cache", &cached]));
    facts.push(row(["lake", &objects(pipeline, table)]));
    lines.extend(aligned("  ", &facts));
    for (index, one) in described.iter().enumerate() {
        let last = index + 1 == described.len();
        lines.extend(aligned("  ", &fields(one, |field| if last { role(table, field) } else { "" })));
    }
    for aggregate in &table.aggregates {
        lines.push(format!("  aggregate {}", aggregate.name));
        lines.extend(aligned("    ", &draw_aggregate(aggregate)));
    }
    lines
}

fn draw_landing(landing: &Landing) -> Vec<String> {
    let Options { bounds, .. } = &landing.options;
    let mut ends = vec![format!("{} records", bounds.records), show_size(bounds.bytes)];
    ends.extend(bounds.interval.map(|interval| format!("{} of records", show_duration(interval))));
    ends.extend(bounds.schedule.map(|schedule| format!("each {} of the clock", show_duration(schedule))));
    let folder = match landing.options.partitioner {
        Partitioner::Default => "partition=0",
        Partitioner::Field(_) => "folders by field",
        Partitioner::Time(_) => "folders by time",
    };
    let first = landing.options.key(&landing.topic, folder, 0, 0);
    row([&landing.name, &first, &format!("an object ends after {}", ends.join(" or "))])
}

fn made_of(pipeline: &Pipeline, transform: &Transform, described: Option<&Described>) -> String {
    let from = shown(pipeline, transform.source.as_ref().unwrap_or(&transform.component));
    match described {
        None => from,
        Some(described) => {
            let digest = described.digest.get(..DIGEST_SHOWN).unwrap_or(&described.digest);
            format!("{} {} ({digest}) from {from}", described.name, described.version)
        }
    }
}

fn objects(pipeline: &Pipeline, table: &Table) -> String {
    let topic = pipeline.topics.iter().find(|topic| topic.name == table.topic);
    let partitions = topic.map_or(1, |topic| topic.backend.partitions());
    let windows = HOUR.as_secs_f64() / table.window.as_secs_f64();
    let objects = (windows * f64::from(partitions)).ceil();
    format!("windows of {}, up to {objects} objects an hour, more from 4MiB an epoch on", show_duration(table.window))
}

fn fields(described: &Described, role: impl Fn(&Field) -> &'static str) -> Vec<Vec<String>> {
    let mut rows = vec![row(["reads", "", "->", "writes", "", ""])];
    for index in 0..described.inputs.len().max(described.outputs.len()) {
        let [input, kind] = described.inputs.get(index).map(field).unwrap_or_default();
        let written = described.outputs.get(index);
        let [output, output_kind] = written.map(field).unwrap_or_default();
        let role = written.map_or("", &role);
        rows.push(row([&format!("  {input}"), &kind, "", &format!("  {output}"), &output_kind, role]));
    }
    rows
}

fn role(table: &Table, field: &Field) -> &'static str {
    match field {
        field if table.key.contains(&field.name) => "key",
        field if table.cache.contains(&field.name) => "cached",
        _ => "",
    }
}

fn field(field: &Field) -> [String; 2] {
    let names = [std::slice::from_ref(&field.name), &field.aliases].concat().join(" or ");
    let kind = field.kind.word();
    [names, if field.nullable { format!("{kind}, or null") } else { kind.to_owned() }]
}

fn draw_aggregate(aggregate: &Aggregate) -> Vec<Vec<String>> {
    let by = if aggregate.by.is_empty() { "all rows together".to_owned() } else { groupings(&aggregate.by) };
    let kind = match &aggregate.window.kind {
        Kind::Tumbling { size } => format!("each {}", show_duration(*size)),
        Kind::Hopping { size, slide } => format!("{} every {}", show_duration(*size), show_duration(*slide)),
        Kind::Session { gap } => format!("sessions with gaps of {}", show_duration(*gap)),
        Kind::Calendar { unit, zone } => format!("each {} in {}", unit.word(), zone.name()),
    };
    let window = match &aggregate.window.time {
        Time::Append => format!("{kind} of append time"),
        Time::Column(column) => {
            format!("{kind} of {column}, rows up to {} late", show_duration(aggregate.window.lateness))
        }
    };
    let mut rows = vec![row(["by", &by]), row(["window", &window])];
    rows.extend(aggregate.measures.iter().map(|(name, measure)| row([name, &measure.to_string()])));
    rows
}

fn draw_rollup(pipeline: &Pipeline, rollup: &Rollup) -> Vec<Vec<String>> {
    let by = if rollup.by.is_empty() { "all rows together".to_owned() } else { groupings(&rollup.by) };
    let key = pipeline
        .tables
        .iter()
        .find(|table| table.name == rollup.from)
        .map_or(String::new(), |table| table.key.join(", "));
    let of = match rollup.join.as_slice() {
        [] => format!("the latest row of each {key} in {}", rollup.from),
        joined => format!("the latest rows of each {key} that is in {} and {}", rollup.from, joined.join(" and ")),
    };
    let mut rows = vec![row(["of", &of]), row(["by", &by])];
    rows.extend(rollup.measures.iter().map(|(name, measure)| row([name, &measure.to_string()])));
    rows
}

fn groupings(by: &[Grouping]) -> String {
    let shown = |by: &Grouping| match &by.expression {
        Expression::Column(column) if *column == by.name => column.clone(),
        expression => format!("{} = {expression}", by.name),
    };
    by.iter().map(shown).collect::<Vec<_>>().join(", ")
}

fn draw_query(pipeline: &Pipeline, query: &Query) -> Vec<String> {
    let file = query.file.as_ref().map(|file| shown(pipeline, file));
    row([&query.name, &file.unwrap_or_else(|| "written in the pipeline file".to_owned())])
}

fn draw_schedule(schedule: &Schedule) -> Vec<String> {
    let job = match &schedule.job {
        Job::Export(export) => format!("{} as {} into {}", export.query, export.form.word(), export.key),
        Job::Audit { quick: true } => "a quick audit".to_owned(),
        Job::Audit { quick: false } => "an audit".to_owned(),
        Job::Prune => "what the cache keeps no longer is pruned".to_owned(),
        Job::Call(call) => format!("{} {}", call.method.word(), call.url),
    };
    row([&schedule.name, &format!("{} {}", schedule.cron, schedule.zone), &job])
}

/// A path as the pipeline's file would write it, where it lies beside or below that.
fn shown(pipeline: &Pipeline, path: &Path) -> String {
    let below = pipeline.file.parent().and_then(|folder| path.strip_prefix(folder).ok());
    match below.unwrap_or(path) {
        here if here.as_os_str().is_empty() => ".".to_owned(),
        path => path.display().to_string(),
    }
}

fn row<const N: usize>(cells: [&str; N]) -> Vec<String> {
    cells.map(str::to_owned).to_vec()
}

fn plural(count: u32, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

/// Rows with their columns under one another.
fn aligned(indent: &str, rows: &[Vec<String>]) -> Vec<String> {
    let mut widths: Vec<usize> = Vec::new();
    for cells in rows {
        widths.resize(widths.len().max(cells.len()), 0);
        for (width, cell) in widths.iter_mut().zip(cells) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut lines = Vec::new();
    for cells in rows {
        let padded: Vec<String> = cells.iter().zip(&widths).map(|(cell, &width)| format!("{cell:width$}")).collect();
        lines.push(format!("{indent}{}", padded.join("  ")).trim_end().to_owned());
    }
    lines
}
