//! One value of one column, apart from its column: what keys, groups and answers are made of.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

use crate::time::Timestamp;

/// A single value. Floats compare by their bits' total order, so that values can be keys.
#[derive(Clone, Debug)]
pub enum Value {
    /// No value.
    Null,
    /// True or false.
    Boolean(bool),
    /// A whole number.
    Int64(i64),
    /// A floating point number.
    Float64(f64),
    /// UTF-8 text (JSON too).
    Text(String),
    /// Any bytes.
    Bytes(Vec<u8>),
    /// A point in time.
    Timestamp(Timestamp),
}

impl Value {
    fn rank(&self) -> u8 {
        match self {
            Self::Null => 0,
            Self::Boolean(_) => 1,
            Self::Int64(_) => 2,
            Self::Float64(_) => 3,
            Self::Timestamp(_) => 4,
            Self::Text(_) => 5,
            Self::Bytes(_) => 6,
        }
    }
}

/// Null first, then by type, then by value.
impl Ord for Value {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Boolean(a), Self::Boolean(b)) => a.cmp(b),
            (Self::Int64(a), Self::Int64(b)) => a.cmp(b),
            (Self::Float64(a), Self::Float64(b)) => a.total_cmp(b),
            (Self::Timestamp(a), Self::Timestamp(b)) => a.cmp(b),
            (Self::Text(a), Self::Text(b)) => a.cmp(b),
            (Self::Bytes(a), Self::Bytes(b)) => a.cmp(b),
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

impl PartialOrd for Value {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Value {}

impl Hash for Value {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.rank().hash(state);
        match self {
            Self::Null => {}
            Self::Boolean(v) => v.hash(state),
            Self::Int64(v) => v.hash(state),
            Self::Float64(v) => v.to_bits().hash(state),
            Self::Text(v) => v.hash(state),
            Self::Bytes(v) => v.hash(state),
            Self::Timestamp(v) => v.hash(state),
        }
    }
}

/// As a person reads it; null is empty, bytes are hexadecimal.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => Ok(()),
            Self::Boolean(v) => write!(f, "{v}"),
            Self::Int64(v) => write!(f, "{v}"),
            Self::Float64(v) => write!(f, "{v:?}"),
            Self::Text(v) => f.write_str(v),
            Self::Bytes(v) => v.iter().try_for_each(|byte| write!(f, "{byte:02x}")),
            Self::Timestamp(v) => write!(f, "{v}"),
        }
    }
}
