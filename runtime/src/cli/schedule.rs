//! `tidemill schedule list`, `run`, `history`: what a pipeline does by the clock, and what came of it.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::{Value as Json, json};

use super::{Ended, operator, table};
use crate::cache::query::{Reader, Table as Answer};
use crate::commit::Run;
use crate::config::plan::{Pipeline, Schedule as Plan};
use crate::error::{Error, Kind, OrFail, Result};
use crate::pipeline::places::Places;
use crate::time::{Clock, Timestamp};
use crate::value::Value;

/// How often a run is looked at while it is waited for.
const LOOK_TIME: Duration = Duration::from_millis(250);
/// Characters of a log that a table shows.
const CHARACTERS_MAX: usize = 100;

#[derive(Debug, Subcommand)]
pub(super) enum Schedule {
    /// List the schedules with their next time and their last run.
    List(List),
    /// Start a run in a running pipeline, and wait for its end.
    Run(Start),
    /// List what was run, the latest first.
    History(History),
}

#[derive(Debug, Args)]
pub(super) struct List {
    /// The pipeline file.
    #[arg(long, short, default_value = "pipelines/pinterest.toml")]
    pipeline: PathBuf,
    /// Print a list of JSON objects.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Start {
    /// The schedule.
    schedule: String,
    /// The pipeline file; its pipeline has to run.
    #[arg(long, short, default_value = "pipelines/pinterest.toml")]
    pipeline: PathBuf,
    /// The time that the run is for, such as 2026-11-22T00:00:00Z; now when it is left out. A time's run is done once.
    #[arg(long, value_parser = |text: &str| Timestamp::parse(text).map_err(|error| error.line()))]
    time: Option<Timestamp>,
    /// Only start it.
    #[arg(long)]
    no_wait: bool,
    /// Print the run as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct History {
    /// The schedule; all when it is left out.
    schedule: Option<String>,
    /// The pipeline file.
    #[arg(long, short, default_value = "pipelines/pinterest.toml")]
    pipeline: PathBuf,
    /// The most runs.
    #[arg(short, default_value_t = 20)]
    n: usize,
    /// Print a list of JSON objects.
    #[arg(long)]
    json: bool,
}

impl Schedule {
    pub(super) fn run(self) -> Result<Ended> {
        match self {
            Self::List(list) => list.run(),
            Self::Run(start) => start.run(),
            Self::History(history) => history.run(),
        }
    }
}

impl List {
    fn run(self) -> Result<Ended> {
        let pipeline = super::pipeline(&self.pipeline, None)?;
        let cache = Places::of(&pipeline.data).cache;
        let reader = if cache.exists() { Some(Reader::open(&cache)?) } else { None };
        let mut listed = Vec::new();
        for plan in &pipeline.schedules {
            let last = match &reader {
                Some(reader) => reader.runs(Some(&plan.name), 1)?.pop(),
                None => None,
            };
            listed.push((plan, last));
        }
        match self.json {
            true => println!("{}", listed.iter().map(|(plan, last)| as_json(plan, last.as_ref())).collect::<Json>()),
            false => println!("{}", table::table(&list(&listed))),
        }
        Ok(Ended::Well)
    }
}

fn next(plan: &Plan) -> Option<Timestamp> {
    plan.cron.after(Clock::System.now(), &plan.zone)
}

fn as_json(plan: &Plan, last: Option<&Run>) -> Json {
    json!({
        "schedule": plan.name,
        "cron": plan.cron.to_string(),
        "timezone": plan.zone.to_string(),
        "job": plan.job.word(),
        "next": next(plan).map(|next| next.to_string()),
        "last": last.map(Run::json),
    })
}

fn list(listed: &[(&Plan, Option<Run>)]) -> Answer {
    let text = |text: String| Value::Text(text);
    let row = |(plan, last): &(&Plan, Option<Run>)| {
        vec![
            text(plan.name.clone()),
            text(plan.cron.to_string()),
            text(plan.zone.to_string()),
            text(plan.job.word().to_owned()),
            next(plan).map_or(Value::Null, |next| text(next.to_string())),
            last.as_ref().map_or(Value::Null, |run| text(run.time.to_string())),
            last.as_ref().map_or(Value::Null, |run| text(run.state.word().to_owned())),
        ]
    };
    let columns = ["schedule", "cron", "timezone", "job", "next", "last", "state"].map(str::to_owned).to_vec();
    Answer { columns, rows: listed.iter().map(row).collect(), more: false }
}

impl History {
    fn run(self) -> Result<Ended> {
        let pipeline = super::pipeline(&self.pipeline, None)?;
        if let Some(name) = &self.schedule {
            known(&pipeline, name)?;
        }
        let reader = Reader::open(&Places::of(&pipeline.data).cache)?;
        let runs = reader.runs(self.schedule.as_deref(), self.n)?;
        if self.json {
            println!("{}", runs.iter().map(Run::json).collect::<Json>());
            return Ok(Ended::Well);
        }
        let at = |time: Option<Timestamp>| time.map_or(Value::Null, |time| Value::Text(time.to_string()));
        let row = |run: &Run| {
            let said = run.log.lines().last().unwrap_or_default();
            vec![
                Value::Int64(run.id.cast_signed()),
                Value::Text(run.schedule.clone()),
                at(Some(run.time)),
                Value::Text(run.state.word().to_owned()),
                Value::Int64(i64::from(run.attempt)),
                at(run.started),
                at(run.ended),
                Value::Text(said.chars().take(CHARACTERS_MAX).collect()),
            ]
        };
        let columns = ["id", "schedule", "time", "state", "attempt", "started", "ended", "log"].map(str::to_owned);
        let shown = Answer { columns: columns.to_vec(), rows: runs.iter().map(row).collect(), more: false };
        println!("{}", table::table(&shown));
        Ok(Ended::Well)
    }
}

impl Start {
    fn run(self) -> Result<Ended> {
        let pipeline = super::pipeline(&self.pipeline, None)?;
        known(&pipeline, &self.schedule)?;
        let (client, admin) = operator::client(&pipeline)?;
        let tokio = super::tokio_runtime()?;
        let url = format!("{admin}/schedules/{}/runs", self.schedule);
        let time = self.time.map(|time| time.to_string());
        let asked: Vec<(&str, &str)> = time.iter().map(|time| ("time", time.as_str())).collect();
        let parsed = |text: String| -> Result<Json> {
            serde_json::from_str(&text).or_fail(Kind::Unavailable, || format!("server {url:?}"))
        };
        let mut run = parsed(tokio.block_on(client.send(&url, &asked, Vec::new()))?)?;
        let open = |run: &Json| matches!(run.get("state").and_then(Json::as_str), Some("waits" | "runs"));
        while !self.no_wait && open(&run) {
            std::thread::park_timeout(LOOK_TIME);
            run = parsed(tokio.block_on(client.get(&format!("{url}/{}", run.get("id").unwrap_or(&Json::Null))))?)?;
        }
        let text = |key: &str| run.get(key).and_then(Json::as_str).unwrap_or_default().trim_end().to_owned();
        match self.json {
            true => println!("{run}"),
            false => println!("run {}: {}\n{}", run.get("id").unwrap_or(&Json::Null), text("state"), text("log")),
        }
        Ok(if self.no_wait || text("state") == "done" { Ended::Well } else { Ended::NotWell })
    }
}

fn known(pipeline: &Pipeline, name: &str) -> Result<()> {
    if pipeline.schedules.iter().any(|plan| plan.name == name) {
        return Ok(());
    }
    let names: Vec<&str> = pipeline.schedules.iter().map(|plan| plan.name.as_str()).collect();
    let error = Error::new(Kind::Missing, format!("schedule {name:?}: there is none"));
    Err(if names.is_empty() { error } else { error.hint(format!("there are {}", names.join(", "))) })
}
