//! What a client may send to the REST proxy, and what it has to accept.

use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::http::answer::{Refusal, V2};

/// How the keys and values of a v2 request are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// Any JSON.
    Json,
    /// Base64 of any bytes.
    Binary,
    /// JSON by a schema, which needs a registry: Avro, Protobuf, JSON Schema.
    WithSchema,
}

/// The embedded format by the request's content type; all but the v2 types are refused.
pub(super) fn format(headers: &HeaderMap) -> Result<Format, Refusal> {
    match essence(headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default()).as_str()
    {
        "application/vnd.kafka.json.v2+json" => Ok(Format::Json),
        "application/vnd.kafka.binary.v2+json" => Ok(Format::Binary),
        "application/vnd.kafka.avro.v2+json"
        | "application/vnd.kafka.protobuf.v2+json"
        | "application/vnd.kafka.jsonschema.v2+json" => Ok(Format::WithSchema),
        _ => Err(unsupported()),
    }
}

/// Whether a v2 request that is no record has a type of v2; none is as good.
pub(super) fn is_v2(headers: &HeaderMap) -> Result<(), Refusal> {
    let Some(given) = headers.get(header::CONTENT_TYPE) else { return Ok(()) };
    match essence(given.to_str().unwrap_or_default()).as_str() {
        V2 | "application/vnd.kafka+json" | "application/json" => Ok(()),
        _ => Err(unsupported()),
    }
}

/// Whether a v3 request is JSON in UTF-8, or in a charset of which UTF-8 text of records is taken all the same.
pub(super) fn is_json(headers: &HeaderMap) -> Result<(), Refusal> {
    let given = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if essence(given) != "application/json" {
        return Err(unsupported());
    }
    for parameter in given.split(';').skip(1) {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let charset = value.trim().trim_matches('"').to_ascii_lowercase();
        if name.trim().eq_ignore_ascii_case("charset") && !matches!(charset.as_str(), "utf-8" | "iso-8859-1") {
            let message = format!("Bad Request: the charset {charset} is not taken: write UTF-8");
            return Err(Refusal::plain(StatusCode::BAD_REQUEST, message));
        }
    }
    Ok(())
}

/// The layer of v2: who does not take its answers gets 406 without a body.
pub(super) async fn v2(request: Request, next: Next) -> Response {
    let taken = [V2, "application/vnd.kafka+json", "application/vnd.kafka.json.v2+json"];
    among(&taken, request, next).await
}

/// The same of v3.
pub(super) async fn v3(request: Request, next: Next) -> Response {
    among(&["application/json"], request, next).await
}

async fn among(taken: &[&str], request: Request, next: Next) -> Response {
    match accepted(request.headers(), taken) {
        Some(_) => next.run(request).await,
        None => StatusCode::NOT_ACCEPTABLE.into_response(),
    }
}

/// Which of these types a client takes, the one that it likes best; the first where it takes any.
pub(in crate::http) fn accepted<'a>(headers: &HeaderMap, taken: &[&'a str]) -> Option<&'a str> {
    let mut best: Option<(f32, &'a str)> = None;
    let mut asked = false;
    for given in headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok()) {
        for range in given.split(',').filter(|range| !range.trim().is_empty()) {
            asked = true;
            let weight = range.split(';').skip(1).find_map(|parameter| parameter.trim().strip_prefix("q="));
            let weight = weight.map_or(1.0, |weight| weight.parse().unwrap_or(0.0));
            let found = match essence(range).as_str() {
                "*/*" | "application/*" => taken.first().copied(),
                exact => taken.iter().copied().find(|one| *one == exact),
            };
            if let Some(found) = found.filter(|_| weight > best.map_or(0.0, |(weight, _)| weight)) {
                best = Some((weight, found));
            }
        }
    }
    if asked { best.map(|(_, found)| found) } else { taken.first().copied() }
}

/// A type without its parameters.
fn essence(given: &str) -> String {
    given.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

fn unsupported() -> Refusal {
    Refusal::plain(StatusCode::UNSUPPORTED_MEDIA_TYPE, "HTTP 415 Unsupported Media Type")
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn what_a_client_likes_best() {
        let taken = ["application/a", "application/b"];
        for (given, expected) in [
            ("application/b", Some("application/b")),
            ("*/*", Some("application/a")),
            ("application/*", Some("application/a")),
            ("text/plain", None),
            ("text/plain, application/b;q=0.1", Some("application/b")),
            ("application/a;q=0.5, application/b", Some("application/b")),
            ("application/a;q=0", None),
            ("APPLICATION/A; charset=utf-8", Some("application/a")),
            ("", Some("application/a")),
        ] {
            let headers = HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static(given))]);
            assert_eq!(accepted(&headers, &taken), expected, "{given:?}");
        }
        assert_eq!(accepted(&HeaderMap::new(), &taken), Some("application/a"));
    }
}
