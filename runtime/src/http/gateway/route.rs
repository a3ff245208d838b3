//! Where a request to the gateway leads: a stage, and what of it.

use axum::http::request::Parts;
use axum::http::{Method, Uri};

use super::answer::Denial;
use super::uri;
use crate::config::plan::Stage;

/// A stage, and what lies behind the request's path and method in it.
#[derive(Debug)]
pub(super) struct Route<'a> {
    pub(super) stage: &'a Stage,
    pub(super) target: Target,
    /// The request's path without the stage.
    pub(super) path: Uri,
}

/// What an integration is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// `/{proxy+}` with any method: the REST proxy.
    Proxy,
    /// A resource under `/streams`: an action of Kinesis.
    Streams(Call),
}

/// An action, and the stream in the path.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Call {
    pub(super) action: Action,
    pub(super) stream: String,
}

/// The actions that are mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    ListStreams,
    DescribeStream,
    CreateStream,
    DeleteStream,
    PutRecord,
    PutRecords,
    GetRecords,
    GetShardIterator,
}

/// Finds it: a stage that is not there is forbidden, a path or method that a stage does not have has no route.
pub(super) fn find<'a>(stages: &'a [Stage], head: &Parts) -> Result<Route<'a>, Denial> {
    let path = head.uri.path().strip_prefix('/').ok_or(Denial::Forbidden)?;
    let (name, rest) = path.split_once('/').unwrap_or((path, ""));
    let stage = stages.iter().find(|stage| stage.name == name).ok_or(Denial::Forbidden)?;
    let target = match streams(rest, &head.method).filter(|_| stage.streams) {
        Some(found) => Target::Streams(found?),
        None if stage.proxy && !rest.is_empty() => Target::Proxy,
        None => return Err(Denial::NoRoute),
    };
    Ok(Route { stage, target, path: uri(&format!("/{rest}"), head.uri.query())? })
}

/// What a path under `streams` means; none where it is another resource.
fn streams(path: &str, method: &Method) -> Option<Result<Call, Denial>> {
    let parts: Vec<&str> = path.split('/').collect();
    let (stream, actions): (&str, &[(Method, Action)]) = match *parts.as_slice() {
        ["streams"] => ("", &[(Method::GET, Action::ListStreams)]),
        ["streams", stream] => (
            stream,
            &[
                (Method::GET, Action::DescribeStream),
                (Method::POST, Action::CreateStream),
                (Method::DELETE, Action::DeleteStream),
            ],
        ),
        ["streams", stream, "record"] => (stream, &[(Method::PUT, Action::PutRecord)]),
        ["streams", stream, "records"] => {
            (stream, &[(Method::PUT, Action::PutRecords), (Method::GET, Action::GetRecords)])
        }
        ["streams", stream, "sharditerator"] => (stream, &[(Method::GET, Action::GetShardIterator)]),
        _ => return None,
    };
    let action = actions.iter().find(|(known, _)| known == method).map(|(_, action)| *action);
    Some(action.map(|action| Call { action, stream: stream.to_owned() }).ok_or(Denial::NoRoute))
}
