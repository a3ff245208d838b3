//! The states that an answer went through, as far as they are remembered.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::cache::query::{Changes, Table};

/// States whose changes are remembered.
const STATES_MAX: usize = 1_000;
/// Rows in all of those changes.
const ROWS_MAX: usize = 100_000;

/// The states of one query's answer: the last as it is, those before by what changed.
#[derive(Debug, Default)]
pub(super) struct History {
    /// The number of the last state; 0 before the first.
    number: u64,
    last: Arc<Table>,
    /// What made each state of the one before it, up to the last.
    changes: VecDeque<Arc<Changes>>,
    rows: usize,
}

/// What somebody has to be told who knows an earlier state, or none.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Told {
    /// Nothing: there is no other state yet.
    Nothing,
    /// All of this state.
    Whole(u64, Arc<Table>),
    /// What made this state of the one before it, which is known.
    Changed(u64, Arc<Changes>),
}

impl History {
    /// Notes an answer; whether it is another state.
    pub(super) fn take(&mut self, answer: Table) -> bool {
        if self.number > 0 {
            let changes = answer.since(&self.last);
            if changes.is_empty() {
                // Its rows may have another order, which is no change.
                return false;
            }
            self.rows += size(&changes);
            self.changes.push_back(Arc::new(changes));
            while self.changes.len() > STATES_MAX || self.rows > ROWS_MAX {
                let Some(oldest) = self.changes.pop_front() else { break };
                self.rows -= size(&oldest);
            }
        }
        self.number += 1;
        self.last = Arc::new(answer);
        true
    }

    /// The next that has to be told to who knows the state of this number.
    pub(super) fn after(&self, known: Option<u64>) -> Told {
        if self.number == 0 || known == Some(self.number) {
            return Told::Nothing;
        }
        // The first of the remembered changes made the state of this number.
        let first = self.number + 1 - self.changes.len() as u64;
        let next = known.map(|known| known.saturating_add(1)).filter(|next| (first..=self.number).contains(next));
        let changes = next.and_then(|next| {
            let place = usize::try_from(next - first).ok()?;
            Some(Told::Changed(next, Arc::clone(self.changes.get(place)?)))
        });
        changes.unwrap_or_else(|| Told::Whole(self.number, Arc::clone(&self.last)))
    }
}

fn size(changes: &Changes) -> usize {
    changes.deleted.len() + changes.inserted.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Value;

    fn answer(rows: impl IntoIterator<Item = i64>) -> Table {
        let rows = rows.into_iter().map(|n| vec![Value::Int64(n)]).collect();
        Table { columns: vec!["n".to_owned()], rows, more: false }
    }

    /// Whoever is told step by step has the answer, whatever was known at first.
    fn follow(history: &History, mut known: Option<u64>, mut rows: Vec<Vec<Value>>) -> (usize, Vec<Vec<Value>>) {
        let mut steps = 0;
        loop {
            match history.after(known) {
                Told::Nothing => return (steps, rows),
                Told::Whole(number, table) => (known, rows) = (Some(number), table.rows.clone()),
                Told::Changed(number, changes) => {
                    for row in &changes.deleted {
                        let at = rows.iter().position(|known| known == row).unwrap();
                        rows.remove(at);
                    }
                    rows.extend(changes.inserted.iter().cloned());
                    known = Some(number);
                }
            }
            steps += 1;
        }
    }

    #[test]
    fn who_knows_a_state_is_told_what_changed_since() {
        let mut history = History::default();
        assert_eq!(history.after(None), Told::Nothing);
        let states = [vec![1], vec![1, 2], vec![2], vec![2, 2, 3]];
        for state in &states {
            assert!(history.take(answer(state.clone())));
        }
        assert!(!history.take(answer([3, 2, 2])), "another order is no change");
        let expected = answer([2, 2, 3]).rows;
        for (index, state) in states.iter().enumerate() {
            let (steps, rows) = follow(&history, Some(index as u64 + 1), answer(state.clone()).rows);
            assert_eq!((steps, rows), (3 - index, expected.clone()));
        }
        assert_eq!(follow(&history, None, Vec::new()), (1, expected.clone()));
        assert_eq!(follow(&history, Some(99), Vec::new()), (1, expected.clone()), "a state that never was");
        assert_eq!(follow(&history, Some(u64::MAX), Vec::new()), (1, expected), "nor this one");
    }

    #[test]
    fn what_is_remembered_has_an_end() {
        let mut history = History::default();
        for state in 0..2_000 {
            history.take(answer([state]));
        }
        assert_eq!(history.changes.len(), STATES_MAX);
        assert_eq!(follow(&history, Some(1_000), answer([999]).rows).0, 1_000);
        assert_eq!(follow(&history, Some(999), answer([998]).rows).0, 1, "it was too long ago");
        for state in 0..30 {
            history.take(answer(state * 5_000..(state + 1) * 5_000));
        }
        assert!(history.rows <= ROWS_MAX && history.changes.len() == 10, "{}", history.changes.len());
        assert_eq!(history.rows, history.changes.iter().map(|changes| size(changes)).sum::<usize>());
    }
}
