//! HTTP: the doors to a running pipeline; they translate, nothing else.

mod admin;
mod answer;
mod body;
mod bucket;
mod compact;
mod connection;
mod credentials;
mod crowd;
mod dead_letters;
mod doors;
#[cfg(any(test, feature = "fuzz"))]
pub(crate) mod fuzz;
mod gateway;
pub mod generations;
mod guard;
mod gzip;
mod kinesis;
mod placement;
mod queries;
mod records;
mod replay;
pub(crate) mod rest;
mod schedules;
mod server;
mod shadow;
mod tls;

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use tokio::sync::Semaphore;

use self::answer::Refusal;
pub use self::doors::Addresses;
pub use self::gateway::Usage;
pub use self::guard::Guard;
use self::guard::Side;
use self::kinesis::Streams;
pub use self::kinesis::{Rates, Signers};
pub use self::server::Listener;
use crate::access::{Grant, Seal};
use crate::config::plan::{Gateway, Ingest};
use crate::error::{Error, Kind, Result};
use crate::log::{Topic, check_name};
use crate::runtime::Runtime;
use crate::time::Clock;

/// The region in the names of streams, unless told.
const REGION: &str = "us-east-1";

/// What a door that leads to streams is connected with.
#[derive(Clone)]
pub struct Wired {
    /// The pipeline that runs.
    pub runtime: Arc<Runtime>,
    /// Who looks at its requests first.
    pub guard: Arc<Guard>,
    /// Where the time comes from.
    pub clock: Arc<Clock>,
    /// What iterators are sealed with: the same at all doors.
    pub seal: Arc<Seal>,
    /// What shards take and give in a second, where that is limited: the same at all doors.
    pub rates: Option<Arc<Rates>>,
}

/// What the routes share.
struct Door {
    runtime: Arc<Runtime>,
    /// Which door it is.
    side: Side,
    ingest: Ingest,
    /// The largest component that a table takes, and one byte more, so that the table's own limit is what refuses.
    component_bytes_max: usize,
    /// Room for the bodies that are being worked on, in KiB.
    room: Arc<Semaphore>,
    /// The same for records of streams that are on their way: half as much, beside it. It is waited for.
    stream_room: Arc<Semaphore>,
    stream_kib_max: usize,
    /// The REST proxy's consumers.
    consumers: rest::Consumers,
}

impl Door {
    /// Whether there is an embedded topic of this name, or one would be made on its first use.
    fn takes(&self, name: &str, grant: &Grant) -> bool {
        self.runtime.topic(name).is_some() || self.makes(name, grant)
    }

    fn makes(&self, name: &str, grant: &Grant) -> bool {
        self.ingest.create_topics && grant.produces(name) && check_name(name).is_ok()
    }

    /// An embedded topic. Where the pipeline file says so, one that is not there is made for who may post to it.
    async fn topic(self: &Arc<Self>, name: &str, grant: &Grant) -> Option<Arc<Topic>> {
        let found = self.runtime.topic(name);
        if found.is_some() || !self.makes(name, grant) {
            return found;
        }
        let (made, partitions) = (name.to_owned(), self.ingest.partitions);
        match in_background(self, move |runtime| runtime.create_topic(&made, partitions)).await {
            Ok(topic) => Some(topic),
            // Another request was faster.
            Err(error) if error.kind() == Kind::Conflict => self.runtime.topic(name),
            Err(error) => {
                tracing::warn!(topic = name, error = error.line(), "topic not made on its first use");
                None
            }
        }
    }

    /// The answer of a refusal, which is counted.
    fn refused(&self, refusal: Refusal) -> Response {
        self.count_refused(&refusal.code.to_string());
        refusal.into_response()
    }

    fn count_refused(&self, reason: &str) {
        self.runtime.metrics().refused.with_label_values(&[self.side.name(), reason]).inc();
    }
}

/// Runs what compiles, reads much, makes files or waits for a worker where it holds nobody up.
async fn in_background<T: Send + 'static>(
    door: &Arc<Door>,
    run: impl FnOnce(&Runtime) -> Result<T> + Send + 'static,
) -> Result<T> {
    let runtime = Arc::clone(&door.runtime);
    let ended = tokio::task::spawn_blocking(move || run(&runtime)).await;
    ended.unwrap_or_else(|cause| Err(Error::new(Kind::Internal, format!("request: {cause}"))))
}

/// What the routes of one listener share; the operator's one has room for a component at least.
fn door(runtime: Arc<Runtime>, side: Side) -> Arc<Door> {
    let ingest = runtime.pipeline().ingest.clone();
    let transforms = runtime.pipeline().tables.iter().flat_map(|table| &table.transforms);
    let component_bytes_max = transforms.map(|transform| transform.limits.component_bytes_max).max().unwrap_or(0) + 1;
    let inflight_bytes_max = match side {
        Side::Topics => ingest.inflight_bytes_max,
        Side::Admin => ingest.inflight_bytes_max.max(component_bytes_max + 1024),
        Side::Gateway | Side::Kinesis => ingest.inflight_bytes_max.max(kinesis::BODY_BYTES_MAX + 1024),
    };
    let room = Arc::new(Semaphore::new((inflight_bytes_max / 1024).min(Semaphore::MAX_PERMITS)));
    let stream_kib_max = (inflight_bytes_max / 2048).clamp(1, Semaphore::MAX_PERMITS);
    let stream_room = Arc::new(Semaphore::new(stream_kib_max));
    let limits = &runtime.pipeline().listen.limits;
    let consumers = rest::Consumers::new(limits.consumers_max, limits.consumer_idle_time_max);
    Arc::new(Door { runtime, side, ingest, component_bytes_max, room, stream_room, stream_kib_max, consumers })
}

/// The REST proxy's routes.
pub fn topics(runtime: Arc<Runtime>, guard: Arc<Guard>) -> Router {
    let metrics = runtime.shared_metrics();
    rest::routes()
        .fallback(not_found)
        .method_not_allowed_fallback(not_allowed)
        .layer(from_fn_with_state((guard, Side::Topics, metrics), guard::admit))
        .layer(from_fn(rest::dress))
        .with_state(door(runtime, Side::Topics))
}

/// The API gateway's routes: stages with the REST proxy and the streams behind them.
pub fn gateway(plan: Gateway, wired: Wired, usage: Arc<Usage>) -> Router {
    let door = door(Arc::clone(&wired.runtime), Side::Gateway);
    let region = wired.runtime.pipeline().kinesis.as_ref().map_or(REGION, |kinesis| &kinesis.region);
    let streams = Streams::new(Arc::clone(&door), region, &wired);
    let proxy = rest::routes().fallback(not_found).method_not_allowed_fallback(not_allowed);
    // Room of its own: what waits in the gateway is not what waits in the proxy behind it.
    let proxy = proxy.layer(from_fn(rest::dress)).with_state(self::door(Arc::clone(&wired.runtime), Side::Gateway));
    let Wired { guard, clock, .. } = wired;
    let shared = Arc::new(gateway::Shared { plan, door, clock, guard, usage, streams, proxy });
    Router::new().fallback(move |request: Request| gateway::route(Arc::clone(&shared), request))
}

/// The one route of Kinesis's own API.
pub fn kinesis(region: &str, wired: Wired, signers: Arc<Signers>) -> Router {
    let streams = Streams::new(door(Arc::clone(&wired.runtime), Side::Kinesis), region, &wired);
    let shared = Arc::new(kinesis::Shared { streams, guard: wired.guard, signers });
    Router::new().fallback(move |request: Request| kinesis::route(Arc::clone(&shared), request))
}

/// The operator's routes; `at` is where the doors listen.
pub fn admin(runtime: Arc<Runtime>, guard: Arc<Guard>, at: Addresses) -> Router {
    let metrics = runtime.shared_metrics();
    Router::new()
        .route("/health", get(admin::health))
        .route("/ready", get(admin::ready))
        .route("/metrics", get(admin::metrics))
        .route("/status", get(move |state| admin::status(state, at)))
        .route("/queries", get(queries::list))
        .route("/queries/{query}", get(queries::ask))
        .route("/queries/{query}/changes", get(queries::follow))
        .route("/schedules", get(schedules::list))
        .route("/schedules/{schedule}/runs", get(schedules::history).post(schedules::start))
        .route("/schedules/{schedule}/runs/{id}", get(schedules::one))
        .route("/tables/{table}/generations", get(generations::generations))
        .route("/tables/{table}/reload", post(generations::reload))
        .route("/tables/{table}/shadow", get(shadow::look).post(shadow::begin))
        .route("/tables/{table}/redrive", post(dead_letters::redrive))
        .route("/tables/{table}/replay", post(replay::replay))
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
