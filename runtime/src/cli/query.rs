//! `tidemill query`: ask the cache, whether the pipeline runs or not.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::{Ended, table};
use crate::cache::query::Reader;
use crate::config::units;
use crate::error::{Kind, Result};
use crate::pipeline::places::Places;

/// Ask the cache: a query's name or a SELECT.
#[derive(Debug, Args)]
pub(super) struct Query {
    /// A query's name, or SQL that only reads; the names are listed when it is left out.
    query: Option<String>,
    /// The pipeline file.
    #[arg(long, short, default_value = "pipelines/pinterest.toml")]
    pipeline: PathBuf,
    /// The data folder, where it is not the one that the file names.
    #[arg(long)]
    data: Option<PathBuf>,
    /// The most rows that are shown; where there are more, the exit code is 1.
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    rows_max: usize,
    /// The longest that it may take, such as 5m.
    #[arg(long, value_name = "TIME", default_value = "60s",
        value_parser = |text: &str| units::duration(text).map_err(|error| error.line()))]
    time_max: Duration,
    /// Print a list of JSON objects.
    #[arg(long)]
    json: bool,
    /// Print CSV with a line of names.
    #[arg(long, conflicts_with = "json")]
    csv: bool,
}

impl Query {
    pub(super) fn run(self) -> Result<Ended> {
        let pipeline = super::pipeline(&self.pipeline, self.data)?;
        let reader = Reader::open(&Places::of(&pipeline.data).cache)?;
        let Some(query) = self.query else {
            reader.queries()?.iter().for_each(|name| println!("{name}"));
            return Ok(Ended::Well);
        };
        let answer = reader.run_within(&query, self.rows_max, self.time_max);
        let answer = answer.map_err(|error| match error.kind() {
            Kind::Busy => error.hint("--time-max lets it take longer"),
            _ => error,
        })?;
        if self.json {
            println!("{}", table::json(&answer));
        } else if self.csv {
            print!("{}", table::csv(&answer));
        } else {
            println!("{}", table::table(&answer));
        }
        if answer.more {
            eprintln!("there are more than these {} rows: --rows-max shows more", self.rows_max);
            return Ok(Ended::NotWell);
        }
        Ok(Ended::Well)
    }
}
