//! `tidemill shadow`, `promote`, `discard`: a candidate beside the live transform of a running pipeline's table.

use std::path::PathBuf;

use clap::Args;

use super::Ended;
use super::generations::{Of, component, parsed};
use crate::error::Result;
use crate::pipeline::shadow::Report;
use crate::runtime::SHARE;

/// Run a component beside the live one on the same records, and show how their rows differ; none of its rows is kept.
#[derive(Debug, Args)]
pub(super) struct Shadow {
    #[command(flatten)]
    of: Of,
    /// The component; without it, what the shadow that runs was seen to do is shown.
    file: Option<PathBuf>,
    /// Of a table with several transforms, the one that the component is for: its name, or its number from 1.
    #[arg(long, requires = "file")]
    transform: Option<String>,
    /// The part of one processor's time that it may use, from 0.01 to 1.
    #[arg(long, requires = "file", default_value_t = SHARE)]
    share: f64,
}

/// Take the component that runs as a shadow, if what it was seen to do is close enough to the live one.
#[derive(Debug, Args)]
pub(super) struct Promote {
    #[command(flatten)]
    of: Of,
    /// The most that may differ of the rows that were compared, such as `0.1%`.
    #[arg(long, default_value = "0%", value_parser = fraction)]
    max_changed: f64,
    /// Take it although fields of the table go or become others, where the pipeline file does not name them.
    #[arg(long)]
    accept_breaking: bool,
}

/// End a shadow, of which nothing stays.
#[derive(Debug, Args)]
pub(super) struct Discard {
    #[command(flatten)]
    of: Of,
}

impl Shadow {
    pub(super) fn run(self) -> Result<Ended> {
        let (client, url) = self.of.client("shadow")?;
        let Some(file) = &self.file else {
            let text = super::tokio_runtime()?.block_on(client.get(&url))?;
            return self.of.show(&url, &text, |report| print!("{}", told(report)));
        };
        let (component, share) = (component(file)?, self.share.to_string());
        let transform = self.transform.iter().map(|transform| ("transform", transform.as_str()));
        let asked: Vec<_> = transform.chain([("share", share.as_str())]).collect();
        let text = super::tokio_runtime()?.block_on(client.send(&url, &asked, component))?;
        let table = &self.of.table;
        self.of.show(&url, &text, |report| {
            println!("table {table:?}: {} runs as a shadow, digest {}", report.version, report.digest);
            report.changes.iter().for_each(|change| println!("field {change}"));
            println!("see what it does: tidemill shadow {table}; then: tidemill promote {table}, or discard {table}");
        })
    }
}

impl Promote {
    pub(super) fn run(self) -> Result<Ended> {
        let changed_max = self.max_changed.to_string();
        let accept = self.accept_breaking.then_some(("accept_breaking", "true"));
        let asked: Vec<_> = [("changed_max", changed_max.as_str())].into_iter().chain(accept).collect();
        self.of.change("promote", &asked, Vec::new())
    }
}

impl Discard {
    pub(super) fn run(self) -> Result<Ended> {
        let (client, url) = self.of.client("discard")?;
        let text = super::tokio_runtime()?.block_on(client.send(&url, &[], Vec::new()))?;
        let table = &self.of.table;
        self.of.show(&url, &text, |report| {
            println!("table {table:?}: the shadow has ended; it had cleaned {} records", report.records);
        })
    }
}

impl Of {
    /// Shows a report as JSON where that is asked for.
    fn show(&self, url: &str, text: &str, show: impl FnOnce(&Report)) -> Result<Ended> {
        match self.json {
            true => println!("{text}"),
            false => show(&parsed(url, text)?),
        }
        Ok(Ended::Well)
    }
}

/// A part of one: `0.1%` or `0.001`.
fn fraction(text: &str) -> Result<f64, String> {
    let (number, of) = text.strip_suffix('%').map_or((text, 1.0), |number| (number, 100.0));
    let found = number.trim().parse::<f64>().map(|number| number / of).ok();
    let found = found.filter(|found| (0.0..=1.0).contains(found));
    found.ok_or_else(|| format!("{text:?} is not between 0% and 100%"))
}

/// What a shadow was seen to do, for a person.
fn told(report: &Report) -> String {
    let mut lines = vec![format!("{}, digest {}, since {}", report.version, report.digest, report.since)];
    let share = |part: u64, whole: u64| part as f64 * 100.0 / whole.max(1) as f64;
    let (records, seen) = (report.records, report.records_seen.max(report.records));
    lines.push(format!(
        "compared with generation {} on {records} of {seen} records ({:.0} %)",
        report.live_generation,
        share(records, seen)
    ));
    lines.extend(report.changes.iter().map(|change| format!("field {change}")));
    let counts = [
        ("rows equal", report.rows_equal),
        ("rows changed", report.rows_changed),
        ("rows added", report.rows_added),
        ("rows lost", report.rows_lost),
        ("newly rejected", report.newly_rejected),
        ("no longer rejected", report.no_longer_rejected),
        ("failed on", report.failed),
    ];
    lines.extend(counts.iter().map(|(what, count)| format!("  {what:<20}{count:>12}")));
    for (name, field) in &report.fields {
        lines.push(format!("field {name:?} differs in {} rows", field.changed));
        let example = |e: &crate::pipeline::shadow::Example| {
            format!("  partition {}, offset {}: {} -> {}", e.partition, e.offset, e.live, e.candidate)
        };
        lines.extend(field.examples.iter().map(example));
    }
    let rejected = |r: &crate::pipeline::shadow::Rejected| {
        format!("rejected: partition {}, offset {}: {}", r.partition, r.offset, r.reason)
    };
    lines.extend(report.rejected.iter().map(rejected));
    lines.push(format!(
        "cost: {} ns a record, live {} ns, both with decoding",
        report.ns_per_record, report.live_ns_per_record
    ));
    lines.extend(report.trouble.iter().map(|trouble| format!("it has ended: {trouble}")));
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::fraction;

    #[test]
    fn a_fraction_is_written_in_two_ways() {
        let check = |text: &str, expected: Option<f64>| assert_eq!(fraction(text).ok(), expected, "{text}");
        check("0.1%", Some(0.001));
        check("0.5", Some(0.5));
        check("100 %", Some(1.0));
        check("101%", None);
        check("-1%", None);
        check("some", None);
        check("NaN", None);
    }
}
