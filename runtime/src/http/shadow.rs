//! The routes of a table's shadow: begin one, look at it, promote it, drop it.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::admin::refused;
use super::body::Component;
use super::generations::answered;
use super::{Door, in_background};
use crate::error::{Error, Kind, Result};
use crate::runtime::{Gate, Offered, Runtime};

/// What may be asked for when a shadow begins.
#[derive(Deserialize)]
pub(super) struct Asked {
    /// The transform that the body is for: its name, or its number from 1.
    transform: Option<String>,
    /// The part of one processor's time that it may use.
    share: Option<f64>,
}

/// What a promotion has to hold to.
#[derive(Deserialize)]
pub(super) struct Held {
    /// The most that may differ of what was compared, as a fraction.
    #[serde(default)]
    changed_max: f64,
    /// Whether fields may go or become others.
    #[serde(default)]
    accept_breaking: bool,
}

/// `POST /tables/{table}/shadow?transform=NAME&share=0.5`: the body is a component, which runs beside the live one.
pub(super) async fn begin(
    State(door): State<Arc<Door>>,
    Path(table): Path<String>,
    Query(asked): Query<Asked>,
    Component(taken): Component,
) -> Response {
    let begin = move |runtime: &Runtime| {
        if taken.bytes.is_empty() {
            return Err(Error::new(Kind::Input, "shadow: there is no component").hint("send its bytes as the body"));
        }
        let place = runtime.place(&table, asked.transform.as_deref())?;
        runtime.shadow(&table, vec![Offered { place, bytes: taken.bytes.into() }], asked.share)
    };
    shown(in_background(&door, begin).await)
}

/// `GET /tables/{table}/shadow`: what it was seen to do; 404 where there is none.
pub(super) async fn look(State(door): State<Arc<Door>>, Path(table): Path<String>) -> Response {
    shown(in_background(&door, move |runtime| runtime.shadow_report(&table)).await)
}

/// `POST /tables/{table}/discard`: it ends, and nothing of it stays.
pub(super) async fn discard(State(door): State<Arc<Door>>, Path(table): Path<String>) -> Response {
    shown(in_background(&door, move |runtime| runtime.discard(&table)).await)
}

/// `POST /tables/{table}/promote?changed_max=0.001`: it is taken, if what it was seen to do holds to that; 409 where not.
pub(super) async fn promote(
    State(door): State<Arc<Door>>,
    Path(table): Path<String>,
    Query(held): Query<Held>,
) -> Response {
    let Held { changed_max, accept_breaking } = held;
    let gate = Gate { changed_max, accept_breaking };
    answered(in_background(&door, move |runtime| runtime.promote(&table, gate)).await)
}

fn shown<T: serde::Serialize>(result: Result<T>) -> Response {
    match result {
        Ok(report) => axum::Json(report).into_response(),
        Err(error) => refused(&error),
    }
}
