//! The trial of a generation: its first epoch in a partition, judged before it is handed over.

use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Duration;

use super::generation::Generation;
use crate::sabotage::{self, Fault};

/// A first epoch ends after so many records ...
pub(super) const TRIAL_RECORDS: u64 = 8_192;
/// ... or this time.
pub(super) const TRIAL_TIME: Duration = Duration::from_millis(100);
/// A worker that sees no record for so long has nothing to try a generation on.
pub(super) const TRIAL_QUIET: Duration = Duration::from_millis(200);
/// Rejections that a generation may add to those of the one before, for each record.
const REJECTED_MORE_MAX: f64 = 0.01;
/// The same of records on which it failed.
const FAILED_MORE_MAX: f64 = 0.001;
/// The generation before may have met cleaner records, by this factor.
const LUCK: f64 = 2.0;
/// With fewer records than this, the generation before says nothing about how many are rejected.
const KNOWN_RECORDS_MIN: u64 = 100;
/// What is then too many, for each record.
const REJECTED_UNKNOWN_MAX: f64 = 0.5;
/// Rows that a generation on trial gets in one call: fewer than else, so that a short trial has calls enough to show a leak.
pub(super) const TRIAL_CHUNK_ROWS: usize = 64;
/// Calls that a guest may need until its memory is as large as it will be.
const WARM_CALLS: usize = 4;
/// Fewer calls than this, after those, tell nothing about memory.
const MEMORY_CALLS_MIN: usize = 16;

/// How a generation has fared in one partition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fared {
    /// Records given to it.
    pub records: u64,
    /// Records that went to the dead letters.
    pub rejected: u64,
    /// Those among them on which the transform failed: it trapped, ran out of a limit, or broke the contract.
    pub failed: u64,
    /// The guest's memory after each call, in bytes.
    pub memory: Vec<usize>,
}

/// What became of a generation's first epoch in a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The table.
    pub table: Arc<str>,
    /// The partition.
    pub partition: u32,
    /// The generation.
    pub number: u64,
    /// What it was.
    pub outcome: Outcome,
}

/// How a trial ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was handed over.
    Passed,
    /// There was no record to try it on; the first that come will be.
    Untried,
    /// It was abandoned for this reason, and its records are read again under the generation before.
    Failed(String),
}

/// A trial that is to be held, or under way.
pub struct Trial {
    /// The generation that goes on where this one fails.
    pub back: Arc<Generation>,
    /// Who waits for the first word.
    pub answer: Option<Sender<Verdict>>,
    /// Who hears of a failure after that.
    pub failures: Sender<Verdict>,
}

impl Trial {
    /// Tells whoever has to know.
    pub(super) fn tell(&mut self, verdict: Verdict) {
        // Who has gone needs no answer.
        match (self.answer.take(), &verdict.outcome) {
            (Some(answer), _) => drop(answer.send(verdict)),
            (None, Outcome::Failed(_)) => drop(self.failures.send(verdict)),
            (None, _) => {}
        }
    }
}

/// Why a generation that fared like `new` must not be handed over, given how the one before it fared.
pub(super) fn fault(new: &Fared, before: &Fared) -> Option<String> {
    if sabotage::is(Fault::TrialUnjudged) {
        return None;
    }
    let of = |part: u64, whole: u64| part as f64 / whole.max(1) as f64;
    let bound = |before_rate: f64, more: f64| before_rate * LUCK + more;
    let failed = bound(of(before.failed, before.records), FAILED_MORE_MAX);
    if of(new.failed, new.records) > failed {
        return Some(format!(
            "it failed on {} of {} records, {} of {} before (at most {:.2} %)",
            new.failed,
            new.records,
            before.failed,
            before.records,
            failed * 100.0
        ));
    }
    let rejected = match before.records < KNOWN_RECORDS_MIN {
        true => REJECTED_UNKNOWN_MAX,
        false => bound(of(before.rejected, before.records), REJECTED_MORE_MAX),
    };
    if of(new.rejected, new.records) > rejected {
        return Some(format!(
            "it rejected {} of {} records, {} of {} before (at most {:.1} %)",
            new.rejected,
            new.records,
            before.rejected,
            before.records,
            rejected * 100.0
        ));
    }
    leak(&new.memory).map(|bytes| format!("its memory grew call after call, to {bytes} bytes"))
}

/// The memory of a guest that asked for more in each quarter of its calls, long after the first.
fn leak(memory: &[usize]) -> Option<usize> {
    let warm = memory.get(WARM_CALLS..)?;
    if warm.len() <= MEMORY_CALLS_MIN {
        return None;
    }
    let quarter = warm.len().div_ceil(4);
    let grew = |calls: &[usize]| calls.first() < calls.last();
    // Each window ends with the call that the next begins with.
    let quarters = (0..4).map(|nth| warm.get(nth * quarter..).unwrap_or_default());
    let leaks = quarters.map(|from| from.get(..=quarter).unwrap_or(from)).all(grew);
    memory.last().copied().filter(|_| leaks)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fared(records: u64, rejected: u64, failed: u64) -> Fared {
        Fared { records, rejected, failed, memory: Vec::new() }
    }

    #[test]
    fn judges_by_how_the_one_before_fared() {
        let check = |new: (u64, u64, u64), before: (u64, u64, u64), why: Option<&str>| {
            let found = fault(&fared(new.0, new.1, new.2), &fared(before.0, before.1, before.2));
            assert_eq!(found.is_some(), why.is_some(), "{new:?} after {before:?}: {found:?}");
            assert!(found.unwrap_or_default().contains(why.unwrap_or_default()));
        };
        check((8192, 0, 0), (1_000_000, 0, 0), None);
        check((8192, 80, 0), (1_000_000, 0, 0), None);
        check(
            (8192, 83, 0),
            (1_000_000, 0, 0),
            Some("rejected 83 of 8192 records, 0 of 1000000 before (at most 1.0 %)"),
        );
        check((8192, 2048 + 300, 0), (10_000, 2_500, 0), None);
        check((8192, 8192, 0), (10_000, 2_500, 0), Some("at most 51.0 %"));
        check((8192, 164, 164), (1_000_000, 10_000, 0), Some("failed on 164 of 8192 records, 0 of 1000000 before"));
        check((8192, 8, 8), (1_000_000, 10_000, 0), None);
        check((8192, 20, 20), (1_000_000, 10_000, 1_000), None);
        check((4, 1, 1), (10, 0, 0), Some("failed on 1 of 4"));
        // Without a past, only what is plain counts.
        check((8192, 3000, 0), (0, 0, 0), None);
        check((8192, 8000, 0), (99, 0, 0), Some("at most 50.0 %"));
        check((0, 0, 0), (0, 0, 0), None);
    }

    #[test]
    fn a_leak_is_growth_that_does_not_end() {
        let check = |memory: &[usize], leaks: bool| assert_eq!(leak(memory).is_some(), leaks, "{memory:?}");
        check(&[], false);
        check(&[1; 50], false);
        let with = |grows: &dyn Fn(usize) -> usize| (0..52).map(grows).collect::<Vec<_>>();
        check(&with(&|call| call), true);
        check(&with(&|call| call / 8), true);
        check(&with(&|call| call.min(10)), false);
        check(&with(&|call| call.min(35)), false);
        check(&with(&|call| usize::from(call > 30)), false);
        check(&with(&|call| call)[..20], false);
    }
}
