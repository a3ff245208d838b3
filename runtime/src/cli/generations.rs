//! `tidemill reload`, `rollback`, `generations`: the components of a running pipeline's table.

use std::path::{Path, PathBuf};

use clap::Args;
use serde::Deserialize;

use super::{Ended, operator, table};
use crate::cache::query::Table as Answer;
use crate::emulate::client::Client;
use crate::error::{Error, Kind, OrFail, Result};
use crate::http::generations::{Shown, Taken};
use crate::pipeline::generation::digests;
use crate::value::Value;

/// A table of a running pipeline.
#[derive(Debug, Args)]
pub(super) struct Of {
    /// The table.
    pub(super) table: String,
    /// The pipeline file.
    #[arg(long, short, default_value = "pipelines/pinterest.toml")]
    pipeline: PathBuf,
    /// Print the answer as JSON.
    #[arg(long)]
    pub(super) json: bool,
}

/// Offer a component to a table of a running pipeline: it is checked, tried on the next records, then taken.
#[derive(Debug, Args)]
pub(super) struct Reload {
    #[command(flatten)]
    of: Of,
    /// The component; without it, the files that the pipeline names are read again.
    file: Option<PathBuf>,
    /// Of a table with several transforms, the one that the component is for: its name, or its number from 1.
    #[arg(long, requires = "file")]
    transform: Option<String>,
    /// Take it although fields of the table go or become others, where the pipeline file does not name them.
    #[arg(long)]
    accept_breaking: bool,
}

/// Go back to the component that was in service before, and stay with it until `reload`.
#[derive(Debug, Args)]
pub(super) struct Rollback {
    #[command(flatten)]
    of: Of,
}

/// List the components that were in service of a table, and what each did.
#[derive(Debug, Args)]
pub(super) struct Generations {
    #[command(flatten)]
    of: Of,
}

impl Reload {
    pub(super) fn run(self) -> Result<Ended> {
        let component = self.file.as_deref().map(component).transpose()?.unwrap_or_default();
        let transform = self.transform.iter().map(|transform| ("transform", transform.as_str()));
        let accept = self.accept_breaking.then_some(("accept_breaking", "true"));
        self.of.change("reload", &transform.chain(accept).collect::<Vec<_>>(), component)
    }
}

impl Rollback {
    pub(super) fn run(self) -> Result<Ended> {
        self.of.change("rollback", &[], Vec::new())
    }
}

impl Generations {
    pub(super) fn run(self) -> Result<Ended> {
        let (client, url) = self.of.client("generations")?;
        let text = super::tokio_runtime()?.block_on(client.get(&url))?;
        match self.of.json {
            true => println!("{text}"),
            false => println!("{}", table::table(&listed(&parsed::<Vec<Shown>>(&url, &text)?))),
        }
        Ok(Ended::Well)
    }
}

/// The bytes of a component's file.
pub(super) fn component(file: &Path) -> Result<Vec<u8>> {
    let bytes = std::fs::read(file).or_fail(Kind::Missing, || format!("component {}", file.display()))?;
    if bytes.is_empty() {
        return Err(Error::new(Kind::Input, "component: the file is empty"));
    }
    Ok(bytes)
}

impl Of {
    /// A client, and the URL of something of the table.
    pub(super) fn client(&self, what: &str) -> Result<(Client, String)> {
        let (client, admin) = operator::client(&super::pipeline(&self.pipeline, None)?)?;
        Ok((client, format!("{admin}/tables/{}/{what}", self.table)))
    }

    pub(super) fn change(&self, what: &str, asked: &[(&str, &str)], body: Vec<u8>) -> Result<Ended> {
        let (client, url) = self.client(what)?;
        let text = super::tokio_runtime()?.block_on(client.send(&url, asked, body))?;
        if self.json {
            println!("{text}");
            return Ok(Ended::Well);
        }
        let Taken { digest, generation, changes } = parsed(&url, &text)?;
        println!("table {:?}: generation {generation} is in service, digest {digest}", self.table);
        changes.iter().for_each(|change| println!("field {change}"));
        Ok(Ended::Well)
    }
}

pub(super) fn parsed<'a, T: Deserialize<'a>>(url: &str, text: &'a str) -> Result<T> {
    serde_json::from_str(text)
        .or_fail(Kind::Unavailable, || format!("server {url:?}: its answer is another than expected"))
}

/// A row for each generation and partition.
fn listed(generations: &[Shown]) -> Answer {
    let number = |number: u64| i64::try_from(number).map_or(Value::Null, Value::Int64);
    let optional = |of: Option<u64>| of.map_or(Value::Null, number);
    let mut rows = Vec::new();
    for Shown { number: nth, digest, version, since, pinned, withdrawn, partitions } in generations {
        let state = match (withdrawn, pinned) {
            (true, _) => "withdrawn",
            (false, true) => "pinned",
            (false, false) => "",
        };
        // Of a chain, each component's.
        let digest =
            digests(digest).iter().map(|digest| digest.get(..12).unwrap_or(digest)).collect::<Vec<_>>().join("+");
        let texts = [digest.as_str(), version, since, state].map(|text| Value::Text(text.to_owned()));
        let head: Vec<Value> = std::iter::once(number(*nth)).chain(texts).collect();
        if partitions.is_empty() {
            rows.push(head.iter().cloned().chain((0..6).map(|_| Value::Null)).collect());
        }
        for part in partitions {
            let tail = [
                number(part.partition.into()),
                number(part.first_offset),
                optional(part.last_offset),
                number(part.records),
                number(part.rejected),
                optional(part.ns_per_record),
            ];
            rows.push(head.iter().cloned().chain(tail).collect());
        }
    }
    let columns = [
        "number",
        "digest",
        "version",
        "since",
        "state",
        "partition",
        "first",
        "last",
        "records",
        "rejected",
        "ns/record",
    ];
    Answer { columns: columns.map(str::to_owned).to_vec(), rows, more: false }
}
