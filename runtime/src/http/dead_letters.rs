//! The route that redrives a table's dead letters.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::admin::refused;
use super::body::Component;
use super::{Door, in_background};
use crate::cache::letters::Which;
use crate::error::{Error, Kind, Result};
use crate::runtime::{Letters, Offered, Runtime};

/// Which letters, through what, and whether it counts.
#[derive(Deserialize)]
pub(super) struct Asked {
    /// Letters by `partition/offset`, between commas; without, all that the rest allows.
    ids: Option<String>,
    /// Those with this text in their reason.
    reason: Option<String>,
    /// Those after this `partition/offset`.
    after: Option<String>,
    /// Of several transforms, the one that the body is for.
    transform: Option<String>,
    /// Whether it is done, or only told.
    #[serde(default)]
    apply: bool,
}

/// `POST /tables/{table}/redrive?ids=0/17,1/4&reason=TEXT&after=0/17&transform=NAME&apply=true`: the body is a component, or
/// empty for the chain in service.
pub(super) async fn redrive(
    State(door): State<Arc<Door>>,
    Path(table): Path<String>,
    Query(asked): Query<Asked>,
    Component(taken): Component,
) -> Response {
    let redrive = move |runtime: &Runtime| {
        let letters = asked.letters()?;
        let with = match taken.bytes.is_empty() {
            true => None,
            false => {
                let place = runtime.place(&table, asked.transform.as_deref())?;
                Some(Offered { place, bytes: (&taken.bytes[..]).into() })
            }
        };
        runtime.redrive(&table, letters, with, asked.apply)
    };
    match in_background(&door, redrive).await {
        Ok(report) => axum::Json(report).into_response(),
        Err(error) => refused(&error),
    }
}

impl Asked {
    fn letters(&self) -> Result<Letters> {
        if let Some(ids) = &self.ids {
            return ids.split(',').map(place).collect::<Result<_>>().map(Letters::These);
        }
        let after = self.after.as_deref().map(place).transpose()?;
        Ok(Letters::Meant(Which { reason: self.reason.clone(), after, ..Which::default() }))
    }
}

/// A partition and an offset, written `0/17`.
fn place(text: &str) -> Result<(u32, u64)> {
    let parsed = text.split_once('/').and_then(|(of, at)| Some((of.parse().ok()?, at.parse().ok()?)));
    parsed.ok_or_else(|| Error::new(Kind::Input, format!("dead letter {text:?}: it is not PARTITION/OFFSET")))
}
