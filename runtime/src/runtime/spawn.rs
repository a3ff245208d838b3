//! Threads and tasks, and what becomes of the pipeline should one of them panic, which is a fault of this program.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::JoinHandle;

use futures_util::FutureExt;

use crate::error::{Error, Kind, OrFail, Result, panic_text};
use crate::pipeline::committer::Health;
use crate::pipeline::{landing, worker};
use crate::process;
use crate::time::Clock;
use crate::trouble::{self, Trouble};

/// A thread with a name, for whoever looks at the process.
pub(super) fn thread(name: &str, run: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>> {
    let spawned = std::thread::Builder::new().name(name.to_owned()).spawn(run);
    spawned.or_fail(Kind::Internal, || format!("thread {name:?}"))
}

/// A worker's thread. Should it panic, its partition stands still and the others go on. What is posted meanwhile is acknowledged first.
pub(super) fn worker(setup: worker::Setup) -> Result<JoinHandle<()>> {
    let (table, partition) = (Arc::clone(&setup.name), setup.position.partition);
    let (shown, clock) = (Arc::clone(&setup.shown), Arc::clone(&setup.clock));
    thread(&format!("{table}-{partition}"), move || {
        process::step_back();
        let Err(panic) = catch_unwind(AssertUnwindSafe(|| worker::run(setup))) else { return };
        let trouble = Trouble::of(trouble::partition(&table, partition), &fault(panic.as_ref()), None, clock.now());
        let mut state = super::lock(&shown);
        (state.trouble, state.paused) = (Some(trouble), true);
    })
}

/// The same for a landing's.
pub(super) fn landing(setup: landing::Setup) -> Result<JoinHandle<()>> {
    let (name, partition) = (Arc::clone(&setup.name), setup.position.partition);
    let (shown, clock) = (Arc::clone(&setup.shown), Arc::clone(&setup.clock));
    thread(&format!("{name}-{partition}"), move || {
        process::step_back();
        let Err(panic) = catch_unwind(AssertUnwindSafe(|| landing::run(setup))) else { return };
        let trouble = Trouble::of(trouble::partition(&name, partition), &fault(panic.as_ref()), None, clock.now());
        let mut state = super::lock(&shown);
        (state.trouble, state.paused) = (Some(trouble), true);
    })
}

/// For what the whole pipeline depends on. Should it panic, the process ends, to be started again from the last commit.
#[derive(Clone)]
pub(super) struct Vital {
    pub(super) health: Arc<Health>,
    pub(super) clock: Arc<Clock>,
}

impl Vital {
    /// A thread with a name.
    pub(super) fn thread(&self, name: &str, run: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>> {
        let vital = self.clone();
        thread(name, move || vital.note(catch_unwind(AssertUnwindSafe(run))))
    }

    /// A task.
    pub(super) async fn task(self, run: impl Future<Output = ()> + Send) {
        self.note(AssertUnwindSafe(run).catch_unwind().await);
    }

    fn note(&self, ended: std::thread::Result<()>) {
        if let Err(panic) = ended {
            self.health.give_up(&fault(panic.as_ref()), self.clock.now());
        }
    }
}

fn fault(panic: &(dyn Any + Send)) -> Error {
    let what = format!("a fault of this program: {}", panic_text(panic));
    Error::new(Kind::Internal, what).hint("start the pipeline again: it goes on from the last commit")
}
