//! What an explanation shows: a row, its record, what each component returns.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::record::{self, Record};
use crate::time::Timestamp;

/// A row, where it came from, and what comes of its record now.
#[derive(Debug, Serialize)]
pub struct Explained {
    /// The object's key.
    pub object: String,
    /// Whether the object's bytes are those that the outbox sent.
    pub object_intact: bool,
    /// The later revision whose rows stand in the place of this one, where there is one.
    pub replaced_by: Option<u64>,
    /// The row, counted from 1.
    pub row: u64,
    /// The table.
    pub table: String,
    /// The partition of its record.
    pub partition: u32,
    /// Its record's offset.
    pub offset: u64,
    /// Which of its record's rows it is, counted from 0.
    pub nth: u64,
    /// The epoch that looked at the record.
    pub epoch: u64,
    /// The generation that made the row.
    pub generation: u64,
    /// The digest of its chain.
    pub digest: String,
    /// The record.
    pub record: Source,
    /// What was decoded of it; none where it does not decode.
    pub decoded: Option<Box<RawValue>>,
    /// What each component of the chain returns.
    pub steps: Vec<Step>,
    /// The row as the chain makes it now; none where it makes none.
    pub made: Option<Box<RawValue>>,
    /// The row as it was written.
    pub written: Box<RawValue>,
    /// Whether they are the same.
    pub same: bool,
    /// The columns in which they are not.
    pub differs: Vec<String>,
}

/// A record's own bytes, as text where they are UTF-8, else in base64.
#[derive(Debug, Serialize)]
pub struct Source {
    /// When it was appended.
    #[serde(serialize_with = "crate::time::as_text")]
    pub time: Timestamp,
    /// Its key.
    pub key: Option<Bytes>,
    /// Its value.
    pub value: Option<Bytes>,
    /// Its headers.
    pub headers: Vec<(String, Option<Bytes>)>,
}

/// Bytes as a person reads them.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Bytes {
    /// UTF-8.
    Text(String),
    /// Anything else.
    Base64 {
        /// The bytes in base64.
        base64: String,
    },
}

/// What one component returns.
#[derive(Debug, Serialize)]
pub struct Step {
    /// The transform's name and version.
    pub transform: String,
    /// The component's sha256.
    pub digest: String,
    /// The rows that it makes; none where it drops or rejects the record.
    pub rows: Vec<Box<RawValue>>,
    /// Why it rejects the record, where it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rejected: Option<String>,
}

impl Source {
    pub(super) fn of(record: &Record<'_>) -> Self {
        let header =
            |(name, value): (&[u8], Option<&[u8]>)| (String::from_utf8_lossy(name).into_owned(), value.map(Bytes::of));
        Self {
            time: record.time,
            key: record.key.map(Bytes::of),
            value: record.value.map(Bytes::of),
            headers: record::headers(record.headers).map(header).collect(),
        }
    }
}

impl Bytes {
    fn of(bytes: &[u8]) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(text) => Self::Text(text.to_owned()),
            Err(_) => Self::Base64 { base64: STANDARD.encode(bytes) },
        }
    }
}
