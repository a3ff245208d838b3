//! What one instance has used of its limits, kept in its store.

use std::sync::Arc;
use std::time::{Duration, Instant};

use wasmtime::ResourceLimiter;

use super::bindings::tidemill::transform::columns;
use super::bindings::{LogLevel, TransformImports};
use super::failure::plain;
use super::limits::{Limit, Limits};
use crate::process;
use crate::sabotage::{self, Fault};

/// What a line in the log costs besides its text, so that empty lines are not free.
const LOG_LINE_BYTES: usize = 64;

/// A call may take so many times its deadline by the clock, where its thread had to wait for a processor.
const WAITS: u32 = 8;

/// An instance's limits, with what is left of them.
pub(super) struct Budget {
    name: Arc<str>,
    limits: Limits,
    memory: usize,
    elements: usize,
    /// When the call began, by the clock and by what its thread had worked until then.
    begun: (Instant, Duration),
    /// The limit that last refused something.
    pub(super) refused: Option<(Limit, usize)>,
    /// What the guest last logged as an error in this call: a panic says there what it was.
    pub(super) complaint: Option<String>,
    log_left: usize,
    log_cut: bool,
}

impl Budget {
    pub(super) fn new(name: Arc<str>, limits: Limits) -> Self {
        let log_left = limits.log_bytes_max;
        let begun = (Instant::now(), Duration::ZERO);
        Self { name, limits, memory: 0, elements: 0, begun, refused: None, complaint: None, log_left, log_cut: false }
    }

    /// What is left of the call's time, which is its thread's on a processor: others that keep it from there do not make it late. None
    /// where it is used up, and where the call takes too long by the clock too.
    pub(super) fn time_left(&self) -> Option<Duration> {
        let (at, worked) = self.begun;
        let deadline = self.limits.deadline;
        let left = deadline.checked_sub(process::worked().saturating_sub(worked)).filter(|left| !left.is_zero());
        left.filter(|_| at.elapsed() < deadline.saturating_mul(WAITS))
    }

    /// Begins a call: what is counted by the call starts anew.
    pub(super) fn begin(&mut self) {
        self.begun = (Instant::now(), process::worked());
        self.log_left = self.limits.log_bytes_max;
        self.log_cut = false;
        self.refused = None;
        self.complaint = None;
    }

    /// The bytes of all its memories.
    pub(super) fn memory(&self) -> usize {
        self.memory
    }

    pub(super) fn name(&self) -> &Arc<str> {
        &self.name
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.limits
    }
}

impl ResourceLimiter for Budget {
    fn memory_growing(&mut self, current: usize, desired: usize, _max: Option<usize>) -> wasmtime::Result<bool> {
        let wanted = self.memory.saturating_add(desired.saturating_sub(current));
        let fits = wanted <= self.limits.memory_bytes_max || sabotage::is(Fault::MemoryUnlimited);
        match fits {
            true => self.memory = wanted,
            false => self.refused = Some((Limit::Memory, wanted)),
        }
        Ok(fits)
    }

    fn table_growing(&mut self, current: usize, desired: usize, _max: Option<usize>) -> wasmtime::Result<bool> {
        let wanted = self.elements.saturating_add(desired.saturating_sub(current));
        let fits = wanted <= self.limits.table_elements_max;
        match fits {
            true => self.elements = wanted,
            false => self.refused = Some((Limit::TableElements, wanted)),
        }
        Ok(fits)
    }

    fn instances(&self) -> usize {
        self.limits.instances_max
    }

    fn tables(&self) -> usize {
        self.limits.instances_max
    }

    fn memories(&self) -> usize {
        self.limits.instances_max
    }
}

/// It only names types.
impl columns::Host for Budget {}

impl TransformImports for Budget {
    fn log(&mut self, level: LogLevel, text: String) {
        let left = self.log_left.saturating_sub(LOG_LINE_BYTES);
        self.log_left = left.saturating_sub(text.len());
        if left == 0 {
            if !self.log_cut {
                let limit = self.limits.value(Limit::Log);
                tracing::warn!(transform = %self.name, limit, "transform logs too much; the rest of this call is left out");
            }
            self.log_cut = true;
            return;
        }
        let text = plain(&text, left);
        match level {
            LogLevel::Debug => tracing::debug!(transform = %self.name, %text, "transform says"),
            LogLevel::Info => tracing::info!(transform = %self.name, %text, "transform says"),
            LogLevel::Warn => tracing::warn!(transform = %self.name, %text, "transform says"),
            LogLevel::Error => tracing::error!(transform = %self.name, %text, "transform says"),
        }
        if level == LogLevel::Error {
            self.complaint = Some(text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Keeps a processor busy for so long.
    fn work(time: Duration) {
        let begun = process::worked();
        while process::worked().saturating_sub(begun) < time {}
    }

    #[test]
    fn a_call_that_waits_for_a_processor_is_not_late_at_once() {
        let of = |millis| Limits { deadline: Duration::from_millis(millis), ..Limits::default() };
        let [mut short, mut long] = [of(5), of(30)].map(|limits| Budget::new("t".into(), limits));
        short.begin();
        long.begin();
        // Another thread works meanwhile, and this one waits for it.
        std::thread::spawn(|| work(Duration::from_millis(45))).join().unwrap();
        assert!(short.time_left().is_none(), "more than eight times its deadline is over");
        long.begin();
        std::thread::spawn(|| work(Duration::from_millis(45))).join().unwrap();
        assert!(long.begun.0.elapsed() > Duration::from_millis(45));
        let left = long.time_left().unwrap();
        work(Duration::from_millis(30));
        assert!(left <= Duration::from_millis(30) && long.time_left().is_none(), "{left:?}");
    }
}
