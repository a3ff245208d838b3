//! Records from any door on their way into a topic: sorted by partition, appended, each with what became of it.

use std::sync::Arc;

use super::Door;
use super::placement::by_key;
use crate::error::{Error, Kind};
use crate::log::{Append, OutOfTurn, Producer, Ticket, Topic};
use crate::metrics::Metrics;
use crate::record::push_header;
use crate::time::Timestamp;

/// The header under which a time is kept that a client gives its record: RFC 3339 in UTC. The topic's own time of a record is
/// when it was appended, which never goes back.
pub(super) const TIME_HEADER: &str = "tidemill-time";

/// A record as it comes in.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Incoming<'a> {
    /// The partition, where the client or the door's own rule has chosen one; else the key does, else they take turns.
    pub(super) partition: Option<i64>,
    /// Its key.
    pub(super) key: Option<&'a [u8]>,
    /// Its value; none is a tombstone.
    pub(super) value: Option<&'a [u8]>,
    /// Its headers, as [`push_header`] writes them.
    pub(super) headers: &'a [u8],
    /// The time that its client gives it, kept as [`TIME_HEADER`].
    pub(super) time: Option<Timestamp>,
}

/// Where a record came to lie.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Placed {
    /// The partition.
    pub(super) partition: u32,
    /// The offset in it.
    pub(super) offset: u64,
    /// When it was appended.
    pub(super) time: Timestamp,
    /// Whether it is of a request that was sent before, so that it was there.
    pub(super) repeated: bool,
}

/// What became of a record: `Missing` for a partition that is not there, `Input` for one that is too large, `Busy`, `Storage`,
/// `Corrupt`, `Unavailable` where its partition takes nothing.
pub(super) type Outcome = Result<Placed, Error>;

/// The records of one request, or of a stretch of a stream, sorted by the partition that each goes to.
pub(super) struct Records {
    topic: Arc<Topic>,
    producer: Option<Producer>,
    /// The partition of those that have neither key nor partition.
    turn: u32,
    appends: Vec<Option<(Append, Vec<usize>)>>,
    /// One for each record, in the order of the request; those that wait are not yet what they say.
    outcomes: Vec<Outcome>,
    bytes: usize,
    headers: Vec<u8>,
    counts: Counts,
}

/// Records that wait to be synced.
pub(super) struct Sent {
    tickets: Vec<(u32, Result<Ticket, Error>, Vec<usize>)>,
    outcomes: Vec<Outcome>,
    bytes: usize,
    topic: Arc<Topic>,
    counts: Counts,
}

/// Where what came of them is counted.
struct Counts {
    metrics: Arc<Metrics>,
    door: &'static str,
}

impl Records {
    /// None yet; `producer` says which request of whom they are, so that they are appended once however often it is sent.
    pub(super) fn new(door: &Door, topic: Arc<Topic>, producer: Option<Producer>, records: usize) -> Self {
        let turn = producer.map_or_else(|| topic.turn(), |producer| producer.partition(topic.partitions()));
        Self {
            appends: (0..topic.partitions()).map(|_| None).collect(),
            outcomes: Vec::with_capacity(records),
            counts: Counts { metrics: door.runtime.shared_metrics(), door: door.side.name() },
            bytes: 0,
            headers: Vec::new(),
            topic,
            producer,
            turn,
        }
    }

    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.outcomes.is_empty()
    }

    /// The bytes of their keys and values.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Copies a record into its partition's append; one that cannot be taken has its outcome already.
    pub(super) fn push(&mut self, record: &Incoming<'_>) {
        let index = self.outcomes.len();
        let pushed = self.sort(record, index).map(|()| Placed::default());
        self.outcomes.push(pushed);
    }

    /// Gives a record that is not taken its place among the outcomes.
    pub(super) fn refuse(&mut self, reason: Error) {
        self.outcomes.push(Err(reason));
    }

    fn sort(&mut self, record: &Incoming<'_>, index: usize) -> Result<(), Error> {
        let partitions = self.topic.partitions();
        let partition = match (record.partition, record.key) {
            (Some(partition), _) => u32::try_from(partition).ok().filter(|partition| *partition < partitions),
            (None, Some(key)) => Some(by_key(key, partitions)),
            (None, None) => Some(self.turn),
        };
        let append = partition.and_then(|partition| self.appends.get_mut(partition as usize)).ok_or_else(|| {
            let named = record.partition.unwrap_or_default();
            Error::new(Kind::Missing, format!("Partition {named} of topic {} does not exist", self.topic.name()))
        })?;
        let mut headers = record.headers;
        if let Some(time) = record.time {
            self.headers.clear();
            self.headers.extend_from_slice(headers);
            push_header(&mut self.headers, TIME_HEADER.as_bytes(), Some(time.to_string().as_bytes()));
            headers = &self.headers;
        }
        let (append, indexes) = append.get_or_insert_with(|| (self.topic.begin(), Vec::new()));
        append.push(record.key, record.value, headers)?;
        indexes.push(index);
        self.bytes += record.key.map_or(0, <[u8]>::len) + record.value.map_or(0, <[u8]>::len);
        Ok(())
    }

    /// Hands all of them to their partitions' writers. An error where the producer's request is not the next one.
    pub(super) async fn send(self) -> Result<Sent, OutOfTurn> {
        let (mut appends, mut places) = (Vec::new(), Vec::new());
        for (partition, append) in (0..).zip(self.appends) {
            let Some((append, indexes)) = append.filter(|(append, _)| !append.is_empty()) else { continue };
            appends.push((partition, append));
            places.push(indexes);
        }
        let tickets: Vec<(u32, Result<Ticket, Error>)> = match self.producer {
            Some(producer) => self.topic.append_once(producer, appends).await?,
            None => appends.into_iter().map(|(to, append)| (to, self.topic.append(to, append))).collect(),
        };
        // A request without a record that can be kept has a ticket all the same, if its producer is named.
        places.resize_with(tickets.len(), Vec::new);
        let tickets = tickets.into_iter().zip(places).map(|((to, ticket), indexes)| (to, ticket, indexes)).collect();
        Ok(Sent { tickets, outcomes: self.outcomes, bytes: self.bytes, topic: self.topic, counts: self.counts })
    }

    /// Appends all of them; gives what became of each, in the order of the request, once that is synced.
    pub(super) async fn append(self) -> Result<Vec<Outcome>, OutOfTurn> {
        Ok(self.send().await?.outcomes().await)
    }
}

impl Sent {
    /// What became of each, in the order of the request, once that is synced.
    pub(super) async fn outcomes(mut self) -> Vec<Outcome> {
        for (partition, ticket, indexes) in self.tickets {
            let repeated = ticket.as_ref().is_ok_and(Ticket::is_repeat);
            let appended = match ticket {
                Ok(ticket) => ticket.wait().await,
                Err(error) => Err(error),
            };
            for (nth, index) in (0..).zip(indexes) {
                let Some(outcome) = self.outcomes.get_mut(index) else { continue };
                *outcome = match &appended {
                    Ok(at) => Ok(Placed { partition, offset: at.first_offset + nth, time: at.time, repeated }),
                    Err(error) => Err(error.clone()),
                };
            }
        }
        self.counts.count(self.topic.name(), &self.outcomes, self.bytes);
        self.outcomes
    }
}

impl Counts {
    fn count(&self, topic: &str, outcomes: &[Outcome], bytes: usize) {
        let Metrics { accepted, repeated, accepted_bytes, refused_records, .. } = &*self.metrics;
        let labels = [self.door, topic];
        let placed = || outcomes.iter().flatten();
        let (taken, again) = (placed().count(), placed().filter(|placed| placed.repeated).count());
        accepted.with_label_values(&labels).inc_by((taken - again) as u64);
        if again == 0 {
            accepted_bytes.with_label_values(&labels).inc_by(bytes as u64);
        } else {
            repeated.with_label_values(&labels).inc_by(again as u64);
        }
        for refused in outcomes.iter().filter_map(|outcome| outcome.as_ref().err()) {
            refused_records.with_label_values(&[self.door, topic, refused.kind().word()]).inc();
        }
    }
}

/// Whether nothing was taken, and some of it only because too much waits: the client is asked to come again.
pub(super) fn all_busy(outcomes: &[Outcome]) -> bool {
    let busy = |outcome: &Outcome| outcome.as_ref().is_err_and(|error| error.kind() == Kind::Busy);
    outcomes.iter().all(Result::is_err) && outcomes.iter().any(busy)
}
