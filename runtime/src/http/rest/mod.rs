//! The Kafka REST proxy, v2 and v3.

mod call;
mod consumers;
#[cfg(any(test, feature = "fuzz"))]
pub(crate) mod fuzz;
mod negotiation;
mod parse;
mod produce;
mod producer;
mod request;
mod topics;
mod v3;

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::routing::get;

pub(super) use self::consumers::Registry as Consumers;
pub(super) use self::negotiation::accepted;
use super::answer::{V2, json};
use super::{Door, gzip};

/// Its routes.
pub(super) fn routes() -> Router<Arc<Door>> {
    let v2 = Router::new()
        .route("/", get(async || json(StatusCode::OK, &serde_json::Map::new())))
        .route("/brokers", get(topics::brokers))
        .route("/topics", get(topics::list))
        .route("/topics/{topic}", get(topics::one).post(produce::to_topic))
        .route("/topics/{topic}/partitions", get(topics::partitions))
        .route("/topics/{topic}/partitions/{partition}", get(topics::partition).post(produce::to_partition))
        .route("/topics/{topic}/partitions/{partition}/offsets", get(topics::offsets))
        .route_layer(from_fn(negotiation::v2));
    v2.merge(consumers::routes()).merge(v3::routes().route_layer(from_fn(negotiation::v3)))
}

/// The layer around all of it: what is refused in v3 has its type, and who asks for gzip gets it.
pub(super) async fn dress(request: Request, next: Next) -> Response {
    let is_v3 = request.uri().path().starts_with("/v3/");
    let wanted = request.method() != Method::HEAD && gzip::wanted(request.headers());
    let mut answer = next.run(request).await;
    if is_v3 && answer.headers().get(header::CONTENT_TYPE).is_some_and(|given| given == V2) {
        answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    if wanted { gzip::pack(answer).await } else { answer }
}

/// What the URLs of this door begin with, as the client calls it.
fn base(door: &Door, headers: &HeaderMap) -> String {
    let listen = &door.runtime.pipeline().listen;
    let scheme = if listen.tls.is_some() { "https" } else { "http" };
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).map(str::to_owned);
    format!("{scheme}://{}", host.unwrap_or_else(|| listen.topics.to_string()))
}
