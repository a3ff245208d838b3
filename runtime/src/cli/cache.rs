//! `tidemill cache rebuild`: the cache's rows, aggregates and queries made anew from the lake.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::json;

use super::Ended;
use super::progress::Progress;
use crate::error::Result;
use crate::runtime::{Rebuilt, rebuild};

/// Look after a pipeline's cache.
#[derive(Debug, Subcommand)]
pub(super) enum Cache {
    /// Make the latest rows, the aggregates and the queries anew from the lake.
    Rebuild(Rebuild),
}

/// Make the latest rows, the closed windows of aggregates and the queries anew from the objects of the lake. Offsets, open windows,
/// outbox, ledger and dead letters stay as they are. The pipeline must not run. Ended in the middle, it leaves the cache as it was.
#[derive(Debug, Args)]
pub(super) struct Rebuild {
    /// The pipeline file.
    #[arg(default_value = "pipelines/pinterest.toml")]
    pipeline: PathBuf,
    /// The data folder, where it is not the one that the file names.
    #[arg(long)]
    data: Option<PathBuf>,
    /// Print a JSON object.
    #[arg(long)]
    json: bool,
}

impl Cache {
    pub(super) fn run(self) -> Result<Ended> {
        match self {
            Self::Rebuild(rebuild) => rebuild.run(),
        }
    }
}

impl Rebuild {
    fn run(self) -> Result<Ended> {
        super::log_to_stderr("warn");
        let pipeline = super::pipeline(&self.pipeline, self.data)?;
        let tokio = super::tokio_runtime()?;
        let mut progress: Option<Progress> = None;
        let rebuilt = rebuild(&pipeline, tokio.handle(), |done, total| {
            progress.get_or_insert_with(|| Progress::new("objects", total)).at(done);
        });
        progress.iter().for_each(Progress::end);
        let rebuilt = rebuilt?;
        if self.json {
            println!("{}", json!(rebuilt));
        } else {
            print!("{}", told(&rebuilt));
        }
        Ok(Ended::Well)
    }
}

fn told(rebuilt: &Rebuilt) -> String {
    let Rebuilt { objects, rows, open, left_out } = rebuilt;
    let mut text = format!("rebuilt from {objects} objects\n");
    for (name, rows) in rows {
        text += &format!("  {name}: {rows} rows read\n");
    }
    for (name, groups) in open {
        text += &format!("  {name}: {groups} groups of open windows, from their state\n");
    }
    for what in left_out {
        text += &format!("left out: {what}\n");
    }
    text
}
