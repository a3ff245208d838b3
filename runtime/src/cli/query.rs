//! `tidemill query`: ask the cache, whether the pipeline runs or not.

use std::path::PathBuf;

use clap::Args;

use super::{Ended, table};
use crate::cache::query::Reader;
use crate::error::Result;
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
        let answer = reader.run(&query, usize::MAX)?;
        if self.json {
            println!("{}", table::json(&answer));
        } else if self.csv {
            print!("{}", table::csv(&answer));
        } else {
            println!("{}", table::table(&answer));
        }
        Ok(Ended::Well)
    }
}
