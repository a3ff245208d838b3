//! A small host for tests: JSON records in, JSON rows out.

mod columns;

use serde_json::Value;

pub use columns::{batch, rows};

use crate::wit::{Batch, Description, Output};

/// What came of records.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcome {
    /// Each row that came out, as an object, with the place of its record.
    pub rows: Vec<(u32, Value)>,
    /// Each record that was rejected, with the reason.
    pub rejected: Vec<(u32, String)>,
    /// The records that were dropped on purpose.
    pub dropped: Vec<u32>,
}

/// Runs a transform over records, each a JSON object as text: `testing::run(&describe(), apply, &lines)`.
///
/// A record must fit what the transform declares: a null, or nothing, where a field is not nullable is an error here,
/// as is a value of another type; the host rejects such records before a transform sees them.
pub fn run<L: AsRef<str>>(
    description: &Description,
    apply: impl Fn(&Batch) -> Result<Output, String>,
    lines: &[L],
) -> Result<Outcome, String> {
    let output = apply(&batch(&description.inputs, lines)?)?;
    let made = rows(&description.outputs, &output.rows)?;
    if made.len() != output.sources.len() {
        return Err(format!("{} rows came out, but {} sources", made.len(), output.sources.len()));
    }
    let rejected: Vec<_> = output.rejected.into_iter().map(|one| (one.row, one.reason)).collect();
    let records = u32::try_from(lines.len()).map_err(|error| error.to_string())?;
    let is_dropped =
        |row: &u32| output.sources.binary_search(row).is_err() && rejected.iter().all(|(other, _)| other != row);
    let dropped = (0..records).filter(is_dropped).collect();
    Ok(Outcome { rows: output.sources.into_iter().zip(made).collect(), rejected, dropped })
}

#[cfg(test)]
mod tests;
