//! `POST .../records:batch`: a few records, each with an id, answered together.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::receipt::{Failure, Receipt, Target, code};
use super::record::{self, Read};
use crate::http::answer::Refusal;
use crate::http::records::{Records, all_busy};
use crate::http::rest::call::{Call, forbidden};
use crate::http::rest::{negotiation, parse, producer};
use crate::http::{Door, body};

/// The most entries of a batch.
const ENTRIES_MAX: usize = 10;
/// The longest id.
const ID_BYTES_MAX: usize = 80;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Batch<'a> {
    #[serde(borrow, default)]
    entries: Vec<&'a RawValue>,
}

/// An entry: its id, and the record or why it cannot be read.
type Entry<'a> = (&'a str, Result<Read<'a>, Refusal>);

#[derive(Serialize)]
struct Answer<'a> {
    successes: Vec<Receipt<'a>>,
    failures: Vec<Failure<'a>>,
}

/// The route.
pub(super) async fn records(
    State(door): State<Arc<Door>>,
    Path((cluster, topic)): Path<(String, String)>,
    call: Call,
) -> Response {
    let target = Target { cluster, topic };
    answer(&door, &target, call).await.unwrap_or_else(|refusal| door.refused(refusal))
}

async fn answer(door: &Arc<Door>, target: &Target, call: Call) -> Result<Response, Refusal> {
    let Call { grant, peer, headers, body } = call;
    if !grant.produces(&target.topic) {
        return Err(forbidden(&target.topic));
    }
    negotiation::is_json(&headers)?;
    let producer = producer::named(&headers)?;
    let taken = body::take(door, &peer, &headers, body, door.ingest.body_bytes_max).await?;
    let entries = entries(&taken.bytes)?;
    let missing = || Refusal::coded(StatusCode::NOT_FOUND, 40401, "Topic not found.");
    let topic = door.topic(&target.topic, &grant).await.ok_or_else(missing)?;
    let mut records = Records::new(door, topic, producer, entries.len());
    for read in entries.iter().filter_map(|(_, read)| read.as_ref().ok()) {
        records.push(&read.incoming());
    }
    let outcomes = records.append().await.map_err(producer::refusal)?;
    if all_busy(&outcomes) {
        return Err(Refusal::busy());
    }
    let (mut successes, mut failures) = (Vec::new(), Vec::new());
    let mut outcomes = outcomes.iter();
    for (id, read) in &entries {
        let failed = |error_code, message| Failure { id: Some(id), error_code, message };
        match read {
            Err(refusal) => failures.push(failed(refusal.code, refusal.message.as_str())),
            Ok(read) => match outcomes.next() {
                Some(Ok(placed)) => successes.push(target.receipt(placed, &read.shape, Some(id))),
                Some(Err(error)) => failures.push(failed(code(error), error.message())),
                None => {}
            },
        }
    }
    let mut answer = super::json(StatusCode::MULTI_STATUS, &Answer { successes, failures });
    producer::echo(&headers, &mut answer);
    Ok(answer)
}

/// The entries of a batch, each with its id; an entry that cannot be read fails alone, one without a good id all of them.
fn entries(bytes: &[u8]) -> Result<Vec<Entry<'_>>, Refusal> {
    let wrong = |why: &str| Refusal::coded(StatusCode::UNPROCESSABLE_ENTITY, 42208, format!("Batch error. {why}"));
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(wrong("Request body is empty. Data is required."));
    }
    let batch: Batch<'_> = parse::body(bytes)?;
    if batch.entries.is_empty() {
        return Err(wrong("Empty batch."));
    }
    if batch.entries.len() > ENTRIES_MAX {
        return Err(wrong(&format!("Too many entries: {ENTRIES_MAX} are the most.")));
    }
    let mut entries: Vec<Entry<'_>> = Vec::with_capacity(batch.entries.len());
    for entry in batch.entries {
        let id = id(entry)
            .ok_or_else(|| wrong(&format!("An id is a text of 1 to {ID_BYTES_MAX} letters, digits, _ and -.")))?;
        if entries.iter().any(|(other, _)| *other == id) {
            return Err(wrong(&format!("The id {id} is there twice.")));
        }
        entries.push((id, record::read(entry.get().as_bytes())));
    }
    Ok(entries)
}

/// The id of an entry, whatever else is in it.
fn id(entry: &RawValue) -> Option<&str> {
    #[derive(Deserialize)]
    struct Named<'a> {
        #[serde(borrow)]
        id: &'a str,
    }
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    let named: Named<'_> = serde_json::from_str(entry.get()).ok()?;
    ((1..=ID_BYTES_MAX).contains(&named.id.len()) && named.id.bytes().all(fits)).then_some(named.id)
}
