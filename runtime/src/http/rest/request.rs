//! A v2 produce request, read from its body.

use std::borrow::Cow;
use std::fmt;

use axum::http::StatusCode;
use base64::Engine as _;
use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::http::answer::{Embedded, Refusal};
use crate::http::compact::compact;

/// The records of a request, each borrowed from its body.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Request<'a> {
    /// The records, in order.
    #[serde(borrow, default)]
    pub(super) records: Option<Vec<Entry<'a>>>,
    #[serde(borrow, default)]
    key_schema: Option<&'a RawValue>,
    #[serde(borrow, default)]
    key_schema_id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    value_schema: Option<&'a RawValue>,
    #[serde(borrow, default)]
    value_schema_id: Option<&'a RawValue>,
}

/// One record of a request, as written.
#[derive(Debug, Default)]
pub(super) struct Entry<'a> {
    /// The key; null or absent is no key.
    pub(super) key: Option<&'a RawValue>,
    /// The value; null or absent is a tombstone.
    pub(super) value: Option<&'a RawValue>,
    /// The partition, where the client chose it.
    pub(super) partition: Option<i64>,
}

/// By hand, for what serde derives would take a list of three for a record too.
impl<'de: 'a, 'a> Deserialize<'de> for Entry<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(EntryVisitor)
    }
}

struct EntryVisitor;

impl<'de> Visitor<'de> for EntryVisitor {
    type Value = Entry<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a record")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        #[derive(Deserialize)]
        #[serde(field_identifier, rename_all = "lowercase")]
        enum Name {
            Key,
            Value,
            Partition,
        }
        let (mut key, mut value, mut partition) = (None, None, None);
        while let Some(name) = map.next_key()? {
            match name {
                Name::Key if key.is_none() => key = Some(map.next_value()?),
                Name::Value if value.is_none() => value = Some(map.next_value()?),
                Name::Partition if partition.is_none() => partition = Some(map.next_value()?),
                Name::Key => return Err(A::Error::duplicate_field("key")),
                Name::Value => return Err(A::Error::duplicate_field("value")),
                Name::Partition => return Err(A::Error::duplicate_field("partition")),
            }
        }
        Ok(Entry { key: key.flatten(), value: value.flatten(), partition: partition.flatten() })
    }
}

/// Reads a request's body and checks its form; what its records hold is read by [`bytes`].
pub(super) fn read(body: &[u8], records_max: usize) -> Result<Vec<Entry<'_>>, Refusal> {
    let unprocessable = |message: String| Refusal::plain(StatusCode::UNPROCESSABLE_ENTITY, message);
    if body.iter().all(u8::is_ascii_whitespace) {
        return Err(unprocessable("Payload error. Request body is empty. Data is required.".to_owned()));
    }
    if body.trim_ascii_start().first() != Some(&b'{') {
        return Err(Refusal::plain(StatusCode::BAD_REQUEST, "Bad Request: invalid type: the body is not an object"));
    }
    let request: Request<'_> = serde_json::from_slice(body).map_err(|cause| {
        let cause = cause.to_string();
        match cause.strip_prefix("unknown field `").and_then(|rest| rest.split_once('`')) {
            Some((field, _)) => unprocessable(format!("Unrecognized field: {field}")),
            None => Refusal::plain(StatusCode::BAD_REQUEST, format!("Bad Request: {cause}")),
        }
    })?;
    let Request { records, key_schema, key_schema_id, value_schema, value_schema_id } = request;
    if [key_schema, key_schema_id, value_schema, value_schema_id].iter().any(Option::is_some) {
        let message = "Payload error. Schema Registry must be configured when using schemas.";
        return Err(Refusal::coded(StatusCode::UNPROCESSABLE_ENTITY, 42206, message));
    }
    let records = records.filter(|records| !records.is_empty());
    let records =
        records.ok_or_else(|| unprocessable("records may not be empty (was null or an empty list)".to_owned()))?;
    if records.len() > records_max {
        let message = format!("records: {} are over the limit of {records_max} in one request", records.len());
        return Err(Refusal::plain(StatusCode::PAYLOAD_TOO_LARGE, message));
    }
    Ok(records)
}

/// The bytes that a key or value stands for; none for null.
pub(super) fn bytes<'a>(raw: Option<&'a RawValue>, embedded: Embedded) -> Result<Option<Cow<'a, [u8]>>, Refusal> {
    let Some(raw) = raw else { return Ok(None) };
    match embedded {
        Embedded::Json => compact(raw.get())
            .map(Some)
            .map_err(|cause| Refusal::plain(StatusCode::BAD_REQUEST, format!("Bad Request: {cause}"))),
        Embedded::Binary => {
            let wrong = |cause: String| {
                Refusal::plain(StatusCode::BAD_REQUEST, format!("Bad Request: data={}: {cause}", raw.get()))
            };
            let text: Cow<'_, str> = serde_json::from_str(raw.get()).map_err(|cause| wrong(cause.to_string()))?;
            let decoded = base64::engine::general_purpose::STANDARD.decode(text.as_bytes());
            decoded.map(|bytes| Some(Cow::Owned(bytes))).map_err(|cause| wrong(cause.to_string()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals() {
        for (body, status, code, part) in [
            ("", 422, 422, "empty"),
            ("{}", 422, 422, "records"),
            (r#"{"records":null}"#, 422, 422, "records"),
            (r#"{"records":[]}"#, 422, 422, "records"),
            (r#"{"records":[{"value":1}],"more":1}"#, 422, 422, "Unrecognized field: more"),
            (r#"{"records":[{"values":1}]}"#, 422, 422, "Unrecognized field: values"),
            (r#"{"records":[{"value":1}"#, 400, 400, "Bad Request: "),
            (r#"{"records":[{"value":1,"partition":"0"}]}"#, 400, 400, "Bad Request: "),
            (r#"{"records":{}}"#, 400, 400, "Bad Request: "),
            (r#"{"records":[[]]}"#, 400, 400, "expected a record"),
            (r#"{"records":[["k","v",0]]}"#, 400, 400, "expected a record"),
            (r#"[[{"value":1}]]"#, 400, 400, "invalid type"),
            (r#"{"records":[{"value":1,"value":2}]}"#, 400, 400, "duplicate field `value`"),
            (r#"{"records":[{"value":1}],"value_schema_id":3}"#, 422, 42206, "Schema Registry"),
            (r#"{"records":[{},{},{}]}"#, 413, 413, "limit of 2"),
        ] {
            let refusal = read(body.as_bytes(), 2).unwrap_err();
            assert_eq!((refusal.status.as_u16(), refusal.code), (status, code), "{body}: {}", refusal.message);
            assert!(refusal.message.contains(part), "{body}: {}", refusal.message);
        }
    }

    #[test]
    fn binary_is_base64() {
        let raw = |text: &'static str| -> &'static RawValue { serde_json::from_str(text).unwrap() };
        assert_eq!(bytes(Some(raw(r#""AQI=""#)), Embedded::Binary).unwrap().as_deref(), Some(&[1, 2][..]));
        assert_eq!(bytes(Some(raw(r#""""#)), Embedded::Binary).unwrap().as_deref(), Some(&[][..]));
        assert!(bytes(None, Embedded::Binary).unwrap().is_none());
        for bad in ["1", r#""?""#] {
            assert!(bytes(Some(raw(bad)), Embedded::Binary).unwrap_err().message.starts_with("Bad Request: data="));
        }
    }
}
