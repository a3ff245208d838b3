//! The one place that opens a topic's backend for a worker.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::objects::Objects;
use super::places::Places;
use crate::config::plan::{Backend, Origin, Pipeline};
use crate::error::{Error, Kind, Result};
use crate::log::Topic;
use crate::record::Source;
use crate::source::files::{FilePartition, Folder, Place};
use crate::source::fluvio::FluvioPartition;
use crate::source::later::Later;
use crate::source::options::{FluvioOptions, Timeouts, manifest};
use crate::source::refused::Refused;

/// Opens a partition of a topic at `from`; `embedded` holds the topics of this process.
pub fn open(
    pipeline: &Pipeline,
    embedded: &BTreeMap<String, Arc<Topic>>,
    topic: &str,
    partition: u32,
    from: u64,
) -> Result<Box<dyn Source>> {
    let missing = || Error::new(Kind::Missing, format!("topic {topic:?}: there is none of this name"));
    let planned = pipeline.topics.iter().find(|planned| planned.name == topic).ok_or_else(missing)?;
    match &planned.backend {
        Backend::Embedded(_) => match embedded.get(topic).ok_or_else(missing)?.reader(partition, from) {
            Ok(reader) => Ok(Box::new(reader)),
            // The other partitions go on.
            Err(reason) if reason.kind() == Kind::Corrupt => Ok(Box::new(Refused(reason))),
            Err(cause) => Err(cause),
        },
        elsewhere => {
            let (elsewhere, topic) = (elsewhere.clone(), topic.to_owned());
            let places = Places::of(&pipeline.data);
            let open = move |from| open_elsewhere(&elsewhere, &places, &topic, partition, from);
            match open(from) {
                // Who has read from it goes on when it is there again, and the others meanwhile.
                Err(cause) if from > 0 && cause.kind() != Kind::Input => {
                    tracing::warn!(
                        topic = planned.name,
                        partition,
                        error = cause.message(),
                        "topic not opened, to be tried again"
                    );
                    Ok(Box::new(Later::new(open)))
                }
                opened => opened,
            }
        }
    }
}

/// Opens a partition that does not live in this process.
fn open_elsewhere(
    backend: &Backend,
    places: &Places,
    topic: &str,
    partition: u32,
    from: u64,
) -> Result<Box<dyn Source>> {
    match backend {
        Backend::Embedded(_) => Err(Error::new(Kind::Internal, format!("topic {topic:?}: it lives here"))),
        Backend::Files { options, origin } => {
            let place: Box<dyn Place> = match origin {
                Origin::Path(path) => Box::new(Folder::open(path)?),
                Origin::Bucket(bucket) => Box::new(Objects::of(bucket, &places.lake)),
            };
            let manifest = places.files.join(manifest(topic));
            Ok(Box::new(FilePartition::open(options.clone(), place, &manifest, from)?))
        }
        Backend::Fluvio { address, topic, .. } => {
            let options = FluvioOptions { address: address.clone(), topic: topic.clone(), partition };
            Ok(Box::new(FluvioPartition::open(options, from, Timeouts::default())?))
        }
    }
}
