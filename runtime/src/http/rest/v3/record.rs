//! A v3 record, read from its JSON.

use std::borrow::Cow;

use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::http::answer::Refusal;
use crate::http::records::Incoming;
use crate::http::rest::parse::{self, Unread, bad};
use crate::http::rest::request::{base64, compact};
use crate::record::push_header;
use crate::time::Timestamp;

/// A record as it is meant.
#[derive(Debug)]
pub(super) struct Read<'a> {
    partition: Option<i64>,
    headers: Vec<u8>,
    key: Option<Cow<'a, [u8]>>,
    value: Option<Cow<'a, [u8]>>,
    /// The id of an entry of a batch.
    pub(super) id: Option<&'a RawValue>,
    /// What its receipt says of it.
    pub(super) shape: Shape,
}

/// What a receipt says of a record, whatever becomes of it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Shape {
    /// Of its key, where one was sent.
    pub(super) key: Option<Part>,
    /// Of its value, where one was sent.
    pub(super) value: Option<Part>,
    /// The time that its client gave it.
    pub(super) time: Option<Timestamp>,
}

/// A key or value: its type and its size in bytes.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Part {
    r#type: &'static str,
    size: usize,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written<'a> {
    #[serde(borrow, default)]
    id: Option<&'a RawValue>,
    #[serde(default)]
    partition_id: Option<i64>,
    #[serde(borrow, default)]
    headers: Option<Vec<Header<'a>>>,
    #[serde(borrow, default)]
    key: Option<&'a RawValue>,
    #[serde(borrow, default)]
    value: Option<&'a RawValue>,
    #[serde(borrow, default)]
    timestamp: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Header<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow, default)]
    value: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenPart<'a> {
    #[serde(borrow, default)]
    r#type: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    subject: Option<&'a RawValue>,
    #[serde(borrow, default)]
    subject_name_strategy: Option<&'a RawValue>,
    #[serde(borrow, default)]
    schema_id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    schema_version: Option<&'a RawValue>,
    #[serde(borrow, default)]
    schema: Option<&'a RawValue>,
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
}

/// Reads a record; the refusal is that of this record alone.
pub(super) fn read(json: &[u8]) -> Result<Read<'_>, Refusal> {
    let written: Written<'_> = object(json)?;
    let mut headers = Vec::new();
    for header in written.headers.iter().flatten() {
        let value = header.value.map(|value| base64(value.get())).transpose()?;
        push_header(&mut headers, header.name.as_bytes(), value.as_deref());
    }
    let time = written.timestamp.as_deref().map(Timestamp::parse).transpose();
    let time = time.map_err(|error| bad(error.message()))?;
    let (key, value) = (written.key.map(part).transpose()?, written.value.map(part).transpose()?);
    let shape = Shape { key: key.as_ref().map(shown), value: value.as_ref().map(shown), time };
    Ok(Read {
        partition: written.partition_id,
        headers,
        key: key.and_then(|(_, bytes)| bytes),
        value: value.and_then(|(_, bytes)| bytes),
        id: written.id,
        shape,
    })
}

impl Read<'_> {
    /// The record for its topic.
    pub(super) fn incoming(&self) -> Incoming<'_> {
        Incoming {
            partition: self.partition,
            key: self.key.as_deref(),
            value: self.value.as_deref(),
            headers: &self.headers,
            time: self.shape.time,
        }
    }
}

type Bytes<'a> = (&'static str, Option<Cow<'a, [u8]>>);

/// The type of a key or value, and its bytes; none for null.
fn part(raw: &RawValue) -> Result<Bytes<'_>, Refusal> {
    let written: WrittenPart<'_> = object(raw.get().as_bytes())?;
    let WrittenPart { r#type, subject, subject_name_strategy, schema_id, schema_version, schema, data } = written;
    let schemas = [subject, subject_name_strategy, schema_id, schema_version, schema];
    let by_schema = schemas.iter().any(Option::is_some);
    let with_schema = matches!(r#type.as_deref(), None | Some("AVRO" | "JSONSCHEMA" | "PROTOBUF"));
    match r#type.as_deref() {
        _ if with_schema => Err(Refusal::plain(
            StatusCode::UNPROCESSABLE_ENTITY,
            "Error: 42206 : Payload error. Schema Registry must be configured when using schemas.",
        )),
        Some(named) if by_schema && matches!(named, "BINARY" | "JSON" | "STRING") => {
            Err(bad(format!("type {named} takes no schema, subject or schema id")))
        }
        Some("BINARY") => Ok(("BINARY", data.map(|data| base64(data.get())).transpose()?)),
        Some("JSON") => Ok(("JSON", data.map(|data| compact(data.get())).transpose()?)),
        Some("STRING") => Ok(("STRING", data.map(|data| text(data.get())).transpose()?)),
        named => Err(bad(format!("type {} is not known", named.unwrap_or_default()))),
    }
}

fn text(raw: &str) -> Result<Cow<'_, [u8]>, Refusal> {
    let text: Result<String, _> = serde_json::from_str(raw);
    text.map(|text| Cow::Owned(text.into_bytes())).map_err(|cause| bad(format!("data={raw}: {cause}")))
}

fn shown((r#type, bytes): &Bytes<'_>) -> Part {
    Part { r#type, size: bytes.as_ref().map_or(0, |bytes| bytes.len()) }
}

fn object<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Result<T, Refusal> {
    parse::object(json).map_err(|unread| match unread {
        Unread::Field(field, known) => {
            Refusal::plain(StatusCode::BAD_REQUEST, format!("Unrecognized field \"{field}\" ({known})"))
        }
        Unread::Other(why) => bad(why),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A key and a value, as texts.
    type Both<'a> = (Option<&'a str>, Option<&'a str>);

    fn check(json: &str, expected: Result<Both<'_>, (u32, &str)>) {
        let read = read(json.as_bytes());
        match (&read, expected) {
            (Ok(read), Ok((key, value))) => {
                let text =
                    |bytes: &Option<Cow<'_, [u8]>>| bytes.as_ref().map(|b| String::from_utf8(b.to_vec()).unwrap());
                assert_eq!((text(&read.key).as_deref(), text(&read.value).as_deref()), (key, value), "{json}");
            }
            (Err(refusal), Err((code, words))) => {
                assert!(refusal.code == code && refusal.message.contains(words), "{json}: {refusal:?}");
            }
            _ => panic!("{json}: {read:?}"),
        }
    }

    #[test]
    fn keys_and_values_of_each_type() {
        check("{}", Ok((None, None)));
        check(r#"{"key":null,"value":{"type":"JSON","data":null}}"#, Ok((None, None)));
        check(r#"{"value":{"type":"JSON","data": { "b" : 1, "a" : [ ] } }}"#, Ok((None, Some(r#"{"b":1,"a":[]}"#))));
        check(
            r#"{"key":{"type":"STRING","data":""},"value":{"type":"BINARY","data":"AQ=="}}"#,
            Ok((Some(""), Some("\x01"))),
        );
        check(r#"{"key":{"type":"STRING","data":"\u00e9\n"}}"#, Ok((Some("é\n"), None)));
        check(r#"{"value":{"type":"STRING","data":1}}"#, Err((400, "data=1")));
        check(r#"{"value":{"type":"BINARY","data":"?"}}"#, Err((400, "data=\"?\"")));
        check(r#"{"value":{"type":"BINARY","data":1}}"#, Err((400, "data=1")));
        check(r#"{"value":{"type":"XML","data":1}}"#, Err((400, "type XML is not known")));
        check(r#"{"value":["JSON",1]}"#, Err((400, "it is not an object")));
        check(r#"{"value":{"data":1}}"#, Err((422, "Error: 42206 : ")));
        check(r#"{"value":{"type":"AVRO","schema":"x","data":1}}"#, Err((422, "Error: 42206 : ")));
        check(r#"{"value":{"type":"JSON","schema_id":1,"data":1}}"#, Err((400, "takes no schema")));
        check(r#"{"value":{"type":"JSON","date":1}}"#, Err((400, "Unrecognized field \"date\" (")));
        check(r#"{"records":[]}"#, Err((400, "Unrecognized field \"records\" (expected one of")));
        check(r#"{"timestamp":"yesterday"}"#, Err((400, "time \"yesterday\"")));
        check(r#"{"timestamp":"2021-02-05T19:14:42Z","partition_id":1}"#, Ok((None, None)));
        check(r#"{"partition_id":"1"}"#, Err((400, "invalid type")));
        check(r#"{"headers":[{"name":"a","value":"?"}]}"#, Err((400, "data=\"?\"")));
        check(r#"{"headers":[{"value":"AQ=="}]}"#, Err((400, "missing field `name`")));
    }

    #[test]
    fn headers_keep_their_order_and_repeats() {
        let read =
            read(br#"{"headers":[{"name":"b","value":"AQ=="},{"name":"a","value":null},{"name":"b"}]}"#).unwrap();
        let headers: Vec<_> = crate::record::headers(&read.headers).collect();
        assert_eq!(headers, [(&b"b"[..], Some(&b"\x01"[..])), (b"a", None), (b"b", None)]);
    }
}
