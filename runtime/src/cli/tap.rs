//! `tidemill tap`: live records with what the transform in service makes of them, shown or kept as a test case.

use std::path::PathBuf;

use clap::Args;

use super::{Ended, operator};
use crate::config::plan;
use crate::error::{Error, Kind, OrFail, Result};
use crate::pipeline::cases::{self, Tapped};

/// Characters of a line that are shown.
const CHARACTERS_MAX: usize = 400;

/// See the last records of a table with what its transform makes of them, or keep them as a test case.
#[derive(Debug, Args)]
pub(super) struct Tap {
    /// The table; its pipeline has to run.
    table: String,
    /// The pipeline file.
    #[arg(long, short, default_value = "pipelines/pinterest.toml")]
    pipeline: PathBuf,
    /// How many records.
    #[arg(short, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=crate::runtime::TAP_RECORDS_MAX as u64))]
    n: u64,
    /// Keep them as a test case of this name, which `tidemill test` plays.
    #[arg(long, value_name = "NAME")]
    save_case: Option<String>,
    /// Put a stand-in in the place of this field's values, the same for the same value; may be given again.
    #[arg(long, value_name = "FIELD")]
    mask: Vec<String>,
    /// Print a list of JSON objects.
    #[arg(long)]
    json: bool,
}

impl Tap {
    pub(super) fn run(self) -> Result<Ended> {
        let pipeline = super::pipeline(&self.pipeline, None)?;
        let table = pipeline.tables.iter().find(|table| table.name == self.table).ok_or_else(|| {
            let names: Vec<&str> = pipeline.tables.iter().map(|table| table.name.as_str()).collect();
            let error = Error::new(Kind::Missing, format!("table {:?}: there is none", self.table));
            error.hint(format!("the tables are {}", names.join(", ")))
        })?;
        let folder = self.save_case.as_ref().map(|name| folder(table, name)).transpose()?;
        let (client, admin) = operator::client(&pipeline)?;
        let url = format!("{admin}/tables/{}/tap?n={}&mask={}", table.name, self.n, self.masks()?);
        let answer = super::tokio_runtime()?.block_on(client.get(&url))?;
        let tapped: Vec<Tapped> =
            serde_json::from_str(&answer).or_fail(Kind::Unavailable, || format!("server {url:?}"))?;
        if let Some(folder) = folder {
            cases::save(&folder, &tapped)?;
            println!("{} records are kept in {}", tapped.len(), folder.display());
        } else if self.json {
            println!("{answer}");
        } else {
            tapped.iter().for_each(show);
        }
        Ok(Ended::Well)
    }

    /// The fields as a URL takes them.
    fn masks(&self) -> Result<String> {
        let plain = |name: &&String| name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-@.".contains(&b));
        match self.mask.iter().find(|name| !plain(name)) {
            Some(odd) => {
                Err(Error::new(Kind::Input, format!("field {odd:?}: only letters, digits, _, - and . can be named")))
            }
            None => Ok(self.mask.join(",")),
        }
    }
}

/// The folder of a case to be.
fn folder(table: &plan::Table, name: &str) -> Result<PathBuf> {
    if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-') {
        return Err(Error::new(Kind::Input, format!("case {name:?}: a name is of letters, digits, _ and -")));
    }
    Ok(table.cases.join(name))
}

fn show(tapped: &Tapped) {
    println!("{}/{}  {}", tapped.partition, tapped.offset, short(tapped.input.get()));
    for row in &tapped.rows {
        println!("  + {}", short(row.get()));
    }
    match &tapped.rejected {
        Some(reason) => println!("  rejected: {}", short(reason)),
        None if tapped.rows.is_empty() => println!("  dropped"),
        None => {}
    }
}

/// The beginning of a text, without what would move a terminal's cursor.
fn short(text: &str) -> String {
    let mut shown: String =
        text.chars().take(CHARACTERS_MAX).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    if text.chars().nth(CHARACTERS_MAX).is_some() {
        shown.push('…');
    }
    shown
}
