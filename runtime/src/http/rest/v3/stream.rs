//! `POST .../records`: a stream of records, a receipt for each as soon as it is synced, in their order.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use tokio::sync::mpsc::{Receiver, channel};

use super::intake::{GROUPS_MAX, Group, Intake, Slot};
use super::receipt::{Failure, Target, code};
use crate::http::Door;
use crate::http::answer::Refusal;
use crate::http::body::{self, Room};
use crate::http::connection::Streaming;
use crate::http::rest::call::{Call, forbidden};
use crate::http::rest::parse::bad;
use crate::http::rest::{negotiation, producer};

/// The route. What is wrong with a record is told in its receipt; only what is wrong with the whole is in the status.
pub(super) async fn records(
    State(door): State<Arc<Door>>,
    Path((cluster, topic)): Path<(String, String)>,
    call: Call,
) -> Response {
    let target = Target { cluster, topic };
    begun(&door, target, call).await.unwrap_or_else(|refusal| door.refused(refusal))
}

async fn begun(door: &Arc<Door>, target: Target, call: Call) -> Result<Response, Refusal> {
    let Call { grant, peer, headers, body } = call;
    if !grant.produces(&target.topic) {
        return Err(forbidden(&target.topic));
    }
    negotiation::is_json(&headers)?;
    if body::packed(&headers)? {
        let message = "HTTP 415 Unsupported Media Type: send a stream of records as it is";
        return Err(Refusal::plain(StatusCode::UNSUPPORTED_MEDIA_TYPE, message));
    }
    body::plainly_sent(&headers)?;
    uncounted(&headers)?;
    let room = Room::new(door);
    let (groups, received) = channel(GROUPS_MAX);
    let intake = Intake::begin(Arc::clone(door), target.clone(), grant, &peer, body, room).await?;
    let streaming = peer.line.stream();
    tokio::spawn(intake.run(groups));
    let answers = futures_util::stream::unfold((received, target, streaming), next);
    let body = Body::from_stream(answers);
    Ok((StatusCode::OK, [(header::CONTENT_TYPE, "application/json")], body).into_response())
}

/// A stream has no number and no key by which it could be known when it is sent again.
fn uncounted(headers: &HeaderMap) -> Result<(), Refusal> {
    match producer::named(headers)? {
        None => Ok(()),
        Some(_) => Err(bad("a stream of records cannot be sent again: leave the producer's headers out")),
    }
}

type Answering = (Receiver<Group>, Target, Streaming);

/// The receipts of the next group.
async fn next((mut groups, target, streaming): Answering) -> Option<(Result<Bytes, Infallible>, Answering)> {
    let Group { slots, sent, .. } = groups.recv().await?;
    let outcomes = match sent {
        Some(sent) => sent.outcomes().await,
        None => Vec::new(),
    };
    let mut outcomes = outcomes.into_iter();
    let mut receipts = Vec::with_capacity(slots.len() * 192);
    for slot in slots {
        match slot {
            Slot::Refused(refusal) => write(&mut receipts, &failure(refusal.code, &refusal.message)),
            Slot::Sent(shape) => match outcomes.next() {
                Some(Ok(placed)) => write(&mut receipts, &target.receipt(&placed, &shape, None)),
                Some(Err(error)) => write(&mut receipts, &failure(code(&error), error.message())),
                None => {}
            },
        }
    }
    Some((Ok(receipts.into()), (groups, target, streaming)))
}

fn failure(error_code: u32, message: &str) -> Failure<'_> {
    Failure { id: None, error_code, message }
}

fn write(into: &mut Vec<u8>, receipt: &impl serde::Serialize) {
    let before = into.len();
    if serde_json::to_writer(&mut *into, receipt).is_err() {
        into.truncate(before);
    }
    into.extend_from_slice(b"\r\n");
}
