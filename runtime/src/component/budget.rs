//! What one instance has used of its limits, kept in its store.

use std::sync::Arc;
use std::time::Duration;

use wasmtime::ResourceLimiter;

use super::bindings::tidemill::transform::columns;
use super::bindings::{LogLevel, TransformImports};
use super::failure::plain;
use super::limits::{Limit, Limits};
use crate::process::Stint;
use crate::sabotage::{self, Fault};

/// What a line in the log costs besides its text, so that empty lines are not free.
const LOG_LINE_BYTES: usize = 64;

/// An instance's limits, with what is left of them.
pub(super) struct Budget {
    name: Arc<str>,
    limits: Limits,
    memory: usize,
    elements: usize,
    /// The call.
    begun: Stint,
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
        let begun = Stint::begin();
        Self { name, limits, memory: 0, elements: 0, begun, refused: None, complaint: None, log_left, log_cut: false }
    }

    /// What is left of the call's time.
    pub(super) fn time_left(&self) -> Option<Duration> {
        self.begun.left_of(self.limits.deadline)
    }

    /// Begins a call: what is counted by the call starts anew.
    pub(super) fn begin(&mut self) {
        self.begun = Stint::begin();
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
