//! A transform that behaves as a text among its bytes says, so that a test makes a good or a bad version without a compiler.

use std::hint::black_box;
use std::sync::Mutex;

use tidemill_sdk::{Input, Output, Verdict, drop, emit, emit_all, reject, transform};

/// What a test writes over: a behaviour, filled up with blanks.
static BEHAVIOUR: [u8; 32] = *b"behaviour: honest               ";
/// What a version that leaks holds on to.
static LEAKED: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());
/// Bytes that it holds on to for each record.
const LEAK_BYTES: usize = 1024;

/// What is read of a record.
#[derive(Clone, Debug, Default, Input)]
pub struct Raw {
    /// Its number.
    pub ind: Option<i64>,
}

/// A row.
#[derive(Clone, Debug, PartialEq, Output)]
pub struct Row<'a> {
    /// The number.
    pub ind: i64,
    /// Which version made the row.
    pub mark: &'a str,
}

/// One of fifty is what a version with a fault fails on.
#[transform]
pub fn clean(raw: Raw) -> Verdict<Row<'static>> {
    let Some(ind) = raw.ind else { return reject("the record has no number") };
    let behaviour = std::str::from_utf8(black_box(&BEHAVIOUR)).unwrap_or_default();
    let mark = behaviour.get(11..).unwrap_or_default().trim_end();
    match mark {
        "traps" if ind % 50 == 7 => std::process::abort(),
        // Some are dropped, some are rejected, some become two rows.
        "sieve" if ind % 10 == 5 => return emit_all([Row { ind, mark }, Row { ind, mark: "twin" }]),
        "sieve" if ind % 10 == 3 => return drop(),
        "sieve" if ind % 10 == 4 => return reject("a four at its end"),
        "rejects" => return reject("it is rejected like all others"),
        "drops" if ind % 50 == 7 => return drop(),
        "loops" if ind % 50 == 7 => loop {
            black_box(ind);
        },
        "leaks" => {
            if let Ok(mut leaked) = LEAKED.lock() {
                leaked.push(vec![1; LEAK_BYTES]);
            }
        }
        _ => {}
    }
    emit(Row { ind, mark })
}
