//! `GET .../records`: the next records of a consumer's partitions.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::time::Instant;

use super::super::call::Call;
use super::super::negotiation::{Format, accepted};
use super::instance::{Instance, Partition, Wanted};
use super::{failed, illegal};
use crate::http::answer::{Refusal, V2};
use crate::http::body::Room;
use crate::http::{Door, in_background};
use crate::record::{Batch, Record, Source};
use crate::runtime::Runtime;

const JSON: &str = "application/vnd.kafka.json.v2+json";
const BINARY: &str = "application/vnd.kafka.binary.v2+json";
const AVRO: &str = "application/vnd.kafka.avro.v2+json";
/// How often it is looked whether records have come.
const LOOK_TIME: Duration = Duration::from_millis(20);
/// The longest wait.
pub(super) const TIMEOUT_MAX: Duration = Duration::from_secs(30);
/// Bytes that are read at a time.
const READ_BYTES: usize = 256 << 10;

#[derive(Deserialize)]
pub(super) struct Bounds {
    timeout: Option<u64>,
    max_bytes: Option<i64>,
}

/// The route.
pub(super) async fn records(
    State(door): State<Arc<Door>>,
    Path((group, id)): Path<(String, String)>,
    Query(bounds): Query<Bounds>,
    call: Call,
) -> Result<Response, Refusal> {
    let taken = [V2, JSON, BINARY, AVRO, "application/vnd.kafka+json", "application/json"];
    let Some(accepted) = accepted(&call.headers, &taken) else {
        return Ok(StatusCode::NOT_ACCEPTABLE.into_response());
    };
    let instance = door.consumers.find(&group, &id, &call.grant.id())?;
    let (own, other) = if instance.format == Format::Json { (JSON, BINARY) } else { (BINARY, JSON) };
    if accepted == other || accepted == AVRO {
        let message = "The requested embedded data format does not match the deserializer for this consumer instance";
        return Err(Refusal::coded(StatusCode::NOT_ACCEPTABLE, 40601, message));
    }
    if *instance.wanted() == Wanted::Nothing {
        return Err(illegal("Consumer is not subscribed to any topics or assigned any partitions"));
    }
    let most = door.ingest.body_bytes_max;
    let bytes_max =
        bounds.max_bytes.and_then(|bytes| usize::try_from(bytes).ok()).map_or(most, |bytes| bytes.min(most));
    let timeout = bounds.timeout.map_or(instance.timeout, Duration::from_millis).min(TIMEOUT_MAX);
    let mut room = Room::new(&door);
    room.grow(bytes_max)?;
    let body = wait(&door, &instance, bytes_max, Instant::now() + timeout).await?;
    Ok((StatusCode::OK, [(header::CONTENT_TYPE, own)], body).into_response())
}

/// Reads until there is something, or the time is up.
async fn wait(door: &Arc<Door>, instance: &Arc<Instance>, bytes_max: usize, end: Instant) -> Result<Vec<u8>, Refusal> {
    let mut positions = instance.positions.lock().await;
    if instance.auto_commit && !positions.is_empty() {
        let (instance, before) = (Arc::clone(instance), positions.clone());
        in_background(door, move |runtime| instance.commit(runtime, &before)).await.map_err(|e| failed(&e))?;
    }
    loop {
        let owned = door.consumers.owned(&door.runtime, instance);
        let (reader, mut standing) = (Arc::clone(instance), positions.clone());
        // Where it stands moves when all is there: a client that goes away meanwhile has read nothing.
        let read = in_background(door, move |runtime| {
            let settled = reader.settle(runtime, &mut standing, &owned);
            let read = settled.map(|()| read(runtime, &reader, &mut standing, bytes_max));
            Ok((standing, read?))
        });
        let (standing, read) = read.await.map_err(|error| failed(&error))?;
        *positions = standing;
        let body = read?;
        if body.len() > 2 || Instant::now() >= end {
            instance.touch();
            return Ok(body);
        }
        tokio::time::sleep(LOOK_TIME.min(end - Instant::now())).await;
    }
}

/// A list of the next records, about `bytes_max` of it and at least one where there is one; `positions` move behind them.
fn read(
    runtime: &Runtime,
    instance: &Instance,
    positions: &mut BTreeMap<Partition, u64>,
    bytes_max: usize,
) -> Result<Vec<u8>, Refusal> {
    let mut body = b"[".to_vec();
    let mut batch = Batch::default();
    for ((name, partition), position) in positions.iter_mut() {
        let Some(topic) = runtime.topic(name) else { continue };
        loop {
            if body.len() > 1 && body.len() >= bytes_max {
                break;
            }
            batch.clear();
            let opened = topic.reader(*partition, *position);
            let read = opened.and_then(|mut reader| reader.read(&mut batch, READ_BYTES.min(bytes_max)));
            read.map_err(|error| failed(&error))?;
            if batch.is_empty() {
                break;
            }
            for record in batch.iter() {
                let before = body.len();
                if before > 1 {
                    body.push(b',');
                }
                let written = write(&mut body, name, *partition, &record, instance.format);
                if before > 1 && (written.is_err() || body.len() >= bytes_max) {
                    // The next answer begins with it.
                    body.truncate(before);
                    body.push(b']');
                    return Ok(body);
                }
                written?;
                *position = record.offset + 1;
            }
        }
    }
    body.push(b']');
    Ok(body)
}

fn write(into: &mut Vec<u8>, topic: &str, partition: u32, record: &Record<'_>, format: Format) -> Result<(), Refusal> {
    into.extend_from_slice(format!("{{\"topic\":\"{topic}\",\"key\":").as_bytes());
    for (bytes, after) in [(record.key, ",\"value\":"), (record.value, ",")] {
        match bytes {
            None => into.extend_from_slice(b"null"),
            Some(bytes) if format == Format::Json => {
                let text = serde_json::from_slice::<&RawValue>(bytes).map_err(|cause| {
                    let Record { offset, .. } = record;
                    let what = format!("topic {topic:?}: partition {partition}: offset {offset} is no JSON: {cause}");
                    let hint = "read it with a consumer of the format binary, or seek behind it";
                    let message = format!("Error deserializing: {what}; {hint}");
                    Refusal::coded(StatusCode::UNPROCESSABLE_ENTITY, 42203, message)
                })?;
                into.extend_from_slice(text.get().as_bytes());
            }
            Some(bytes) => {
                let text = base64::engine::general_purpose::STANDARD.encode(bytes);
                into.extend_from_slice(format!("\"{text}\"").as_bytes());
            }
        }
        into.extend_from_slice(after.as_bytes());
    }
    into.extend_from_slice(format!("\"partition\":{partition},\"offset\":{}}}", record.offset).as_bytes());
    Ok(())
}
