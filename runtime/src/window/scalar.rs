//! One value as groups hold it: a word or bytes, which compare as the values of their type do.

use hashbrown::Equivalent;

use crate::schema::Type;
use crate::time::Timestamp;
use crate::value::Value;

/// A value that is kept. Booleans, numbers and times are words; texts are bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Scalar {
    Word(i64),
    Bytes(Box<[u8]>),
}

/// A value that is still in its column; it hashes and compares as a [`Scalar`] does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum ScalarRef<'a> {
    Word(i64),
    Bytes(&'a [u8]),
}

impl Equivalent<Scalar> for ScalarRef<'_> {
    fn equivalent(&self, kept: &Scalar) -> bool {
        *self == kept.borrowed()
    }
}

impl From<&ScalarRef<'_>> for Scalar {
    fn from(value: &ScalarRef<'_>) -> Self {
        match *value {
            ScalarRef::Word(word) => Self::Word(word),
            ScalarRef::Bytes(bytes) => Self::Bytes(bytes.into()),
        }
    }
}

impl Scalar {
    pub(super) fn borrowed(&self) -> ScalarRef<'_> {
        match self {
            Self::Word(word) => ScalarRef::Word(*word),
            Self::Bytes(bytes) => ScalarRef::Bytes(bytes),
        }
    }

    /// The value of type `kind` that it stands for.
    pub(super) fn value(&self, kind: Type) -> Value {
        match (self, kind) {
            (Self::Word(word), Type::Boolean) => Value::Boolean(*word != 0),
            (Self::Word(word), Type::Float64) => Value::Float64(float_of(*word)),
            (Self::Word(word), Type::Timestamp) => Value::Timestamp(Timestamp(*word)),
            (Self::Word(word), _) => Value::Int64(*word),
            (Self::Bytes(bytes), Type::Bytes) => Value::Bytes(bytes.to_vec()),
            (Self::Bytes(bytes), _) => Value::Text(String::from_utf8_lossy(bytes).into_owned()),
        }
    }

    /// What stands for `value`, where it is of type `kind`; the inner none is null.
    pub(super) fn of(value: &Value, kind: Type) -> Option<Option<Self>> {
        let scalar = match (value, kind) {
            (Value::Null, _) => return Some(None),
            (Value::Boolean(v), Type::Boolean) => Self::Word(i64::from(*v)),
            (Value::Int64(v), Type::Int64) => Self::Word(*v),
            (Value::Float64(v), Type::Float64) => Self::Word(word_of(*v)),
            (Value::Timestamp(v), Type::Timestamp) => Self::Word(v.0),
            (Value::Text(v), Type::Text | Type::Json) => Self::Bytes(v.as_bytes().into()),
            (Value::Bytes(v), Type::Bytes) => Self::Bytes(v.as_slice().into()),
            _ => return None,
        };
        Some(Some(scalar))
    }
}

/// The word of NaN, of which there is one; it is greater than all others.
pub(super) const NAN: i64 = 0x7ff8_0000_0000_0000;

/// A word that rises as the float does; both zeros have the same.
#[inline]
pub(super) fn word_of(value: f64) -> i64 {
    if value.is_nan() {
        return NAN;
    }
    flip((value + 0.0).to_bits().cast_signed())
}

/// The float whose word it is.
#[inline]
pub(super) fn float_of(word: i64) -> f64 {
    f64::from_bits(flip(word).cast_unsigned())
}

/// Turns the order of negative floats' bits around; its own inverse.
#[inline]
fn flip(bits: i64) -> i64 {
    bits ^ ((bits >> 63).cast_unsigned() >> 1).cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_rise_as_floats_do() {
        let rising = [f64::NEG_INFINITY, -1e300, -1.0, -5e-324, 0.0, 5e-324, 1.0, f64::MAX, f64::INFINITY];
        assert!(rising.map(word_of).is_sorted_by(|a, b| a < b));
        assert_eq!(rising.map(|v| float_of(word_of(v))), rising);
        assert_eq!(word_of(-0.0), word_of(0.0));
        assert_eq!(word_of(f64::NAN), word_of(-f64::NAN));
        assert!(float_of(NAN).is_nan() && NAN > word_of(f64::INFINITY));
    }
}
