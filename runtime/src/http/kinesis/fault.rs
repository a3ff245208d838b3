//! What Kinesis refuses, in its words.

use std::fmt::Display;

use axum::http::StatusCode;
use serde::Serialize;

use crate::error::{Error, Kind};
use crate::http::answer::Refusal;

/// The account in the names of streams, which no client of a single machine looks at.
pub(super) const ACCOUNT: &str = "000000000000";

/// A refusal: its kind as AWS calls it, its status, what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::http) struct Fault {
    /// The kind.
    pub(in crate::http) kind: &'static str,
    /// The HTTP status.
    pub(in crate::http) status: StatusCode,
    /// The message.
    pub(in crate::http) message: String,
}

impl Fault {
    pub(super) fn new(kind: &'static str, message: impl Into<String>) -> Self {
        Self { kind, status: StatusCode::BAD_REQUEST, message: message.into() }
    }

    /// What was given does not go together.
    pub(super) fn argument(message: impl Into<String>) -> Self {
        Self::new("InvalidArgumentException", message)
    }

    /// What was given is not what it should be.
    pub(super) fn serialization(cause: impl Display) -> Self {
        Self::new("SerializationException", cause.to_string())
    }

    /// There is no such stream.
    pub(super) fn no_stream(stream: &str) -> Self {
        Self::new("ResourceNotFoundException", format!("Stream {stream} under account {ACCOUNT} not found."))
    }

    /// The key is not good for it.
    pub(super) fn denied(action: &str, stream: &str) -> Self {
        let what = format!("The access key is not authorized to perform: kinesis:{action} on resource: {stream}");
        Self::new("AccessDeniedException", what)
    }

    /// A shard takes no more for now.
    pub(super) fn throughput(stream: &str) -> Self {
        let what = format!("Rate exceeded for a shard in stream {stream} under account {ACCOUNT}.");
        Self::new("ProvisionedThroughputExceededException", what)
    }

    /// A fault of this side, whose cause is in the log alone.
    pub(super) fn internal(error: &Error) -> Self {
        tracing::error!(error = error.line(), "Kinesis request failed");
        Self { status: StatusCode::INTERNAL_SERVER_ERROR, ..Self::new("InternalFailure", "Internal service failure.") }
    }

    /// What became of a record, or a stream, that could not be.
    pub(super) fn of(error: &Error, stream: &str) -> Self {
        match error.kind() {
            Kind::Busy => Self::throughput(stream),
            Kind::Input => Self::argument(error.message()),
            Kind::Missing => Self::no_stream(stream),
            Kind::Conflict => Self::new("ResourceInUseException", error.message()),
            _ => Self::internal(error),
        }
    }

    /// What a listener's own refusal is here.
    pub(super) fn of_listener(refusal: &Refusal) -> Self {
        let kind = match refusal.status {
            StatusCode::PAYLOAD_TOO_LARGE => "RequestEntityTooLargeException",
            StatusCode::TOO_MANY_REQUESTS => return Self::new("ThrottlingException", "Rate exceeded"),
            StatusCode::MISDIRECTED_REQUEST | StatusCode::FORBIDDEN => "AccessDeniedException",
            StatusCode::REQUEST_TIMEOUT => "RequestTimeoutException",
            _ => "InvalidRequestException",
        };
        Self { kind, status: refusal.status, message: refusal.message.clone() }
    }

    /// Its body.
    pub(in crate::http) fn body(&self) -> Vec<u8> {
        #[derive(Serialize)]
        struct Body<'a> {
            __type: &'a str,
            message: &'a str,
        }
        serde_json::to_vec(&Body { __type: self.kind, message: &self.message }).unwrap_or_default()
    }
}

/// What a request's parts do not satisfy, all of it at once.
#[derive(Debug, Default)]
pub(super) struct Checks(Vec<String>);

impl Checks {
    /// A part that must be there is not.
    pub(super) fn missing(&mut self, at: impl Display) {
        self.0.push(format!("Value null at '{at}' failed to satisfy constraint: Member must not be null"));
    }

    /// A part is not as it must be.
    pub(super) fn wrong(&mut self, value: impl Display, at: impl Display, constraint: &str) {
        self.0.push(format!("Value '{value}' at '{at}' failed to satisfy constraint: Member must {constraint}"));
    }

    /// A whole number lies within its bounds, if it is there.
    pub(super) fn within(&mut self, value: Option<i64>, at: &str, least: i64, most: i64) {
        match value {
            Some(value) if value < least => {
                self.wrong(value, at, &format!("have value greater than or equal to {least}"))
            }
            Some(value) if value > most => self.wrong(value, at, &format!("have value less than or equal to {most}")),
            _ => {}
        }
    }

    /// A text has no fewer than 1 and no more than so many characters.
    pub(super) fn length(&mut self, value: &str, at: impl Display, most: usize) {
        if value.is_empty() {
            self.wrong(value, at, "have length greater than or equal to 1");
        } else if value.len() > most && value.chars().count() > most {
            self.wrong(value, at, &format!("have length less than or equal to {most}"));
        }
    }

    /// All is well, or what is not.
    pub(super) fn done(self) -> Result<(), Fault> {
        match self.0.len() {
            0 => Ok(()),
            1 => Err(Fault::new("ValidationException", format!("1 validation error detected: {}", self.0.concat()))),
            n => {
                Err(Fault::new("ValidationException", format!("{n} validation errors detected: {}", self.0.join("; "))))
            }
        }
    }
}
