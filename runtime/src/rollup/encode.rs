//! Values and states as bytes: keys that differ where their values do, values whose bytes rise as they do, varints.

use crate::error::{Error, Kind};
use crate::schema::Type;
use crate::sum::{Parts, Sum};
use crate::time::Timestamp;
use crate::value::{Value, ValueRef};

/// Adds a value of a group's key: keys of as many values are the same bytes where they are the same values.
pub(super) fn put_key(to: &mut Vec<u8>, value: ValueRef<'_>) {
    match value {
        ValueRef::Null => to.push(0),
        ValueRef::Text(text) => {
            to.push(2);
            put(to, text.len() as u64);
            to.extend_from_slice(text.as_bytes());
        }
        ValueRef::Bytes(bytes) => {
            to.push(3);
            put(to, bytes.len() as u64);
            to.extend_from_slice(bytes);
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

/// Adds a number in seven bits a byte.
pub(super) fn put(to: &mut Vec<u8>, number: u64) {
    put_long(to, number.into());
}

/// The same of a number below zero or above.
pub(super) fn put_signed(to: &mut Vec<u8>, number: i128) {
    put_long(to, ((number << 1) ^ (number >> 127)).cast_unsigned());
}

fn put_long(to: &mut Vec<u8>, mut number: u128) {
    while number >= 0x80 {
        to.push(number as u8 | 0x80);
        number >>= 7;
    }
    to.push(number as u8);
}

/// Adds bytes with their length.
pub(super) fn put_bytes(to: &mut Vec<u8>, bytes: &[u8]) {
    put(to, bytes.len() as u64);
    to.extend_from_slice(bytes);
}

/// Adds an exact sum.
pub(super) fn put_sum(to: &mut Vec<u8>, sum: &Sum) {
    match sum.parts() {
        Parts::Near(near) => {
            to.push(0);
            put_signed(to, near);
        }
        Parts::Far { negative, first, digits } => {
            to.push(if negative { 2 } else { 1 });
            put(to, first as u64);
            put(to, digits.len() as u64);
            digits.iter().for_each(|digit| to.extend(digit.to_le_bytes()));
        }
    }
}

/// Bytes still to be read. Nothing is allocated ahead of the bytes that fill it.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    pub(super) fn number(&mut self) -> Option<u64> {
        // The usual one is short.
        match self.0.split_first()? {
            (&first, rest) if first < 0x80 => {
                self.0 = rest;
                Some(first.into())
            }
            _ => self.long()?.try_into().ok(),
        }
    }

    pub(super) fn signed(&mut self) -> Option<i128> {
        let number = self.long()?;
        Some((number >> 1).cast_signed() ^ -((number & 1).cast_signed()))
    }

    pub(super) fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.number()?).ok()?;
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(bytes)
    }

    pub(super) fn sum(&mut self) -> Option<Sum> {
        let parts = match self.byte()? {
            0 => Parts::Near(self.signed()?),
            sign @ (1 | 2) => {
                let first = usize::try_from(self.number()?).ok()?;
                let mut digits = Vec::new();
                for _ in 0..self.number()? {
                    let (digit, rest) = self.0.split_first_chunk()?;
                    self.0 = rest;
                    digits.push(u32::from_le_bytes(*digit));
                }
                Parts::Far { negative: sign == 2, first, digits }
            }
            _ => return None,
        };
        Sum::of(0, parts)
    }

    fn long(&mut self) -> Option<u128> {
        let mut number = 0u128;
        for shift in (0..128).step_by(7) {
            let byte = self.byte()?;
            let bits = u128::from(byte & 0x7f);
            number |= bits << shift;
            if byte < 0x80 {
                return (number >> shift == bits).then_some(number);
            }
        }
        None
    }
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

    #[test]
    fn numbers_come_back() {
        for number in [0, 1, 127, 128, 1 << 35, u64::MAX] {
            let mut to = Vec::new();
            put(&mut to, number);
            assert_eq!(Reader(&to).number(), Some(number));
        }
        for number in [0, -1, 1, i128::from(i64::MIN), i128::MAX, i128::MIN] {
            let mut to = Vec::new();
            put_signed(&mut to, number);
            assert_eq!(Reader(&to).signed(), Some(number));
        }
        for values in [vec![0.1, 0.2], vec![1e300, -1e-300], vec![-1e200], vec![]] {
            let (mut sum, mut to) = (Sum::default(), Vec::new());
            values.iter().for_each(|value| sum.add(*value));
            put_sum(&mut to, &sum);
            assert_eq!(Reader(&to).sum().map(|sum| sum.value().to_bits()), Some(sum.value().to_bits()), "{values:?}");
        }
        assert_eq!(Reader(&[0x80]).number(), None);
    }
}
