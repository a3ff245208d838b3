//! Where a consumer stands, and what its group has committed.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use super::super::call::{Call, forbidden};
use super::instance::Instance;
use super::{Named, Partitions, asked, failed, illegal, needed};
use crate::http::answer::{Refusal, json};
use crate::http::{Door, in_background};

/// An offset of a partition.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct At {
    topic: String,
    partition: u32,
    offset: u64,
    #[serde(rename = "metadata")]
    _metadata: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Offsets {
    offsets: Vec<At>,
}

#[derive(Serialize)]
struct Committed {
    topic: String,
    partition: u32,
    offset: u64,
    metadata: &'static str,
}

/// `POST .../offsets`: commits where it stands, or behind the offsets that are named.
pub(super) async fn commit(
    State(door): State<Arc<Door>>,
    Path((group, id)): Path<(String, String)>,
    call: Call,
) -> Result<Response, Refusal> {
    let Call { grant, peer, headers, body } = call;
    let instance = door.consumers.find(&group, &id, &grant.id())?;
    let next = match asked::<Offsets>(&door, &peer, &headers, body).await? {
        Some(Offsets { offsets }) => {
            if let Some(foreign) = offsets.iter().find(|at| !grant.consumes(&at.topic)) {
                return Err(forbidden(&foreign.topic));
            }
            // What is named is the last that was read.
            offsets.into_iter().map(|at| (at.topic, at.partition, at.offset.saturating_add(1))).collect()
        }
        None => {
            let positions = instance.positions.lock().await;
            let next = positions.iter().map(|((topic, partition), next)| (topic.clone(), *partition, *next));
            next.collect::<Vec<_>>()
        }
    };
    let committed = in_background(&door, move |runtime| runtime.groups().commit(&group, next)).await;
    committed.map_err(|error| failed(&error))?;
    Ok(StatusCode::OK.into_response())
}

/// `GET .../offsets`: what its group has committed of the partitions that the body names.
pub(super) async fn committed(
    State(door): State<Arc<Door>>,
    Path((group, id)): Path<(String, String)>,
    call: Call,
) -> Result<Response, Refusal> {
    let Call { grant, peer, headers, body } = call;
    door.consumers.find(&group, &id, &grant.id())?;
    let Partitions { partitions } = needed(asked(&door, &peer, &headers, body).await?)?;
    if let Some(foreign) = partitions.iter().find(|named| !grant.consumes(&named.topic)) {
        return Err(forbidden(&foreign.topic));
    }
    let look = move |runtime: &crate::runtime::Runtime| {
        let mut offsets = Vec::new();
        for Named { topic, partition } in partitions {
            if let Some(offset) = runtime.groups().committed(&group, &topic, partition)? {
                offsets.push(Committed { topic, partition, offset, metadata: "" });
            }
        }
        Ok(offsets)
    };
    let offsets = in_background(&door, look).await.map_err(|error| failed(&error))?;
    Ok(json(StatusCode::OK, &serde_json::json!({ "offsets": offsets })))
}

/// `POST .../positions`.
pub(super) async fn to(
    State(door): State<Arc<Door>>,
    Path((group, id)): Path<(String, String)>,
    call: Call,
) -> Result<Response, Refusal> {
    let Call { grant, peer, headers, body } = call;
    let instance = door.consumers.find(&group, &id, &grant.id())?;
    let Offsets { offsets } = needed(asked(&door, &peer, &headers, body).await?)?;
    stand(&door, &instance, offsets.into_iter().map(|at| (at.topic, at.partition, at.offset)).collect()).await
}

/// `POST .../positions/beginning`.
pub(super) async fn to_beginning(
    State(door): State<Arc<Door>>,
    Path((group, id)): Path<(String, String)>,
    call: Call,
) -> Result<Response, Refusal> {
    to_edge(&door, &group, &id, call, crate::log::Topic::earliest).await
}

/// `POST .../positions/end`.
pub(super) async fn to_end(
    State(door): State<Arc<Door>>,
    Path((group, id)): Path<(String, String)>,
    call: Call,
) -> Result<Response, Refusal> {
    to_edge(&door, &group, &id, call, crate::log::Topic::end).await
}

async fn to_edge(
    door: &Arc<Door>,
    group: &str,
    id: &str,
    call: Call,
    edge: fn(&crate::log::Topic, u32) -> u64,
) -> Result<Response, Refusal> {
    let Call { grant, peer, headers, body } = call;
    let instance = door.consumers.find(group, id, &grant.id())?;
    let Partitions { partitions } = needed(asked(door, &peer, &headers, body).await?)?;
    let at = |Named { topic, partition }| {
        let offset = door.runtime.topic(&topic).map_or(0, |topic| edge(&topic, partition));
        (topic, partition, offset)
    };
    stand(door, &instance, partitions.into_iter().map(at).collect()).await
}

/// Has a consumer read on from there; each partition has to be its own.
async fn stand(door: &Arc<Door>, instance: &Arc<Instance>, at: Vec<(String, u32, u64)>) -> Result<Response, Refusal> {
    let owned = door.consumers.owned(&door.runtime, instance);
    if let Some((topic, partition, _)) =
        at.iter().find(|(topic, partition, _)| !owned.iter().any(|own| own.0 == *topic && own.1 == *partition))
    {
        return Err(illegal(format!("No current assignment for partition {topic}-{partition}")));
    }
    let mut positions = instance.positions.lock().await;
    for (topic, partition, offset) in at {
        positions.insert((topic, partition), offset);
    }
    Ok(StatusCode::NO_CONTENT.into_response())
}
