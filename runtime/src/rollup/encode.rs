//! Values and states as bytes: keys that differ where their values do, values whose bytes rise as they do.

use crate::error::{Error, Kind};
use crate::packed::put_bytes;
use crate::schema::Type;
use crate::time::Timestamp;
use crate::value::{Value, ValueRef};

/// Adds a value of a group's key: keys of as many values are the same bytes where they are the same values.
pub(super) fn put_key(to: &mut Vec<u8>, value: ValueRef<'_>) {
    match value {
        ValueRef::Null => to.push(0),
        ValueRef::Text(text) => {
            to.push(2);
            put_bytes(to, text.as_bytes());
        }
        ValueRef::Bytes(bytes) => {
            to.push(3);
            put_bytes(to, bytes);
        }
        // All values of one place in a key are of one type.
        value => {
            to.push(1);
            put_rising(to, value);
        }
    }
}

/// Adds a value that is not null: among values of one type, bytes rise as the values do.
pub(super) fn put_rising(to: &mut Vec<u8>, value: ValueRef<'_>) {
    match value {
        ValueRef::Null => {}
        ValueRef::Boolean(value) => to.push(u8::from(value)),
        ValueRef::Int64(value) | ValueRef::Timestamp(Timestamp(value)) => to.extend(rising(value).to_be_bytes()),
        ValueRef::Float64(value) => to.extend(rising(flip(value.to_bits().cast_signed())).to_be_bytes()),
        ValueRef::Text(text) => to.extend_from_slice(text.as_bytes()),
        ValueRef::Bytes(bytes) => to.extend_from_slice(bytes),
    }
}

/// The value of type `kind` that [`put_rising`] made these bytes of; none for all else.
pub(super) fn risen(bytes: &[u8], kind: Type) -> Option<Value> {
    let word = || Some(u64::from_be_bytes(bytes.try_into().ok()?).cast_signed() ^ i64::MIN);
    Some(match kind {
        Type::Boolean => Value::Boolean(*bytes.first()? != 0),
        Type::Int64 => Value::Int64(word()?),
        Type::Timestamp => Value::Timestamp(Timestamp(word()?)),
        Type::Float64 => Value::Float64(f64::from_bits(flip(word()?).cast_unsigned())),
        Type::Bytes => Value::Bytes(bytes.to_vec()),
        Type::Text | Type::Json | Type::Float64List | Type::TextList => {
            Value::Text(std::str::from_utf8(bytes).ok()?.to_owned())
        }
    })
}

fn rising(word: i64) -> u64 {
    (word ^ i64::MIN).cast_unsigned()
}

/// Turns the order of negative floats' bits around; its own inverse.
fn flip(bits: i64) -> i64 {
    bits ^ ((bits >> 63).cast_unsigned() >> 1).cast_signed()
}

/// What is stored is not what was written, or was made of other rows: to be computed anew.
pub(super) fn astray(rollup: &str) -> Error {
    Error::new(Kind::Corrupt, format!("rollup {rollup:?}: what it was computed from is not what the cache has"))
        .hint("make it anew: tidemill cache rebuild")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(value: &Value) -> Vec<u8> {
        let mut bytes = Vec::new();
        put_rising(&mut bytes, value.borrowed());
        bytes
    }

    #[test]
    fn bytes_rise_as_values_do() {
        let check = |values: Vec<Value>, kind: Type| {
            assert!(values.is_sorted_by(|a, b| bytes(a) < bytes(b)), "{values:?}");
            for value in values {
                assert_eq!(risen(&bytes(&value), kind), Some(value.clone()), "{value:?}");
            }
        };
        check([i64::MIN, -7, -1, 0, 1, 255, 256, i64::MAX].map(Value::Int64).to_vec(), Type::Int64);
        let floats = [f64::NEG_INFINITY, -1e300, -1.0, -5e-324, 0.0, 5e-324, 1.0, 1e300, f64::INFINITY];
        check(floats.map(Value::Float64).to_vec(), Type::Float64);
        check(["", "a", "a\0", "ab", "b", "é"].map(|text| Value::Text(text.into())).to_vec(), Type::Text);
        check([false, true].map(Value::Boolean).to_vec(), Type::Boolean);
        check([-1, 0, 1].map(|at| Value::Timestamp(Timestamp(at))).to_vec(), Type::Timestamp);
        assert_eq!(risen(&[1, 2], Type::Int64), None);
    }

    #[test]
    fn keys_tell_values_apart() {
        let text = |text: &str| Value::Text(text.into());
        let keys = [
            vec![Value::Null, text("")],
            vec![text(""), Value::Null],
            vec![text(""), text("")],
            vec![text("a"), text("b")],
            vec![text("ab"), text("")],
            vec![text(""), text("ab")],
            vec![text("a\0"), text("b")],
        ];
        let keys: Vec<Vec<u8>> = (keys.iter())
            .map(|values| {
                let mut key = Vec::new();
                values.iter().for_each(|value| put_key(&mut key, value.borrowed()));
                key
            })
            .collect();
        let different: std::collections::BTreeSet<_> = keys.iter().collect();
        assert_eq!(different.len(), keys.len());
    }
}
