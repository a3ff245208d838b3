//! The gateway's own answers, in the words of AWS's.

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde::Serialize;

use crate::http::answer::Refusal;

/// The identity of a request, which each answer carries.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
/// The gateway's own, of the same request.
const GATEWAY_ID: HeaderName = HeaderName::from_static("x-amz-apigw-id");
/// What kind of error it is.
const ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");
/// The largest body that AWS's gateway takes.
pub(in crate::http) const BODY_BYTES_MAX: usize = 10_485_760;

/// Why the gateway itself does not pass a request on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Denial {
    /// No key, a wrong one, or one that the stage has no plan for; also a stage that is not there.
    Forbidden,
    /// No such path or method in the stage.
    NoRoute,
    /// Asked too fast.
    TooManyRequests,
    /// The plan's quota is used up.
    LimitExceeded,
    /// The body is over [`BODY_BYTES_MAX`].
    TooLarge,
    /// Nothing maps this content type, or the body is encoded.
    MediaType,
    /// The integration took too long.
    Timeout,
    /// The request's path and query are too long.
    UriTooLong,
    /// The request is not one, or its body is not what its mapping needs; in the gateway's words.
    Bad(String),
    /// Anything else, by the status that says it.
    Other(StatusCode),
}

impl Denial {
    /// What a listener's own refusal is at the gateway.
    pub(super) fn of(refusal: &Refusal) -> Self {
        match refusal.status {
            StatusCode::PAYLOAD_TOO_LARGE => Self::TooLarge,
            StatusCode::UNSUPPORTED_MEDIA_TYPE => Self::MediaType,
            StatusCode::TOO_MANY_REQUESTS => Self::TooManyRequests,
            StatusCode::URI_TOO_LONG => Self::UriTooLong,
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::MISDIRECTED_REQUEST => Self::Forbidden,
            StatusCode::BAD_REQUEST => Self::Bad("Bad Request".to_owned()),
            other => Self::Other(other),
        }
    }

    /// The word under which it is counted.
    pub(super) fn reason(&self) -> String {
        self.parts().0.as_str().to_owned()
    }

    fn parts(&self) -> (StatusCode, &'static str, &str) {
        match self {
            Self::Forbidden => (StatusCode::FORBIDDEN, "ForbiddenException", "Forbidden"),
            Self::NoRoute => {
                (StatusCode::FORBIDDEN, "MissingAuthenticationTokenException", "Missing Authentication Token")
            }
            Self::TooManyRequests => (StatusCode::TOO_MANY_REQUESTS, "TooManyRequestsException", "Too Many Requests"),
            Self::LimitExceeded => (StatusCode::TOO_MANY_REQUESTS, "LimitExceededException", "Limit Exceeded"),
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "", ""),
            Self::MediaType => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "BadRequestException", "Unsupported Media Type"),
            Self::Timeout => {
                (StatusCode::GATEWAY_TIMEOUT, "InternalServerErrorException", "Endpoint request timed out")
            }
            Self::UriTooLong => (StatusCode::URI_TOO_LONG, "BadRequestException", "Request URI too long"),
            Self::Bad(message) => (StatusCode::BAD_REQUEST, "BadRequestException", message),
            Self::Other(status) => (
                *status,
                if status.is_server_error() { "InternalServerErrorException" } else { "BadRequestException" },
                status.canonical_reason().unwrap_or_default(),
            ),
        }
    }
}

impl IntoResponse for Denial {
    fn into_response(self) -> Response {
        if self == Self::TooLarge {
            // Not JSON, in AWS's gateway too, and without its headers.
            let text = format!("HTTP content length exceeded {BODY_BYTES_MAX} bytes.");
            return (StatusCode::PAYLOAD_TOO_LARGE, [(header::CONTENT_TYPE, "text; charset=utf-8")], text)
                .into_response();
        }
        #[derive(Serialize)]
        struct Body<'a> {
            message: &'a str,
        }
        let (status, kind, message) = self.parts();
        let mut response = json(status, serde_json::to_vec(&Body { message }).unwrap_or_default());
        response.headers_mut().insert(ERROR_TYPE, HeaderValue::from_static(kind));
        response
    }
}

/// A body of JSON.
pub(super) fn json(status: StatusCode, body: impl Into<Bytes>) -> Response {
    identified((status, [(header::CONTENT_TYPE, "application/json")], body.into()).into_response())
}

/// Gives an answer the identities of its request.
pub(super) fn identified(mut response: Response) -> Response {
    let gateway = rand::random::<[u8; 8]>().map(|byte| format!("{byte:02x}")).concat();
    let headers = response.headers_mut();
    headers.extend(HeaderValue::from_str(&request_id()).ok().map(|id| (REQUEST_ID, id)));
    headers.extend(HeaderValue::from_str(&format!("{gateway}=")).ok().map(|id| (GATEWAY_ID, id)));
    response
}

/// A random identity of a request, as AWS writes them.
pub(in crate::http) fn request_id() -> String {
    // The bits that say that a UUID is a random one.
    let bits = rand::random::<u128>() & !(0xf << 76) & !(0x3 << 62) | 0x4 << 76 | 0x2 << 62;
    let text = format!("{bits:032x}");
    let part = |from: usize, to: usize| text.get(from..to).unwrap_or_default();
    [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-")
}
