//! The mapping of the gateway's resources onto Kinesis, as in AWS's tutorial.

use std::borrow::Cow;

use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::Response;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::answer::{Denial, json as answer, request_id};
use super::route::{Action, Call};
use crate::access::Grant;
use crate::config::plan::{Quoting, Stage, StatusMapping};
use crate::http::compact::compact;
use crate::http::kinesis::{Data, Entry, Fault, Named, Streams};

/// The header with the iterator of a read.
const SHARD_ITERATOR: &str = "shard-iterator";
/// The parameter with the shard of an iterator.
const SHARD_ID: &str = "shard-id";

/// What `PUT .../record` takes; all else in it is passed over.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct One<'a> {
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    #[serde(borrow)]
    partition_key: Option<&'a RawValue>,
}

/// What `PUT .../records` takes.
#[derive(Deserialize)]
struct Many<'a> {
    #[serde(borrow)]
    records: Option<Vec<Item<'a>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Item<'a> {
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    #[serde(borrow)]
    partition_key: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Create {
    shard_count: Option<Value>,
}

/// Asks Kinesis, and maps its answer's status as the stage says.
pub(super) async fn call(
    streams: &Streams,
    stage: &Stage,
    call: &Call,
    head: &Parts,
    body: &[u8],
    grant: &Grant,
) -> Result<Response, Denial> {
    let named = || Named { name: Some(Cow::Borrowed(call.stream.as_str())), arn: None };
    if matches!(head.method, Method::PUT | Method::POST) && !is_json(&head.headers) {
        return Err(Denial::MediaType);
    }
    let name = json!({ "StreamName": call.stream });
    let ask = async |action: &str, input: Value| streams.answer(action, input.to_string().as_bytes(), grant).await;
    let answered = match call.action {
        Action::ListStreams => ask("ListStreams", json!({})).await,
        Action::DescribeStream => ask("DescribeStream", name).await,
        Action::DeleteStream => ask("DeleteStream", name).await,
        Action::CreateStream => {
            let Create { shard_count } = read(body)?;
            let count = shard_count.unwrap_or_else(|| stage.shards.into());
            ask("CreateStream", json!({ "StreamName": call.stream, "ShardCount": count })).await
        }
        Action::PutRecord => streams.put_one(&named(), one(stage.quoting, body)?, grant).await,
        Action::PutRecords => streams.put_many(&named(), many(stage.quoting, body)?, grant).await,
        Action::GetRecords => {
            let iterator = head.headers.get(SHARD_ITERATOR).and_then(|value| value.to_str().ok()).unwrap_or_default();
            ask("GetRecords", json!({ "ShardIterator": iterator })).await
        }
        Action::GetShardIterator => {
            let shard = parameter(head.uri.query().unwrap_or_default(), SHARD_ID).unwrap_or_default();
            let input = json!({ "StreamName": call.stream, "ShardId": shard, "ShardIteratorType": "TRIM_HORIZON" });
            ask("GetShardIterator", input).await
        }
    };
    Ok(match answered {
        Ok(body) => answer(StatusCode::OK, body),
        Err(fault) => {
            streams.door.count_refused(fault.kind);
            answer(status(stage, call.action, &fault), fault.body())
        }
    })
}

/// The sample has a pattern for the statuses of DELETE alone.
fn status(stage: &Stage, action: Action, fault: &Fault) -> StatusCode {
    match stage.status {
        StatusMapping::Faithful if action != Action::DeleteStream => StatusCode::OK,
        _ => fault.status,
    }
}

/// Whether the request's body is JSON, which it is unless it says otherwise.
fn is_json(headers: &HeaderMap) -> bool {
    let essence = |value: &str| value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let given = headers.get(header::CONTENT_TYPE);
    given.is_none_or(|given| given.to_str().is_ok_and(|given| essence(given) == "application/json"))
}

pub(super) fn one(quoting: Quoting, body: &[u8]) -> Result<Entry<'_>, Denial> {
    if quoting == Quoting::Body {
        return Ok(whole(body));
    }
    let One { data, partition_key } = read(body)?;
    let data = match quoting {
        Quoting::Plain => plain(data)?,
        _ => text(data)?,
    };
    Ok(Entry { data: Some(Data::Plain(data)), key: Some(scalar(partition_key)?), hash: None })
}

pub(super) fn many(quoting: Quoting, body: &[u8]) -> Result<Option<Vec<Entry<'_>>>, Denial> {
    if quoting == Quoting::Body {
        return Ok(Some(vec![whole(body)]));
    }
    let Many { records } = read(body)?;
    let entry = |item: Item<'_>| -> Result<Entry<'_>, Denial> {
        let data = match quoting {
            Quoting::Json => text(item.data)?.into_owned().into(),
            Quoting::Sample => match parsed(item.data)? {
                Value::Object(_) | Value::Array(_) => Cow::Owned(java(&parsed(item.data)?).into_bytes()),
                _ => plain(item.data)?.into_owned().into(),
            },
            _ => plain(item.data)?.into_owned().into(),
        };
        Ok(Entry {
            data: Some(Data::Plain(data)),
            key: Some(scalar(item.partition_key)?.into_owned().into()),
            hash: None,
        })
    };
    // A template that goes through nothing makes a list of nothing.
    records.unwrap_or_default().into_iter().map(entry).collect::<Result<Vec<_>, _>>().map(Some)
}

/// The body as it came, under a key that no other request has.
fn whole(body: &[u8]) -> Entry<'_> {
    Entry { data: Some(Data::Plain(body.into())), key: Some(request_id().into()), hash: None }
}

/// Reads a body as a template does; an empty one has nothing in it.
fn read<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Denial> {
    let body = body.trim_ascii();
    let body = if body.is_empty() { b"{}" } else { body };
    let wrong = |cause: &str| Denial::Bad(format!("Could not parse request body into json: {cause}"));
    if body.first() != Some(&b'{') {
        return Err(wrong("it is not an object"));
    }
    serde_json::from_slice(body).map_err(|cause| wrong(&cause.to_string()))
}

/// `$input.json(..)`: the JSON text, compact; nothing where it is absent.
fn text(raw: Option<&RawValue>) -> Result<Cow<'_, [u8]>, Denial> {
    raw.map_or(Ok(Cow::Borrowed(&[][..])), |raw| {
        compact(raw.get()).map_err(|cause| Denial::Bad(format!("Could not parse request body into json: {cause}")))
    })
}

/// The same, a string without its quotes.
fn plain(raw: Option<&RawValue>) -> Result<Cow<'_, [u8]>, Denial> {
    match parsed(raw)? {
        Value::String(string) => Ok(Cow::Owned(string.into_bytes())),
        _ => text(raw),
    }
}

/// `$input.path(..)` within a string: the value's text, nothing for none.
fn scalar(raw: Option<&RawValue>) -> Result<Cow<'_, str>, Denial> {
    Ok(match parsed(raw)? {
        Value::Null => Cow::Borrowed(""),
        value => Cow::Owned(java(&value)),
    })
}

fn parsed(raw: Option<&RawValue>) -> Result<Value, Denial> {
    let read = raw.map_or(Ok(Value::Null), |raw| serde_json::from_str(raw.get()));
    read.map_err(|cause| Denial::Bad(format!("Could not parse request body into json: {cause}")))
}

/// A value as the template language prints it: an object as Java's maps are, `{a=1}`.
fn java(value: &Value) -> String {
    match value {
        Value::String(string) => string.clone(),
        Value::Object(object) => {
            let pairs: Vec<String> = object.iter().map(|(name, value)| format!("{name}={}", java(value))).collect();
            format!("{{{}}}", pairs.join(", "))
        }
        other => other.to_string(),
    }
}

/// A parameter of a query, its percent signs read.
pub(super) fn parameter(query: &str, name: &str) -> Option<String> {
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let (_, written) = pairs.into_iter().find(|(known, _)| *known == name)?;
    let (mut bytes, mut rest) = (Vec::with_capacity(written.len()), written.as_bytes());
    while let Some((first, after)) = rest.split_first() {
        let digits = after.get(..2).filter(|_| *first == b'%').and_then(|two| std::str::from_utf8(two).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(quoting: Quoting, body: &str, data: &str, key: &str) {
        let entry = one(quoting, body.as_bytes()).unwrap();
        let Some(Data::Plain(found)) = entry.data else { panic!("{body}") };
        assert_eq!((String::from_utf8_lossy(&found).as_ref(), entry.key.as_deref()), (data, Some(key)), "{body}");
    }

    #[test]
    fn a_record_is_mapped() {
        let (sample, plain) = (Quoting::Sample, Quoting::Plain);
        check(
            sample,
            r#"{"StreamName":"x","Data": {"b": 1, "a": [ 2 ]},"PartitionKey":"k"}"#,
            r#"{"b":1,"a":[2]}"#,
            "k",
        );
        check(sample, r#"{"Data":"some data","PartitionKey":7}"#, r#""some data""#, "7");
        check(plain, r#"{"Data":"some data","PartitionKey":true}"#, "some data", "true");
        check(plain, r#"{"Data":{"a": 1},"PartitionKey":"k"}"#, r#"{"a":1}"#, "k");
        check(sample, r#"{"Data":"a\u00e9\"","PartitionKey":"é"}"#, r#""aé\"""#, "é");
        check(sample, r#"{"Data":null}"#, "", "");
        check(sample, "{}", "", "");
        check(sample, "", "", "");
    }

    #[test]
    fn a_batch_is_mapped() {
        let body = r#"{"records":[{"data":"some data","partition-key":"k"},{"data":{"a": 1,"b":{"c":"d"}},"partition-key":"l"}]}"#;
        for (quoting, expected) in [
            (Quoting::Sample, ["some data", "{a=1, b={c=d}}"]),
            (Quoting::Plain, ["some data", r#"{"a":1,"b":{"c":"d"}}"#]),
            (Quoting::Json, [r#""some data""#, r#"{"a":1,"b":{"c":"d"}}"#]),
        ] {
            let entries = many(quoting, body.as_bytes()).unwrap().unwrap();
            let data = entries.iter().map(|entry| match &entry.data {
                Some(Data::Plain(data)) => String::from_utf8_lossy(data).into_owned(),
                other => panic!("{other:?}"),
            });
            assert_eq!(data.collect::<Vec<_>>(), expected, "{quoting:?}");
        }
        let entries = many(Quoting::Body, b"any {").unwrap().unwrap();
        assert!(matches!(entries.as_slice(), [Entry { data: Some(Data::Plain(data)), .. }] if **data == *b"any {"));
        assert!(many(Quoting::Sample, b"{}").unwrap().unwrap().is_empty());
    }

    #[test]
    fn parameters_are_read() {
        for (query, expected) in [
            ("shard-id=shardId-000000000000", Some("shardId-000000000000")),
            ("a=b&shard-id=x%2Dy%zz", Some("x-y%zz")),
            ("shard-id=", Some("")),
            ("shard-ids=1", None),
            ("", None),
        ] {
            assert_eq!(parameter(query, SHARD_ID).as_deref(), expected, "{query}");
        }
    }
}
