//! `POST /topics/{topic}`: records in, offsets out, once they are synced.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Extension, Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::answer::{Embedded, Refusal, accepts, embedded, json};
use super::guard::refusal;
use super::placement::by_key;
use super::producer;
use super::request::{self, Entry};
use super::server::Peer;
use super::{Door, body};
use crate::access::Grant;
use crate::error::{Error, Kind};
use crate::log::{Append, Producer, Ticket, Topic};
use crate::metrics::Metrics;

/// The answer for one record, as the REST proxy gives it; all four are always there.
#[derive(Clone, Debug, Default, Serialize)]
struct Receipt {
    partition: Option<u32>,
    offset: Option<u64>,
    error_code: Option<u32>,
    error: Option<String>,
    /// Whether it is of a request that was sent before.
    #[serde(skip)]
    repeated: bool,
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

/// The route.
pub(super) async fn produce(
    State(door): State<Arc<Door>>,
    Path(topic): Path<String>,
    Extension(grant): Extension<Grant>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    if let Err(status) = accepts(&headers) {
        return status.into_response();
    }
    let answered = match grant.produces(&topic) {
        true => answer(&door, &topic, &peer, &headers, body).await,
        false => Err(refusal(StatusCode::FORBIDDEN)),
    };
    answered.unwrap_or_else(|refusal| {
        door.runtime.metrics().refused.with_label_values(&[&refusal.code.to_string()]).inc();
        refusal.into_response()
    })
}

async fn answer(door: &Door, topic: &str, peer: &Peer, headers: &HeaderMap, body: Body) -> Result<Response, Refusal> {
    let embedded = embedded(headers)?;
    let producer = producer::named(headers)?;
    let topic = door.runtime.topic(topic);
    let topic = topic.ok_or_else(|| Refusal::coded(StatusCode::NOT_FOUND, 40401, "Topic not found."))?;
    let taken = body::take(door, peer, headers, body, door.ingest.body_bytes_max).await?;
    let entries = request::read(&taken.bytes, door.ingest.records_max)?;
    let mut sorted = Sorted::new(topic, entries.len());
    let turn = match &producer {
        Some(producer) => producer.partition(topic.partitions()),
        None => door.placements.get(topic.name()).map_or(0, |placement| placement.next(topic.partitions())),
    };
    sorted.sort(turn, &entries, embedded)?;
    let receipts = sorted.append(producer).await?;
    count(door.runtime.metrics(), topic.name(), &receipts, taken.bytes.len());
    let mut answer = json(StatusCode::OK, &Receipts { offsets: receipts, key_schema_id: None, value_schema_id: None });
    producer::echo(headers, &mut answer);
    Ok(answer)
}

fn count(metrics: &Metrics, topic: &str, receipts: &[Receipt], bytes: usize) {
    let taken = receipts.iter().filter(|receipt| receipt.error_code.is_none()).count();
    let repeated = receipts.iter().filter(|receipt| receipt.repeated).count();
    metrics.accepted.with_label_values(&[topic]).inc_by((taken - repeated) as u64);
    if repeated == 0 {
        metrics.accepted_bytes.with_label_values(&[topic]).inc_by(bytes as u64);
    } else {
        metrics.repeated.with_label_values(&[topic]).inc_by(repeated as u64);
    }
}

/// The records of a request, sorted by the partition that each goes to.
struct Sorted<'a> {
    topic: &'a Topic,
    appends: Vec<Option<(Append, Vec<usize>)>>,
    receipts: Vec<Receipt>,
}

impl<'a> Sorted<'a> {
    fn new(topic: &'a Topic, records: usize) -> Self {
        let appends = (0..topic.partitions()).map(|_| None).collect();
        Self { topic, appends, receipts: vec![Receipt::default(); records] }
    }

    /// Puts each record into its partition's append, or its error into its receipt; `turn` is the partition of those
    /// that have neither key nor partition. A value that cannot be read refuses the whole request.
    fn sort(&mut self, turn: u32, entries: &[Entry<'_>], embedded: Embedded) -> Result<(), Refusal> {
        let partitions = self.topic.partitions();
        for (index, entry) in entries.iter().enumerate() {
            let key = request::bytes(entry.key, embedded)?;
            let value = request::bytes(entry.value, embedded)?;
            let partition = match (entry.partition, &key) {
                (Some(partition), _) => u32::try_from(partition).ok().filter(|partition| *partition < partitions),
                (None, Some(key)) => Some(by_key(key, partitions)),
                (None, None) => Some(turn),
            };
            let pushed = match partition.and_then(|p| self.appends.get_mut(p as usize)) {
                Some(append) => {
                    let (append, indexes) = append.get_or_insert_with(|| (self.topic.begin(), Vec::new()));
                    append.push(key.as_deref(), value.as_deref(), &[]).map(|()| indexes.push(index))
                }
                None => {
                    let named = entry.partition.unwrap_or_default();
                    Err(Error::new(
                        Kind::Missing,
                        format!("Partition {named} of topic {} does not exist", self.topic.name()),
                    ))
                }
            };
            if let (Err(error), Some(receipt)) = (pushed, self.receipts.get_mut(index)) {
                *receipt = refused(&error);
            }
        }
        Ok(())
    }

    /// Appends all, and gives each record its receipt. Busy before anything was taken refuses the whole request.
    async fn append(mut self, producer: Option<Producer>) -> Result<Vec<Receipt>, Refusal> {
        let (mut appends, mut places) = (Vec::new(), Vec::new());
        for (partition, append) in (0..).zip(self.appends) {
            let Some((append, indexes)) = append.filter(|(append, _)| !append.is_empty()) else { continue };
            appends.push((partition, append));
            places.push(indexes);
        }
        let tickets: Vec<(u32, Result<Ticket, Error>)> = match producer {
            Some(producer) => self.topic.append_once(producer, appends).await.map_err(producer::refusal)?,
            None => appends.into_iter().map(|(to, append)| (to, self.topic.append(to, append))).collect(),
        };
        let busy = tickets.iter().any(|(_, ticket)| ticket.as_ref().is_err_and(|error| error.kind() == Kind::Busy));
        if busy && !tickets.iter().any(|(_, ticket)| ticket.is_ok()) {
            return Err(Refusal::busy());
        }
        // A request without a record that can be kept has a ticket all the same, if its producer is named.
        places.resize_with(tickets.len(), Vec::new);
        for ((partition, ticket), indexes) in tickets.into_iter().zip(places) {
            let repeated = ticket.as_ref().is_ok_and(Ticket::is_repeat);
            let appended = match ticket {
                Ok(ticket) => ticket.wait().await,
                Err(error) => Err(error),
            };
            for (nth, index) in (0..).zip(indexes) {
                let Some(receipt) = self.receipts.get_mut(index) else { continue };
                *receipt = match &appended {
                    Ok(at) => Receipt {
                        partition: Some(partition),
                        offset: Some(at.first_offset + nth),
                        repeated,
                        ..Receipt::default()
                    },
                    Err(error) => refused(error),
                };
            }
        }
        Ok(self.receipts)
    }
}

fn refused(error: &Error) -> Receipt {
    let code = match error.kind() {
        Kind::Busy | Kind::Storage | Kind::Unavailable | Kind::Missing => RETRIABLE,
        _ => NOT_RETRIABLE,
    };
    Receipt { error_code: Some(code), error: Some(error.message().to_owned()), ..Receipt::default() }
}
