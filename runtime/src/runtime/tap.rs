//! The tap: the last records of a table's topic, with what the transform in service makes of them.

use std::sync::Arc;

use super::{Runtime, lock};
use crate::error::{Error, Kind, Result};
use crate::log::Topic;
use crate::pipeline::cases::{self, Tapped};
use crate::record::{Batch, Source};

/// The most records of one tap.
pub const TAP_RECORDS_MAX: usize = 10_000;
/// Bytes of each partition that one tap looks at.
const PARTITION_BYTES_MAX: usize = 64 << 20;
/// Bytes that are read at a time.
const READ_BYTES: usize = 1 << 20;

impl Runtime {
    /// The last records of a table's topic, at most so many, with what its transform makes of them in an instance of
    /// their own; the fields that `masks` names are replaced first. Nothing of it reaches lake, cache or aggregates.
    pub fn tap(&self, table: &str, records_max: usize, masks: &[String]) -> Result<Vec<Tapped>> {
        let records_max = records_max.min(TAP_RECORDS_MAX);
        let running = self.tables.iter().find(|running| running.plan.name == table);
        let running = running.ok_or_else(|| Error::new(Kind::Missing, format!("table {table:?}: there is none")))?;
        let plan = &running.plan;
        let topic = self.topics.get(&plan.topic).ok_or_else(|| {
            Error::new(Kind::Input, format!("table {table:?}: only a topic of the pipeline's own can be tapped"))
        })?;
        let mut partitions = Vec::new();
        for partition in 0..topic.partitions() {
            partitions.push((partition, last(&topic, partition, records_max)?));
        }
        let generation = Arc::clone(&lock(&running.generation).generation);
        cases::tap(plan, &generation.chain, &partitions, records_max, masks)
    }
}

/// The last records of a partition.
fn last(topic: &Topic, partition: u32, records_max: usize) -> Result<Batch> {
    let from = topic.end(partition).saturating_sub(records_max as u64);
    let mut reader = topic.reader(partition, from)?;
    let mut batch = Batch::default();
    while batch.len() < records_max && batch.bytes() < PARTITION_BYTES_MAX {
        let before = batch.len();
        reader.read(&mut batch, READ_BYTES)?;
        if batch.len() == before {
            break;
        }
    }
    Ok(batch)
}
