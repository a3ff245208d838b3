//! The topics that tables and landings have read: a position is of one, and means nothing in another.

use crate::config::plan::{Backend, Pipeline};
use crate::error::{Error, Kind, Result};

/// Each table and landing with its topic as people know it; `before` is what they have read.
///
/// Errors with `Kind::Conflict` where one has read another.
pub(super) fn known<'a>(pipeline: &'a Pipeline, before: &[(String, String)]) -> Result<Vec<(&'a str, String)>> {
    let mut sources = Vec::new();
    let tables = pipeline.tables.iter().map(|table| ("table", &table.name, &table.topic));
    let landings = pipeline.landings.iter().map(|landing| ("landing", &landing.name, &landing.topic));
    for (kind, name, topic) in tables.chain(landings) {
        let backend = pipeline.topics.iter().find(|planned| planned.name == *topic).map(|planned| &planned.backend);
        let source = match backend {
            Some(Backend::Fluvio { topic: theirs, .. }) => format!("{topic:?} (Fluvio's {theirs:?})"),
            Some(Backend::Files { .. }) => format!("{topic:?} (files)"),
            Some(Backend::Embedded(_)) | None => format!("{topic:?}"),
        };
        if let Some((_, other)) = before.iter().find(|(of, other)| of == name && *other != source) {
            let what = format!("{kind} {name:?}: it has read topic {other}, and the pipeline file says {source}");
            let hint =
                "what was read of one topic says nothing of another: name the first again, or give it a new name";
            return Err(Error::new(Kind::Conflict, what).hint(hint));
        }
        sources.push((name.as_str(), source));
    }
    Ok(sources)
}
