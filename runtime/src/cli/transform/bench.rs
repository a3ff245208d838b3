//! `tidemill transform bench`: what a component costs per record.

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use arrow_array::RecordBatch;
use clap::Args;
use serde::Serialize;

use super::{Ended, host, load};
use crate::component::{Host, Instance};
use crate::decode::Decoder;
use crate::error::{Error, Kind, Result, io_kind};
use crate::record::{Batch, Record};
use crate::time::Timestamp;

/// Records in one call, as a worker does.
const CHUNK_RECORDS: usize = 512;
/// How long the clock runs.
const CLOCK_TIME: Duration = Duration::from_millis(500);

/// Measure what a component costs per record; with `--against`, refuse one that got dearer.
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

/// What a component costs.
#[derive(Debug, Serialize)]
struct Cost {
    transform: String,
    digest: String,
    records: usize,
    /// Of the guest, the same on every machine.
    instructions_per_record: f64,
    /// Of a call, with all that is copied into the guest and out of it; of the fastest pass.
    ns_per_record: f64,
    records_per_second: f64,
}

impl Bench {
    pub(in crate::cli) fn run(self) -> Result<Ended> {
        super::super::log_to_stderr("warn");
        let records = records(&self.rows)?;
        let cost = measure(&self.file, &records, &self.parameters)?;
        let other = self.against.map(|other| measure(&other, &records, &self.parameters)).transpose()?;
        let ratio = other.as_ref().map(|other| cost.instructions_per_record / other.instructions_per_record);
        if self.json {
            println!("{}", serde_json::json!({"cost": cost, "against": other, "ratio": ratio}));
        } else {
            println!("{}", shown(&cost));
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
    let Cost { transform, digest, records, instructions_per_record, ns_per_record, records_per_second } = cost;
    format!(
        "{transform} ({}): {instructions_per_record:.0} instructions a record, {ns_per_record:.0} ns a record, \
         {records_per_second:.0} records a second; {records} records, {CHUNK_RECORDS} a call",
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

/// Runs the component over all records: once to count instructions, then against the clock.
fn measure(file: &Path, records: &Batch, parameters: &str) -> Result<Cost> {
    let (metered, _) = load(&Host::metered()?, file)?;
    let description = metered.description();
    let chunks = chunks(Decoder::new(&description.inputs, 0)?, records)?;
    let decoded: usize = chunks.iter().map(RecordBatch::num_rows).sum();
    if decoded == 0 {
        return Err(Error::new(
            Kind::Input,
            format!("{}: none of the records has the fields that it reads", file.display()),
        ));
    }
    let mut instance = metered.instantiate(parameters)?;
    let before = instance.instructions().unwrap_or_default();
    pass(&mut instance, &chunks)?;
    let instructions = instance.instructions().unwrap_or_default().saturating_sub(before);

    let (component, _) = load(&host()?, file)?;
    let mut instance = component.instantiate(parameters)?;
    let (begun, mut fastest) = (Instant::now(), Duration::MAX);
    while begun.elapsed() < CLOCK_TIME {
        let start = Instant::now();
        pass(&mut instance, &chunks)?;
        fastest = fastest.min(start.elapsed());
    }
    Ok(Cost {
        transform: format!("{} {}", description.name, description.version),
        digest: component.digest().to_owned(),
        records: decoded,
        instructions_per_record: instructions as f64 / decoded as f64,
        ns_per_record: fastest.as_nanos() as f64 / decoded as f64,
        records_per_second: decoded as f64 / fastest.as_secs_f64(),
    })
}

/// The records as the transform gets them, without those that do not decode.
fn chunks(mut decoder: Decoder, records: &Batch) -> Result<Vec<RecordBatch>> {
    let mut chunks = Vec::new();
    for start in (0..records.len()).step_by(CHUNK_RECORDS) {
        let end = (start + CHUNK_RECORDS).min(records.len());
        chunks.push(decoder.decode(records, start..end)?.rows);
    }
    Ok(chunks)
}

fn pass(instance: &mut Instance, chunks: &[RecordBatch]) -> Result<()> {
    for chunk in chunks {
        black_box(instance.apply(chunk).map_err(|failure| failure.into_error())?);
    }
    Ok(())
}
