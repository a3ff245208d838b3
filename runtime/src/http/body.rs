//! A request's body: read within its bounds of size, time and room.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, StatusCode, header};
use futures_util::StreamExt as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::Door;
use super::answer::Refusal;
use super::connection::by;
use super::guard::refusal;
use super::gzip::{self, Unpacked};
use super::server::Peer;

/// Room that is taken before a body comes, or all that it says it needs: what is promised to who waits to be asked for it.
const FIRST_BYTES: usize = 64 << 10;

/// A body, with the room that it takes until it is dropped.
pub(super) struct Taken {
    /// Its bytes.
    pub(super) bytes: Vec<u8>,
    _room: Room,
}

/// Room for bytes, counted in KiB so that the largest bodies fit the count.
pub(super) struct Room {
    all: Arc<Semaphore>,
    permits: Vec<OwnedSemaphorePermit>,
    bytes: usize,
}

/// Reads a body of at most `bytes_max` bytes, while there is room for it beside the others that are being worked on.
pub(super) async fn take(
    door: &Door,
    peer: &Peer,
    headers: &HeaderMap,
    body: Body,
    bytes_max: usize,
) -> Result<Taken, Refusal> {
    let too_large = || {
        let message = format!("The request's body is over the limit of {bytes_max} bytes.");
        Refusal::plain(StatusCode::PAYLOAD_TOO_LARGE, message)
    };
    let packed = packed(headers)?;
    plainly_sent(headers)?;
    let stated = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if stated.is_some_and(|stated| stated > bytes_max) {
        return Err(too_large());
    }
    let expected = stated.unwrap_or(bytes_max).min(FIRST_BYTES);
    let mut room = Room::new(door);
    room.grow(expected)?;
    let mut bytes = Vec::with_capacity(expected);
    peer.line.body();
    let limits = &door.runtime.pipeline().listen.limits;
    let end = Instant::now() + limits.body_time_max;
    let mut frames = body.into_data_stream();
    loop {
        let pause_end = end.min(Instant::now() + limits.body_pause_max);
        let Some(frame) = by(pause_end, frames.next()).await else {
            return Err(Refusal::plain(StatusCode::REQUEST_TIMEOUT, "The request's body did not come in time."));
        };
        let Some(frame) = frame else { break };
        let frame = frame.map_err(|cause| {
            Refusal::plain(StatusCode::BAD_REQUEST, format!("Bad Request: the body broke off: {cause}"))
        })?;
        if frame.len() > bytes_max - bytes.len() {
            return Err(too_large());
        }
        room.grow(bytes.len() + frame.len())?;
        bytes.extend_from_slice(&frame);
    }
    peer.line.work();
    if packed {
        let taken = bytes.len();
        // Both are there for a while.
        bytes = gzip::unpack(&bytes, bytes_max, |more| room.grow(taken + more).is_ok()).map_err(|why| match why {
            Unpacked::TooLarge => too_large(),
            Unpacked::NoRoom => Refusal::busy(),
            Unpacked::Broken(why) => {
                Refusal::plain(StatusCode::BAD_REQUEST, format!("Bad Request: the body is not gzip: {why}"))
            }
        })?;
    }
    Ok(Taken { bytes, _room: room })
}

/// A component that a request brings as its body; empty where it brings none.
pub(super) struct Component(pub(super) Taken);

impl FromRequest<Arc<Door>> for Component {
    type Rejection = Refusal;

    async fn from_request(request: Request, door: &Arc<Door>) -> Result<Self, Refusal> {
        let (parts, body) = request.into_parts();
        // The listener has put it there.
        let peer = parts.extensions.get::<Peer>().ok_or_else(|| refusal(StatusCode::INTERNAL_SERVER_ERROR))?;
        component(door, peer, &parts.headers, body).await.map(Self)
    }
}

/// Reads a component's bytes; none where the body is empty.
async fn component(door: &Door, peer: &Peer, headers: &HeaderMap, body: Body) -> Result<Taken, Refusal> {
    // A page of another site can send a form or plain text without being asked twice by its browser.
    const TYPES: [&[u8]; 2] = [b"application/wasm", b"application/octet-stream"];
    let mut given = headers.get_all(header::CONTENT_TYPE).iter();
    if !given.all(|given| TYPES.iter().any(|known| given.as_bytes().eq_ignore_ascii_case(known))) {
        return Err(refusal(StatusCode::UNSUPPORTED_MEDIA_TYPE));
    }
    if packed(headers)? {
        return Err(refusal(StatusCode::UNSUPPORTED_MEDIA_TYPE));
    }
    take(door, peer, headers, body, door.component_bytes_max).await
}

impl Room {
    /// None yet, among what a door has for all.
    pub(super) fn new(door: &Door) -> Self {
        Self { all: Arc::clone(&door.room), permits: Vec::new(), bytes: 0 }
    }

    /// Makes it enough for `bytes` in all.
    pub(super) fn grow(&mut self, bytes: usize) -> Result<(), Refusal> {
        let kib = |bytes: usize| u32::try_from(bytes.div_ceil(1024)).unwrap_or(u32::MAX);
        let more = kib(bytes).saturating_sub(kib(self.bytes));
        if more > 0 {
            let permit = Arc::clone(&self.all).try_acquire_many_owned(more).map_err(|_| Refusal::busy())?;
            match self.permits.first_mut() {
                Some(all) => all.merge(permit),
                None => self.permits.push(permit),
            }
            self.bytes = bytes;
        }
        Ok(())
    }
}

/// Whether a body comes in gzip; in any other way it is refused.
pub(super) fn packed(headers: &HeaderMap) -> Result<bool, Refusal> {
    let mut codings = headers.get_all(header::CONTENT_ENCODING).iter().map(|value| value.as_bytes().trim_ascii());
    match (codings.next(), codings.next()) {
        (None, _) => Ok(false),
        (Some(coding), None) if coding.eq_ignore_ascii_case(b"identity") => Ok(false),
        (Some(coding), None) if coding.eq_ignore_ascii_case(b"gzip") => Ok(true),
        _ => {
            let message = "HTTP 415 Unsupported Media Type: send the body as it is, or in gzip";
            Err(Refusal::plain(StatusCode::UNSUPPORTED_MEDIA_TYPE, message))
        }
    }
}

/// What is sent in chunks is said so once, and in that word.
pub(super) fn plainly_sent(headers: &HeaderMap) -> Result<(), Refusal> {
    let mut transfers = headers.get_all(header::TRANSFER_ENCODING).iter();
    let chunked = |value: &axum::http::HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"chunked");
    let (first, more) = (transfers.next(), transfers.next());
    // Another server may understand such a list in another way.
    if more.is_some() || !first.is_none_or(chunked) {
        return Err(refusal(StatusCode::NOT_IMPLEMENTED));
    }
    Ok(())
}
