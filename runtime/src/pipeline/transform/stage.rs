//! One transform at work: rows halved where it fails, until the poison record stands alone.

use arrow_array::RecordBatch;

use super::{Cleaned, Piece};
use crate::component::{Failure, Instance};
use crate::error::{Error, Kind};
use crate::process::Stint;

/// After so many deadline hits in a row, or so many chunks in a row that used up their budget, a table pauses.
pub(super) const TIME_HITS_MAX: u32 = 3;

/// An instance, with what it has lately cost.
#[derive(Debug)]
pub(super) struct Stage {
    instance: Instance,
    deadline_hits: u32,
    deadline_hits_max: u32,
    budget_hits: u32,
    /// Since when it has been at work on this chunk, and whether its budget for that is used up.
    begun: Stint,
    spent: bool,
}

impl Stage {
    pub(super) fn new(instance: Instance) -> Self {
        let (deadline_hits_max, begun) = (TIME_HITS_MAX, Stint::begin());
        Self { instance, deadline_hits: 0, deadline_hits_max, budget_hits: 0, begun, spent: false }
    }

    pub(super) fn on_trial(&mut self, on_trial: bool) {
        self.deadline_hits_max = if on_trial { 1 } else { TIME_HITS_MAX };
    }

    pub(super) fn memory(&self) -> usize {
        self.instance.memory()
    }

    /// Begins a chunk: its budget is whole again.
    pub(super) fn begin(&mut self) {
        self.begun = Stint::begin();
        self.spent = false;
    }

    /// Ends a chunk. An error is a reason to pause: too many in a row have used up their budget.
    pub(super) fn end(&mut self) -> Result<(), Error> {
        self.budget_hits = if self.spent { self.budget_hits + 1 } else { 0 };
        if self.budget_hits < TIME_HITS_MAX {
            return Ok(());
        }
        let what = Error::new(Kind::Transform, format!("{TIME_HITS_MAX} chunks in a row"));
        Err(self.instance.component().over_budget(&what))
    }

    /// Cleans rows, of which each belongs to one of `records`, never falling. An error is a reason to pause: the transform ran out
    /// of time again and again.
    ///
    /// Where it fails, the records are halved. Once the chunk's budget is used up nothing is halved any more: what is still to do,
    /// at most a stretch for each time that the chunk was halved, is tried one last time, and a stretch that fails then is
    /// rejected as a whole. So one that fails slowly holds the loop for a bounded time, and rows that have nothing to do
    /// with it still come out.
    pub(super) fn apply(&mut self, rows: &RecordBatch, records: &[u32], to: &mut Cleaned) -> Result<(), Error> {
        let budget = self.instance.component().budget();
        // The stretches that are still to do, the next one last: a stack in place of a recursion.
        let mut open = vec![(0, rows.num_rows())];
        while let Some((start, end)) = open.pop() {
            let of_stretch = records.get(start..end).unwrap_or_default();
            let (Some(first), Some(last)) = (of_stretch.first(), of_stretch.last()) else { continue };
            match self.instance.apply(&rows.slice(start, end - start)) {
                Ok(output) => {
                    self.deadline_hits = 0;
                    let record = |row: &u32| of_stretch.get(*row as usize).copied();
                    let sources = output.sources.iter().filter_map(record).collect();
                    to.pieces.push(Piece { rows: output.rows, sources });
                    let refused = output.rejected.into_iter();
                    to.rejected.extend(refused.filter_map(|(row, reason)| Some((record(&row)?, reason))));
                }
                Err(failure) => {
                    let error = self.count(failure)?;
                    self.spent = self.spent || self.begun.left_of(budget).is_none();
                    if first == last {
                        to.fail(of_stretch, &error);
                    } else if self.spent {
                        to.fail(of_stretch, &self.instance.component().over_budget(&error));
                    } else {
                        let half = start + half(of_stretch);
                        open.push((half, end));
                        open.push((start, half));
                    }
                }
            }
        }
        Ok(())
    }

    /// The failure's error; given as a reason to pause when it is one deadline hit too many, or when no call can follow.
    fn count(&mut self, failure: Failure) -> Result<Error, Error> {
        match failure {
            Failure::Deadline(error) => {
                self.deadline_hits += 1;
                if self.deadline_hits < self.deadline_hits_max { Ok(error) } else { Err(error) }
            }
            Failure::Quarantined(error) => Err(error),
            other => {
                self.deadline_hits = 0;
                Ok(other.into_error())
            }
        }
    }
}

/// Where rows of several records are cut so that no record is: as near to the middle as that goes, or after it.
fn half(records: &[u32]) -> usize {
    let middle = records.len() / 2;
    let Some(&at) = records.get(middle) else { return middle };
    match records.partition_point(|&record| record < at) {
        0 => records.partition_point(|&record| record <= at),
        before => before,
    }
}

#[cfg(test)]
mod tests {
    use super::half;

    #[test]
    fn no_record_is_cut() {
        let check = |records: &[u32], expected: usize| assert_eq!(half(records), expected, "{records:?}");
        check(&[0, 1], 1);
        check(&[0, 1, 2], 1);
        check(&[0, 1, 2, 3], 2);
        check(&[4, 4, 4, 5], 3);
        check(&[4, 5, 5, 5], 1);
        check(&[4, 4, 7, 7, 9], 2);
    }
}
