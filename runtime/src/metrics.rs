//! Counters and gauges of everything that runs, kept in one place and written in Prometheus' text form.

use std::collections::BTreeMap;

use prometheus::core::Collector as _;
use prometheus::{Encoder, HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts, Registry, TextEncoder};

use crate::error::{Kind, OrFail, Result};

/// The figures of a running pipeline; cheap to share behind an `Arc`.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    /// Records accepted over HTTP, by door and topic.
    pub accepted: IntCounterVec,
    /// Records that a producer sent again, which were there, by door and topic.
    pub repeated: IntCounterVec,
    /// Bytes of the keys and values accepted over HTTP, by door and topic.
    pub accepted_bytes: IntCounterVec,
    /// Requests refused over HTTP, by door and reason: the code in the answer, or the name of Kinesis's error.
    pub refused: IntCounterVec,
    /// Records refused over HTTP in requests that were not, by door, topic and the kind of the reason.
    pub refused_records: IntCounterVec,
    /// Records read from a topic and committed, by table.
    pub records_in: IntCounterVec,
    /// Records that came out, by table.
    pub records_out: IntCounterVec,
    /// Records dropped on purpose, by table.
    pub records_dropped: IntCounterVec,
    /// Records in the dead letters, by table.
    pub records_rejected: IntCounterVec,
    /// Late rows, by aggregate.
    pub late: IntCounterVec,
    /// Commits, by table.
    pub commits: IntCounterVec,
    /// Objects uploaded, by table.
    pub objects: IntCounterVec,
    /// Bytes uploaded, by table.
    pub object_bytes: IntCounterVec,
    /// Failed tries to upload.
    pub upload_failures: IntCounterVec,
    /// Generations taken into service or refused, by table and result.
    pub reloads: IntCounterVec,
    /// Records between the commit and the end of the topic, by table and partition.
    pub lag: IntGaugeVec,
    /// Bytes that wait for the bucket on this disk, by table.
    pub spool_bytes: IntGaugeVec,
    /// Objects that do not get into the bucket, and other troubles of the lake, by table.
    pub lake_troubles: IntGaugeVec,
    /// 1 where a table's workers wait because of the lake, by table.
    pub lake_stopped: IntGaugeVec,
    /// Seconds that a commit's transaction took.
    pub commit_seconds: HistogramVec,
}

/// What came in at a door since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// Records that were appended.
    pub records: u64,
    /// Bytes of their keys and values.
    pub bytes: u64,
    /// Records that were sent again, and were there.
    pub repeats: u64,
}

/// What a door has taken and refused since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DoorCounts {
    /// What came in, by topic.
    pub taken: BTreeMap<String, Taken>,
    /// Requests that were refused, by reason.
    pub refused_requests: BTreeMap<String, u64>,
    /// Records that were refused in requests that were not, by topic, then by the kind of the reason.
    pub refused_records: BTreeMap<String, BTreeMap<String, u64>>,
}

impl Metrics {
    /// Figures that all stand at zero.
    pub fn new() -> Result<Self> {
        let registry = Registry::new();
        let counter = |name: &str, help: &str, labels: &[&str]| {
            let made = IntCounterVec::new(Opts::new(format!("tidemill_{name}_total"), help), labels);
            let made = made.or_fail(Kind::Internal, || format!("metric {name:?}"))?;
            registry.register(Box::new(made.clone())).or_fail(Kind::Internal, || format!("metric {name:?}"))?;
            Ok(made)
        };
        let gauge = |name: &str, help: &str, labels: &[&str]| {
            let made = IntGaugeVec::new(Opts::new(format!("tidemill_{name}"), help), labels);
            let made = made.or_fail(Kind::Internal, || format!("metric {name:?}"))?;
            registry.register(Box::new(made.clone())).or_fail(Kind::Internal, || format!("metric {name:?}"))?;
            Ok(made)
        };
        let commit_seconds = HistogramVec::new(
            HistogramOpts::new("tidemill_commit_seconds", "time that a commit's transaction took"),
            &["pipeline"],
        )
        .or_fail(Kind::Internal, || "metric \"commit_seconds\"")?;
        registry.register(Box::new(commit_seconds.clone())).or_fail(Kind::Internal, || "metric \"commit_seconds\"")?;
        Ok(Self {
            accepted: counter("accepted_records", "records accepted over HTTP", &["door", "topic"])?,
            repeated: counter("repeated_records", "records that were sent again and were there", &["door", "topic"])?,
            accepted_bytes: counter("accepted_bytes", "bytes of keys and values accepted", &["door", "topic"])?,
            refused: counter("refused_requests", "requests refused over HTTP", &["door", "reason"])?,
            refused_records: counter("refused_records", "records refused over HTTP", &["door", "topic", "reason"])?,
            records_in: counter("records_in", "records read and committed", &["table"])?,
            records_out: counter("records_out", "records that came out", &["table"])?,
            records_dropped: counter("records_dropped", "records dropped on purpose", &["table"])?,
            records_rejected: counter("records_rejected", "records put into the dead letters", &["table"])?,
            late: counter("late_rows", "rows after their window had closed", &["aggregate"])?,
            commits: counter("commits", "epochs committed", &["table"])?,
            objects: counter("objects", "objects uploaded", &["table"])?,
            object_bytes: counter("object_bytes", "bytes uploaded", &["table"])?,
            upload_failures: counter("upload_failures", "failed tries to upload", &["table"])?,
            reloads: counter("reloads", "generations offered", &["table", "result"])?,
            lag: gauge("lag_records", "records between the commit and the end of the topic", &["table", "partition"])?,
            spool_bytes: gauge("spool_bytes", "bytes that wait for the bucket on this disk", &["table"])?,
            lake_troubles: gauge("lake_troubles", "objects that do not get into the bucket", &["table"])?,
            lake_stopped: gauge("lake_stopped", "1 where a table waits because of the lake", &["table"])?,
            commit_seconds,
            registry,
        })
    }

    /// All figures in Prometheus' text form.
    pub fn text(&self) -> Result<String> {
        let mut into = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut into).or_fail(Kind::Internal, || "metrics")?;
        String::from_utf8(into).or_fail(Kind::Internal, || "metrics")
    }

    /// What a door has taken and refused.
    pub fn of_door(&self, door: &str) -> DoorCounts {
        type Figure = fn(&mut Taken) -> &mut u64;
        let mut counts = DoorCounts::default();
        let figures: [(_, Figure); 3] = [
            (&self.accepted, |taken| &mut taken.records),
            (&self.accepted_bytes, |taken| &mut taken.bytes),
            (&self.repeated, |taken| &mut taken.repeats),
        ];
        for (family, figure) in figures {
            for ([topic], count) in counted(family, door, ["topic"]) {
                *figure(counts.taken.entry(topic).or_default()) = count;
            }
        }
        for ([reason], count) in counted(&self.refused, door, ["reason"]) {
            counts.refused_requests.insert(reason, count);
        }
        for ([topic, reason], count) in counted(&self.refused_records, door, ["topic", "reason"]) {
            counts.refused_records.entry(topic).or_default().insert(reason, count);
        }
        counts
    }
}

/// The counts of a family at a door, each with the values of some labels.
fn counted<const N: usize>(family: &IntCounterVec, door: &str, labels: [&str; N]) -> Vec<([String; N], u64)> {
    let mut counted = Vec::new();
    for family in family.collect() {
        for metric in family.get_metric() {
            let label = |name: &str| {
                let found = metric.get_label().iter().find(|label| label.name() == name);
                found.map_or_else(String::new, |label| label.value().to_owned())
            };
            if label("door") == door {
                counted.push((labels.map(label), metric.get_counter().get_value() as u64));
            }
        }
    }
    counted
}
