//! Topics against what became of their records: offsets dense, each with the bytes that its client was told lie there.

use std::collections::BTreeMap;
use std::sync::Arc;

use tidemill::log::Topic;
use tidemill::log::options::Options;
use tidemill::record::{Batch, Source};
use tidemill::time::Clock;

use super::records::{At, Stored};
use super::{Journal, Place, Table};

/// Bytes that are read at a time.
const BATCH_BYTES: usize = 1 << 20;

pub(super) fn faults(place: Place<'_>, table: Table, stored: &BTreeMap<At, Stored>, journal: &Journal) -> Vec<String> {
    let options = Options { partitions: place.partitions, ..Options::default() };
    let opened = Topic::open(&place.data.join("topics"), table.name, &options, Arc::new(Clock::System));
    let topic = match opened {
        Ok(topic) => topic,
        Err(error) => return vec![format!("topic: {error}")],
    };
    let mut told: BTreeMap<At, Vec<&str>> = BTreeMap::new();
    for sent in journal.sent.iter().filter(|sent| sent.topic == table.name) {
        sent.acked.iter().for_each(|&offset| told.entry((sent.partition, offset)).or_default().push(&sent.value));
    }
    let mut faults: Vec<String> = told
        .iter()
        .filter(|(_, values)| values.len() > 1)
        .map(|(at, values)| format!("offset {at:?}: it was given to {} records", values.len()))
        .collect();
    for partition in 0..place.partitions {
        match records(&topic, partition) {
            Ok(records) => {
                let became = stored.range((partition, 0)..=(partition, u64::MAX)).count() as u64;
                let (first, end) = (topic.earliest(partition), topic.end(partition));
                if end != became {
                    faults.push(format!("partition {partition}: its log ends at {end}, what became of it at {became}"));
                }
                if !records.iter().map(|(offset, _)| *offset).eq(first..end) {
                    faults.push(format!("partition {partition}: not every offset from {first} to {end} is in the log"));
                }
                for (offset, value) in records {
                    let at = (partition, offset);
                    let as_told = told.get(&at).is_none_or(|told| told.iter().all(|told| told.as_bytes() == value));
                    if !as_told || !stored.get(&at).is_some_and(|what| what.is_of(&value)) {
                        faults
                            .push(format!("offset {at:?}: its bytes are not what was acknowledged, or what it became"));
                    }
                }
            }
            Err(fault) => faults.push(fault),
        }
    }
    faults
}

fn records(topic: &Topic, partition: u32) -> Result<Vec<(u64, Vec<u8>)>, String> {
    let wrong = |error: tidemill::error::Error| format!("partition {partition}: {error}");
    let mut reader = topic.reader(partition, 0).map_err(wrong)?;
    let mut records = Vec::new();
    loop {
        let mut batch = Batch::default();
        reader.read(&mut batch, BATCH_BYTES).map_err(wrong)?;
        if batch.is_empty() {
            return Ok(records);
        }
        records.extend(batch.iter().map(|record| (record.offset, record.value.unwrap_or_default().to_vec())));
    }
}
