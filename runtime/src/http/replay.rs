//! The route that writes what a replay finds as a revision.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use tokio::runtime::Handle;

use super::admin::refused;
use super::body::Component;
use super::{Door, in_background};
use crate::error::{Error, Kind, Result};
use crate::pipeline::replay::{self, Bound};
use crate::runtime::Runtime;

/// What is run again.
#[derive(Deserialize)]
pub(super) struct Asked {
    /// An offset or a time.
    from: Option<String>,
    /// An offset or a time.
    to: Option<String>,
    /// Of this partition alone.
    partition: Option<u32>,
    /// Of several transforms, the one that the body is for.
    transform: Option<String>,
    /// Windows of this aggregate that rows came too late for.
    late: Option<String>,
    /// How many rows and groups that differ are shown.
    #[serde(default)]
    rows: usize,
}

/// `POST /tables/{table}/replay?from=OFFSET|TIME&to=OFFSET|TIME&partition=N&transform=NAME&late=AGGREGATE&rows=N`: the body is a component, or
/// empty for those that the ledger names.
pub(super) async fn replay(
    State(door): State<Arc<Door>>,
    Path(table): Path<String>,
    Query(asked): Query<Asked>,
    Component(taken): Component,
) -> Response {
    let tokio = Handle::current();
    let replay = move |runtime: &Runtime| {
        let bytes = Some(&taken.bytes[..]).filter(|bytes| !bytes.is_empty());
        let with = bytes.map(|bytes| runtime.for_history(&table, asked.transform.as_deref(), bytes)).transpose()?;
        let (from, to) = (bound(asked.from.as_deref())?, bound(asked.to.as_deref())?);
        let asked =
            replay::Asked { table, partition: asked.partition, from, to, with, late: asked.late, rows_max: asked.rows };
        runtime.replay(asked, bytes, &tokio)
    };
    match in_background(&door, replay).await {
        Ok(report) => axum::Json(report).into_response(),
        Err(error) => refused(&error),
    }
}

fn bound(text: Option<&str>) -> Result<Option<Bound>> {
    text.map(|text| text.parse().map_err(|wrong: String| Error::new(Kind::Input, wrong))).transpose()
}
