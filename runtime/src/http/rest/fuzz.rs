//! Bodies and headers of requests under bytes that nobody meant.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a body may panic: that is how it fails")]

use axum::http::{HeaderMap, HeaderName, HeaderValue};

use super::negotiation::{self, Format};
pub(crate) use super::v3::fuzz as v3;
use super::{producer, request};
use crate::http::credentials::secret;

/// A body: each value that is taken is JSON again, or bytes.
pub(crate) fn body(bytes: &[u8]) {
    let Ok(entries) = request::read(bytes, 100, Format::Json) else { return };
    for value in entries.iter().flat_map(|entry| [entry.key, entry.value]) {
        if let Ok(Some(compact)) = request::bytes(value, Format::Json) {
            let text = value.map_or("null", |raw| raw.get());
            // A number may be too large for who reads it here, and is kept as it was written.
            let Ok(as_written) = serde_json::from_str::<serde_json::Value>(text) else { continue };
            assert_eq!(serde_json::from_slice::<serde_json::Value>(&compact).unwrap(), as_written);
        }
        let _ = request::bytes(value, Format::Binary);
    }
}

/// Headers, a line each: who sends, in which form, with which key.
pub(crate) fn headers(bytes: &[u8]) {
    let mut headers = HeaderMap::new();
    for line in bytes.split(|byte| *byte == b'\n') {
        let mut parts = line.splitn(2, |byte| *byte == b':');
        let (Some(name), Some(value)) = (parts.next(), parts.next()) else { continue };
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value)) {
            headers.append(name, value);
        }
    }
    let _ = (
        negotiation::format(&headers).is_ok(),
        negotiation::is_v2(&headers).is_ok(),
        negotiation::is_json(&headers).is_ok(),
        producer::named(&headers).is_ok(),
        secret(&headers),
    );
}

/// What each of the targets begins with.
pub(crate) fn seeds(target: &str) -> Vec<Vec<u8>> {
    let texts: &[&str] = match target {
        "request" => &[
            r#"{"records":[{"key":"a","value":{"ind":1,"t":"\u00e9\n"}},{"value":"AAEC","partition":0},{"value":null}]}"#,
            r#"{ "key_schema" : null, "records" : [ { "value" : [ 1 , 2.5e300, true ] } ] }"#,
        ],
        _ => &[
            "content-type:application/vnd.kafka.json.v2+json\naccept:application/vnd.kafka.v2+json, */*\nproducer-id:a\n\
             producer-epoch:1\nproducer-sequence:2\nauthorization:Bearer abc",
            "idempotency-key:k\nauthorization:Basic YTpi\ncontent-type:application/vnd.kafka.binary.v2+json",
        ],
    };
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}
