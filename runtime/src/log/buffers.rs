//! Buffers for payloads, used again and again, since fresh memory costs a page fault every 4 KiB.

use std::sync::{Mutex, PoisonError};

/// How many buffers are kept.
const KEPT_MAX: usize = 32;
/// A buffer that has grown larger than this is given back to the system.
const KEPT_BYTES_MAX: usize = 4 << 20;

/// Buffers that nobody uses at the moment.
#[derive(Debug, Default)]
pub(super) struct Buffers(Mutex<Vec<Vec<u8>>>);

impl Buffers {
    /// An empty buffer, with memory if there is one left over.
    pub(super) fn take(&self) -> Vec<u8> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    /// Keeps a buffer for the next.
    pub(super) fn give(&self, mut buffer: Vec<u8>) {
        buffer.clear();
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < KEPT_MAX && buffer.capacity() <= KEPT_BYTES_MAX {
            kept.push(buffer);
        }
    }
}
