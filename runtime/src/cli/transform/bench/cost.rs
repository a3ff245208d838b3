//! A component's instructions, its time, and where that time goes.

use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use arrow_array::RecordBatch;
use serde::Serialize;

use super::super::{host, load};
use crate::component::{Component, Host, Instance, Parts};
use crate::decode::Decoder;
use crate::error::{Error, Kind, Result};
use crate::record::Batch;

/// Records in one call, as a worker does.
pub(super) const CHUNK_RECORDS: usize = 512;
/// How long the clock runs.
pub(super) const CLOCK_TIME: Duration = Duration::from_secs(1);
/// How many instances share that time.
const INSTANCES: u32 = 20;

/// What a component costs.
#[derive(Debug, Serialize)]
pub(super) struct Cost {
    pub(super) transform: String,
    pub(super) digest: String,
    pub(super) records: usize,
    /// Of the guest, the same on every machine.
    pub(super) instructions_per_record: f64,
    /// Of a call, with all that is copied into the guest and out of it; of the fastest pass.
    pub(super) ns_per_record: f64,
    pub(super) records_per_second: f64,
    /// Where the time goes.
    pub(super) shares: Shares,
}

/// Parts of the time of a usual call, together 1.
#[derive(Debug, Serialize)]
pub(super) struct Shares {
    /// Into the guest.
    pub(super) lowering: f64,
    /// In it.
    pub(super) guest: f64,
    /// Out of it, with all checks.
    pub(super) lifting: f64,
}

/// A component's cost, and what it was given.
pub(super) struct Measured {
    pub(super) cost: Cost,
    /// The records of each call: JSON lines, without those that do not decode.
    pub(super) calls: Vec<String>,
}

/// Runs the component over all records: once to count instructions, then against the clock.
pub(super) fn measure(file: &Path, records: &Batch, parameters: &str) -> Result<Measured> {
    let (metered, _) = load(&Host::metered()?, file)?;
    let description = metered.description();
    let (chunks, calls) = chunks(Decoder::new(&description.inputs, 0)?, records)?;
    let decoded: usize = chunks.iter().map(RecordBatch::num_rows).sum();
    if decoded == 0 {
        let none = format!("{}: none of the records has the fields that it reads", file.display());
        return Err(Error::new(Kind::Input, none));
    }
    let mut instance = metered.instantiate(parameters)?;
    let before = instance.instructions().unwrap_or_default();
    pass(&mut instance, &chunks)?;
    let instructions = instance.instructions().unwrap_or_default().saturating_sub(before);
    let (component, _) = load(&host()?, file)?;
    let (fastest, shares) = time(&component, &chunks, parameters)?;
    let cost = Cost {
        transform: format!("{} {}", description.name, description.version),
        digest: component.digest().to_owned(),
        records: decoded,
        instructions_per_record: instructions as f64 / decoded as f64,
        ns_per_record: fastest.as_nanos() as f64 / decoded as f64,
        records_per_second: decoded as f64 / fastest.as_secs_f64(),
        shares,
    };
    Ok(Measured { cost, calls })
}

/// The records as the transform gets them, without those that do not decode, and as they were written.
fn chunks(mut decoder: Decoder, records: &Batch) -> Result<(Vec<RecordBatch>, Vec<String>)> {
    let (mut chunks, mut calls) = (Vec::new(), Vec::new());
    for start in (0..records.len()).step_by(CHUNK_RECORDS) {
        let end = (start + CHUNK_RECORDS).min(records.len());
        let decoded = decoder.decode(records, start..end)?;
        let values = decoded.sources.iter().filter_map(|&index| records.get(index as usize)?.value);
        let lines: Vec<_> = values.map(String::from_utf8_lossy).collect();
        if !lines.is_empty() {
            calls.push(lines.join("\n"));
            chunks.push(decoded.rows);
        }
    }
    Ok((chunks, calls))
}

/// The fastest pass, and the shares of a usual one's time.
///
/// Passes with and without the clock inside take turns, so that both meet the machine in the same state. Each of several
/// instances has its turn too: how its memory lies moves some time from one part to another.
fn time(component: &Component, chunks: &[RecordBatch], parameters: &str) -> Result<(Duration, Shares)> {
    let (mut plain, mut watched) = (Vec::new(), Vec::new());
    for _ in 0..INSTANCES {
        let mut instance = component.instantiate(parameters)?;
        let begun = Instant::now();
        while begun.elapsed() < CLOCK_TIME / INSTANCES {
            let start = Instant::now();
            pass(&mut instance, chunks)?;
            plain.push(start.elapsed());
            watched.push(pass_in_parts(&mut instance, chunks)?);
        }
    }
    let part = |of: fn(&Parts) -> Duration| median(watched.iter().map(of).collect());
    let (guest, lifting) = (part(|parts| parts.guest), part(|parts| parts.lifting));
    // What the clock takes is taken off the part in which it is looked at most.
    let clock = part(|parts| parts.lowering + parts.guest + parts.lifting).saturating_sub(median(plain.clone()));
    let lowering = part(|parts| parts.lowering).saturating_sub(clock);
    let whole = (lowering + guest + lifting).as_secs_f64();
    let share = |of: Duration| of.as_secs_f64() / whole;
    let shares = Shares { lowering: share(lowering), guest: share(guest), lifting: share(lifting) };
    Ok((plain.into_iter().min().unwrap_or_default(), shares))
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

fn pass(instance: &mut Instance, chunks: &[RecordBatch]) -> Result<()> {
    for chunk in chunks {
        black_box(instance.apply(chunk).map_err(|failure| failure.into_error())?);
    }
    Ok(())
}

fn pass_in_parts(instance: &mut Instance, chunks: &[RecordBatch]) -> Result<Parts> {
    let mut sum = Parts::default();
    for chunk in chunks {
        let (output, parts) = instance.apply_in_parts(chunk).map_err(|failure| failure.into_error())?;
        black_box(output);
        sum.lowering += parts.lowering;
        sum.guest += parts.guest;
        sum.lifting += parts.lifting;
    }
    Ok(sum)
}
