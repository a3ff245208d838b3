//! A group's key as bytes, exact down to the bits of floats.

use crate::time::Timestamp;
use crate::value::Value;

/// A key as bytes that differ where keys differ, down to the bits of floats, which SQLite's columns do not keep apart.
pub(super) fn encode(key: &[Value]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for value in key {
        match value {
            Value::Null => bytes.push(0),
            Value::Boolean(value) => bytes.extend([1, u8::from(*value)]),
            Value::Int64(value) => push(&mut bytes, 2, &value.to_be_bytes()),
            Value::Float64(value) => push(&mut bytes, 3, &value.to_bits().to_be_bytes()),
            Value::Timestamp(at) => push(&mut bytes, 4, &at.0.to_be_bytes()),
            Value::Text(text) => {
                push(&mut bytes, 5, &(text.len() as u64).to_be_bytes());
                bytes.extend_from_slice(text.as_bytes());
            }
            Value::Bytes(value) => {
                push(&mut bytes, 6, &(value.len() as u64).to_be_bytes());
                bytes.extend_from_slice(value);
            }
        }
    }
    bytes
}

fn push(bytes: &mut Vec<u8>, tag: u8, value: &[u8]) {
    bytes.push(tag);
    bytes.extend_from_slice(value);
}

/// Reads what [`encode`] made; none for all else.
pub(super) fn decode(mut bytes: &[u8]) -> Option<Vec<Value>> {
    let mut key = Vec::new();
    while let Some((tag, rest)) = bytes.split_first() {
        let eight = rest.split_first_chunk::<8>();
        let (value, rest) = match (tag, eight) {
            (0, _) => (Value::Null, rest),
            (1, _) => rest.split_first().map(|(value, rest)| (Value::Boolean(*value == 1), rest))?,
            (2, Some((value, rest))) => (Value::Int64(i64::from_be_bytes(*value)), rest),
            (3, Some((value, rest))) => (Value::Float64(f64::from_bits(u64::from_be_bytes(*value))), rest),
            (4, Some((value, rest))) => (Value::Timestamp(Timestamp(i64::from_be_bytes(*value))), rest),
            (5 | 6, Some((len, rest))) => {
                let (value, rest) = rest.split_at_checked(usize::try_from(u64::from_be_bytes(*len)).ok()?)?;
                let text = if *tag == 5 { Some(std::str::from_utf8(value).ok()?.to_owned()) } else { None };
                (text.map_or_else(|| Value::Bytes(value.to_vec()), Value::Text), rest)
            }
            _ => return None,
        };
        key.push(value);
        bytes = rest;
    }
    Some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_back_as_they_were() {
        let key = vec![
            Value::Null,
            Value::Boolean(true),
            Value::Int64(-7),
            Value::Float64(-0.0),
            Value::Float64(f64::NAN),
            Value::Text("é\0".into()),
            Value::Bytes(vec![0, 255]),
            Value::Timestamp(Timestamp::MIN),
            Value::Text(String::new()),
        ];
        let bytes = encode(&key);
        assert_eq!(decode(&bytes), Some(key));
        for cut in [1, 3, 12, 20, bytes.len() - 1] {
            assert_ne!(decode(&bytes[..cut]).map(|key| key.len()), Some(9), "cut at {cut}");
        }
        assert_eq!(decode(&[9]), None);
    }
}
