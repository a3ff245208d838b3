//! Where the time of a call goes: into the guest, in it, and out of it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use wasmtime::{CallHook, Store};

use super::budget::Budget;

/// The time of a call, by what was done in it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Parts {
    /// From the batch to the guest's function: columns are lent, the guest is asked for memory, all is copied into it.
    pub lowering: Duration,
    /// In the guest's function.
    pub guest: Duration,
    /// From its return to the rows: all is copied out of the guest, which frees its memory, and checked.
    pub lifting: Duration,
}

/// Notes when a guest is entered and left, in the calls for which it is asked to.
#[derive(Debug, Default)]
pub(super) struct Watch {
    on: AtomicBool,
    stays: Mutex<Stays>,
}

#[derive(Debug, Default)]
struct Stays {
    entered: Option<Instant>,
    longest: Option<(Instant, Instant)>,
}

impl Watch {
    /// A watch over the guest of this store, for as long as that lives.
    pub(super) fn over(store: &mut Store<Budget>) -> Arc<Self> {
        let watch = Arc::new(Self::default());
        let told = Arc::clone(&watch);
        store.call_hook(move |_, hook| {
            if !told.on.load(Ordering::Relaxed) {
                return Ok(());
            }
            let mut stays = told.stays.lock().unwrap_or_else(PoisonError::into_inner);
            match hook {
                CallHook::CallingWasm => stays.entered = Some(Instant::now()),
                CallHook::ReturningFromWasm => stays.leave(Instant::now()),
                // A line for the log: it counts as the guest's own time.
                CallHook::CallingHost | CallHook::ReturningFromHost => {}
            }
            Ok(())
        });
        watch
    }

    /// Notes what follows.
    pub(super) fn begin(&self) {
        *self.stays.lock().unwrap_or_else(PoisonError::into_inner) = Stays::default();
        self.on.store(true, Ordering::Relaxed);
    }

    /// Notes no more; the parts of the call that began and ended so.
    ///
    /// A guest is entered many times in a call, each time but one to get or to free memory. The longest stay is its function's.
    pub(super) fn end(&self, begun: Instant, ended: Instant) -> Parts {
        self.on.store(false, Ordering::Relaxed);
        let stays = self.stays.lock().unwrap_or_else(PoisonError::into_inner);
        let (entered, left) = stays.longest.unwrap_or((ended, ended));
        Parts {
            lowering: entered.saturating_duration_since(begun),
            guest: left.saturating_duration_since(entered),
            lifting: ended.saturating_duration_since(left),
        }
    }
}

impl Stays {
    fn leave(&mut self, left: Instant) {
        let Some(entered) = self.entered.take() else { return };
        if self.longest.is_none_or(|(from, to)| left.duration_since(entered) > to.duration_since(from)) {
            self.longest = Some((entered, left));
        }
    }
}
