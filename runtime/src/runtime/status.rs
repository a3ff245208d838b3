//! What a running pipeline says of itself.

use std::collections::BTreeMap;

use serde::Serialize;

use super::landings::LandingStatus;
use super::{Offer, Runtime, lock};
use crate::error::Error;
use crate::log::Topic;
use crate::metrics::Metrics;
use crate::pipeline::shadow::Report;
use crate::pipeline::shelf::Stock;
use crate::pipeline::worker::State;
use crate::time::Timestamp;
use crate::trouble::Trouble;

/// The state of a pipeline, as JSON.
#[derive(Debug, Serialize)]
pub struct Status {
    pipeline: String,
    version: &'static str,
    #[serde(serialize_with = "crate::time::as_text")]
    started: Timestamp,
    #[serde(serialize_with = "crate::time::as_text")]
    now: Timestamp,
    /// Whether every record is committed or waits for its landing's object to end, and all that has ended is in the bucket.
    settled: bool,
    trouble: Vec<Trouble>,
    /// What goes on by itself, only later.
    held_up: Vec<Trouble>,
    topics: BTreeMap<String, Vec<PartitionStatus>>,
    tables: BTreeMap<String, TableStatus>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    landings: BTreeMap<String, LandingStatus>,
    lake: LakeStatus,
}

#[derive(Debug, Serialize)]
struct PartitionStatus {
    partition: u32,
    earliest: u64,
    end: u64,
}

#[derive(Debug, Serialize)]
struct TableStatus {
    topic: String,
    transform: String,
    digest: String,
    #[serde(serialize_with = "crate::time::as_text")]
    since: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_offer: Option<Offer>,
    #[serde(skip_serializing_if = "Option::is_none")]
    shadow: Option<Report>,
    workers: BTreeMap<u32, State>,
    /// What keeps its rows from the bucket, though it may pass.
    troubles: Vec<Trouble>,
}

#[derive(Debug, Serialize)]
struct LakeStatus {
    bucket: String,
    endpoint: Option<String>,
    waiting: Stock,
}

impl Runtime {
    /// Everything at a glance.
    pub fn status(&self) -> Status {
        let tables = self.tables.iter().map(|running| {
            let in_service = lock(&running.generation);
            let status = TableStatus {
                topic: running.plan.topic.clone(),
                transform: in_service.generation.chain.version(),
                digest: in_service.generation.chain.digest().to_owned(),
                since: in_service.since,
                last_offer: in_service.last_offer.clone(),
                shadow: lock(&running.shadow).as_ref().map(|shadow| shadow.seen()),
                workers: running.workers.iter().map(|worker| (worker.partition, lock(&worker.shown).clone())).collect(),
                troubles: self.shelf.troubles(&running.plan.name).into_iter().map(|noted| noted.trouble).collect(),
            };
            (running.plan.name.clone(), status)
        });
        let topics = self.topics.all().into_iter().map(|topic| {
            let partition = |partition| PartitionStatus {
                partition,
                earliest: topic.earliest(partition),
                end: topic.end(partition),
            };
            (topic.name().to_owned(), (0..topic.partitions()).map(partition).collect())
        });
        Status {
            pipeline: self.pipeline.name.clone(),
            version: env!("CARGO_PKG_VERSION"),
            started: self.started,
            now: self.clock.now(),
            settled: self.settled(),
            trouble: self.trouble(),
            held_up: self.held_up(),
            topics: topics.collect(),
            tables: tables.collect(),
            landings: self.landings.iter().map(|landing| (landing.plan.name.clone(), landing.status())).collect(),
            lake: LakeStatus {
                bucket: self.pipeline.lake.bucket.clone(),
                endpoint: self.lake.map(|addr| format!("http://{addr}")),
                waiting: self.shelf.stock(),
            },
        }
    }

    /// Whether every record is committed or waits for its landing's object to end, and all that has ended is in the bucket.
    pub fn settled(&self) -> bool {
        let read = self.tables.iter().all(|running| {
            let topic = self.topics.get(&running.plan.topic);
            running.workers.iter().all(|worker| {
                let end = topic.as_ref().map(|topic| topic.end(worker.partition)).or(lock(&worker.shown).end);
                end == Some(self.health.committed(&running.plan.name, worker.partition))
            })
        });
        read && self.landed() && self.shelf.stock() == Stock::default()
    }

    fn landed(&self) -> bool {
        self.landings.iter().all(|landing| {
            let topic = self.topics.get(&landing.plan.topic);
            landing.states().all(|(partition, state)| {
                let end = topic.as_ref().map(|topic| topic.end(partition)).or(state.end);
                end == Some(state.read) && self.health.committed(&landing.plan.name, partition) == state.ended
            })
        })
    }

    /// The partitions whose disk is slow, or has just refused what was posted: they go on by themselves.
    pub fn held_up(&self) -> Vec<Trouble> {
        let now = self.clock.now();
        self.of_partitions(|topic, partition| {
            let (why, time) = topic.held_up(partition)?;
            Some((why, now.minus(time)))
        })
    }

    /// What is told of partitions of topics, each with since when.
    fn of_partitions(&self, told: impl Fn(&Topic, u32) -> Option<(Error, Timestamp)>) -> Vec<Trouble> {
        let mut all = Vec::new();
        for topic in self.topics.all() {
            all.extend((0..topic.partitions()).filter_map(|partition| {
                let (why, since) = told(&topic, partition)?;
                Some(Trouble::of(format!("topic {:?}, partition {partition}", topic.name()), &why, None, since))
            }));
        }
        all
    }

    /// What keeps parts of the pipeline from going on; empty when nothing does.
    pub fn trouble(&self) -> Vec<Trouble> {
        let mut trouble: Vec<Trouble> = self.health.trouble().into_iter().collect();
        trouble.extend(self.of_partitions(|topic, partition| Some((topic.refusal(partition)?, self.started))));
        let noted = self.pipeline.lanes().flat_map(|lane| self.shelf.troubles(lane));
        trouble.extend(noted.filter(|noted| noted.stops).map(|noted| noted.trouble));
        let workers = self.tables.iter().flat_map(|running| &running.workers);
        trouble.extend(workers.filter_map(|worker| lock(&worker.shown).trouble.clone()));
        trouble
            .extend(self.landings.iter().flat_map(|landing| landing.states().filter_map(|(_, state)| state.trouble)));
        trouble
    }

    /// Brings what the figures say of the lake up to date.
    pub fn show_lake(&self) {
        for table in self.pipeline.lanes() {
            let troubles = self.shelf.troubles(table);
            let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
            let Metrics { spool_bytes, lake_troubles, lake_stopped, .. } = &*self.metrics;
            spool_bytes.with_label_values(&[table]).set(number(self.shelf.spooled(table)));
            lake_troubles.with_label_values(&[table]).set(number(troubles.len() as u64));
            lake_stopped.with_label_values(&[table]).set(i64::from(troubles.iter().any(|noted| noted.stops)));
        }
    }

    /// Brings the lag among the figures up to date.
    pub fn show_lag(&self) {
        let show = |name: &str, partition: u32, end: Option<u64>| {
            let committed = self.health.committed(name, partition);
            let lag = i64::try_from(end.unwrap_or(0).saturating_sub(committed)).unwrap_or(i64::MAX);
            self.metrics.lag.with_label_values(&[name, &partition.to_string()]).set(lag);
        };
        for landing in &self.landings {
            let topic = self.topics.get(&landing.plan.topic);
            for (partition, state) in landing.states() {
                let end = topic.as_ref().map(|topic| topic.end(partition)).or(state.end);
                show(&landing.plan.name, partition, end);
            }
        }
        for running in &self.tables {
            for worker in &running.workers {
                let topic = self.topics.get(&running.plan.topic);
                let end = topic.as_ref().map(|topic| topic.end(worker.partition)).or(lock(&worker.shown).end);
                show(&running.plan.name, worker.partition, end);
            }
        }
    }
}
