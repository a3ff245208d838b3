//! The admin listener: whether it lives, whether it is ready, its figures, its state.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use super::answer::Refusal;
use super::doors::{Addresses, Shown, doors};
use super::{Door, in_background};
use crate::error::{Error, Kind};
use crate::runtime;

/// `GET /health`: the process answers.
pub(super) async fn health() -> Response {
    (StatusCode::OK, [(header::CONTENT_TYPE, "application/json")], r#"{"status":"ok"}"#).into_response()
}

/// `GET /ready`: posts are taken and tables go on; 503 with what is wrong where they do not, or are held up.
pub(super) async fn ready(State(door): State<Arc<Door>>) -> Response {
    let (trouble, held_up) = (door.runtime.trouble(), door.runtime.held_up());
    let is_ready = trouble.is_empty() && held_up.is_empty();
    let status = if is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let body = serde_json::json!({ "ready": is_ready, "trouble": trouble, "held_up": held_up });
    (status, axum::Json(body)).into_response()
}

/// `GET /metrics`: the figures in Prometheus' text form.
pub(super) async fn metrics(State(door): State<Arc<Door>>) -> Response {
    door.runtime.show_lag();
    door.runtime.show_lake();
    match door.runtime.metrics().text() {
        Ok(text) => ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

/// `GET /status`: doors, topics, tables, lake, as JSON.
pub(super) async fn status(State(door): State<Arc<Door>>, at: Addresses) -> Response {
    let status = Status { inside: door.runtime.status(), doors: doors(&door.runtime, &at) };
    axum::Json(status).into_response()
}

/// The state of a pipeline, with the doors that lead to it.
#[derive(Serialize)]
struct Status {
    #[serde(flatten)]
    inside: runtime::Status,
    doors: Vec<Shown>,
}

/// What a tap may ask for.
#[derive(Deserialize)]
pub(super) struct Tap {
    /// How many records.
    n: Option<usize>,
    /// The fields to replace, between commas.
    #[serde(default)]
    mask: String,
}

/// `GET /tables/{table}/tap?n=20&mask=a,b`: the last records of its topic, with what its transform makes of them.
pub(super) async fn tap(State(door): State<Arc<Door>>, Path(table): Path<String>, Query(tap): Query<Tap>) -> Response {
    let masks: Vec<String> = tap.mask.split(',').filter(|mask| !mask.is_empty()).map(str::to_owned).collect();
    match in_background(&door, move |runtime| runtime.tap(&table, tap.n.unwrap_or(20), &masks)).await {
        Ok(tapped) => axum::Json(tapped).into_response(),
        Err(error) => refused(&error),
    }
}

/// The answer to an operator whose request failed.
pub(super) fn refused(error: &Error) -> Response {
    Refusal::plain(status_of(error.kind()), error.line()).into_response()
}

fn status_of(kind: Kind) -> StatusCode {
    match kind {
        Kind::Input => StatusCode::BAD_REQUEST,
        Kind::Missing => StatusCode::NOT_FOUND,
        Kind::Conflict | Kind::Transform => StatusCode::CONFLICT,
        Kind::Busy | Kind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Kind::Corrupt | Kind::Storage | Kind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}
