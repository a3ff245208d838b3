//! `GET /topics` and `GET /topics/{topic}`: what topics there are, as the REST proxy tells it.

use std::sync::Arc;

use axum::extract::{Extension, Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::access::Grant;
use crate::http::Door;
use crate::http::answer::{Refusal, accepts, json};
use crate::http::guard::refusal;

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

/// The names of all topics, in order.
pub(super) async fn list(
    State(door): State<Arc<Door>>,
    Extension(grant): Extension<Grant>,
    headers: HeaderMap,
) -> Response {
    if !grant.consumes() {
        return refusal(StatusCode::FORBIDDEN).into_response();
    }
    match accepts(&headers) {
        Ok(()) => json(StatusCode::OK, &door.runtime.topic_names()),
        Err(status) => status.into_response(),
    }
}

/// One topic and its partitions, for who may post to it too.
pub(super) async fn one(
    State(door): State<Arc<Door>>,
    Path(name): Path<String>,
    Extension(grant): Extension<Grant>,
    headers: HeaderMap,
) -> Response {
    if !grant.consumes() && !grant.produces(&name) {
        return refusal(StatusCode::FORBIDDEN).into_response();
    }
    if let Err(status) = accepts(&headers) {
        return status.into_response();
    }
    let Some(topic) = door.runtime.topic(&name) else {
        let message = "This server does not host this topic-partition.";
        return Refusal::coded(StatusCode::NOT_FOUND, 40403, message).into_response();
    };
    let replicas = || [Replica { broker: 0, leader: true, in_sync: true }];
    let partitions =
        (0..topic.partitions()).map(|partition| PartitionView { partition, leader: 0, replicas: replicas() });
    json(
        StatusCode::OK,
        &TopicView { name: topic.name(), configs: serde_json::Map::new(), partitions: partitions.collect() },
    )
}
