//! The Fluvio client with a limit on all waiting.

use std::fmt::Display;
use std::time::Duration;

use ::fluvio::dataplane::link::ErrorCode;
use ::fluvio::dataplane::record::{Batch, ReplicaKey};
use ::fluvio::metadata::partition::PartitionSpec;
use ::fluvio::metadata::topic::TopicSpec;
use ::fluvio::{ConsumerConfig, Fluvio, FluvioClusterConfig, Isolation, Offset};
use futures_util::StreamExt;
use futures_util::stream::BoxStream;

use crate::error::{Error, Kind, Result};
use crate::source::options::{FluvioOptions, Timeouts};

/// The most that the cluster sends at a time. It cuts there, in the middle of a batch; above 2 MiB, the largest batch
/// that it takes, each answer holds a whole one at least. 8 MiB was the fastest that was measured.
const RESPONSE_BYTES_MAX: i32 = 8 << 20;

pub(super) type Batches = BoxStream<'static, std::result::Result<Batch, ErrorCode>>;

/// What the cluster knows of a partition; it may lag behind the records themselves.
#[derive(Clone, Copy, Debug)]
pub(super) struct Extent {
    /// The first offset that is kept, or less.
    pub(super) earliest: u64,
    /// The offset after the last record, if it is known.
    pub(super) end: Option<u64>,
}

/// A connection to a cluster, for one partition.
pub(super) struct Client<'a> {
    fluvio: Fluvio,
    options: &'a FluvioOptions,
    timeouts: Timeouts,
}

impl<'a> Client<'a> {
    pub(super) async fn connect(options: &'a FluvioOptions, timeouts: Timeouts) -> Result<Self> {
        let config = FluvioClusterConfig::new(&options.address);
        let fluvio = within(timeouts.connect, Fluvio::connect_with_config(&config)).await;
        let fluvio = fluvio.map_err(|e| e.within(format!("connecting to {:?}", options.address)))?;
        Ok(Self { fluvio, options, timeouts })
    }

    /// Asks for the state of the partition; `Kind::Missing` where there is no such topic or partition.
    pub(super) async fn extent(&self) -> Result<Extent> {
        let FluvioOptions { topic, partition, address } = self.options;
        let admin = self.fluvio.admin().await;
        let partitions = within(self.timeouts.answer, admin.all::<PartitionSpec>()).await;
        let partitions = partitions.map_err(|e| e.within("asking for the partitions"))?;
        let name = ReplicaKey::new(topic.as_str(), *partition).to_string();
        if let Some(found) = partitions.iter().find(|p| p.name == name) {
            let earliest = u64::try_from(found.status.base_offset).unwrap_or(0);
            return Ok(Extent { earliest, end: u64::try_from(found.status.leader.hw).ok() });
        }
        let topics = within(self.timeouts.answer, admin.all::<TopicSpec>()).await;
        let topics = topics.map_err(|e| e.within("asking for the topics"))?;
        if !topics.iter().any(|t| t.name == *topic) {
            return Err(Error::new(Kind::Missing, format!("the cluster at {address:?} has no such topic")));
        }
        let of_topic = |name: &str| name.parse::<ReplicaKey>().is_ok_and(|key| key.topic == *topic);
        let count = partitions.iter().filter(|p| of_topic(&p.name)).count();
        Err(Error::new(Kind::Missing, format!("there is no such partition: the topic has {count}, counted from 0")))
    }

    /// Opens a stream of batches that begins with the one that holds `next`.
    pub(super) async fn stream(&self, next: u64) -> Result<Batches> {
        let opened = within(self.timeouts.answer, self.open(next)).await;
        opened.map_err(|e| e.within(format!("opening a stream at offset {next}")))
    }

    async fn open(&self, next: u64) -> Result<Batches> {
        // Read committed, so that nothing is read that a change of leader could take back.
        let config =
            ConsumerConfig::builder().max_bytes(RESPONSE_BYTES_MAX).isolation(Isolation::ReadCommitted).build();
        let config = config.map_err(|e| Error::new(Kind::Internal, e.to_string()))?;
        let next = i64::try_from(next).map_err(|e| Error::new(Kind::Input, e.to_string()))?;
        let offset = Offset::absolute(next).map_err(|e| Error::new(Kind::Input, e.to_string()))?;
        #[expect(deprecated, reason = "the successor loses records without a word: it hides where batches are cut")]
        let consumer = self.fluvio.partition_consumer(&self.options.topic, self.options.partition).await;
        let consumer = consumer.map_err(unavailable)?;
        Ok(consumer.stream_batches_with_config(offset, config).await.map_err(unavailable)?.boxed())
    }
}

async fn within<T, E: Display>(limit: Duration, work: impl Future<Output = Result<T, E>>) -> Result<T> {
    match tokio::time::timeout(limit, work).await {
        Ok(done) => done.map_err(unavailable),
        Err(_) => Err(Error::new(Kind::Unavailable, format!("no answer within {limit:?}"))),
    }
}

fn unavailable(cause: impl Display) -> Error {
    // The alternate form of the client's errors holds their causes, too.
    Error::new(Kind::Unavailable, format!("{cause:#}"))
}
