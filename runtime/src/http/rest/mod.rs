//! The Kafka REST proxy.

#[cfg(any(test, feature = "fuzz"))]
pub(crate) mod fuzz;
mod produce;
mod producer;
mod request;
mod topics;

use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::{get, post};

use crate::http::Door;
use crate::http::answer::json;

/// Its routes.
pub(super) fn routes() -> Router<Arc<Door>> {
    Router::new()
        .route("/", get(async || json(StatusCode::OK, &serde_json::Map::new())))
        .route("/topics", get(topics::list))
        .route("/topics/{topic}", get(topics::one).merge(post(produce::produce)))
}
