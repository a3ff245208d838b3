//! `tidemill late`: the rows that came too late for their windows.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value as Json, json};

use super::{Ended, table};
use crate::cache::Late;
use crate::cache::query::{Reader, Table as Answer};
use crate::commit::LateRow;
use crate::config::plan;
use crate::error::{Error, Kind, Result};
use crate::pipeline::places::Places;
use crate::time::Timestamp;
use crate::value::Value;

/// List the rows that came too late for the windows of aggregates. They are in lake and cache nevertheless.
#[derive(Debug, Args)]
pub(super) struct List {
    /// The pipeline file.
    pipeline: PathBuf,
    /// Of this aggregate alone.
    #[arg(long)]
    aggregate: Option<String>,
    /// The most rows that are listed of each aggregate.
    #[arg(long, value_name = "N", default_value_t = 20)]
    limit: usize,
    /// The data folder, where it is not the one that the file names.
    #[arg(long)]
    data: Option<PathBuf>,
    /// Print a list of JSON objects, one for each aggregate.
    #[arg(long)]
    json: bool,
}

impl List {
    pub(super) fn run(self) -> Result<Ended> {
        let pipeline = super::pipeline(&self.pipeline, self.data)?;
        let aggregates =
            |table: &plan::Table| table.aggregates.iter().map(|aggregate| aggregate.name.clone()).collect::<Vec<_>>();
        let all = pipeline
            .tables
            .iter()
            .flat_map(|table| aggregates(table).into_iter().map(|name| (table.name.as_str(), name)));
        let wanted = |(_, name): &(&str, String)| self.aggregate.as_deref().is_none_or(|wanted| wanted == name);
        let names: Vec<(&str, String)> = all.clone().filter(wanted).collect();
        if let (Some(unknown), true) = (&self.aggregate, names.is_empty()) {
            let error = Error::new(Kind::Missing, format!("aggregate {unknown:?}: there is none"));
            return Err(
                error.hint(format!("the aggregates are {}", all.map(|(_, name)| name).collect::<Vec<_>>().join(", ")))
            );
        }
        let reader = Reader::open(&Places::of(&pipeline.data).cache)?;
        let mut found = Vec::with_capacity(names.len());
        for (table, name) in names {
            let late = reader.late_rows(&name, self.limit)?;
            found.push((table, name, late));
        }
        if self.json {
            println!("{}", Json::Array(found.iter().map(|(_, name, late)| as_json(name, late)).collect()));
            return Ok(Ended::Well);
        }
        for (of, name, late) in &found {
            println!("{name}: {}", counted(late));
            if !late.rows.is_empty() {
                println!("{}", table::table(&rows(late)));
                let pipeline = self.pipeline.display();
                println!("tidemill replay {of} --late {name} -p {pipeline} shows what its windows would be with them");
            }
        }
        Ok(Ended::Well)
    }
}

fn counted(Late { count, listed, .. }: &Late) -> String {
    match (count, listed) {
        (0, _) => "no row was late".to_owned(),
        (count, listed) => format!("{count} late, {listed} listed"),
    }
}

fn rows(late: &Late) -> Answer {
    let columns = ["partition", "offset", "row", "time", "window missed", "listed"].map(str::to_owned).to_vec();
    let line = |(row, listed): &(LateRow, Timestamp)| {
        let time = |time: Option<_>| time.map_or(Value::Null, Value::Timestamp);
        vec![
            Value::Int64(row.partition.into()),
            Value::Int64(row.offset),
            Value::Int64(row.row.into()),
            time(row.time),
            time(row.window),
            Value::Timestamp(*listed),
        ]
    };
    Answer { columns, rows: late.rows.iter().map(line).collect(), more: false }
}

fn as_json(name: &str, late: &Late) -> Json {
    let time = |time: Option<Timestamp>| time.map(|time| time.to_string());
    let row = |(row, listed): &(LateRow, Timestamp)| {
        json!({
            "partition": row.partition,
            "offset": row.offset,
            "row": row.row,
            "time": time(row.time),
            "window": time(row.window),
            "listed": listed.to_string(),
        })
    };
    let rows: Vec<Json> = late.rows.iter().map(row).collect();
    json!({ "aggregate": name, "late": late.count, "listed": late.listed, "rows": rows })
}
