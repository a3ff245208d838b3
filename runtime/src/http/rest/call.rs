//! A request to the REST proxy as its routes take it.

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, StatusCode};

use crate::access::Grant;
use crate::http::answer::Refusal;
use crate::http::guard::refusal;
use crate::http::server::Peer;

/// Who asks, with what.
pub(super) struct Call {
    /// What the client may do.
    pub(super) grant: Grant,
    /// The client.
    pub(super) peer: Peer,
    /// The headers.
    pub(super) headers: HeaderMap,
    /// The body, of which nothing was read.
    pub(super) body: Body,
}

impl<S: Send + Sync> FromRequest<S> for Call {
    type Rejection = Refusal;

    async fn from_request(request: Request, _: &S) -> Result<Self, Refusal> {
        let (mut parts, body) = request.into_parts();
        // The guard and the listener have put both there.
        match (parts.extensions.remove(), parts.extensions.remove()) {
            (Some(grant), Some(peer)) => Ok(Self { grant, peer, headers: parts.headers, body }),
            _ => Err(refusal(StatusCode::INTERNAL_SERVER_ERROR)),
        }
    }
}

/// The refusal of a topic that the client has no right to.
pub(super) fn forbidden(topic: &str) -> Refusal {
    Refusal::coded(StatusCode::FORBIDDEN, 40301, format!("Not authorized to access topics: [{topic}]"))
}
