//! v3 of the REST proxy: records as a stream or in a batch, clusters, topics.

mod batch;
mod clusters;
#[cfg(any(test, feature = "fuzz"))]
pub(crate) mod fuzz;
mod intake;
mod receipt;
mod record;
mod split;
mod stream;
mod topics;

use std::sync::Arc;

use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::Serialize;

use super::base;
use crate::http::Door;
use crate::http::answer::Refusal;

/// Its routes.
pub(super) fn routes() -> Router<Arc<Door>> {
    Router::new()
        .route("/v3/clusters", get(clusters::list))
        .route("/v3/clusters/{cluster}", get(clusters::one))
        .route("/v3/clusters/{cluster}/topics", get(topics::list).post(topics::create))
        .route("/v3/clusters/{cluster}/topics/{topic}", get(topics::one).delete(topics::delete))
        .route("/v3/clusters/{cluster}/topics/{topic}/partitions", get(topics::partitions))
        .route("/v3/clusters/{cluster}/topics/{topic}/partitions/{partition}", get(topics::partition))
        .route("/v3/clusters/{cluster}/topics/{topic}/records", post(stream::records))
        .route("/v3/clusters/{cluster}/topics/{topic}/records:batch", post(batch::records))
}

fn json(status: StatusCode, body: &impl Serialize) -> Response {
    match serde_json::to_vec(body) {
        Ok(body) => (status, [(header::CONTENT_TYPE, "application/json")], body).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// The refusal of a cluster that is not this one.
fn no_cluster() -> Refusal {
    Refusal::plain(StatusCode::NOT_FOUND, "HTTP 404 Not Found")
}
