//! Topics as v3 lists, shows, makes and deletes them.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::clusters::known;
use crate::config::PARTITIONS_MAX;
use crate::error::{Error, Kind};
use crate::http::answer::Refusal;
use crate::http::rest::call::{Call, forbidden};
use crate::http::rest::negotiation::is_json;
use crate::http::rest::parse;
use crate::http::rest::topics::{BROKER, find, names, not_hosted};
use crate::http::{Door, body, in_background};
use crate::log::{Topic, check_name};

/// The largest body of a request that makes a topic.
const BODY_BYTES_MAX: usize = 64 << 10;
/// What a topic is configured with, which a request may say again.
const CONFIGS: [(&str, &str); 3] = [("cleanup.policy", "delete"), ("retention.ms", "-1"), ("retention.bytes", "-1")];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    topic_name: String,
    #[serde(default)]
    partitions_count: Option<i64>,
    #[serde(default)]
    replication_factor: Option<i64>,
    #[serde(default)]
    configs: Option<Vec<Config>>,
    #[serde(default)]
    replicas_assignments: Option<Vec<Value>>,
    #[serde(default)]
    validate_only: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    name: String,
    #[serde(default)]
    value: Option<String>,
}

/// `GET .../topics`: those that the client may read.
pub(super) async fn list(
    State(door): State<Arc<Door>>,
    Path(cluster): Path<String>,
    call: Call,
) -> Result<Response, Refusal> {
    known(&door, &cluster)?;
    let own = own(&door, &cluster, &call.headers);
    let topics = names(&door, &call.grant)?.into_iter().filter_map(|name| door.runtime.topic(&name));
    let data: Vec<Value> = topics.map(|topic| shown(&own, &cluster, &topic)).collect();
    let list = json!({ "kind": "KafkaTopicList", "metadata": { "self": own, "next": null }, "data": data });
    Ok(super::json(StatusCode::OK, &list))
}

/// `GET .../topics/{topic}`.
pub(super) async fn one(
    State(door): State<Arc<Door>>,
    Path((cluster, name)): Path<(String, String)>,
    call: Call,
) -> Result<Response, Refusal> {
    let (own, topic) = found(&door, &cluster, &name, &call)?;
    Ok(super::json(StatusCode::OK, &shown(&own, &cluster, &topic)))
}

/// `GET .../topics/{topic}/partitions`.
pub(super) async fn partitions(
    State(door): State<Arc<Door>>,
    Path((cluster, name)): Path<(String, String)>,
    call: Call,
) -> Result<Response, Refusal> {
    let (own, topic) = found(&door, &cluster, &name, &call)?;
    let data: Vec<Value> =
        (0..topic.partitions()).map(|partition| partition_shown(&own, &cluster, &topic, partition)).collect();
    let metadata = json!({ "self": format!("{own}/{name}/partitions"), "next": null });
    Ok(super::json(StatusCode::OK, &json!({ "kind": "KafkaPartitionList", "metadata": metadata, "data": data })))
}

/// `GET .../topics/{topic}/partitions/{partition}`.
pub(super) async fn partition(
    State(door): State<Arc<Door>>,
    Path((cluster, name, partition)): Path<(String, String, String)>,
    call: Call,
) -> Result<Response, Refusal> {
    let (own, topic) = found(&door, &cluster, &name, &call)?;
    let partition: i32 = partition.parse().map_err(|_| super::no_cluster())?;
    let there = u32::try_from(partition).ok().filter(|partition| *partition < topic.partitions());
    let there = there.ok_or_else(not_hosted)?;
    Ok(super::json(StatusCode::OK, &partition_shown(&own, &cluster, &topic, there)))
}

/// `POST .../topics`: for who may post to it, or administers.
pub(super) async fn create(
    State(door): State<Arc<Door>>,
    Path(cluster): Path<String>,
    call: Call,
) -> Result<Response, Refusal> {
    known(&door, &cluster)?;
    let Call { grant, peer, headers, body } = call;
    is_json(&headers)?;
    let taken = body::take(&door, &peer, &headers, body, BODY_BYTES_MAX).await?;
    let wanted: Wanted = parse::body(&taken.bytes)?;
    if !grant.produces(&wanted.topic_name) && !grant.administers() {
        return Err(forbidden(&wanted.topic_name));
    }
    let partitions = checked(&door, &wanted)?;
    let own = own(&door, &cluster, &headers);
    let name = wanted.topic_name.clone();
    if wanted.validate_only {
        return Ok(super::json(StatusCode::OK, &described(&own, &cluster, &name, partitions)));
    }
    let made = in_background(&door, move |runtime| runtime.create_topic(&wanted.topic_name, partitions)).await;
    let topic = made.map_err(|error| refused(&error))?;
    let mut answer = super::json(StatusCode::CREATED, &shown(&own, &cluster, &topic));
    if let Ok(location) = HeaderValue::try_from(format!("{own}/{name}")) {
        answer.headers_mut().insert(header::LOCATION, location);
    }
    Ok(answer)
}

/// `DELETE .../topics/{topic}`: for who administers.
pub(super) async fn delete(
    State(door): State<Arc<Door>>,
    Path((cluster, name)): Path<(String, String)>,
    call: Call,
) -> Result<Response, Refusal> {
    known(&door, &cluster)?;
    if !call.grant.administers() {
        return Err(forbidden(&name));
    }
    let deleted = in_background(&door, move |runtime| runtime.delete_topic(&name)).await;
    deleted.map_err(|error| if error.kind() == Kind::Missing { not_hosted() } else { refused(&error) })?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

fn found(door: &Door, cluster: &str, name: &str, call: &Call) -> Result<(String, Arc<Topic>), Refusal> {
    known(door, cluster)?;
    let topic = find(door, &call.grant, name)?;
    Ok((own(door, cluster, &call.headers), topic))
}

fn own(door: &Door, cluster: &str, headers: &HeaderMap) -> String {
    format!("{}/v3/clusters/{cluster}/topics", super::base(door, headers))
}

/// The partitions of a topic that can be made as it is wanted.
fn checked(door: &Door, wanted: &Wanted) -> Result<u32, Refusal> {
    check_name(&wanted.topic_name).map_err(|error| refused(&error))?;
    if door.runtime.topic(&wanted.topic_name).is_some() {
        return Err(policy(format!("Topic '{}' already exists.", wanted.topic_name)));
    }
    // Minus one is the broker's own.
    let usual = |number: Option<i64>| number.filter(|number| *number != -1);
    if let Some(factor) = usual(wanted.replication_factor).filter(|factor| *factor != 1) {
        return Err(policy(format!("Replication factor: {factor} is not 1, the number of brokers.")));
    }
    if wanted.replicas_assignments.as_ref().is_some_and(|assignments| !assignments.is_empty()) {
        return Err(policy("Replicas cannot be assigned: there is one broker."));
    }
    for Config { name, value } in wanted.configs.iter().flatten() {
        let same = |(known, set): &(&str, &str)| known == name && Some(*set) == value.as_deref();
        if !CONFIGS.iter().any(same) {
            return Err(policy(format!(
                "Topic config {name} cannot be set to {}.",
                value.as_deref().unwrap_or("null")
            )));
        }
    }
    match usual(wanted.partitions_count) {
        None => Ok(door.ingest.partitions),
        Some(count) => {
            let count = u32::try_from(count).ok().filter(|count| (1..=PARTITIONS_MAX).contains(&u64::from(*count)));
            count.ok_or_else(|| policy(format!("Number of partitions must be from 1 to {PARTITIONS_MAX}.")))
        }
    }
}

fn shown(own: &str, cluster: &str, topic: &Topic) -> Value {
    described(own, cluster, topic.name(), topic.partitions())
}

fn described(own: &str, cluster: &str, name: &str, partitions: u32) -> Value {
    let own = format!("{own}/{name}");
    let related = |what: &str| json!({ "related": format!("{own}/{what}") });
    json!({
        "kind": "KafkaTopic",
        "metadata": { "self": own, "resource_name": format!("crn:///kafka={cluster}/topic={name}") },
        "cluster_id": cluster,
        "topic_name": name,
        "is_internal": false,
        "replication_factor": 1,
        "partitions_count": partitions,
        "partitions": related("partitions"),
        "configs": related("configs"),
        "partition_reassignments": related("partitions/-/reassignment"),
    })
}

fn partition_shown(own: &str, cluster: &str, topic: &Topic, partition: u32) -> Value {
    let name = topic.name();
    let own = format!("{own}/{name}/partitions/{partition}");
    let related = |what: &str| json!({ "related": format!("{own}/{what}") });
    json!({
        "kind": "KafkaPartition",
        "metadata": {
            "self": own,
            "resource_name": format!("crn:///kafka={cluster}/topic={name}/partition={partition}"),
        },
        "cluster_id": cluster,
        "topic_name": name,
        "partition_id": partition,
        "leader": related(&format!("replicas/{BROKER}")),
        "replicas": related("replicas"),
        "reassignment": related("reassignment"),
    })
}

/// What Kafka itself refuses.
fn policy(message: impl Into<String>) -> Refusal {
    Refusal::coded(StatusCode::BAD_REQUEST, 40002, message)
}

fn refused(error: &Error) -> Refusal {
    match error.kind() {
        Kind::Input | Kind::Conflict | Kind::Busy => policy(error.line()),
        _ => Refusal::coded(StatusCode::INTERNAL_SERVER_ERROR, 50002, error.line()),
    }
}
