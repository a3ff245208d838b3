//! A running transform: its own memory, one call at a time.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow_array::RecordBatch;
use wasmtime::{Store, UpdateDeadline};

use super::bindings::Transform;
use super::budget::Budget;
use super::check::{self, Output};
use super::failure::{Failure, TEXT_BYTES_MAX, plain};
use super::host::{Host, TICK};
use super::lend;
use super::limits::Limits;
use super::load::Component;
use super::parts::{Parts, Watch};
use crate::error::{Error, Kind, Result};
use crate::sabotage::{self, Fault};

/// Handles to resources; the contract has none.
const HANDLES_MAX: usize = 16;
/// What an instance may use where instructions are counted: never short, as time is what bounds it.
const FUEL: u64 = u64::MAX;

/// A component's instance. After a failure that broke it, the next call starts a fresh one.
pub struct Instance {
    component: Component,
    parameters: String,
    live: Option<Live>,
}

struct Live {
    store: Store<Budget>,
    transform: Transform,
    /// Where the time of its calls is looked into.
    watch: Option<Arc<Watch>>,
}

impl Instance {
    pub(super) fn new(component: Component, parameters: &str) -> Result<Self> {
        let live = start(&component, parameters).map_err(Failure::into_error)?;
        Ok(Self { component, parameters: parameters.to_owned(), live: Some(live) })
    }

    /// Gives a batch, with the columns that the description's inputs name, to the transform; what comes back is checked.
    pub fn apply(&mut self, input: &RecordBatch) -> Result<Output, Failure> {
        let lent = lend::columns(&self.component.description().inputs, input).map_err(Failure::Input)?;
        let mut live = match self.live.take() {
            Some(live) if self.component.inner.quarantine.get().is_none() => live,
            _ => start(&self.component, &self.parameters)?,
        };
        let columns: Vec<_> = lent.iter().map(lend::Lent::param).collect();
        let batch = lend::batch(input.num_rows(), &columns);
        let answer = call(&mut live.store, |store| live.transform.call_apply(store, batch));
        let given = match answer {
            Ok(Ok(given)) => given,
            Ok(Err(reason)) => {
                self.live = Some(live);
                return Err(Failure::Refused(refused(&self.component, "refused the batch", &reason)));
            }
            Err(failure) => return Err(remembered(&self.component, failure)),
        };
        let inner = &self.component.inner;
        let output =
            check::output(given, input.num_rows(), self.component.description(), &inner.outputs, &inner.limits)
                .map_err(|fault| Failure::Invalid(fault.within(format!("transform {:?}", inner.name))))?;
        self.live = Some(live);
        Ok(output)
    }

    /// The same, with the time that each part of it took: for measurements, as looking at the clock takes some itself. A call of
    /// `apply` in between is not held up by it.
    pub fn apply_in_parts(&mut self, input: &RecordBatch) -> Result<(Output, Parts), Failure> {
        let mut live = match self.live.take() {
            Some(live) => live,
            None => start(&self.component, &self.parameters)?,
        };
        let watch = Arc::clone(live.watch.get_or_insert_with(|| Watch::over(&mut live.store)));
        self.live = Some(live);
        watch.begin();
        let begun = Instant::now();
        let output = self.apply(input);
        let parts = watch.end(begun, Instant::now());
        Ok((output?, parts))
    }

    /// The bytes of memory that it has; none between a failure and the next call.
    pub fn memory(&self) -> usize {
        self.live.as_ref().map_or(0, |live| live.store.data().memory())
    }

    /// The instructions that the live instance has run, on a host that counts them.
    pub fn instructions(&self) -> Option<u64> {
        let live = self.live.as_ref().filter(|_| self.component.inner.host.metered)?;
        live.store.get_fuel().ok().map(|left| FUEL - left)
    }

    /// The component that it runs.
    pub fn component(&self) -> &Component {
        &self.component
    }
}

impl std::fmt::Debug for Instance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Instance").field("component", &self.component).finish_non_exhaustive()
    }
}

fn start(component: &Component, parameters: &str) -> Result<Live, Failure> {
    let inner = &component.inner;
    if let Some(failure) = inner.quarantine.get() {
        return Err(failure.clone());
    }
    let mut store = store(&inner.host, &inner.name, &inner.limits);
    let transform = call(&mut store, |store| inner.pre.instantiate(store)).map_err(|f| remembered(component, f))?;
    let answer = call(&mut store, |store| transform.call_configure(store, parameters));
    match answer.map_err(|failure| remembered(component, failure))? {
        Ok(()) => Ok(Live { store, transform, watch: None }),
        Err(reason) => {
            let fault = refused(component, "refused its parameters", &reason);
            Err(Failure::Refused(fault.hint("`tidemill transform inspect` shows what they may be")))
        }
    }
}

fn refused(component: &Component, what: &str, reason: &str) -> Error {
    let reason = plain(reason, TEXT_BYTES_MAX);
    Error::new(Kind::Transform, format!("transform {:?}: {what}: {reason}", component.inner.name))
}

fn remembered(component: &Component, failure: Failure) -> Failure {
    if let Failure::Quarantined(_) = &failure {
        component.inner.quarantine.get_or_init(|| failure.clone());
    }
    failure
}

pub(super) fn store(host: &Host, name: &Arc<str>, limits: &Limits) -> Store<Budget> {
    let mut store = Store::new(&host.engine, Budget::new(Arc::clone(name), limits.clone()));
    store.limiter(|budget| budget);
    store.epoch_deadline_callback(|context| {
        Ok(context.data().time_left().map_or(UpdateDeadline::Interrupt, |left| UpdateDeadline::Continue(ticks(left))))
    });
    store.set_hostcall_fuel(limits.output_bytes_max);
    store.set_max_component_handles(HANDLES_MAX);
    if host.metered {
        // It fails on an engine that does not count, which this one does.
        let _ = store.set_fuel(FUEL);
    }
    store
}

/// Enters the guest, with its time and log counted from now; names what went wrong.
pub(super) fn call<T>(
    store: &mut Store<Budget>,
    enter: impl FnOnce(&mut Store<Budget>) -> wasmtime::Result<T>,
) -> Result<T, Failure> {
    let deadline = if sabotage::is(Fault::DeadlineOff) { Duration::MAX } else { store.data().limits().deadline };
    store.set_epoch_deadline(ticks(deadline));
    store.data_mut().begin();
    let name = Arc::clone(store.data().name());
    guarded(&name, || enter(store))?.map_err(|cause| Failure::of(&cause, store.data()))
}

/// The ticks in which so much time has passed for sure: one more than it has, because a part of the present one is over.
fn ticks(time: Duration) -> u64 {
    let ticks = time.as_nanos().div_ceil(TICK.as_nanos());
    u64::try_from(ticks).unwrap_or(u64::MAX / 2).min(u64::MAX / 2) + 1
}

/// Runs what may meet a fault of wasmtime's own, so that it stops one component instead of the process.
pub(super) fn guarded<T>(name: &str, run: impl FnOnce() -> T) -> Result<T, Failure> {
    // Whatever was being changed is thrown away with the store that it belongs to.
    catch_unwind(AssertUnwindSafe(run)).map_err(|payload| Failure::panicked(name, payload.as_ref()))
}
