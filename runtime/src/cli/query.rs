//! `tidemill query`: ask the cache, whether the pipeline runs or not.

mod chart;
mod watch;

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::{Ended, table};
use crate::cache::query::{Reader, Table as Answer};
use crate::config::units;
use crate::error::{Error, Kind, OrFail, Result};
use crate::pipeline::answer;
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
    /// How the answer is shown.
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
    /// Print a list of JSON objects: --format json.
    #[arg(long, conflicts_with_all = ["csv", "format"])]
    json: bool,
    /// Print CSV with a line of names: --format csv.
    #[arg(long, conflicts_with = "format")]
    csv: bool,
    /// Write the answer to this file, in the place of what is there.
    #[arg(long, value_name = "FILE", conflicts_with = "watch")]
    output: Option<PathBuf>,
    /// Show it again when it changes, until ctrl-c: on a terminal the whole, otherwise the rows that went and came.
    #[arg(long, requires = "query")]
    watch: bool,
}

/// How an answer is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A table with lines.
    Table,
    /// A list of JSON objects.
    Json,
    /// CSV with a line of names.
    Csv,
    /// Parquet, to a file.
    Parquet,
    /// A bar for each row: the last column is its length, those before it its name.
    Chart,
}

impl Query {
    pub(super) fn run(self) -> Result<Ended> {
        let format = self.format();
        if format == Format::Parquet && self.output.is_none() {
            return Err(
                Error::new(Kind::Input, "query: Parquet is not for a terminal").hint("name a file: --output FILE")
            );
        }
        let pipeline = super::pipeline(&self.pipeline, self.data.clone())?;
        let reader = Reader::open(&Places::of(&pipeline.data).cache)?;
        let Some(query) = &self.query else {
            reader.queries()?.iter().for_each(|name| println!("{name}"));
            return Ok(Ended::Well);
        };
        if self.watch {
            return watch::run(&reader, format, || self.ask(&reader, query)).map(|()| Ended::Well);
        }
        let answer = self.ask(&reader, query)?;
        match &self.output {
            Some(file) => write(&answer, format, file)?,
            None => print!("{}", shown(&answer, format)?),
        }
        if answer.more {
            eprintln!("there are more than these {} rows: --rows-max shows more", self.rows_max);
            return Ok(Ended::NotWell);
        }
        Ok(Ended::Well)
    }

    fn format(&self) -> Format {
        match (self.json, self.csv) {
            (true, _) => Format::Json,
            (_, true) => Format::Csv,
            _ => self.format,
        }
    }

    fn ask(&self, reader: &Reader, query: &str) -> Result<Answer> {
        let answer = reader.run_within(query, self.rows_max, self.time_max);
        answer.map_err(|error| match error.kind() {
            Kind::Busy => error.hint("--time-max lets it take longer"),
            _ => error,
        })
    }
}

/// An answer as text that ends its last line.
fn shown(answer: &Answer, format: Format) -> Result<String> {
    Ok(match format {
        Format::Table => table::table(answer) + "\n",
        Format::Json => format!("{}\n", answer.json()),
        Format::Csv | Format::Parquet => answer.csv(),
        Format::Chart => chart::chart(answer, table::width())?,
    })
}

fn write(answer: &Answer, format: Format, file: &Path) -> Result<()> {
    if format == Format::Parquet {
        return answer::write(answer, answer::Form::Parquet, file).map(drop);
    }
    std::fs::write(file, shown(answer, format)?).or_fail(Kind::Storage, || format!("file {file:?}"))
}

/// Whether a person looks on.
fn on_terminal() -> bool {
    std::io::stdout().is_terminal()
}

/// Prints; false where nobody reads any more.
fn print(text: &str) -> bool {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).is_ok()
}
