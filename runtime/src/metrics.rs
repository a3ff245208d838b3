//! Counters and gauges of everything that runs, kept in one place and written in Prometheus' text form.

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
    /// Requests refused over HTTP, by door and reason: the code in the answer.
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
}
