//! The time that compiling may take, looked at before each function.
//!
//! wasmtime has no way to end a compilation, but it asks a cache of compiled functions before it compiles one. This
//! cache is always empty, and once the time is up it unwinds instead of answering; nothing then goes on in the background.

use std::any::Any;
use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use wasmtime::CacheStore;

/// Compilations take turns, so that one which takes long is not blamed for another.
#[derive(Debug, Default)]
pub(super) struct Patience {
    turn: Mutex<()>,
    until: Mutex<Option<Instant>>,
}

/// Why a compilation has no result.
pub(super) enum Ended {
    /// Its time was up.
    TimeUp,
    /// It panicked, with this payload.
    Panicked(Box<dyn Any + Send>),
}

/// What is thrown when the time is up.
struct TimeUp;

impl Patience {
    /// Compiles, for at most `time` and what one function more takes; waits before for other compilations.
    pub(super) fn compile<T>(&self, time: Duration, compile: impl FnOnce() -> T) -> Result<T, Ended> {
        let _turn = locked(&self.turn);
        *locked(&self.until) = Instant::now().checked_add(time);
        // Whatever was being made is dropped on the way.
        catch_unwind(AssertUnwindSafe(compile)).map_err(|payload| match payload.is::<TimeUp>() {
            true => Ended::TimeUp,
            false => Ended::Panicked(payload),
        })
    }
}

impl CacheStore for Patience {
    fn get(&self, _key: &[u8]) -> Option<Cow<'_, [u8]>> {
        let until = *locked(&self.until);
        if until.is_some_and(|until| Instant::now() >= until) {
            // Unlike a panic, this is not reported as one.
            resume_unwind(Box::new(TimeUp));
        }
        None
    }

    fn insert(&self, _key: &[u8], _value: Vec<u8>) -> bool {
        false
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
