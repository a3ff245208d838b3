//! A fuzz target: the body in `runtime/src/fuzz` that has the name of this binary.
#![no_main]

use std::panic::set_hook;

libfuzzer_sys::fuzz_target!(init: let_panics_unwind(), |bytes: &[u8]| tidemill::fuzz::run(env!("CARGO_BIN_NAME"), bytes));

/// What reads objects catches the panics of the crate for Parquet, which libFuzzer's own hook would end the process at.
/// One that nobody catches still does.
fn let_panics_unwind() {
    if env!("CARGO_BIN_NAME") == "object" {
        set_hook(Box::new(|_| ()));
    }
}
