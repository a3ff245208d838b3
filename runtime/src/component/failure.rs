//! Why a call gave no rows, told apart by what the caller should do about it.

use std::any::Any;

use wasmtime::{Trap, WasmBacktrace};

use super::budget::Budget;
use super::limits::Limit;
use crate::error::{Error, Kind, panic_text};

/// Bytes of a guest's text that are kept.
pub(super) const TEXT_BYTES_MAX: usize = 4 << 10;

/// Why a call gave no rows.
#[derive(Clone, Debug)]
pub enum Failure {
    /// The guest trapped: it panicked, ran out of memory or of stack. The instance was thrown away.
    Trap(Error),
    /// The guest was still at work when its time was up. The instance was thrown away.
    Deadline(Error),
    /// `apply` returned an error. The instance goes on.
    Refused(Error),
    /// What came back breaks the contract. The instance was thrown away.
    Invalid(Error),
    /// The batch that was given does not fit the transform's inputs: a fault of the caller.
    Input(Error),
    /// wasmtime itself failed. The component is not called again in this process.
    Quarantined(Error),
}

impl Failure {
    /// The error, whatever the kind of failure.
    pub fn error(&self) -> &Error {
        match self {
            Self::Trap(error)
            | Self::Deadline(error)
            | Self::Refused(error)
            | Self::Invalid(error)
            | Self::Input(error)
            | Self::Quarantined(error) => error,
        }
    }

    /// The error by itself.
    pub fn into_error(self) -> Error {
        match self {
            Self::Trap(error)
            | Self::Deadline(error)
            | Self::Refused(error)
            | Self::Invalid(error)
            | Self::Input(error)
            | Self::Quarantined(error) => error,
        }
    }

    /// What wasmtime's error means, given what the instance had used up.
    pub(super) fn of(cause: &wasmtime::Error, budget: &Budget) -> Self {
        let subject = format!("transform {:?}", budget.name());
        let limits = budget.limits();
        let trap = cause.downcast_ref::<Trap>();
        if trap == Some(&Trap::Interrupt) {
            return Self::Deadline(limits.exceeded(Limit::Deadline, "out of time").within(subject));
        }
        if let Some((limit, wanted)) = budget.refused {
            let what = match limit {
                Limit::Memory => format!("out of memory: it asked for {wanted} bytes"),
                _ => format!("too many elements in its tables: it asked for {wanted}"),
            };
            return Self::Trap(limits.exceeded(limit, &what).within(subject));
        }
        if let Some(trap) = trap {
            let place = place(cause).map_or_else(String::new, |function| format!(" in {function}"));
            let why = budget.complaint.clone().unwrap_or_else(|| trap.to_string());
            return Self::Trap(Error::new(Kind::Transform, format!("trapped{place}: {why}")).within(subject));
        }
        let why = plain(&format!("{cause:#}"), TEXT_BYTES_MAX);
        // wasmtime has no type for this one; a test holds the words.
        if why.contains("fuel allocated for hostcalls") {
            return Self::Invalid(limits.exceeded(Limit::Output, "returned too much").within(subject));
        }
        if why.contains("count too high") {
            let what = format!("has too many parts: {why}");
            return Self::Trap(limits.exceeded(Limit::Instances, &what).within(subject));
        }
        Self::Invalid(Error::new(Kind::Transform, format!("what it returned cannot be read: {why}")).within(subject))
    }

    /// A panic inside wasmtime: nothing is known any more about this component's code.
    pub(super) fn panicked(name: &str, payload: &(dyn Any + Send)) -> Self {
        let why = panic_text(payload);
        let message = format!("transform {name:?}: quarantined, because the WebAssembly runtime panicked: {why}");
        Self::Quarantined(Error::new(Kind::Transform, message).hint("put another version of the component in service"))
    }
}

/// The function that trapped, where the component carries names.
fn place(cause: &wasmtime::Error) -> Option<String> {
    let frame = cause.downcast_ref::<WasmBacktrace>()?.frames().first()?;
    frame.func_name().map(|name| plain(name, 200))
}

/// A guest's text as it may be shown: at most `bytes_max` of it, control characters escaped.
pub(super) fn plain(text: &str, bytes_max: usize) -> String {
    let text = shortened(text, bytes_max);
    if !text.contains(char::is_control) {
        return text.to_owned();
    }
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        match character.is_control() {
            true => shown.extend(character.escape_default()),
            false => shown.push(character),
        }
    }
    shown
}

/// The first `bytes_max` bytes of a text, less the character that would be cut.
pub(super) fn shortened(text: &str, bytes_max: usize) -> &str {
    text.get(..text.floor_char_boundary(bytes_max)).unwrap_or_default()
}
