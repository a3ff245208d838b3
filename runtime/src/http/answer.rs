//! Answers in words: JSON bodies, error codes.

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// The type of the REST proxy's v2 answers.
pub(super) const V2: &str = "application/vnd.kafka.v2+json";

/// A refusal as the REST proxy words it: a status, a code of its own, a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    /// The HTTP status.
    pub(super) status: StatusCode,
    /// The code in the body.
    pub(super) code: u32,
    /// The message in the body.
    pub(super) message: String,
    /// A header that says the same to a program.
    header: Option<(&'static str, u64)>,
}

impl Refusal {
    /// A refusal whose code is its status.
    pub(super) fn plain(status: StatusCode, message: impl Into<String>) -> Self {
        Self::coded(status, u32::from(status.as_u16()), message)
    }

    /// A refusal with a code of its own.
    pub(super) fn coded(status: StatusCode, code: u32, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), header: None }
    }

    /// Adds a header with a number.
    pub(super) fn with(mut self, name: &'static str, number: u64) -> Self {
        self.header = Some((name, number));
        self
    }

    /// Too much is under way; the client is asked to come again.
    pub(super) fn busy() -> Self {
        Self::plain(StatusCode::TOO_MANY_REQUESTS, "Too many requests are under way; try again later.")
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        #[derive(Serialize)]
        struct Body<'a> {
            error_code: u32,
            message: &'a str,
        }
        let mut response = json(self.status, &Body { error_code: self.code, message: &self.message });
        if let Some((name, number)) = self.header {
            response.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from(number));
        }
        if self.status == StatusCode::TOO_MANY_REQUESTS {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// A body in the type of v2 answers.
pub(super) fn json(status: StatusCode, body: &impl Serialize) -> Response {
    match serde_json::to_vec(body) {
        Ok(body) => (status, [(header::CONTENT_TYPE, V2)], body).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
