//! The keys and states of stored groups under bytes that nobody meant.

#![allow(clippy::unwrap_used, reason = "a body may panic: that is how it fails")]

use super::group_key::{decode, encode};
use super::states::{Bundle, states};
use crate::packed::summed;
use crate::time::Timestamp;
use crate::value::Value;

/// A key: what is read is what is written again.
pub(crate) fn key(bytes: &[u8]) {
    if let Some(key) = decode(bytes) {
        assert_eq!(decode(&encode(&key)).map(|key| encode(&key)), Some(encode(&key)));
    }
}

/// A bundle of states: what is read is what is written again. What follows an even byte gets its right sum first.
pub(crate) fn bundle(bytes: &[u8]) {
    let Some(stored) = summed(bytes) else { return };
    let Some(found) = states(&stored) else { return };
    let found: Vec<_> = found.collect();
    let mut again = Bundle::default();
    found.iter().for_each(|(number, state)| again.put(*number, state));
    let again = again.take();
    assert_eq!(states(&again).unwrap().collect::<Vec<_>>(), found);
}

/// What each of the targets begins with.
pub(crate) fn seeds(target: &str) -> Vec<Vec<u8>> {
    if target == "bundle" {
        let mut bundle = Bundle::default();
        bundle.put(1, b"state");
        bundle.put(-300, &[7; 200]);
        return vec![[&[0], bundle.take().as_slice()].concat()];
    }
    let key = [
        Value::Null,
        Value::Boolean(true),
        Value::Int64(-7),
        Value::Float64(f64::NAN),
        Value::Timestamp(Timestamp(5)),
        Value::Text("text".into()),
        Value::Bytes(vec![0, 255]),
    ];
    vec![encode(&key)]
}
