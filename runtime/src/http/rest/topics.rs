//! What topics there are, as v2 tells it: their partitions, their offsets, the one broker.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::call::{Call, forbidden};
use crate::access::Grant;
use crate::http::Door;
use crate::http::answer::{Refusal, json};
use crate::http::guard::refusal;
use crate::log::Topic;

/// The number of the only broker, which leads every partition.
pub(super) const BROKER: u32 = 0;

#[derive(Serialize)]
struct TopicView<'a> {
    name: &'a str,
    configs: serde_json::Map<String, serde_json::Value>,
    partitions: Vec<PartitionView>,
}

#[derive(Serialize)]
struct PartitionView {
    partition: u32,
    leader: u32,
    replicas: [Replica; 1],
}

#[derive(Serialize)]
struct Replica {
    broker: u32,
    leader: bool,
    in_sync: bool,
}

#[derive(Serialize)]
struct Offsets {
    beginning_offset: u64,
    end_offset: u64,
}

/// `GET /topics`: the names of all topics that the client may read, in order.
pub(super) async fn list(State(door): State<Arc<Door>>, call: Call) -> Response {
    match names(&door, &call.grant) {
        Ok(names) => json(StatusCode::OK, &names),
        Err(refusal) => refusal.into_response(),
    }
}

/// `GET /brokers`.
pub(super) async fn brokers() -> Response {
    json(StatusCode::OK, &serde_json::json!({ "brokers": [BROKER] }))
}

/// `GET /topics/{topic}`, for who may post to it too.
pub(super) async fn one(State(door): State<Arc<Door>>, Path(name): Path<String>, call: Call) -> Response {
    shown(find(&door, &call.grant, &name), |topic| {
        json(
            StatusCode::OK,
            &TopicView { name: topic.name(), configs: serde_json::Map::new(), partitions: partitions_of(topic) },
        )
    })
}

/// `GET /topics/{topic}/partitions`.
pub(super) async fn partitions(State(door): State<Arc<Door>>, Path(name): Path<String>, call: Call) -> Response {
    shown(find(&door, &call.grant, &name), |topic| json(StatusCode::OK, &partitions_of(topic)))
}

/// `GET /topics/{topic}/partitions/{partition}`.
pub(super) async fn partition(
    State(door): State<Arc<Door>>,
    Path((name, partition)): Path<(String, String)>,
    call: Call,
) -> Response {
    shown(find_partition(&door, &call.grant, &name, &partition), |(_, partition)| {
        json(StatusCode::OK, &partition_view(*partition))
    })
}

/// `GET /topics/{topic}/partitions/{partition}/offsets`.
pub(super) async fn offsets(
    State(door): State<Arc<Door>>,
    Path((name, partition)): Path<(String, String)>,
    call: Call,
) -> Response {
    shown(find_partition(&door, &call.grant, &name, &partition), |(topic, partition)| {
        let (beginning_offset, end_offset) = (topic.earliest(*partition), topic.end(*partition));
        json(StatusCode::OK, &Offsets { beginning_offset, end_offset })
    })
}

/// The names of the topics that a client may read.
pub(super) fn names(door: &Door, grant: &Grant) -> Result<Vec<String>, Refusal> {
    if !grant.consumes_some() {
        return Err(refusal(StatusCode::FORBIDDEN));
    }
    Ok(door.runtime.topic_names().into_iter().filter(|name| grant.consumes(name)).collect())
}

/// A topic for who may read it or post to it.
pub(super) fn find(door: &Door, grant: &Grant, name: &str) -> Result<Arc<Topic>, Refusal> {
    if !grant.consumes(name) && !grant.produces(name) {
        return Err(forbidden(name));
    }
    door.runtime.topic(name).ok_or_else(not_hosted)
}

/// The refusal of a topic that is not there, when its state is asked for.
pub(super) fn not_hosted() -> Refusal {
    Refusal::coded(StatusCode::NOT_FOUND, 40403, "This server does not host this topic-partition.")
}

fn find_partition(door: &Door, grant: &Grant, name: &str, partition: &str) -> Result<(Arc<Topic>, u32), Refusal> {
    let topic = find(door, grant, name)?;
    let none = || Refusal::plain(StatusCode::NOT_FOUND, "HTTP 404 Not Found");
    let partition = partition.parse::<i32>().map_err(|_| none())?;
    let there = u32::try_from(partition).ok().filter(|partition| *partition < topic.partitions());
    let missing = || Refusal::coded(StatusCode::NOT_FOUND, 40402, "Partition not found.");
    there.map(|partition| (topic, partition)).ok_or_else(missing)
}

fn partitions_of(topic: &Arc<Topic>) -> Vec<PartitionView> {
    (0..topic.partitions()).map(partition_view).collect()
}

fn partition_view(partition: u32) -> PartitionView {
    PartitionView { partition, leader: BROKER, replicas: [Replica { broker: BROKER, leader: true, in_sync: true }] }
}

fn shown<T>(found: Result<T, Refusal>, show: impl FnOnce(&T) -> Response) -> Response {
    match found {
        Ok(found) => show(&found),
        Err(refusal) => refusal.into_response(),
    }
}
