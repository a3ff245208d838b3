//! Records out of a topic with what a transform makes of them, in the form of a case.

use std::fs;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value as Json, json};

use super::case::{INPUT, REJECTED, ROWS};
use super::input;
use super::mask::Masks;
use super::play::once;
use crate::config::plan;
use crate::decode::Unwrap;
use crate::error::{Error, Kind, OrFail, Result, io_kind};
use crate::pipeline::generation::Chain;
use crate::record::{self, Batch, Record};

/// A record and what came of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Tapped {
    /// Its partition.
    pub partition: u32,
    /// Its offset.
    pub offset: u64,
    /// The record as a line of a case's input.
    pub input: Box<RawValue>,
    /// The rows that came of it, as the lake writes them.
    pub rows: Vec<Box<RawValue>>,
    /// Why none did; a record without rows and a reason was dropped on purpose.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rejected: Option<String>,
}

/// The last `records_max` records among those of some partitions, in the order of their times, with what a table's
/// transforms make of them. The fields that `masks` names are replaced before they see them; `@key` and `@headers` may
/// be named too.
///
/// Errors where they cannot be used for the table, or run out of time again and again.
pub fn tap(
    plan: &plan::Table,
    chain: &Chain,
    partitions: &[(u32, Batch)],
    records_max: usize,
    masks: &[String],
) -> Result<Vec<Tapped>> {
    let mut records: Vec<(u32, Record<'_>)> = Vec::new();
    for (partition, batch) in partitions {
        records.extend(batch.iter().map(|record| (*partition, record)));
    }
    records.sort_by_key(|(partition, record)| (record.time, *partition, record.offset));
    records.drain(..records.len().saturating_sub(records_max));
    let mut masks = Masks::new(masks);
    let lines =
        records.iter().map(|(_, record)| line(record, &mut masks, chain.unwrap())).collect::<Result<Vec<_>>>()?;
    // Played is what is shown and saved, not the records themselves.
    let mut files = once(plan, chain, &input::parse(lines.join("\n").as_bytes())?)?;
    let (rows, rejected) = (files.remove(ROWS).unwrap_or_default(), files.remove(REJECTED).unwrap_or_default());
    let mut tapped = Vec::new();
    for (number, ((partition, record), line)) in (1..).zip(records.iter().zip(lines)) {
        let rows = rows.iter().filter(|row| row.input == Some(number)).map(|row| raw(row.text.clone()));
        let refused = rejected.iter().find(|refused| refused.input == Some(number));
        let reason = refused.and_then(|refused| Some(refused.fields.get("reason")?.as_str()?.to_owned()));
        let rows = rows.collect::<Result<_>>()?;
        let (partition, offset) = (*partition, record.offset);
        tapped.push(Tapped { partition, offset, input: raw(line)?, rows, rejected: reason });
    }
    Ok(tapped)
}

/// Writes records with what came of them as a case into `folder`, which must not be there yet.
pub fn save(folder: &Path, tapped: &[Tapped]) -> Result<()> {
    let shown = folder.display();
    if tapped.is_empty() {
        return Err(Error::new(Kind::Missing, format!("case {shown}: there is no record to make it of")));
    }
    if folder.exists() {
        let error = Error::new(Kind::Conflict, format!("case {shown}: there is one of this name"));
        return Err(error.hint("give another name, or remove it first"));
    }
    let reason = |(line, tapped): (u64, &Tapped)| Some(json!({ "line": line, "reason": tapped.rejected.as_ref()? }));
    let files = [
        (INPUT, text(tapped.iter().map(|tapped| &tapped.input))),
        (ROWS, text(tapped.iter().flat_map(|tapped| &tapped.rows))),
        (REJECTED, text((1..).zip(tapped).filter_map(reason))),
    ];
    let failed = |cause: std::io::Error| Error::new(io_kind(&cause), format!("case {shown}: {cause}"));
    fs::create_dir_all(folder).map_err(failed)?;
    for (name, text) in files.iter().filter(|(name, text)| *name != REJECTED || !text.is_empty()) {
        fs::write(folder.join(name), text).map_err(failed)?;
    }
    Ok(())
}

fn text(lines: impl Iterator<Item = impl ToString>) -> String {
    lines.map(|line| line.to_string() + "\n").collect()
}

fn raw(text: String) -> Result<Box<RawValue>> {
    RawValue::from_string(text).or_fail(Kind::Internal, || "a line of a case")
}

/// A record as a line of a case's input.
fn line(record: &Record<'_>, masks: &mut Masks, unwrap: &Unwrap) -> Result<String> {
    let mut marks = Map::new();
    marks.insert("@time".to_owned(), record.time.to_string().into());
    if let Some(key) = record.key {
        let masked = masks.names("@key").then(|| masks.text("@key", key));
        marks.insert("@key".to_owned(), masked.map_or_else(|| written(key), Json::from));
    }
    let headers: Vec<Json> = record::headers(record.headers)
        .map(|(name, value)| json!([String::from_utf8_lossy(name), value.map(written)]))
        .collect();
    if !headers.is_empty() && !masks.names("@headers") {
        marks.insert("@headers".to_owned(), headers.into());
    }
    let value = record.value.map(|value| masks.value(value, unwrap));
    let json = value.as_deref().map_or(Some("null"), as_json);
    if let (None, Some(value)) = (json, &value) {
        marks.insert("@bytes".to_owned(), STANDARD.encode(value).into());
    }
    let mut line = Json::from(marks).to_string();
    if let Some(json) = json {
        // The value stands as it came, but on one line: a line break in JSON is a blank.
        line.truncate(line.len() - 1);
        line += &format!(",\"@value\":{}}}", json.replace(['\n', '\r'], " "));
    }
    Ok(line)
}

/// A value's text where it is JSON other than null, which would stand for no value.
fn as_json(value: &[u8]) -> Option<&str> {
    let value: &RawValue = serde_json::from_slice(value).ok()?;
    (value.get() != "null").then(|| value.get())
}

/// Bytes as a line writes them.
fn written(bytes: &[u8]) -> Json {
    std::str::from_utf8(bytes).map_or_else(|_| json!({ "base64": STANDARD.encode(bytes) }), Json::from)
}
