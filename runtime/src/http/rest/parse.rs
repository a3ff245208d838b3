//! JSON objects of requests, and what is said of those that are none or hold what is not known.

use axum::http::StatusCode;
use serde::Deserialize;

use crate::http::answer::Refusal;

/// Why a text is not the object that it should be.
pub(super) enum Unread {
    /// It has a field that is not known; then those that are.
    Field(String, String),
    /// Anything else.
    Other(String),
}

/// Reads an object.
pub(super) fn object<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Result<T, Unread> {
    // What serde derives would take a list of its fields' values too.
    if json.trim_ascii_start().first() != Some(&b'{') {
        return Err(Unread::Other("invalid type: it is not an object".to_owned()));
    }
    serde_json::from_slice(json).map_err(|cause| {
        let cause = cause.to_string();
        match cause.strip_prefix("unknown field `").and_then(|rest| rest.split_once('`')) {
            Some((field, rest)) => {
                let known = rest.trim_start_matches(", ").split(" at line ").next().unwrap_or_default();
                Unread::Field(field.to_owned(), known.to_owned())
            }
            None => Unread::Other(cause),
        }
    })
}

/// Reads the object that is a request's whole body.
pub(super) fn body<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Result<T, Refusal> {
    object(json).map_err(|unread| match unread {
        Unread::Field(field, _) => {
            Refusal::plain(StatusCode::UNPROCESSABLE_ENTITY, format!("Unrecognized field: {field}"))
        }
        Unread::Other(why) => bad(why),
    })
}

/// A refusal of data that is not as it should be.
pub(super) fn bad(why: impl std::fmt::Display) -> Refusal {
    Refusal::plain(StatusCode::BAD_REQUEST, format!("Bad Request: {why}"))
}
