//! A chunk through the component: halved where it fails, until the poison record stands alone.

use std::time::Instant;

use arrow_array::RecordBatch;

use crate::component::{Failure, Instance, Output};
use crate::error::{Error, Kind};

/// After so many deadline hits in a row, or so many chunks in a row that used up their budget, a table pauses.
const TIME_HITS_MAX: u32 = 3;

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
    budget_hits: u32,
}

impl Transform {
    /// One that calls this instance.
    pub fn new(instance: Instance) -> Self {
        Self { instance, deadline_hits: 0, deadline_hits_max: TIME_HITS_MAX, budget_hits: 0 }
    }

    /// Whether it is on trial, where the first deadline hit is one too many.
    pub(super) fn on_trial(&mut self, on_trial: bool) {
        self.deadline_hits_max = if on_trial { 1 } else { TIME_HITS_MAX };
    }

    /// The bytes of memory that the guest has.
    pub(super) fn memory(&self) -> usize {
        self.instance.memory()
    }

    /// Cleans a chunk. An error is a reason to pause: the transform ran out of time again and again.
    ///
    /// Once the chunk's budget is used up nothing is halved any more: what is still to do, at most a stretch for each
    /// time that the chunk was halved, is tried one last time, and a stretch that fails then is rejected as a whole. So
    /// one that fails slowly holds the loop for a bounded time, and rows that have nothing to do with it still come out.
    pub fn apply(&mut self, chunk: &RecordBatch) -> Result<Cleaned, Error> {
        let begun = Instant::now();
        let budget = self.instance.component().budget();
        let mut cleaned = Cleaned::default();
        let mut spent = false;
        // The stretches that are still to do, the next one last: a stack in place of a recursion.
        let mut open = vec![(0, chunk.num_rows())];
        while let Some((start, rows)) = open.pop() {
            if rows == 0 {
                continue;
            }
            match self.instance.apply(&chunk.slice(start, rows)) {
                Ok(output) => {
                    self.deadline_hits = 0;
                    cleaned.take(start as u32, output);
                }
                Err(failure) => {
                    let error = self.count(failure)?;
                    spent = spent || begun.elapsed() >= budget;
                    if rows == 1 {
                        cleaned.reject(start, rows, &error);
                    } else if spent {
                        cleaned.reject(start, rows, &self.instance.component().over_budget(&error));
                    } else {
                        let half = rows / 2;
                        open.push((start + half, rows - half));
                        open.push((start, half));
                    }
                }
            }
        }
        self.count_budget(spent)?;
        Ok(cleaned)
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

    /// Counts the chunks in a row whose budget was used up; an error when it is one too many.
    fn count_budget(&mut self, spent: bool) -> Result<(), Error> {
        self.budget_hits = if spent { self.budget_hits + 1 } else { 0 };
        if self.budget_hits < TIME_HITS_MAX {
            return Ok(());
        }
        let what = Error::new(Kind::Transform, format!("{TIME_HITS_MAX} chunks in a row"));
        Err(self.instance.component().over_budget(&what))
    }
}

impl Cleaned {
    /// Takes what came of the stretch that begins at row `first`.
    fn take(&mut self, first: u32, output: Output) {
        let sources = output.sources.iter().map(|source| source + first).collect();
        self.pieces.push(Piece { rows: output.rows, sources });
        self.rejected.extend(output.rejected.into_iter().map(|(row, reason)| (row + first, reason)));
    }

    fn reject(&mut self, start: usize, rows: usize, reason: &Error) {
        self.rejected.extend((start..start + rows).map(|row| (row as u32, reason.message().to_owned())));
        self.failed += rows as u64;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use arrow_array::StringArray;

    use super::*;
    use crate::component::limits::Limits;
    use crate::component::tests::guest::{Guest, IDENTITY, batch, field};
    use crate::schema::Type;

    const ROWS: usize = 64;

    /// A transform that runs `apply` on texts of one letter.
    fn transform(apply: &str, limits: &Limits) -> Transform {
        let guest = Guest { apply: format!("{apply} {IDENTITY}"), ..Guest::honest() };
        Transform::new(guest.load(limits).unwrap().instantiate("{}").unwrap())
    }

    /// Good rows, but for those given.
    fn chunk(bad: &[usize]) -> RecordBatch {
        let texts: StringArray = (0..ROWS).map(|row| Some(if bad.contains(&row) { "x" } else { "a" })).collect();
        batch(&[field("title", Type::Text, true)], vec![Arc::new(texts)])
    }

    /// Does `then` where one of the rows is bad: the bytes of the texts stand in memory.
    fn where_bad(then: &str) -> String {
        format!(
            "(local $at i32) (local $end i32)
            (local.set $at (i32.load offset=24 (local.get $columns)))
            (local.set $end (i32.add (local.get $at) (i32.load offset=28 (local.get $columns))))
            (block $done (loop $next
              (br_if $done (i32.ge_u (local.get $at) (local.get $end)))
              (if (i32.eq (i32.load8_u (local.get $at)) (i32.const 120)) (then {then}))
              (local.set $at (i32.add (local.get $at) (i32.const 1)))
              (br $next)))"
        )
    }

    fn rows_out(cleaned: &Cleaned) -> Vec<u32> {
        cleaned.pieces.iter().flat_map(|piece| piece.sources.iter().copied()).collect()
    }

    fn limits(budget: Duration) -> Limits {
        Limits { deadline: Duration::from_secs(20), budget, ..Limits::default() }
    }

    #[test]
    fn poison_stands_alone_and_the_rest_goes_on_in_order() {
        let mut transform = transform(&where_bad("unreachable"), &limits(Duration::from_secs(60)));
        for bad in [vec![], vec![0], vec![63], vec![5, 6, 40], (0..ROWS).collect()] {
            let cleaned = transform.apply(&chunk(&bad)).unwrap();
            let rejected: Vec<_> = cleaned.rejected.iter().map(|(row, _)| *row as usize).collect();
            assert_eq!(rejected, bad);
            let good: Vec<_> = (0..ROWS).filter(|row| !bad.contains(row)).map(|row| row as u32).collect();
            assert_eq!(rows_out(&cleaned), good);
        }
    }

    #[test]
    fn a_chunk_out_of_budget_is_halved_no_more_and_the_rest_is_tried_once() {
        // Any failing call is later than this budget, so the chunk is not halved at all; a good one is as ever.
        let mut transform = transform(&where_bad("unreachable"), &limits(Duration::ZERO));
        for _ in 0..2 {
            let cleaned = transform.apply(&chunk(&[7])).unwrap();
            assert_eq!((rows_out(&cleaned).len(), cleaned.rejected.len()), (0, ROWS));
            let reason = &cleaned.rejected[ROWS - 1].1;
            assert!(reason.starts_with("transform \"guest\": the budget of its chunk was used up"), "{reason}");
            assert!(reason.contains("(limit budget = 0 ms)") && reason.contains("unreachable"), "{reason}");
        }
        assert_eq!(rows_out(&transform.apply(&chunk(&[])).unwrap()).len(), ROWS);
        for _ in 1..TIME_HITS_MAX {
            transform.apply(&chunk(&[7])).unwrap();
        }
        let paused = transform.apply(&chunk(&[7])).err().unwrap();
        assert!(paused.message().contains("3 chunks in a row"), "{paused}");
        assert!(paused.next_step().unwrap().contains("raise budget in [tables.<table>.limits]"));
    }

    #[test]
    fn deadline_hits_in_a_row_are_a_reason_to_pause() {
        let soon = Limits { deadline: Duration::from_millis(10), budget: Duration::from_secs(60), ..Limits::default() };
        let mut transform = transform(&where_bad("(loop $l (br $l))"), &soon);
        let paused = transform.apply(&chunk(&[0])).err().unwrap();
        assert!(paused.message().contains("out of time (limit deadline = 10 ms)"), "{paused}");
    }
}
