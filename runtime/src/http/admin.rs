//! The admin listener: whether it lives, whether it is ready, its figures, its state.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::Door;

/// `GET /health`: the process answers.
pub(super) async fn health() -> Response {
    (StatusCode::OK, [(header::CONTENT_TYPE, "application/json")], r#"{"status":"ok"}"#).into_response()
}

/// `GET /ready`: posts are taken and tables go on; 503 with what is wrong where they do not.
pub(super) async fn ready(State(door): State<Arc<Door>>) -> Response {
    let trouble = door.runtime.trouble();
    let status = if trouble.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let body = serde_json::json!({ "ready": trouble.is_empty(), "trouble": trouble });
    (status, axum::Json(body)).into_response()
}

/// `GET /metrics`: the figures in Prometheus' text form.
pub(super) async fn metrics(State(door): State<Arc<Door>>) -> Response {
    door.runtime.show_lag();
    match door.runtime.metrics().text() {
        Ok(text) => ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

/// `GET /status`: topics, tables, lake, as JSON.
pub(super) async fn status(State(door): State<Arc<Door>>) -> Response {
    axum::Json(door.runtime.status()).into_response()
}
