//! The topics that tables have read from: a table's positions are of one, and mean nothing in another.

use std::path::Path;

use crate::cache::Store;
use crate::config::plan::{Backend, Pipeline};
use crate::error::{Error, Kind, Result};

/// Each table with its topic as people know it.
///
/// Errors with `Kind::Conflict` where the cache says that a table has read another.
pub(super) fn known<'a>(pipeline: &'a Pipeline, cache: &Path) -> Result<Vec<(&'a str, String)>> {
    let before = Store::sources(cache)?;
    let mut sources = Vec::new();
    for table in &pipeline.tables {
        let backend = pipeline.topics.iter().find(|topic| topic.name == table.topic).map(|topic| &topic.backend);
        let source = match backend {
            Some(Backend::Fluvio { topic, .. }) => format!("{:?} (Fluvio's {topic:?})", table.topic),
            Some(Backend::Files { .. }) => format!("{:?} (files)", table.topic),
            Some(Backend::Embedded(_)) | None => format!("{:?}", table.topic),
        };
        if let Some((_, other)) = before.iter().find(|(name, other)| *name == table.name && *other != source) {
            let what =
                format!("table {:?}: it has read topic {other}, and the pipeline file says {source}", table.name);
            let hint = "what was read of one topic says nothing of another: name the first again, or give the table a new name";
            return Err(Error::new(Kind::Conflict, what).hint(hint));
        }
        sources.push((table.name.as_str(), source));
    }
    Ok(sources)
}
