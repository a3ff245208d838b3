//! HTTP: the doors to a running pipeline; they translate, nothing else.

mod admin;
mod answer;
mod body;
mod connection;
mod credentials;
mod crowd;
mod dead_letters;
#[cfg(any(test, feature = "fuzz"))]
pub(crate) mod fuzz;
pub mod generations;
mod guard;
mod placement;
mod produce;
mod producer;
mod request;
mod server;
mod shadow;
mod tls;
mod topics;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use tokio::sync::Semaphore;

use self::answer::Refusal;
pub use self::guard::Guard;
use self::guard::Side;
use self::placement::Placement;
pub use self::server::Listener;
use crate::config::plan::Ingest;
use crate::runtime::Runtime;

/// What the routes share.
struct Door {
    runtime: Arc<Runtime>,
    ingest: Ingest,
    /// The largest component that a table takes, and one byte more, so that the table's own limit is what refuses.
    component_bytes_max: usize,
    /// Room for the bodies that are being worked on, in KiB.
    room: Arc<Semaphore>,
    /// Each topic has its own turns, or a client that posts to several in turn would fill one partition of each.
    placements: BTreeMap<String, Placement>,
}

/// What the routes of one listener share; the operator's one has room for a component at least.
fn door(runtime: Arc<Runtime>, side: Side) -> Arc<Door> {
    let ingest = runtime.pipeline().ingest.clone();
    let transforms = runtime.pipeline().tables.iter().flat_map(|table| &table.transforms);
    let component_bytes_max = transforms.map(|transform| transform.limits.component_bytes_max).max().unwrap_or(0) + 1;
    let inflight_bytes_max = match side {
        Side::Topics => ingest.inflight_bytes_max,
        Side::Admin => ingest.inflight_bytes_max.max(component_bytes_max + 1024),
    };
    let room = Arc::new(Semaphore::new((inflight_bytes_max / 1024).min(Semaphore::MAX_PERMITS)));
    let placements = runtime.topic_names().into_iter().map(|name| (name.to_owned(), Placement::default())).collect();
    Arc::new(Door { runtime, ingest, component_bytes_max, room, placements })
}

/// The REST proxy's routes.
pub fn topics(runtime: Arc<Runtime>, guard: Arc<Guard>) -> Router {
    let metrics = runtime.shared_metrics();
    Router::new()
        .route("/", get(async || answer::json(StatusCode::OK, &serde_json::Map::new())))
        .route("/topics", get(topics::list))
        .route("/topics/{topic}", get(topics::one).merge(post(produce::produce)))
        .fallback(not_found)
        .method_not_allowed_fallback(not_allowed)
        .layer(from_fn_with_state((guard, Side::Topics, metrics), guard::admit))
        .with_state(door(runtime, Side::Topics))
}

/// The operator's routes.
pub fn admin(runtime: Arc<Runtime>, guard: Arc<Guard>) -> Router {
    let metrics = runtime.shared_metrics();
    Router::new()
        .route("/health", get(admin::health))
        .route("/ready", get(admin::ready))
        .route("/metrics", get(admin::metrics))
        .route("/status", get(admin::status))
        .route("/tables/{table}/generations", get(generations::generations))
        .route("/tables/{table}/reload", post(generations::reload))
        .route("/tables/{table}/shadow", get(shadow::look).post(shadow::begin))
        .route("/tables/{table}/redrive", post(dead_letters::redrive))
        .route("/tables/{table}/promote", post(shadow::promote))
        .route("/tables/{table}/discard", post(shadow::discard))
        .route("/tables/{table}/rollback", post(generations::rollback))
        .route("/tables/{table}/tap", get(admin::tap))
        .fallback(not_found)
        .method_not_allowed_fallback(not_allowed)
        .layer(from_fn_with_state((guard, Side::Admin, metrics), guard::admit))
        .with_state(door(runtime, Side::Admin))
}

async fn not_found() -> Response {
    Refusal::plain(StatusCode::NOT_FOUND, "HTTP 404 Not Found").into_response()
}

async fn not_allowed() -> Response {
    Refusal::plain(StatusCode::METHOD_NOT_ALLOWED, "HTTP 405 Method Not Allowed").into_response()
}
