//! `tidemill dead-letters redrive`: letters once more through a transform, first to see, then to keep.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;

use super::Id;
use super::show::plain;
use crate::cache::letters::Which;
use crate::cache::query::Reader;
use crate::cli::generations::{component, parsed};
use crate::cli::progress::Progress;
use crate::cli::{Ended, operator};
use crate::config::plan::Pipeline;
use crate::emulate::client::Client;
use crate::error::{Error, Kind, Result};
use crate::pipeline::places::Places;
use crate::pipeline::redrive::{Example, Report};

/// Letters that one request names.
const IDS_MAX: usize = 200;

/// Run dead letters through the transform that is in service now, or through another. Without `--apply` nothing is changed: what
/// would come of them is told. With it, rows are put into the lake windows of their records, into the cache where they are the
/// latest, and into windows of aggregates that are open; an aggregate whose window has closed counts them as late.
#[derive(Debug, Args)]
pub(in crate::cli) struct Redrive {
    /// The pipeline file; the pipeline has to run.
    #[arg(default_value = "pipelines/pinterest.toml")]
    pipeline: PathBuf,
    #[command(flatten)]
    meant: Meant,
    /// Of this table only.
    #[arg(long)]
    table: Option<String>,
    /// Run them through this component instead; it is put in service for nothing else.
    #[arg(long, value_name = "FILE")]
    with: Option<PathBuf>,
    /// Of a table with several transforms, the one that the component is for: its name, or its number from 1.
    #[arg(long, requires = "with")]
    transform: Option<String>,
    /// Do it.
    #[arg(long)]
    apply: bool,
    /// Print the reports as a JSON object, by table.
    #[arg(long)]
    json: bool,
}

/// Which letters.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Meant {
    /// These letters: `TABLE/PARTITION/OFFSET`, with commas between.
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    ids: Vec<Id>,
    /// Those with this text in their reason.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// All that wait.
    #[arg(long)]
    all: bool,
}

impl Redrive {
    pub(super) fn run(self) -> Result<Ended> {
        let pipeline = crate::cli::pipeline(&self.pipeline, None)?;
        let with = self.with.as_deref().map(component).transpose()?.unwrap_or_default();
        let tables = self.tables(&pipeline)?;
        let (client, admin) = operator::client(&pipeline)?;
        let reports = crate::cli::tokio_runtime()?.block_on(async {
            let mut reports = BTreeMap::new();
            for table in tables {
                let report = self.redrive(&client, &admin, &pipeline, &table, &with).await?;
                reports.insert(table, report);
            }
            Ok::<_, Error>(reports)
        })?;
        if self.json {
            println!("{}", serde_json::json!(reports));
            return Ok(Ended::Well);
        }
        reports.iter().for_each(|(table, report)| print!("{}", told(table, report, self.apply)));
        if !self.apply && reports.values().any(|report| report.out + report.dropped > 0) {
            println!("nothing was changed; --apply does it");
        }
        Ok(Ended::Well)
    }

    /// The tables whose letters are meant.
    fn tables(&self, pipeline: &Pipeline) -> Result<Vec<String>> {
        let names = || pipeline.tables.iter().map(|table| table.name.clone());
        let meant = |name: &String| match &self.table {
            Some(table) => table == name,
            None => self.meant.ids.is_empty() || self.meant.ids.iter().any(|id| id.table == *name),
        };
        let tables: Vec<String> = names().filter(meant).collect();
        let unknown =
            self.meant.ids.iter().map(|id| &id.table).chain(&self.table).find(|table| !names().any(|n| n == **table));
        if let Some(table) = unknown {
            let known = names().collect::<Vec<_>>().join(", ");
            let error = Error::new(Kind::Missing, format!("table {table:?}: there is none"));
            return Err(error.hint(format!("the tables are {known}")));
        }
        if self.with.is_some() && tables.len() > 1 {
            let error = Error::new(Kind::Input, "component: it is not said for which table it is");
            return Err(error.hint("name the table with --table"));
        }
        Ok(tables)
    }

    /// Turn after turn, each a request and, where it is applied, a transaction.
    async fn redrive(
        &self,
        client: &Client,
        admin: &str,
        pipeline: &Pipeline,
        table: &str,
        with: &[u8],
    ) -> Result<Report> {
        let url = format!("{admin}/tables/{table}/redrive");
        let mut report = Report::default();
        let ids: Vec<String> = (self.meant.ids.iter().filter(|id| id.table == table))
            .map(|id| format!("{}/{}", id.partition, id.offset))
            .collect();
        for ids in ids.chunks(IDS_MAX) {
            report.add(self.turn(client, &url, &[("ids", ids.join(","))], with).await?);
        }
        if !ids.is_empty() || !self.meant.ids.is_empty() {
            return Ok(report);
        }
        let reason = self.meant.reason.iter().map(|reason| ("reason", reason.clone()));
        let progress = Progress::new("redrive", self.count(pipeline, table));
        loop {
            let after = report.next.map(|(partition, offset)| ("after", format!("{partition}/{offset}")));
            let asked: Vec<_> = reason.clone().chain(after).collect();
            report.add(self.turn(client, &url, &asked, with).await?);
            progress.at(report.letters);
            if report.next.is_none() {
                progress.end();
                return Ok(report);
            }
        }
    }

    async fn turn(&self, client: &Client, url: &str, asked: &[(&str, String)], with: &[u8]) -> Result<Report> {
        let transform = self.transform.iter().map(|transform| ("transform", transform.as_str()));
        let apply = self.apply.then_some(("apply", "true"));
        let asked = asked.iter().map(|(name, value)| (*name, value.as_str()));
        let asked: Vec<_> = asked.chain(transform).chain(apply).collect();
        parsed(url, &client.send(url, &asked, with.to_vec()).await?)
    }

    /// How many letters there are to do, where the cache's file can be seen from here.
    fn count(&self, pipeline: &Pipeline, table: &str) -> u64 {
        let which = Which { reason: self.meant.reason.clone(), ..Which::default() };
        let count =
            Reader::open(&Places::of(&pipeline.data).cache).and_then(|reader| reader.letters_count(table, &which));
        count.unwrap_or(0)
    }
}

/// What came of a table's letters, for a person.
fn told(table: &str, report: &Report, applied: bool) -> String {
    let Report { digest, letters, out, dropped, rejected, rows, .. } = report;
    if *letters == 0 {
        return format!("table {table:?}: no such letter waits\n");
    }
    let words = if applied {
        ["came out as", "were dropped", "were rejected again, and stay"]
    } else {
        ["would come out as", "would be dropped", "would be rejected again"]
    };
    let [out_as, were_dropped, were_rejected] = words;
    let mut text = format!(
        "table {table:?}: of {letters} letters {out} {out_as} {rows} rows, {dropped} {were_dropped}, {rejected} {were_rejected}\n  \
         cleaned by {digest}\n"
    );
    for (reason, letters) in &report.reasons {
        text += &format!("  rejected again: {letters} because {}\n", plain(reason));
    }
    for Example { partition, offset, rows, rejected } in &report.examples {
        text += &format!("  {table}/{partition}/{offset}\n");
        rows.iter().for_each(|row| text += &format!("    + {}\n", plain(row.get())));
        rejected.iter().for_each(|reason| text += &format!("    rejected: {}\n", plain(reason)));
    }
    for (aggregate, rows) in &report.late {
        text += &format!("  aggregate {aggregate:?} counts {rows} rows as late: their window had closed\n");
    }
    if let (Some(first), Some(last)) = (report.revisions.first(), report.revisions.last()) {
        let which = if first == last { format!("revision {first}") } else { format!("revisions {first} to {last}") };
        text += &format!("  the ledger has it as {which}\n");
    }
    text
}
