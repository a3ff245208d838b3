//! A fuzz target: the body in `runtime/src/fuzz` that has the name of this binary.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| tidemill::fuzz::run(env!("CARGO_BIN_NAME"), bytes));
