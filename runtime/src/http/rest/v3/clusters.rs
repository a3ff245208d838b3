//! The one cluster: this pipeline, whose name is its id.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde_json::{Value, json};

use super::no_cluster;
use crate::http::Door;
use crate::http::answer::Refusal;
use crate::http::rest::call::Call;

/// `GET /v3/clusters`.
pub(super) async fn list(State(door): State<Arc<Door>>, call: Call) -> Response {
    let base = super::base(&door, &call.headers);
    let metadata = json!({ "self": format!("{base}/v3/clusters"), "next": null });
    let list = json!({ "kind": "KafkaClusterList", "metadata": metadata, "data": [shown(&door, &call.headers)] });
    super::json(StatusCode::OK, &list)
}

/// `GET /v3/clusters/{cluster}`.
pub(super) async fn one(
    State(door): State<Arc<Door>>,
    Path(cluster): Path<String>,
    call: Call,
) -> Result<Response, Refusal> {
    known(&door, &cluster)?;
    Ok(super::json(StatusCode::OK, &shown(&door, &call.headers)))
}

/// Whether it is this cluster.
pub(super) fn known(door: &Door, cluster: &str) -> Result<(), Refusal> {
    if cluster == door.runtime.pipeline().name { Ok(()) } else { Err(no_cluster()) }
}

fn shown(door: &Door, headers: &HeaderMap) -> Value {
    let id = &door.runtime.pipeline().name;
    let own = format!("{}/v3/clusters/{id}", super::base(door, headers));
    let related = |what: &str| json!({ "related": format!("{own}/{what}") });
    json!({
        "kind": "KafkaCluster",
        "metadata": { "self": own, "resource_name": format!("crn:///kafka={id}") },
        "cluster_id": id,
        "controller": related("brokers/0"),
        "acls": related("acls"),
        "brokers": related("brokers"),
        "broker_configs": related("broker-configs"),
        "consumer_groups": related("consumer-groups"),
        "topics": related("topics"),
        "partition_reassignments": related("topics/-/partitions/-/reassignment"),
    })
}
