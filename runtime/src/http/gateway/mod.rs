//! An API gateway: stages, keys, usage plans, and behind them the REST proxy and the streams.

mod answer;
#[cfg(any(test, feature = "fuzz"))]
pub(crate) mod fuzz;
mod mapping;
mod route;
mod usage;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::request::Parts;
use axum::http::{HeaderName, Uri, header};
use axum::response::{IntoResponse as _, Response};
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;

pub(super) use self::answer::{BODY_BYTES_MAX, request_id};
use self::answer::{Denial, identified};
use self::route::{Route, Target};
pub use self::usage::Usage;
use super::answer::Refusal;
use super::credentials;
use super::guard::Guard;
use super::kinesis::Streams;
use super::server::Peer;
use super::{Door, body};
use crate::access::{Grant, Secret};
use crate::config::plan::{Gateway, UsagePlan};
use crate::time::Clock;

/// The header with a client's key.
const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// What the gateway needs.
pub(super) struct Shared {
    pub(super) plan: Gateway,
    pub(super) door: Arc<Door>,
    pub(super) clock: Arc<Clock>,
    pub(super) guard: Arc<Guard>,
    pub(super) usage: Arc<Usage>,
    pub(super) streams: Streams,
    /// The REST proxy's routes, for who was let in.
    pub(super) proxy: Router,
}

/// The route.
pub(super) async fn route(shared: Arc<Shared>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let denial = match pass(&shared, head, body).await {
        Ok(response) => return identified(response),
        Err(denial) => denial,
    };
    shared.door.count_refused(&denial.reason());
    denial.into_response()
}

/// Looks in the order of AWS's gateway: route, key, rate and quota, body, integration.
async fn pass(shared: &Shared, mut head: Parts, body: Body) -> Result<Response, Denial> {
    let denied = |refusal: Refusal| Denial::of(&refusal);
    shared.guard.looks_right(&head).map_err(denied)?;
    let Route { stage, target, path } = route::find(&shared.plan.stages, &head)?;
    let peer = head.extensions.get::<Peer>().cloned().ok_or(Denial::Forbidden)?;
    let grant = grant(shared, &head, &peer)?;
    let plan = usage_plan(&shared.plan.plans, &stage.name, &grant)?;
    let id = grant.id();
    shared.usage.take(stage, plan.map(|plan| (plan, id.as_str())), shared.clock.now())?;
    let mut taken = body::take(&shared.door, &peer, &head.headers, body, BODY_BYTES_MAX).await.map_err(denied)?;
    let integration = async {
        match target {
            Target::Proxy => {
                head.uri = path;
                // What it was packed in is off.
                for name in [header::CONTENT_ENCODING, header::CONTENT_LENGTH, header::TRANSFER_ENCODING] {
                    head.headers.remove(name);
                }
                head.extensions.insert(grant);
                let body = Body::from(std::mem::take(&mut taken.bytes));
                let answered =
                    TowerToHyperService::new(shared.proxy.clone()).call(Request::from_parts(head, body)).await;
                answered.map_err(|never| match never {})
            }
            Target::Streams(call) => mapping::call(&shared.streams, stage, &call, &head, &taken.bytes, &grant).await,
        }
    };
    tokio::time::timeout(stage.timeout, integration).await.unwrap_or(Err(Denial::Timeout))
}

/// What the client's key is good for.
fn grant(shared: &Shared, head: &Parts, peer: &Peer) -> Result<Grant, Denial> {
    let secret = match shared.plan.keys {
        // The listeners' own keys, shown as they are elsewhere.
        None => credentials::secret(&head.headers),
        Some(_) => {
            let mut shown = head.headers.get_all(API_KEY).iter();
            let first = shown.next().and_then(|key| key.to_str().ok());
            first.filter(|_| shown.next().is_none()).map(|key| Secret::new(key.to_owned()))
        }
    };
    shared.guard.grant(secret, Some(peer.address)).map_err(|refusal| Denial::of(&refusal))
}

/// The plan by which a request counts; none where there are no plans. A key without one for the stage is good for nothing there.
fn usage_plan<'a>(plans: &'a [UsagePlan], stage: &str, grant: &Grant) -> Result<Option<&'a UsagePlan>, Denial> {
    if plans.is_empty() {
        return Ok(None);
    }
    let id = grant.id();
    let found = plans.iter().find(|plan| plan.covers(stage, &id));
    found.map(Some).ok_or(Denial::Forbidden)
}

/// The rest of a path and its query as a URI of their own.
fn uri(path: &str, query: Option<&str>) -> Result<Uri, Denial> {
    let whole = match query {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    whole.parse().map_err(|_| Denial::Bad("Bad Request".to_owned()))
}
