//! Posts to a topic or a partition: records in, offsets out, once they are synced.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;

use super::call::{Call, forbidden};
use super::{negotiation, producer, request};
use crate::error::{Error, Kind};
use crate::http::answer::{Refusal, json};
use crate::http::records::{Incoming, Outcome, Records, all_busy};
use crate::http::{Door, body};
use crate::sabotage::{self, Fault};

/// The answer for one record, as the REST proxy gives it; all four are always there.
#[derive(Clone, Debug, Default, Serialize)]
struct Receipt {
    partition: Option<u32>,
    offset: Option<u64>,
    error_code: Option<u32>,
    error: Option<String>,
}

#[derive(Serialize)]
struct Receipts {
    offsets: Vec<Receipt>,
    key_schema_id: Option<u32>,
    value_schema_id: Option<u32>,
}

/// An error that may pass, by the REST proxy's code.
const RETRIABLE: u32 = 50003;
/// An error that stays.
const NOT_RETRIABLE: u32 = 50002;

/// `POST /topics/{topic}`.
pub(super) async fn to_topic(State(door): State<Arc<Door>>, Path(topic): Path<String>, call: Call) -> Response {
    answered(&door, &topic, None, call).await
}

/// `POST /topics/{topic}/partitions/{partition}`: for records that name no partition themselves.
pub(super) async fn to_partition(
    State(door): State<Arc<Door>>,
    Path((topic, partition)): Path<(String, String)>,
    call: Call,
) -> Response {
    match partition.parse::<i32>() {
        Ok(partition) => answered(&door, &topic, Some(i64::from(partition)), call).await,
        Err(_) => door.refused(Refusal::plain(StatusCode::NOT_FOUND, "HTTP 404 Not Found")),
    }
}

async fn answered(door: &Arc<Door>, topic: &str, partition: Option<i64>, call: Call) -> Response {
    let answered = match call.grant.produces(topic) {
        true => answer(door, topic, partition, call).await,
        false => Err(forbidden(topic)),
    };
    answered.unwrap_or_else(|refusal| door.refused(refusal))
}

async fn answer(door: &Arc<Door>, topic: &str, place: Option<i64>, call: Call) -> Result<Response, Refusal> {
    let Call { grant, peer, headers, body } = call;
    let format = negotiation::format(&headers)?;
    let producer = producer::named(&headers)?;
    let limit = if sabotage::is(Fault::BodyUnbounded) { usize::MAX >> 1 } else { door.ingest.body_bytes_max };
    let missing = || Refusal::coded(StatusCode::NOT_FOUND, 40401, "Topic not found.");
    if !door.takes(topic, &grant) {
        return Err(missing());
    }
    let taken = body::take(door, &peer, &headers, body, limit).await?;
    let entries = request::read(&taken.bytes, door.ingest.records_max, format)?;
    // All of them are read before anything is made or taken.
    let mut read = Vec::with_capacity(entries.len());
    for entry in &entries {
        let partition = entry.partition.or(place);
        read.push((partition, request::bytes(entry.key, format)?, request::bytes(entry.value, format)?));
    }
    let topic = door.topic(topic, &grant).await.ok_or_else(missing)?;
    let mut records = Records::new(door, topic, producer, read.len());
    for (partition, key, value) in read {
        records.push(&Incoming { partition, key: key.as_deref(), value: value.as_deref(), ..Incoming::default() });
    }
    let outcomes = records.append().await.map_err(producer::refusal)?;
    if all_busy(&outcomes) {
        return Err(Refusal::busy());
    }
    let offsets = outcomes.into_iter().map(receipt).collect();
    let mut answer = json(StatusCode::OK, &Receipts { offsets, key_schema_id: None, value_schema_id: None });
    producer::echo(&headers, &mut answer);
    Ok(answer)
}

fn receipt(outcome: Outcome) -> Receipt {
    match outcome {
        Ok(placed) => Receipt { partition: Some(placed.partition), offset: Some(placed.offset), ..Receipt::default() },
        Err(error) => {
            Receipt { error_code: Some(code(&error)), error: Some(error.message().to_owned()), ..Receipt::default() }
        }
    }
}

fn code(error: &Error) -> u32 {
    match error.kind() {
        Kind::Busy | Kind::Storage | Kind::Unavailable | Kind::Missing => RETRIABLE,
        _ => NOT_RETRIABLE,
    }
}
