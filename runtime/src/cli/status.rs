//! `tidemill status`: what a running pipeline says of itself.

use std::path::PathBuf;

use clap::Args;

use super::{Ended, operator};
use crate::error::Result;

/// Show the state of a running pipeline.
#[derive(Debug, Args)]
pub(super) struct Show {
    /// The pipeline file.
    #[arg(default_value = "pipelines/pinterest.toml")]
    pipeline: PathBuf,
}

impl Show {
    pub(super) fn run(self) -> Result<Ended> {
        let pipeline = super::pipeline(&self.pipeline, None)?;
        let (client, url) = operator::client(&pipeline)?;
        let status = super::tokio_runtime()?.block_on(client.get(&format!("{url}/status")))?;
        println!("{status}");
        Ok(Ended::Well)
    }
}
