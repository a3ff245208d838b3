//! Kinesis's own API: one path, the action in a header, JSON in and out.

mod fault;
#[cfg(any(test, feature = "fuzz"))]
pub(crate) mod fuzz;
mod iterator;
mod put;
mod rates;
mod read;
mod refused;
mod shard;
mod signed;
mod streams;

use std::borrow::Cow;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use serde::Deserialize;
use tokio::sync::Semaphore;

pub(super) use self::fault::Fault;
use self::fault::{ACCOUNT, Checks};
pub(super) use self::put::{Data, Entry, RECORD_BYTES_MAX, RECORDS_MAX, REQUEST_BYTES_MAX};
pub use self::rates::Rates;
pub(super) use self::rates::{READS, WRITE_KIB, WRITE_RECORDS};
pub use self::signed::Signers;
use super::gateway::request_id;
use super::guard::{Guard, refusal};
use super::server::Peer;
use super::{Door, Wired, body};
use crate::access::{Grant, Seal};
use crate::log::Topic;
use crate::time::Clock;

/// What names an action.
const TARGET: &str = "x-amz-target";
/// What each action's name begins with there.
const VERSION: &str = "Kinesis_20131202.";
/// The type of bodies both ways.
const JSON: &str = "application/x-amz-json-1.1";
/// The largest body: 10 MiB of data and keys, in base64 and JSON.
pub(super) const BODY_BYTES_MAX: usize = 16 << 20;
/// Reads that are put together at one time, each of which holds records and their JSON in memory.
const READS_MAX: usize = 4;
/// Characters of a stream's name.
const NAME_MAX: usize = 128;

/// Topics as streams, for a door.
pub(super) struct Streams {
    /// The door that they are asked through.
    pub(super) door: Arc<Door>,
    pub(super) clock: Arc<Clock>,
    region: String,
    seal: Arc<Seal>,
    rates: Option<Arc<Rates>>,
    /// Reads that are put together at one time.
    reads: Semaphore,
}

/// The stream that a request names, in one of two ways.
#[derive(Debug, Default)]
pub(super) struct Named<'a> {
    pub(super) name: Option<Cow<'a, str>>,
    pub(super) arn: Option<Cow<'a, str>>,
}

/// What the route shares.
pub(super) struct Shared {
    pub(super) streams: Streams,
    pub(super) guard: Arc<Guard>,
    pub(super) signers: Arc<Signers>,
}

impl Streams {
    /// Those of a door.
    pub(super) fn new(door: Arc<Door>, region: &str, wired: &Wired) -> Self {
        let Wired { clock, seal, rates, .. } = wired.clone();
        Self { door, clock, region: region.to_owned(), seal, rates, reads: Semaphore::new(READS_MAX) }
    }

    /// Does what an action says; the answer's body.
    pub(super) async fn answer(&self, action: &str, body: &[u8], grant: &Grant) -> Result<Bytes, Fault> {
        match action {
            "PutRecord" => put::one(self, body, grant).await,
            "PutRecords" => put::many(self, body, grant).await,
            "GetShardIterator" => iterator::get(self, body, grant).await,
            "GetRecords" => read::records(self, body, grant).await,
            "ListShards" => streams::list_shards(self, body, grant),
            "ListStreams" => streams::list(self, body, grant),
            "DescribeStream" => streams::describe(self, body, grant),
            "DescribeStreamSummary" => streams::summary(self, body, grant),
            "DescribeLimits" => streams::limits(self, grant),
            "CreateStream" => streams::create(self, body, grant).await,
            "DeleteStream" => streams::delete(self, body, grant).await,
            "ListTagsForStream" => streams::tags(self, body, grant),
            other => Err(refused::not_offered(other)),
        }
    }

    /// The topic that a request names.
    fn topic(&self, named: &Named<'_>) -> Result<Arc<Topic>, Fault> {
        let name = self.name(named)?;
        self.door.runtime.topic(&name).ok_or_else(|| Fault::no_stream(&name))
    }

    /// The name of the stream that a request means, which is one that a stream can have.
    fn name(&self, named: &Named<'_>) -> Result<String, Fault> {
        let of_arn = named.arn.as_deref().map(|arn| {
            let name = arn.split_once(":stream/").map(|(_, name)| name).filter(|_| arn.starts_with("arn:"));
            let name = name.filter(|name| !name.contains('/'));
            name.ok_or_else(|| Fault::argument(format!("StreamARN {arn} is not the ARN of a stream.")))
        });
        let name = match (named.name.as_deref(), of_arn.transpose()?) {
            (None, None) => return Err(Fault::argument("Either StreamName or StreamARN must be given.")),
            (Some(name), Some(other)) if name != other => {
                return Err(Fault::argument("StreamName and StreamARN do not name the same stream."));
            }
            (Some(name), _) | (None, Some(name)) => name,
        };
        let mut checks = Checks::default();
        checks.length(name, "streamName", NAME_MAX);
        if name.bytes().any(|b| !b.is_ascii_alphanumeric() && !matches!(b, b'.' | b'_' | b'-')) {
            checks.wrong(name, "streamName", "satisfy regular expression pattern: [a-zA-Z0-9_.-]+");
        }
        checks.done()?;
        Ok(name.to_owned())
    }

    fn arn(&self, stream: &str) -> String {
        format!("arn:aws:kinesis:{}:{ACCOUNT}:stream/{stream}", self.region)
    }
}

/// Reads an action's input; nothing is an empty one.
fn input<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Fault> {
    let body = body.trim_ascii();
    let body = if body.is_empty() { b"{}" } else { body };
    if body.first() != Some(&b'{') {
        return Err(Fault::serialization("Start of structure or map found where not expected."));
    }
    serde_json::from_slice(body).map_err(Fault::serialization)
}

/// The route.
pub(super) async fn route(shared: Arc<Shared>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let answered = answer(&shared, &head, body).await;
    let kind = match media(&head.headers) {
        Some(kind) => kind.clone(),
        None => HeaderValue::from_static(JSON),
    };
    let mut response = match answered {
        Ok(body) => (StatusCode::OK, body).into_response(),
        Err(fault) => {
            shared.streams.door.count_refused(fault.kind);
            let error_type = (HeaderName::from_static("x-amzn-errortype"), HeaderValue::from_static(fault.kind));
            (fault.status, [error_type], fault.body()).into_response()
        }
    };
    let id = HeaderValue::from_str(&request_id()).unwrap_or(HeaderValue::from_static("-"));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, kind);
    headers.insert(HeaderName::from_static("x-amz-id-2"), id.clone());
    headers.insert(HeaderName::from_static("x-amzn-requestid"), id);
    response
}

async fn answer(shared: &Shared, head: &Parts, body: Body) -> Result<Bytes, Fault> {
    let refused = |refused| Fault::of_listener(&refused);
    shared.guard.looks_right(head).map_err(refused)?;
    let peer = head.extensions.get::<Peer>().ok_or_else(|| refused(refusal(StatusCode::BAD_REQUEST)))?;
    let action = action(head)?;
    let signer = shared.signers.begin(&shared.guard, head, peer.address)?;
    let taken = body::take(&shared.streams.door, peer, &head.headers, body, BODY_BYTES_MAX).await;
    let taken = taken.map_err(refused)?;
    let grant = match signer {
        Some(signer) => signer.finish(&shared.guard, head, peer.address, &taken.bytes)?,
        None => Grant::All,
    };
    shared.streams.answer(action, &taken.bytes, &grant).await
}

/// The action that a request names, in the one form that is spoken here.
fn action(head: &Parts) -> Result<&str, Fault> {
    const UNKNOWN: &str = "UnknownOperationException";
    if head.method != Method::POST || head.uri.path() != "/" || head.uri.query().is_some() {
        let what = "Kinesis is asked by POST / with the header X-Amz-Target: Kinesis_20131202.ACTION.";
        return Err(Fault { status: StatusCode::NOT_FOUND, ..Fault::new(UNKNOWN, what) });
    }
    let mut targets = head.headers.get_all(TARGET).iter();
    let target = targets.next().filter(|_| targets.next().is_none()).and_then(|target| target.to_str().ok());
    let target = target.ok_or_else(|| Fault::new(UNKNOWN, "The header X-Amz-Target names no action."))?;
    let action = target.strip_prefix(VERSION);
    let action = action.ok_or_else(|| Fault::new(UNKNOWN, format!("{target} is no action of Kinesis_20131202.")))?;
    if media(&head.headers).is_none() {
        let given = head.headers.get(header::CONTENT_TYPE).and_then(|given| given.to_str().ok()).unwrap_or_default();
        let hint = if given.contains("cbor") { "; of Java's SDK, set AWS_CBOR_DISABLE=true" } else { "" };
        let what = format!("The content type {given:?} is not spoken here: send {JSON}{hint}.");
        return Err(Fault { status: StatusCode::UNSUPPORTED_MEDIA_TYPE, ..Fault::serialization(what) });
    }
    // A signature is of what was sent, and nothing is unpacked before it is known whose it is.
    if head.headers.contains_key(header::CONTENT_ENCODING) {
        let what = "The body must be sent as it is, without a content encoding.";
        return Err(Fault { status: StatusCode::UNSUPPORTED_MEDIA_TYPE, ..Fault::serialization(what) });
    }
    Ok(action)
}

/// The content type, where it is one of those that are spoken.
fn media(headers: &HeaderMap) -> Option<&HeaderValue> {
    let given = headers.get(header::CONTENT_TYPE)?;
    let essence = given.to_str().ok()?.split(';').next()?.trim();
    [JSON, "application/json"].iter().any(|known| essence.eq_ignore_ascii_case(known)).then_some(given)
}
