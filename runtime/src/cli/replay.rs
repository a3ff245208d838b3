//! `tidemill replay`: history run again, to see what would be different.

use std::cell::RefCell;
use std::path::PathBuf;

use clap::Args;
use serde_json::{Map, Value as Json};

use super::dead_letters::plain;
use super::progress::Progress;
use super::{Ended, generations, operator};
use crate::component::Host;
use crate::config::plan::Pipeline;
use crate::error::{Error, Kind, Result};
use crate::log::lock::DataLock;
use crate::pipeline::replay::{Asked, Bound, Difference, GroupDifference, Report, What};
use crate::runtime::{Replayed, apply, replay};

/// Run a table's history again, as the ledger says that it was cleaned, and compare what comes of it with what was written.
///
/// Whole epochs are run, those that have something of what is asked for. With nothing changed, nothing differs. It changes
/// nothing, and works whether the pipeline runs or not. The exit code is 1 where something differs, and 3 where the rest is the
/// same, but not all of it could be run again.
#[derive(Debug, Args)]
pub(super) struct Replay {
    /// The table.
    table: String,
    /// The pipeline file.
    #[arg(long, short, default_value = "pipelines/pinterest.toml")]
    pipeline: PathBuf,
    /// The data folder, where it is not the one that the file names.
    #[arg(long)]
    data: Option<PathBuf>,
    /// Begin with the epoch that has this offset, or this append time.
    #[arg(long, value_name = "OFFSET|TIME")]
    from: Option<Bound>,
    /// End before this offset, or this append time.
    #[arg(long, value_name = "OFFSET|TIME")]
    to: Option<Bound>,
    /// Of this partition alone.
    #[arg(long)]
    partition: Option<u32>,
    /// Run it through this component instead of the one that the ledger names.
    #[arg(long, value_name = "FILE")]
    with: Option<PathBuf>,
    /// Of a table with several transforms, the one that the component is for: its name, or its number from 1.
    #[arg(long, requires = "with")]
    transform: Option<String>,
    /// Run no record again, but put rows that came too late for windows of this aggregate into them.
    #[arg(long, value_name = "AGGREGATE", conflicts_with_all = ["from", "to", "partition", "with"])]
    late: Option<String>,
    /// Show what would be different; this is what it does where nothing else is said.
    #[arg(long, conflicts_with = "apply")]
    diff: bool,
    /// Write what is different as a revision: rows, cache, aggregates, letters, ledger. Where the pipeline runs, it does that, and commits
    /// nothing else meanwhile.
    #[arg(long)]
    apply: bool,
    /// How many rows that differ are shown, and how many groups of each aggregate.
    #[arg(long, default_value_t = 10)]
    rows: usize,
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
}

impl Replay {
    pub(super) fn run(self) -> Result<Ended> {
        super::log_to_stderr("warn");
        let pipeline = super::pipeline(&self.pipeline, self.data.clone())?;
        let host = super::host()?.trusting(&pipeline.trust);
        let tokio = super::tokio_runtime()?;
        let asked = self.asked(&pipeline, &host)?;
        let shown: RefCell<Option<Progress>> = RefCell::new(None);
        let progress = |done: u64, total: u64| {
            shown.borrow_mut().get_or_insert_with(|| Progress::new("epochs", total)).at(done);
        };
        let what = Replayed { pipeline: &pipeline, host: &host, tokio: tokio.handle(), progress: &progress };
        let report = match self.apply {
            true => self.apply(&what, asked),
            false => replay(&what, asked),
        };
        shown.take().iter().for_each(Progress::end);
        let report = report?;
        if self.json {
            println!("{}", serde_json::json!(report));
        } else {
            print!("{}", told(&report));
        }
        Ok(match (report.same || self.apply, report.proven) {
            (false, _) => Ended::NotWell,
            (true, false) => Ended::NotProven,
            (true, true) => Ended::Well,
        })
    }

    /// Writes the revision, or has the pipeline do it where it runs.
    fn apply(&self, what: &Replayed<'_>, asked: Asked) -> Result<Report> {
        let with = self.with.as_deref().map(generations::component).transpose()?;
        match apply(what, asked, with.as_deref()) {
            Err(error) if error.kind() == Kind::Conflict && is_running(what.pipeline) => {}
            done => return done,
        }
        let (client, admin) = operator::client(what.pipeline)?;
        let url = format!("{admin}/tables/{}/replay", self.table);
        let said = |bound: Bound| match bound {
            Bound::Offset(offset) => offset.to_string(),
            Bound::Time(time) => time.to_string(),
        };
        let asked = [
            ("from", self.from.map(said)),
            ("to", self.to.map(said)),
            ("partition", self.partition.map(|partition| partition.to_string())),
            ("transform", self.transform.clone()),
            ("late", self.late.clone()),
            ("rows", Some(self.rows.to_string())),
        ];
        let asked: Vec<_> = asked.iter().filter_map(|(name, value)| Some((*name, value.as_deref()?))).collect();
        let answer = what.tokio.block_on(client.send_long(&url, &asked, with.unwrap_or_default()))?;
        generations::parsed(&url, &answer)
    }

    fn asked(&self, pipeline: &Pipeline, host: &Host) -> Result<Asked> {
        let mut with = None;
        if let Some(file) = &self.with {
            let plan = pipeline.tables.iter().find(|plan| plan.name == self.table);
            let unknown = || Error::new(Kind::Missing, format!("table {:?}: there is none", self.table));
            let plan = plan.ok_or_else(unknown)?;
            let place = crate::runtime::place(pipeline, host, plan, self.transform.as_deref())?;
            let limits = plan.transforms.get(place).map(|transform| transform.limits.clone()).unwrap_or_default();
            with = Some((place, host.load(&generations::component(file)?, &limits)?));
        }
        let (table, partition) = (self.table.clone(), self.partition);
        let late = self.late.clone();
        Ok(Asked { table, partition, from: self.from, to: self.to, with, late, rows_max: self.rows })
    }
}

/// Whether a process holds the pipeline's data folder.
fn is_running(pipeline: &Pipeline) -> bool {
    DataLock::take(&pipeline.data).is_err_and(|error| error.kind() == Kind::Conflict)
}

/// What a replay found, for a person.
fn told(report: &Report) -> String {
    let Report { table, records, records_changed, rows_equal, rows_changed, rows_added, rows_removed, .. } = report;
    let mut text = String::new();
    for of in &report.partitions {
        text += &format!(
            "partition {}: offsets {} to {}, {} epochs, {} of them differ\n",
            of.partition, of.from, of.to, of.epochs, of.epochs_changed
        );
    }
    if let Some(digest) = &report.with {
        text += &format!("with component {digest}\n");
    }
    if report.late_windows > 0 {
        text += &format!(
            "{} windows, or times of rows of sessions, that rows came too late for, made anew with these\n",
            report.late_windows
        );
    }
    // Of late rows nothing is run again.
    if report.late_windows == 0 {
        text += &format!(
            "table {table:?}: {records} records run again, {records_changed} of them differ; rows: {rows_equal} the same, \
             {rows_changed} changed, {rows_added} added, {rows_removed} removed\n"
        );
    }
    if report.newly_rejected + report.no_longer_rejected > 0 {
        let (more, fewer) = (report.newly_rejected, report.no_longer_rejected);
        text += &format!("rejected: {more} records more, {fewer} no longer\n");
    }
    for (field, rows) in &report.fields {
        text += &format!("field {field:?} differs in {rows} rows\n");
    }
    report.rows.iter().for_each(|row| text += &of_row(table, row));
    for (aggregate, groups) in &report.groups_changed {
        text += &format!("aggregate {aggregate:?}: {groups} groups differ\n");
        report.groups.iter().filter(|group| group.aggregate == *aggregate).for_each(|group| text += &of_group(group));
    }
    for of in &report.not_provable {
        text += &format!("not provable: partition {}: offsets {} to {}: {}\n", of.partition, of.from, of.to, of.why);
    }
    report.left_out.iter().for_each(|what| text += &format!("not compared: {what}\n"));
    match report.revision {
        Some(revision) => text += &format!("written as revision {revision}\n"),
        None if report.same => text += "nothing differs\n",
        None => text += "nothing was changed\n",
    }
    text
}

fn of_row(table: &str, row: &Difference) -> String {
    let place = format!("{table}/{}/{}", row.partition, row.offset);
    let what = match row.what {
        What::Added => "a row more".to_owned(),
        What::Removed => "a row less".to_owned(),
        What::Changed => format!("{} changed", row.fields.join(", ")),
        What::Rejected => "rejected, and was dropped".to_owned(),
        What::Dropped => "dropped, and was rejected".to_owned(),
    };
    let mut text = format!("  {place}: {what}\n");
    row.was.iter().for_each(|was| text += &format!("    - {}\n", plain(was.get())));
    row.now.iter().for_each(|now| text += &format!("    + {}\n", plain(now.get())));
    row.rejected.iter().for_each(|reason| text += &format!("    rejected: {}\n", plain(reason)));
    text
}

fn of_group(group: &GroupDifference) -> String {
    let json = |of: &Map<String, Json>| plain(&serde_json::json!(of).to_string());
    let measures = |of: &Option<Map<String, Json>>| of.as_ref().map_or_else(|| "none".to_owned(), json);
    let (window, key) = (group.window.as_str().unwrap_or_default(), json(&group.group));
    format!("  window {window} {key}: {} -> {}\n", measures(&group.was), measures(&group.now))
}
