//! HTTP: the doors to a running pipeline; they translate, nothing else.

mod admin;
mod answer;
pub mod generations;
mod placement;
mod produce;
mod producer;
mod request;
mod server;
mod shadow;
mod topics;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use tokio::sync::Semaphore;

use self::answer::Refusal;
use self::placement::Placement;
pub use self::server::Listener;
use crate::config::plan::Ingest;
use crate::runtime::Runtime;

/// The time in which a request's body has to come.
const BODY_TIME_MAX: Duration = Duration::from_secs(60);

/// What the routes share.
struct Door {
    runtime: Arc<Runtime>,
    ingest: Ingest,
    /// Room for the bodies that are being worked on, in KiB.
    room: Arc<Semaphore>,
    /// Each topic has its own turns, or a client that posts to several in turn would fill one partition of each.
    placements: BTreeMap<String, Placement>,
}

fn door(runtime: Arc<Runtime>) -> Arc<Door> {
    let ingest = runtime.pipeline().ingest.clone();
    let room = Arc::new(Semaphore::new((ingest.inflight_bytes_max / 1024).min(Semaphore::MAX_PERMITS)));
    let placements = runtime.topic_names().into_iter().map(|name| (name.to_owned(), Placement::default())).collect();
    Arc::new(Door { runtime, ingest, room, placements })
}

/// The REST proxy's routes.
pub fn topics(runtime: Arc<Runtime>) -> Router {
    Router::new()
        .route("/", get(async || answer::json(StatusCode::OK, &serde_json::Map::new())))
        .route("/topics", get(topics::list))
        .route("/topics/{topic}", get(topics::one).merge(post(produce::produce)))
        .fallback(not_found)
        .method_not_allowed_fallback(not_allowed)
        .with_state(door(runtime))
}

/// The operator's routes.
pub fn admin(runtime: Arc<Runtime>) -> Router {
    let transforms = runtime.pipeline().tables.iter().flat_map(|table| &table.transforms);
    let limits = transforms.map(|transform| transform.limits.component_bytes_max);
    // One byte more, so that the table's own limit is what refuses.
    let component_bytes_max = limits.max().unwrap_or(0) + 1;
    Router::new()
        .route("/health", get(admin::health))
        .route("/ready", get(admin::ready))
        .route("/metrics", get(admin::metrics))
        .route("/status", get(admin::status))
        .route("/tables/{table}/generations", get(generations::generations))
        .route("/tables/{table}/reload", post(generations::reload).layer(DefaultBodyLimit::max(component_bytes_max)))
        .route(
            "/tables/{table}/shadow",
            get(shadow::look).post(shadow::begin).layer(DefaultBodyLimit::max(component_bytes_max)),
        )
        .route("/tables/{table}/promote", post(shadow::promote))
        .route("/tables/{table}/discard", post(shadow::discard))
        .route("/tables/{table}/rollback", post(generations::rollback))
        .route("/tables/{table}/tap", get(admin::tap))
        .fallback(not_found)
        .method_not_allowed_fallback(not_allowed)
        .with_state(door(runtime))
}

async fn not_found() -> Response {
    Refusal::plain(StatusCode::NOT_FOUND, "HTTP 404 Not Found").into_response()
}

async fn not_allowed() -> Response {
    Refusal::plain(StatusCode::METHOD_NOT_ALLOWED, "HTTP 405 Method Not Allowed").into_response()
}
