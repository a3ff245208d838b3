//! The routes that swap a table's component: offer one, go back, look at what was in service.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use super::admin::refused;
use super::answer::Refusal;
use super::body::Component;
use super::{Door, in_background};
use crate::cache::{Generation, Work};
use crate::error::Result;
use crate::runtime::{By, Offer, Offered, Runtime};

/// A generation as it is shown.
#[derive(Debug, Deserialize, Serialize)]
pub struct Shown {
    /// Counted from 1 in each table.
    pub number: u64,
    /// The sha256 of the component.
    pub digest: String,
    /// The transform's name and version.
    pub version: String,
    /// When it took over.
    pub since: String,
    /// Whether a person chose it over the file.
    pub pinned: bool,
    /// Whether it failed in a partition after others had taken it.
    pub withdrawn: bool,
    /// What it did in each partition.
    pub partitions: Vec<Part>,
}

/// What a generation did in one partition.
#[derive(Debug, Deserialize, Serialize)]
pub struct Part {
    /// The partition.
    pub partition: u32,
    /// The first offset that it looked at.
    pub first_offset: u64,
    /// The last; none where it was given nothing.
    pub last_offset: Option<u64>,
    /// Records that it got.
    pub records: u64,
    /// Those among them that went to the dead letters.
    pub rejected: u64,
    /// The worker's time for each.
    pub ns_per_record: Option<u64>,
}

/// What came of an offer that was taken.
#[derive(Debug, Deserialize)]
pub struct Taken {
    /// The digest of the chain.
    pub digest: String,
    /// The number of its generation.
    pub generation: u64,
    /// What the table's fields became, a sentence each.
    #[serde(default)]
    pub changes: Vec<String>,
}

/// What an offer may say besides its body.
#[derive(Deserialize)]
pub(super) struct Asked {
    /// The transform that the body is for: its name, or its number from 1.
    transform: Option<String>,
    /// Whether fields may go or become others.
    #[serde(default)]
    accept_breaking: bool,
}

/// `POST /tables/{table}/reload?transform=NAME&accept_breaking=true`: the body is a component, or empty for what the table's
/// files hold. 409 where it is refused.
pub(super) async fn reload(
    State(door): State<Arc<Door>>,
    Path(table): Path<String>,
    Query(asked): Query<Asked>,
    Component(taken): Component,
) -> Response {
    let by = By::Hand { accept_breaking: asked.accept_breaking };
    let offer = move |runtime: &Runtime| {
        if taken.bytes.is_empty() {
            return runtime.offer_files(&table, by);
        }
        let place = runtime.place(&table, asked.transform.as_deref())?;
        runtime.offer(&table, &[Offered { place, bytes: taken.bytes.as_slice().into() }], by)
    };
    answered(in_background(&door, offer).await)
}

/// `POST /tables/{table}/rollback`: the component that was in service before comes back, and is pinned.
pub(super) async fn rollback(State(door): State<Arc<Door>>, Path(table): Path<String>) -> Response {
    answered(in_background(&door, move |runtime| runtime.rollback(&table)).await)
}

/// `GET /tables/{table}/generations`: what was in service, oldest first, and what each did.
pub(super) async fn generations(State(door): State<Arc<Door>>, Path(table): Path<String>) -> Response {
    match in_background(&door, move |runtime| runtime.generations(&table)).await {
        Ok(history) => axum::Json(history.into_iter().map(shown).collect::<Vec<_>>()).into_response(),
        Err(error) => refused(&error),
    }
}

pub(super) fn answered(offer: Result<Offer>) -> Response {
    match offer {
        Ok(offer) if offer.refused.is_none() => axum::Json(offer).into_response(),
        Ok(offer) => {
            let message = offer.refused.unwrap_or_default();
            Refusal::plain(StatusCode::CONFLICT, message).into_response()
        }
        Err(error) => refused(&error),
    }
}

fn shown((generation, works): (Generation, Vec<Work>)) -> Shown {
    let Generation { number, digest, version, since, pinned, withdrawn, .. } = generation;
    let since = since.to_string();
    let part = |work: Work| Part {
        partition: work.partition,
        first_offset: work.from,
        last_offset: work.next.checked_sub(1).filter(|last| *last >= work.from),
        records: work.records,
        rejected: work.rejected,
        ns_per_record: u64::try_from(work.spent.as_nanos()).ok().and_then(|spent| spent.checked_div(work.records)),
    };
    let partitions = works.into_iter().map(part).collect();
    Shown { number, digest, version, since, pinned, withdrawn, partitions }
}
