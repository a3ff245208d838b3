//! `tidemill import-connector`: a pipeline file that lands what a Kafka Connect S3 sink landed.

use std::path::PathBuf;

use clap::Args;

use super::Ended;
use crate::config;
use crate::error::{OrFail, Result, io_kind};

#[derive(Debug, Args)]
pub(super) struct ImportConnector {
    /// The connector's configuration, as properties or JSON.
    file: PathBuf,
    /// A topic that it lands, where it names them by a regular expression; may be given again.
    #[arg(long)]
    topic: Vec<String>,
}

impl ImportConnector {
    pub(super) fn run(self) -> Result<Ended> {
        let read = std::fs::read_to_string(&self.file);
        let kind = read.as_ref().map_or_else(io_kind, |_| crate::error::Kind::Input);
        let text = read.or_fail(kind, || format!("connector {}", self.file.display()))?;
        match config::import_connector(&self.file, &text, &self.topic) {
            Ok(toml) => {
                print!("{toml}");
                Ok(Ended::Well)
            }
            Err(faults) => {
                faults.iter().for_each(|fault| eprintln!("{fault}"));
                Ok(Ended::NotWell)
            }
        }
    }
}
