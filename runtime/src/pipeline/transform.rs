//! A chunk through the component: halved where it fails, until the poison record stands alone.

use arrow_array::RecordBatch;

use crate::component::{Failure, Instance};
use crate::error::Error;

/// After so many deadline hits in a row a table pauses.
pub(super) const DEADLINE_HITS_MAX: u32 = 3;

/// Rows that came out of one call, and for each the row of the chunk that it came from.
#[derive(Debug)]
pub struct Piece {
    /// The rows, with the fields of the transform's outputs.
    pub rows: RecordBatch,
    /// For each, the row of the chunk; never falling.
    pub sources: Vec<u32>,
}

/// What came of a chunk.
#[derive(Debug, Default)]
pub struct Cleaned {
    /// The rows that came out, in order.
    pub pieces: Vec<Piece>,
    /// Rows of the chunk that were rejected, by rising row, and why.
    pub rejected: Vec<(u32, String)>,
    /// How many of them it failed on.
    pub failed: u64,
}

/// A transform at work in one worker.
#[derive(Debug)]
pub struct Transform {
    instance: Instance,
    deadline_hits: u32,
    deadline_hits_max: u32,
}

impl Transform {
    /// One that calls this instance.
    pub fn new(instance: Instance) -> Self {
        Self { instance, deadline_hits: 0, deadline_hits_max: DEADLINE_HITS_MAX }
    }

    /// Whether it is on trial, where the first deadline hit is one too many.
    pub(super) fn on_trial(&mut self, on_trial: bool) {
        self.deadline_hits_max = if on_trial { 1 } else { DEADLINE_HITS_MAX };
    }

    /// The bytes of memory that the guest has.
    pub(super) fn memory(&self) -> usize {
        self.instance.memory()
    }

    /// Cleans a chunk. An error is a reason to pause: the transform ran out of time again and again.
    pub fn apply(&mut self, chunk: &RecordBatch) -> Result<Cleaned, Error> {
        let mut cleaned = Cleaned::default();
        // The stretches that are still to do, the next one last: a stack in place of a recursion.
        let mut open = vec![(0, chunk.num_rows())];
        while let Some((start, rows)) = open.pop() {
            if rows == 0 {
                continue;
            }
            match self.instance.apply(&chunk.slice(start, rows)) {
                Ok(output) => {
                    self.deadline_hits = 0;
                    let first = start as u32;
                    let sources = output.sources.iter().map(|source| source + first).collect();
                    cleaned.pieces.push(Piece { rows: output.rows, sources });
                    cleaned.rejected.extend(output.rejected.into_iter().map(|(row, reason)| (row + first, reason)));
                }
                Err(failure) => {
                    let error = self.count(failure)?;
                    if rows == 1 {
                        cleaned.rejected.push((start as u32, error.message().to_owned()));
                        cleaned.failed += 1;
                    } else {
                        let half = rows / 2;
                        open.push((start + half, rows - half));
                        open.push((start, half));
                    }
                }
            }
        }
        Ok(cleaned)
    }

    /// The failure's error; given as a reason to pause when it is one deadline hit too many.
    fn count(&mut self, failure: Failure) -> Result<Error, Error> {
        let Failure::Deadline(error) = failure else {
            self.deadline_hits = 0;
            return Ok(failure.into_error());
        };
        self.deadline_hits += 1;
        if self.deadline_hits < self.deadline_hits_max { Ok(error) } else { Err(error) }
    }
}
