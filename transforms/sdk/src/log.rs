//! Words for the host's log.

use crate::wit::LogLevel;

/// Says what only someone who looks for a fault wants to know.
pub fn debug(text: &str) {
    log(LogLevel::Debug, text);
}

/// Says what went as it should.
pub fn info(text: &str) {
    log(LogLevel::Info, text);
}

/// Says what may be a fault.
pub fn warn(text: &str) {
    log(LogLevel::Warn, text);
}

/// Says what is a fault.
pub fn error(text: &str) {
    log(LogLevel::Error, text);
}

#[cfg(target_arch = "wasm32")]
fn log(level: LogLevel, text: &str) {
    crate::wit::log(level, text);
}

#[cfg(not(target_arch = "wasm32"))]
#[expect(clippy::print_stderr, reason = "on the host there is no other log: it shows beside the test that failed")]
fn log(level: LogLevel, text: &str) {
    eprintln!("{level:?}: {text}");
}
