//! The lanes of requests that are under way side by side, each with a producer of its own for each topic.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::emulate::client::Producer;

/// Lanes that nobody uses at the moment.
pub(super) struct Lanes {
    topics: usize,
    free: Mutex<Vec<Vec<Producer>>>,
}

impl Lanes {
    /// Lanes to so many topics.
    pub(super) fn new(topics: usize) -> Self {
        Self { topics, free: Mutex::default() }
    }

    /// A free lane, or a new one: a producer for each topic.
    pub(super) fn take(&self) -> Vec<Producer> {
        self.free().pop().unwrap_or_else(|| (0..self.topics).map(|_| Producer::new()).collect())
    }

    /// Gives a lane back, all of whose requests were answered.
    pub(super) fn give(&self, lane: Vec<Producer>) {
        self.free().push(lane);
    }

    fn free(&self) -> MutexGuard<'_, Vec<Vec<Producer>>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
