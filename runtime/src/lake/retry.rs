//! Patience: a call tried again while its failure may pass, with growing and scattered pauses.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use tokio::sync::watch;
use tracing::warn;

use crate::error::{Kind, Result};

/// How long to wait between tries.
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    /// The first pause, at most.
    pub first: Duration,
    /// The longest pause.
    pub longest: Duration,
}

/// The first pause, where it may be as long.
const FIRST: Duration = Duration::from_millis(200);

impl Backoff {
    /// Pauses up to `longest`.
    pub fn upto(longest: Duration) -> Self {
        Self { first: FIRST.min(longest), longest }
    }

    /// The pause after the `tries`-th failure (from 1): it doubles, and lies between half and all of that by `chance`,
    /// so that those who failed together do not come back together.
    pub fn pause(&self, tries: u32, chance: u64) -> Duration {
        let doubled = self.first.saturating_mul(1_u32.checked_shl(tries.saturating_sub(1)).unwrap_or(u32::MAX));
        let half = doubled.min(self.longest) / 2;
        half + half.mul_f64((chance >> 11) as f64 / (1_u64 << 53) as f64)
    }
}

/// Calls `attempt` until it succeeds, fails for good, or `stop` turns true (or its sender is gone): then `None`.
///
/// `Unavailable` and `Busy` are tried again; every other error is the answer. `what` names it in the log.
pub async fn retry<T, Attempt: Future<Output = Result<T>>>(
    what: &str,
    backoff: Backoff,
    stop: &mut watch::Receiver<bool>,
    mut attempt: impl FnMut() -> Attempt,
) -> Option<Result<T>> {
    let mut tries = 0;
    loop {
        let outcome = tokio::select! {
            outcome = attempt() => outcome,
            () = stopped(stop) => return None,
        };
        let error = match outcome {
            Err(error) if matches!(error.kind(), Kind::Unavailable | Kind::Busy) => error,
            done => return Some(done),
        };
        tries += 1;
        let pause = backoff.pause(tries, RandomState::new().hash_one(tries));
        warn!(what, tries, ?pause, %error, "trying again");
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = stopped(stop) => return None,
        }
    }
}

async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    fn check(tries: u32, chance: u64, millis: u64) {
        assert_eq!(
            Backoff::upto(Duration::from_secs(30)).pause(tries, chance).as_millis(),
            u128::from(millis),
            "{tries} {chance}"
        );
    }

    #[test]
    fn pauses_grow_to_a_bound() {
        check(1, 0, 100);
        check(1, u64::MAX, 200);
        check(2, 0, 200);
        check(5, 0, 1_600);
        check(40, 0, 15_000);
        check(u32::MAX, u64::MAX, 30_000);
    }

    async fn tried(kinds: &[Kind], stopped: bool) -> (Option<Result<u32, Kind>>, u32) {
        let (_sender, mut stop) = watch::channel(stopped);
        let backoff = Backoff { first: Duration::ZERO, longest: Duration::ZERO };
        let mut calls = 0;
        let answer = retry("test", backoff, &mut stop, || {
            calls += 1;
            let outcome = match kinds.get(calls as usize - 1) {
                Some(kind) => Err(Error::new(*kind, "it failed")),
                None => Ok(calls),
            };
            async move { if stopped { std::future::pending().await } else { outcome } }
        });
        let answer = answer.await.map(|answer| answer.map_err(|error| error.kind()));
        (answer, calls)
    }

    #[tokio::test]
    async fn tries_again_what_may_pass() {
        assert_eq!(tried(&[], false).await, (Some(Ok(1)), 1));
        assert_eq!(tried(&[Kind::Unavailable, Kind::Busy], false).await, (Some(Ok(3)), 3));
        assert_eq!(tried(&[Kind::Unavailable, Kind::Conflict], false).await, (Some(Err(Kind::Conflict)), 2));
        assert_eq!(tried(&[], true).await.0, None);
    }
}
