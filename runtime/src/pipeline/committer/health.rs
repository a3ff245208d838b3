//! What the committer shows of itself.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use hashbrown::HashMap;
use tokio::sync::watch;

use crate::commit::Epoch;
use crate::error::{Error, Kind};
use crate::sync;
use crate::time::Timestamp;
use crate::trouble::Trouble;

/// What the committer shows of itself: how far it has come, the last error while it lasts, whether it has given up.
#[derive(Debug, Default)]
pub struct Health {
    trouble: Mutex<Option<Trouble>>,
    dead: AtomicBool,
    ending: AtomicBool,
    committed: Mutex<HashMap<(String, u32), u64>>,
    commits: watch::Sender<u64>,
}

impl Health {
    /// Why commits do not go on, where they do not.
    pub fn trouble(&self) -> Option<Trouble> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether only a restart can help.
    pub fn dead(&self) -> bool {
        self.dead.load(Ordering::SeqCst)
    }

    /// Lets the committer give up where it would else try again: the pipeline ends, and what it leaves is read again.
    pub fn end(&self) {
        self.ending.store(true, Ordering::SeqCst);
    }

    /// The offset after the last record of a table's partition that is committed.
    pub fn committed(&self, table: &str, partition: u32) -> u64 {
        let committed = self.committed.lock().unwrap_or_else(PoisonError::into_inner);
        committed.get(&(table.to_owned(), partition)).copied().unwrap_or(0)
    }

    /// Notes what these lines of the ledger have committed.
    pub fn advance<'a>(&self, lines: impl IntoIterator<Item = &'a Epoch>) {
        let mut committed = self.committed.lock().unwrap_or_else(PoisonError::into_inner);
        for line in lines {
            committed.insert((line.table.clone(), line.partition), line.next);
        }
    }

    /// Whether what failed is to be tried again.
    pub(super) fn retries(&self, error: &Error) -> bool {
        let may_pass = matches!(error.kind(), Kind::Busy | Kind::Storage | Kind::Unavailable);
        may_pass && sync::failed().is_none() && !self.ending.load(Ordering::SeqCst)
    }

    /// Notes that only a restart can help, and why.
    pub fn give_up(&self, error: &Error, now: Timestamp) {
        self.fail(error, now);
        self.dead.store(true, Ordering::SeqCst);
    }

    /// Notes what keeps it from going on.
    pub(super) fn fail(&self, error: &Error, now: Timestamp) {
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        *trouble = Some(Trouble::of("commit", error, trouble.as_ref(), now));
    }

    /// Grows with each commit.
    pub fn commits(&self) -> watch::Receiver<u64> {
        self.commits.subscribe()
    }

    /// A commit went well; what only a restart can help stays.
    pub(super) fn mend(&self) {
        self.commits.send_modify(|count| *count += 1);
        if self.dead() {
            return;
        }
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}
