//! gzip: answers for clients that ask for it, bodies of those that send it, never more than a bound allows.

use std::io::{Read, Write};

use axum::body::{Body, HttpBody, to_bytes};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;

/// Fewer bytes grow by it.
const PACKED_BYTES_MIN: u64 = 23;
/// Bytes that are unpacked at a time.
const STEP_BYTES: usize = 64 << 10;

/// Why a body could not be unpacked.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unpacked {
    /// It would be larger than it may.
    TooLarge,
    /// There is no room for it now.
    NoRoom,
    /// It is not gzip, or cut short.
    Broken(String),
}

/// Whether a client takes gzip.
pub(super) fn wanted(headers: &HeaderMap) -> bool {
    let given = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    let mut codings = given.flat_map(|value| value.split(','));
    codings.any(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
        let weight = weight.trim().strip_prefix("q=").map_or(Some(1.0), |weight| weight.parse::<f32>().ok());
        matches!(name.trim(), "gzip" | "x-gzip" | "*") && weight.is_some_and(|weight| weight > 0.0)
    })
}

/// Packs an answer that is there as a whole; one that comes as a stream stays as it is.
pub(super) async fn pack(answer: Response) -> Response {
    let plain = !answer.headers().contains_key(header::CONTENT_ENCODING);
    let Some(bytes) = answer.body().size_hint().exact().filter(|bytes| plain && *bytes >= PACKED_BYTES_MIN) else {
        return answer;
    };
    let (mut parts, body) = answer.into_parts();
    let Ok(bytes) = to_bytes(body, usize::try_from(bytes).unwrap_or(usize::MAX)).await else {
        return Response::from_parts(parts, Body::empty());
    };
    let mut packer = GzEncoder::new(Vec::with_capacity(bytes.len() / 4), Compression::fast());
    let packed = packer.write_all(&bytes).and_then(|()| packer.finish());
    let Ok(packed) = packed else { return Response::from_parts(parts, Body::from(bytes)) };
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    parts.headers.append(header::VARY, HeaderValue::from_static("accept-encoding"));
    Response::from_parts(parts, Body::from(packed))
}

/// Unpacks a body of at most `bytes_max` bytes; `grow` is asked for room before each step, with the bytes in all.
pub(super) fn unpack(
    packed: &[u8],
    bytes_max: usize,
    mut grow: impl FnMut(usize) -> bool,
) -> Result<Vec<u8>, Unpacked> {
    let mut from = MultiGzDecoder::new(packed).take(bytes_max as u64 + 1);
    let mut bytes = Vec::new();
    loop {
        if !grow(bytes.len() + STEP_BYTES) {
            return Err(Unpacked::NoRoom);
        }
        let read = from.by_ref().take(STEP_BYTES as u64).read_to_end(&mut bytes);
        match read.map_err(|cause| Unpacked::Broken(cause.to_string()))? {
            _ if bytes.len() > bytes_max => return Err(Unpacked::TooLarge),
            0 => return Ok(bytes),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(bytes: &[u8]) -> Vec<u8> {
        let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
        packer.write_all(bytes).unwrap();
        packer.finish().unwrap()
    }

    #[test]
    fn who_takes_gzip() {
        for (given, expected) in [
            ("gzip", true),
            ("deflate, gzip;q=0.5", true),
            ("*", true),
            ("identity", false),
            ("gzip;q=0", false),
            ("gzip;q=x", false),
            ("gzipped", false),
        ] {
            let headers = HeaderMap::from_iter([(header::ACCEPT_ENCODING, HeaderValue::from_static(given))]);
            assert_eq!(wanted(&headers), expected, "{given}");
        }
        assert!(!wanted(&HeaderMap::new()));
    }

    #[test]
    fn a_body_is_unpacked_within_its_bound() {
        let zeros = vec![0; 1 << 20];
        let bomb = packed(&zeros);
        assert!(bomb.len() < 8 << 10, "{}", bomb.len());
        assert_eq!(unpack(&bomb, 1 << 20, |_| true), Ok(zeros));
        assert_eq!(unpack(&bomb, (1 << 20) - 1, |_| true), Err(Unpacked::TooLarge));
        assert_eq!(unpack(&bomb, 1 << 20, |bytes| bytes < 1 << 19), Err(Unpacked::NoRoom));
        assert_eq!(unpack(&[packed(b"ab"), packed(b"c")].concat(), 9, |_| true), Ok(b"abc".to_vec()));
        let whole = packed(b"abc");
        let mut wrong = whole.clone();
        wrong[whole.len() - 5] ^= 1;
        for broken in [&whole[..whole.len() - 1], &whole[..5], b"abc", &wrong] {
            assert!(matches!(unpack(broken, 9, |_| true), Err(Unpacked::Broken(_))), "{broken:?}");
        }
    }

    #[tokio::test]
    async fn an_answer_is_packed_unless_it_is_short_or_packed_already() {
        let answer = pack(Response::new(Body::from("x".repeat(100)))).await;
        assert_eq!(answer.headers()[header::CONTENT_ENCODING], "gzip");
        let bytes = to_bytes(answer.into_body(), 1000).await.unwrap();
        assert_eq!(unpack(&bytes, 100, |_| true), Ok(vec![b'x'; 100]));
        let short = pack(Response::new(Body::from("{}"))).await;
        assert!(!short.headers().contains_key(header::CONTENT_ENCODING));
    }
}
