//! `tidemill audit`: the ledger derived again from topic, bucket and cache, with every fault named.

use std::cell::RefCell;
use std::path::PathBuf;

use clap::Args;

use super::progress::Progress;
use super::{Ended, table};
use crate::cache::query::Table as Answer;
use crate::error::Result;
use crate::pipeline::audit::{Audit, Report};
use crate::pipeline::places::Places;
use crate::value::Value;

/// Prove the ledger against topic, bucket and cache.
#[derive(Debug, Args)]
pub(super) struct Check {
    /// The pipeline file.
    #[arg(default_value = "pipelines/pinterest.toml")]
    pipeline: PathBuf,
    /// The data folder, where it is not the one that the file names.
    #[arg(long)]
    data: Option<PathBuf>,
    /// Compare listings and sums only; read no topic and no object.
    #[arg(long)]
    quick: bool,
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
}

impl Check {
    pub(super) fn run(self) -> Result<Ended> {
        super::log_to_stderr("warn");
        let pipeline = super::pipeline(&self.pipeline, self.data)?;
        let (places, host, tokio) = (Places::of(&pipeline.data), super::host()?, super::tokio_runtime()?);
        let host = host.trusting(&pipeline.trust);
        let shown: RefCell<Option<(&'static str, Progress)>> = RefCell::new(None);
        let progress = |what: &'static str, done: u64, total: u64| {
            let mut shown = shown.borrow_mut();
            if shown.as_ref().is_none_or(|(before, _)| *before != what) {
                shown.take().iter().for_each(|(_, progress)| progress.end());
                *shown = Some((what, Progress::new(what, total)));
            }
            shown.iter().for_each(|(_, progress)| progress.at(done));
        };
        let audit = Audit {
            pipeline: &pipeline,
            places: &places,
            host: &host,
            quick: self.quick,
            tokio: tokio.handle(),
            progress: &progress,
        };
        let report = audit.run();
        shown.take().iter().for_each(|(_, progress)| progress.end());
        let report = report?;
        if self.json {
            println!("{}", serde_json::json!(report));
        } else {
            show(&report);
        }
        Ok(if report.proven { Ended::Well } else { Ended::NotWell })
    }
}

fn show(report: &Report) {
    println!("{}", table::table(&partitions(report)));
    if !report.aggregates.is_empty() {
        println!("{}", table::table(&aggregates(report)));
    }
    if !report.rollups.is_empty() {
        println!("{}", table::table(&rollups(report)));
    }
    for said in &report.not_provable {
        println!("not provable: {said}");
    }
    if report.waiting > 0 {
        println!("{} objects and segments wait in the spool, and are not due in the bucket", report.waiting);
    }
    for fault in &report.faults {
        println!("{fault}");
    }
    if report.faults_more > 0 {
        println!("{} more faults are not listed", report.faults_more);
    }
    let how = if report.quick { "listings and sums agree" } else { "all agrees" };
    match report.faults.len() as u64 + report.faults_more {
        0 => println!("pipeline {:?}: {how}", report.pipeline),
        1 => println!("pipeline {:?}: 1 fault", report.pipeline),
        count => println!("pipeline {:?}: {count} faults", report.pipeline),
    }
}

fn partitions(report: &Report) -> Answer {
    let columns = [
        "table",
        "partition",
        "epochs",
        "from",
        "next",
        "in",
        "out",
        "dropped",
        "rejected",
        "rows",
        "superseded",
        "late",
        "in topic",
        "objects",
        "rows in lake",
        "rows waiting",
        "faults",
    ];
    let row = |of: &crate::pipeline::audit::Partition| {
        let number = |number: u64| Value::Int64(number.cast_signed());
        let found = |found: Option<u64>| found.map_or(Value::Null, number);
        vec![
            Value::Text(of.table.clone()),
            number(of.partition.into()),
            number(of.epochs),
            number(of.from),
            number(of.next),
            number(of.records_in),
            number(of.out),
            number(of.dropped),
            number(of.rejected),
            number(of.rows),
            number(of.superseded),
            number(of.late.values().sum()),
            found(of.topic_records),
            number(of.objects),
            found(of.lake_rows),
            number(of.rows_waiting),
            number(of.faults),
        ]
    };
    let rows = report.partitions.iter().map(row).collect();
    Answer { columns: columns.map(str::to_owned).to_vec(), rows, more: false }
}

fn aggregates(report: &Report) -> Answer {
    let row = |(name, of): (&String, &crate::pipeline::audit::Aggregate)| {
        let number = |number: u64| Value::Int64(number.cast_signed());
        let found = of.lake_rows.map_or(Value::Null, number);
        vec![Value::Text(name.clone()), number(of.objects), found, number(of.faults)]
    };
    let columns = ["aggregate", "objects", "groups in lake", "faults"].map(str::to_owned).to_vec();
    Answer { columns, rows: report.aggregates.iter().map(row).collect(), more: false }
}

fn rollups(report: &Report) -> Answer {
    let row = |(name, of): (&String, &crate::pipeline::audit::Rollup)| {
        let number = |number: u64| Value::Int64(number.cast_signed());
        vec![Value::Text(name.clone()), number(of.groups), number(of.faults)]
    };
    let columns = ["rollup", "groups", "faults"].map(str::to_owned).to_vec();
    Answer { columns, rows: report.rollups.iter().map(row).collect(), more: false }
}
