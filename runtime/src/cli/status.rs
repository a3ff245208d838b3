//! `tidemill status`: what a running pipeline says of itself.

use std::path::PathBuf;

use clap::Args;

use super::Ended;
use crate::emulate::client::Client;
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
        let url = format!("http://{}/status", pipeline.listen.admin);
        let status = super::tokio_runtime()?.block_on(async { Client::new()?.get(&url).await })?;
        println!("{status}");
        Ok(Ended::Well)
    }
}
