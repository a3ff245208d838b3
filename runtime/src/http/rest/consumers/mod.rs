//! Consumers of v2: made in a group, told what to read, asked for records, committed, deleted.

mod instance;
mod read;
mod registry;
mod seek;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::from_fn;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use self::instance::{Partition, Reset, Settings, Wanted};
pub(in crate::http) use self::registry::Registry;
use super::call::{Call, forbidden};
use super::negotiation::{Format, is_v2, v2};
use super::parse;
use crate::error::{Error, Kind};
use crate::http::answer::{Refusal, json};
use crate::http::server::Peer;
use crate::http::{Door, body, in_background};
use crate::log::groups::check;

/// The largest body of a request of a consumer.
const BODY_BYTES_MAX: usize = 1 << 20;
/// How long a read waits whose consumer does not say.
const TIMEOUT: Duration = Duration::from_secs(1);

/// Its routes.
pub(super) fn routes() -> Router<Arc<Door>> {
    let of = |what: &str| format!("/consumers/{{group}}/instances/{{instance}}{what}");
    let subscription = get(subscription).post(subscribe).delete(unsubscribe);
    let others = Router::new()
        .route("/consumers/{group}", post(create))
        .route(&of(""), delete(remove))
        .route(&of("/subscription"), subscription)
        .route(&of("/assignments"), get(assignments).post(assign))
        .route(&of("/offsets"), get(seek::committed).post(seek::commit))
        .route(&of("/positions"), post(seek::to))
        .route(&of("/positions/beginning"), post(seek::to_beginning))
        .route(&of("/positions/end"), post(seek::to_end))
        .route_layer(from_fn(v2));
    others.route(&of("/records"), get(read::records))
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wish {
    /// An older word for the name.
    id: Option<String>,
    name: Option<String>,
    format: Option<String>,
    #[serde(rename = "auto.offset.reset")]
    reset: Option<String>,
    #[serde(rename = "auto.commit.enable", alias = "enable.auto.commit")]
    auto_commit: Option<serde_json::Value>,
    #[serde(rename = "fetch.min.bytes")]
    _fetch_min_bytes: Option<serde_json::Value>,
    #[serde(rename = "consumer.request.timeout.ms")]
    timeout_ms: Option<serde_json::Value>,
}

#[derive(Serialize)]
struct Made {
    instance_id: String,
    base_uri: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Subscription {
    topics: Option<Vec<String>>,
    topic_pattern: Option<String>,
}

/// A partition as requests and answers write it.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Named {
    topic: String,
    partition: u32,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Partitions {
    partitions: Vec<Named>,
}

/// `POST /consumers/{group}`.
async fn create(State(door): State<Arc<Door>>, Path(group): Path<String>, call: Call) -> Result<Response, Refusal> {
    let Call { grant, peer, headers, body } = call;
    if !grant.consumes_some() {
        return Err(crate::http::guard::refusal(StatusCode::FORBIDDEN));
    }
    let wish: Wish = asked(&door, &peer, &headers, body).await?.unwrap_or_default();
    check(&group).map_err(|error| wrong(error.message()))?;
    let id = wish.name.or(wish.id).unwrap_or_else(|| format!("rest-consumer-{:016x}", rand::random::<u64>()));
    check(&id).map_err(|_| wrong(format!("the name {id:?} is not letters, digits, \".\", \"_\" and \"-\"")))?;
    let settings = Settings {
        format: match wish.format.as_deref() {
            Some("json") => Format::Json,
            None | Some("binary") => Format::Binary,
            Some(format @ ("avro" | "protobuf" | "jsonschema")) => {
                return Err(wrong(format!("the format {format} needs a schema registry, and there is none")));
            }
            Some(other) => return Err(wrong(format!("the format {other:?} is not json or binary"))),
        },
        reset: match wish.reset.as_deref() {
            Some("earliest") => Reset::Earliest,
            None | Some("latest") => Reset::Latest,
            Some(other) => return Err(wrong(format!("auto.offset.reset {other:?} is not earliest or latest"))),
        },
        auto_commit: match wish.auto_commit.as_ref().map(plain).as_deref() {
            None | Some("true") => true,
            Some("false") => false,
            Some(other) => return Err(wrong(format!("auto.commit.enable {other:?} is not true or false"))),
        },
        timeout: match wish.timeout_ms.as_ref().map(plain) {
            None => TIMEOUT,
            Some(text) => {
                let time = text.parse().map(Duration::from_millis);
                time.map_err(|_| wrong(format!("consumer.request.timeout.ms {text:?} is no number of milliseconds")))?
            }
        },
        owner: grant.id(),
        group: group.clone(),
        id,
    };
    let made = door.consumers.add(settings)?;
    let base_uri = format!("{}/consumers/{group}/instances/{}", super::base(&door, &headers), made.id);
    Ok(json(StatusCode::OK, &Made { instance_id: made.id.clone(), base_uri }))
}

/// `DELETE .../instances/{instance}`: it commits where it stands, if it commits by itself.
async fn remove(
    State(door): State<Arc<Door>>,
    Path((group, id)): Path<(String, String)>,
    call: Call,
) -> Result<Response, Refusal> {
    let removed = door.consumers.remove(&group, &id, &call.grant.id())?;
    if removed.auto_commit {
        let positions = removed.positions.lock().await.clone();
        let committed = in_background(&door, move |runtime| removed.commit(runtime, &positions)).await;
        committed.map_err(|error| failed(&error))?;
    }
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// `GET .../subscription`.
async fn subscription(
    State(door): State<Arc<Door>>,
    Path((group, id)): Path<(String, String)>,
    call: Call,
) -> Result<Response, Refusal> {
    let instance = door.consumers.find(&group, &id, &call.grant.id())?;
    let topics = match &*instance.wanted() {
        Wanted::Topics(topics) => topics.clone(),
        Wanted::Nothing | Wanted::Partitions(_) => Vec::new(),
    };
    Ok(json(StatusCode::OK, &serde_json::json!({ "topics": topics })))
}

/// `POST .../subscription`.
async fn subscribe(
    State(door): State<Arc<Door>>,
    Path((group, id)): Path<(String, String)>,
    call: Call,
) -> Result<Response, Refusal> {
    let Call { grant, peer, headers, body } = call;
    let instance = door.consumers.find(&group, &id, &grant.id())?;
    let Subscription { topics, topic_pattern } = needed(asked(&door, &peer, &headers, body).await?)?;
    let topics = match (topics, topic_pattern) {
        (Some(_), Some(_)) => return Err(illegal(EXCLUSIVE)),
        (Some(topics), None) => topics,
        (None, _) => {
            let message = "topics may not be null: name them, for patterns are not taken";
            return Err(Refusal::plain(StatusCode::UNPROCESSABLE_ENTITY, message));
        }
    };
    if let Some(foreign) = topics.iter().find(|topic| !grant.consumes(topic)) {
        return Err(forbidden(foreign));
    }
    let mut wanted = instance.wanted();
    if matches!(&*wanted, Wanted::Partitions(_)) {
        return Err(illegal(EXCLUSIVE));
    }
    *wanted = if topics.is_empty() { Wanted::Nothing } else { Wanted::Topics(topics) };
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// `DELETE .../subscription`.
async fn unsubscribe(
    State(door): State<Arc<Door>>,
    Path((group, id)): Path<(String, String)>,
    call: Call,
) -> Result<Response, Refusal> {
    let instance = door.consumers.find(&group, &id, &call.grant.id())?;
    *instance.wanted() = Wanted::Nothing;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// `GET .../assignments`.
async fn assignments(
    State(door): State<Arc<Door>>,
    Path((group, id)): Path<(String, String)>,
    call: Call,
) -> Result<Response, Refusal> {
    let instance = door.consumers.find(&group, &id, &call.grant.id())?;
    let owned = door.consumers.owned(&door.runtime, &instance);
    let partitions = owned.into_iter().map(|(topic, partition)| Named { topic, partition }).collect();
    Ok(json(StatusCode::OK, &Partitions { partitions }))
}

/// `POST .../assignments`.
async fn assign(
    State(door): State<Arc<Door>>,
    Path((group, id)): Path<(String, String)>,
    call: Call,
) -> Result<Response, Refusal> {
    let Call { grant, peer, headers, body } = call;
    let instance = door.consumers.find(&group, &id, &grant.id())?;
    let Partitions { partitions } = needed(asked(&door, &peer, &headers, body).await?)?;
    let mut assigned: Vec<Partition> = Vec::with_capacity(partitions.len());
    for Named { topic, partition } in partitions {
        if !grant.consumes(&topic) {
            return Err(forbidden(&topic));
        }
        let there = door.runtime.topic(&topic).is_some_and(|topic| partition < topic.partitions());
        if !there {
            return Err(super::topics::not_hosted());
        }
        if !assigned.contains(&(topic.clone(), partition)) {
            assigned.push((topic, partition));
        }
    }
    let mut wanted = instance.wanted();
    if matches!(&*wanted, Wanted::Topics(_)) {
        return Err(illegal(EXCLUSIVE));
    }
    *wanted = if assigned.is_empty() { Wanted::Nothing } else { Wanted::Partitions(assigned) };
    Ok(StatusCode::NO_CONTENT.into_response())
}

const EXCLUSIVE: &str = "Subscription to topics, partitions and pattern are mutually exclusive";

/// Reads a request's body; none where it is empty.
async fn asked<T: DeserializeOwned>(
    door: &Door,
    peer: &Peer,
    headers: &HeaderMap,
    body: axum::body::Body,
) -> Result<Option<T>, Refusal> {
    let taken = body::take(door, peer, headers, body, BODY_BYTES_MAX).await?;
    if taken.bytes.iter().all(u8::is_ascii_whitespace) {
        return Ok(None);
    }
    is_v2(headers)?;
    parse::body(&taken.bytes).map(Some)
}

fn needed<T>(asked: Option<T>) -> Result<T, Refusal> {
    asked.ok_or_else(|| {
        let message = "Payload error. Request body is empty. Data is required.";
        Refusal::plain(StatusCode::UNPROCESSABLE_ENTITY, message)
    })
}

/// A setting as clients write it, as a text or plainly.
fn plain(value: &serde_json::Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn wrong(why: impl std::fmt::Display) -> Refusal {
    let message = format!("Invalid consumer configuration: {why}");
    Refusal::coded(StatusCode::UNPROCESSABLE_ENTITY, 42204, message)
}

fn illegal(why: impl std::fmt::Display) -> Refusal {
    Refusal::coded(StatusCode::CONFLICT, 40903, format!("Illegal state: {why}"))
}

fn failed(error: &Error) -> Refusal {
    match error.kind() {
        Kind::Busy => Refusal::plain(StatusCode::TOO_MANY_REQUESTS, error.line()),
        _ => Refusal::coded(StatusCode::INTERNAL_SERVER_ERROR, 50002, error.line()),
    }
}
