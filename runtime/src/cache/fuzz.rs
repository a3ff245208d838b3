//! The keys of stored groups under bytes that nobody meant.

use super::group_key::{decode, encode};
use crate::time::Timestamp;
use crate::value::Value;

/// A key: what is read is what is written again.
pub(crate) fn key(bytes: &[u8]) {
    if let Some(key) = decode(bytes) {
        assert_eq!(decode(&encode(&key)).map(|key| encode(&key)), Some(encode(&key)));
    }
}

/// What the target begins with.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
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
