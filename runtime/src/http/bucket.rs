//! A token bucket: so many at once, so many a second.

use std::time::Duration;

use crate::config::plan::Throttle;
use crate::time::Timestamp;

/// Millionths of a token: what is counted in, so that slow rates lose nothing.
const TOKEN: u64 = 1_000_000;

/// A bucket, as it was when it was last drawn from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bucket {
    millionths: u64,
    at: Timestamp,
}

impl Bucket {
    /// A full one.
    pub(super) fn full(throttle: Throttle, now: Timestamp) -> Self {
        Self { millionths: throttle.burst.saturating_mul(TOKEN), at: now }
    }

    /// Takes so many tokens, if they are there; else none.
    pub(super) fn draw(&mut self, throttle: Throttle, tokens: u64, now: Timestamp) -> bool {
        let micros = u64::try_from(self.rested(now).as_micros()).unwrap_or(u64::MAX);
        let filled = self.millionths.saturating_add(micros.saturating_mul(throttle.rate));
        self.millionths = filled.min(throttle.burst.saturating_mul(TOKEN));
        // A clock that was put back gives nothing twice.
        self.at = self.at.max(now);
        let left = self.millionths.checked_sub(tokens.saturating_mul(TOKEN));
        self.millionths = left.unwrap_or(self.millionths);
        left.is_some()
    }

    /// How long nobody has drawn from it.
    pub(super) fn rested(&self, now: Timestamp) -> Duration {
        now.since(self.at)
    }
}
