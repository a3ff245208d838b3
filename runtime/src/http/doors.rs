//! The doors by which records come in: where each is, what it takes at most, what came in and what was refused.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde::Serialize;
use serde_json::{Map, Value as Json, json};

use super::guard::Side;
use super::{gateway, kinesis};
use crate::config::plan::{Backend, Gateway, ListenLimits, Pipeline, Stage};
use crate::metrics::{DoorCounts, Metrics, Taken};
use crate::runtime::Runtime;

/// Where the doors listen; those that a pipeline does not have are nowhere.
#[derive(Clone, Copy, Debug)]
pub struct Addresses {
    /// The REST proxy.
    pub topics: SocketAddr,
    /// The API gateway.
    pub gateway: Option<SocketAddr>,
    /// Kinesis's own API.
    pub kinesis: Option<SocketAddr>,
}

/// A door, as `GET /status` shows it.
#[derive(Debug, Serialize)]
pub(super) struct Shown {
    door: &'static str,
    /// The topic that a source of records leads to; the other doors lead to all.
    #[serde(skip_serializing_if = "Option::is_none")]
    topic: Option<String>,
    /// Its URL, or the files or the cluster that a topic is read from.
    address: String,
    limits: Json,
    taken: Sum,
    refused: Refused,
}

/// What came in since the start: records that were appended, bytes of their keys and values, records that were sent again.
#[derive(Debug, Default, Serialize)]
struct Sum {
    records: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    repeats: Option<u64>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    topics: BTreeMap<String, Json>,
}

/// What was not taken since the start: requests by the code of their answer, and, in requests that were answered record by record,
/// records by topic and kind of the reason.
#[derive(Debug, Default, Serialize)]
struct Refused {
    requests: BTreeMap<String, u64>,
    records: BTreeMap<String, BTreeMap<String, u64>>,
}

/// All doors of a pipeline that runs.
pub(super) fn doors(runtime: &Runtime, at: &Addresses) -> Vec<Shown> {
    let (pipeline, metrics) = (runtime.pipeline(), runtime.metrics());
    let listening = [
        (Side::Topics, Some(at.topics), rest_limits(pipeline)),
        (
            Side::Gateway,
            at.gateway,
            pipeline.gateway.as_ref().map_or(Json::Null, |plan| gateway_limits(pipeline, plan)),
        ),
        (Side::Kinesis, at.kinesis, kinesis_limits(pipeline)),
    ];
    let mut shown = Vec::new();
    for (side, at, limits) in listening {
        let Some(at) = at else { continue };
        let counts = metrics.of_door(side.name());
        shown.push(Shown {
            door: side.name(),
            topic: None,
            address: pipeline.listen.url(at),
            limits,
            taken: Sum::of(&counts),
            refused: Refused { requests: counts.refused_requests, records: counts.refused_records },
        });
    }
    shown.extend(sources(pipeline, metrics));
    shown
}

/// The topics that are read from elsewhere; what came in is what the table that has read most has committed.
fn sources<'a>(pipeline: &'a Pipeline, metrics: &'a Metrics) -> impl Iterator<Item = Shown> {
    pipeline.topics.iter().filter_map(|topic| {
        let (door, address, limits) = match &topic.backend {
            Backend::Embedded(_) => return None,
            Backend::Files { options, origin } => {
                let limits = json!({ "files": options.names, "watch": options.watch });
                ("files", origin.to_string(), limits)
            }
            Backend::Fluvio { address, topic: there, partitions } => {
                ("fluvio", address.clone(), json!({ "topic": there, "partitions": partitions }))
            }
        };
        let tables = pipeline.tables.iter().filter(|table| table.topic == topic.name);
        let records = tables.map(|table| metrics.records_in.with_label_values(&[&table.name]).get()).max();
        Some(Shown {
            door,
            topic: Some(topic.name.clone()),
            address,
            limits,
            taken: Sum { records: records.unwrap_or(0), ..Sum::default() },
            refused: Refused::default(),
        })
    })
}

fn rest_limits(pipeline: &Pipeline) -> Json {
    let ingest = &pipeline.ingest;
    with_connections(
        &pipeline.listen.limits,
        json!({
            "body_bytes": ingest.body_bytes_max,
            "request_records": ingest.records_max,
            "inflight_bytes": ingest.inflight_bytes_max,
        }),
    )
}

fn gateway_limits(pipeline: &Pipeline, plan: &Gateway) -> Json {
    let stage = |stage: &Stage| {
        let throttle = stage.throttle.map(|throttle| json!({ "rate": throttle.rate, "burst": throttle.burst }));
        let limits = json!({ "timeout_ms": stage.timeout.as_millis() as u64, "throttle": throttle });
        (stage.name.clone(), limits)
    };
    let plans = plan.plans.iter().map(|plan| {
        let throttle = plan.throttle.map(|throttle| json!({ "rate": throttle.rate, "burst": throttle.burst }));
        let quota = plan.quota.map(|quota| quota.requests);
        (plan.name.clone(), json!({ "throttle": throttle, "quota": quota }))
    });
    with_connections(
        &pipeline.listen.limits,
        json!({
            "body_bytes": gateway::BODY_BYTES_MAX,
            "stages": plan.stages.iter().map(stage).collect::<Map<_, _>>(),
            "plans": plans.collect::<Map<_, _>>(),
        }),
    )
}

fn kinesis_limits(pipeline: &Pipeline) -> Json {
    let limited = pipeline.kinesis.as_ref().is_some_and(|kinesis| kinesis.shard_limits);
    let (records, kib, reads) = (kinesis::WRITE_RECORDS, kinesis::WRITE_KIB, kinesis::READS);
    let shard = json!({ "records_per_second": records, "bytes_per_second": kib << 10, "reads_per_second": reads });
    with_connections(
        &pipeline.listen.limits,
        json!({
            "body_bytes": kinesis::BODY_BYTES_MAX,
            "request_records": kinesis::RECORDS_MAX,
            "request_bytes": kinesis::REQUEST_BYTES_MAX,
            "record_bytes": kinesis::RECORD_BYTES_MAX,
            "shard": limited.then_some(shard),
        }),
    )
}

fn with_connections(limits: &ListenLimits, mut others: Json) -> Json {
    if let Some(others) = others.as_object_mut() {
        others.insert("connections".to_owned(), limits.connections_max.into());
        others.insert("connections_per_address".to_owned(), limits.address_connections_max.into());
    }
    others
}

impl Sum {
    fn of(counts: &DoorCounts) -> Self {
        let sum = |figure: fn(&Taken) -> u64| counts.taken.values().map(figure).sum();
        let topic = |(name, taken): (&String, &Taken)| {
            let Taken { records, bytes, repeats } = taken;
            (name.clone(), json!({ "records": records, "bytes": bytes, "repeats": repeats }))
        };
        Self {
            records: sum(|taken| taken.records),
            bytes: Some(sum(|taken| taken.bytes)),
            repeats: Some(sum(|taken| taken.repeats)),
            topics: counts.taken.iter().map(topic).collect(),
        }
    }
}
