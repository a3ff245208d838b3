//! `tidemill transform bench`: what a component costs per record.

mod cost;
mod native;

use std::path::{Path, PathBuf};

use clap::Args;

use super::Ended;
use crate::error::{Error, Kind, Result, io_kind};
use crate::record::{Batch, Record};
use crate::time::Timestamp;
use cost::{CHUNK_RECORDS, Cost, Measured};
use native::Native;

/// Measure what a component costs per record; with `--against`, refuse one that got dearer.
///
/// Instructions are those of WebAssembly, counted by an engine of their own, and the same on every machine. Times are of the
/// fastest of many passes over all records, 512 a call, with all that is copied into the guest and out of it.
///
/// The shares of a call's time are medians: `guest` is from the entry of the transform's function to its return, `lifting` from there
/// to rows that are checked, `lowering` all that comes before. They are noted in passes of their own, and what looking at the clock
/// takes in these is taken off.
///
/// Where FILE is the folder of a crate, or the component that is built there, the same function is also built for this machine and
/// given the same records: so much dearer than that is the sandbox.
#[derive(Debug, Args)]
pub(in crate::cli) struct Bench {
    /// The component's file, or the folder that it is built from.
    file: PathBuf,
    /// Records, each a JSON object on a line.
    #[arg(long, value_name = "FILE")]
    rows: PathBuf,
    /// The transform's parameters, as a JSON object.
    #[arg(long, default_value = "{}")]
    parameters: String,
    /// Another component, given the same records and parameters: the version before, for instance.
    #[arg(long, value_name = "FILE")]
    against: Option<PathBuf>,
    /// How many times its instructions may be needed.
    #[arg(long, default_value_t = 1.2, requires = "against")]
    max_ratio: f64,
    /// Print a JSON object.
    #[arg(long)]
    json: bool,
}

impl Bench {
    pub(in crate::cli) fn run(self) -> Result<Ended> {
        super::super::log_to_stderr("warn");
        let records = records(&self.rows)?;
        let Measured { cost, calls } = cost::measure(&self.file, &records, &self.parameters)?;
        let native = Native::measure(&self.file, &calls, &self.parameters, &cost);
        let other = self.against.map(|other| cost::measure(&other, &records, &self.parameters)).transpose()?;
        let other = other.map(|measured| measured.cost);
        let ratio = other.as_ref().map(|other| cost.instructions_per_record / other.instructions_per_record);
        if self.json {
            println!("{}", serde_json::json!({"cost": cost, "host": native, "against": other, "ratio": ratio}));
        } else {
            println!("{}\n  {}", shown(&cost), native.shown());
            other.iter().for_each(|other| println!("against {}", shown(other)));
        }
        match ratio.filter(|ratio| *ratio > self.max_ratio) {
            Some(ratio) => {
                eprintln!("it needs {ratio:.2} times the instructions, and {} is allowed", self.max_ratio);
                Ok(Ended::NotWell)
            }
            None => Ok(Ended::Well),
        }
    }
}

fn shown(cost: &Cost) -> String {
    let Cost { transform, digest, records, instructions_per_record, ns_per_record, records_per_second, shares } = cost;
    let percent = |share: f64| format!("{:.0} %", share * 100.0);
    let (lowering, guest, lifting) = (percent(shares.lowering), percent(shares.guest), percent(shares.lifting));
    format!(
        "{transform} ({}): {instructions_per_record:.0} instructions a record; {records} records, {CHUNK_RECORDS} a call\n  \
         {ns_per_record:.0} ns a record, {records_per_second:.0} records a second: {lowering} lowering, {guest} guest, \
         {lifting} lifting and checks",
        digest.get(..12).unwrap_or(digest)
    )
}

/// The records of a file; fewer than fill a call are repeated, so that what a call costs by itself does not show.
fn records(file: &Path) -> Result<Batch> {
    let text = std::fs::read(file).map_err(|cause| Error::new(io_kind(&cause), format!("file {file:?}: {cause}")))?;
    let lines: Vec<_> =
        text.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty()).collect();
    if lines.is_empty() {
        return Err(Error::new(Kind::Input, format!("file {file:?}: there is no record in it")));
    }
    let mut batch = Batch::default();
    let count = lines.len().max(CHUNK_RECORDS);
    for (offset, line) in (0..).zip(lines.iter().copied().cycle().take(count)) {
        batch.push(Record { offset, time: Timestamp(0), key: None, value: Some(line), headers: &[] });
    }
    Ok(batch)
}
