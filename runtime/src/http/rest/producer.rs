//! How a client names itself as a producer that counts its requests, or gives a request a key, so that a repeat is known.

use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;

use crate::http::answer::Refusal;
use crate::log::{OutOfTurn, Producer, REQUESTS_KEPT, TIME_KEPT};

const ID: &str = "producer-id";
const EPOCH: &str = "producer-epoch";
const SEQUENCE: &str = "producer-sequence";
const KEY: &str = "idempotency-key";
/// The longest name of a producer, and the longest key.
const NAME_BYTES_MAX: usize = 255;
/// The greatest epoch: one more is needed to say that it is over.
const EPOCH_MAX: u32 = u32::MAX - 1;

/// The producer and sequence that a request names, or its key; all three headers of a producer belong together.
pub(super) fn named(headers: &HeaderMap) -> Result<Option<Producer>, Refusal> {
    match (name(headers, ID)?, number(headers, EPOCH, EPOCH_MAX)?, number(headers, SEQUENCE, u32::MAX)?) {
        (None, None, None) => Ok(name(headers, KEY)?.map(Producer::keyed)),
        (Some(_), Some(_), Some(_)) if headers.contains_key(KEY) => {
            Err(bad("a request has a producer or an Idempotency-Key, not both"))
        }
        (Some(id), Some(epoch), Some(sequence)) => Ok(Some(Producer::counting(id, epoch, sequence))),
        _ => Err(bad("Producer-Id, Producer-Epoch and Producer-Sequence belong together")),
    }
}

/// Says in an answer which request it is for, by which a client sees that repeats are known here.
pub(super) fn echo(headers: &HeaderMap, answer: &mut Response) {
    for name in [EPOCH, SEQUENCE] {
        if let Some(value) = headers.get(name) {
            answer.headers_mut().insert(name, value.clone());
        }
    }
}

/// The refusal of a request that is not the next one of its producer: 409 and the number of Kafka's error.
pub(super) fn refusal(reason: OutOfTurn) -> Refusal {
    let conflict = |code, message: String| Refusal::coded(StatusCode::CONFLICT, code, message);
    let days = TIME_KEPT.as_secs() / (24 * 3600);
    match reason {
        OutOfTurn::Gap { expected } => {
            conflict(40945, format!("Out of order sequence number: {expected} is the next of this producer and epoch."))
                .with(SEQUENCE, expected)
        }
        OutOfTurn::Forgotten => conflict(
            40946,
            format!("Duplicate sequence number: it was taken, before the last {REQUESTS_KEPT} whose offsets are kept."),
        ),
        OutOfTurn::Stale { epoch } => {
            conflict(40947, format!("Invalid producer epoch: this producer has begun epoch {epoch}."))
                .with(EPOCH, u64::from(epoch))
        }
        OutOfTurn::Unknown { epoch } => conflict(
            40959,
            format!(
                "Unknown producer: it is new, or was forgotten, as happens {days} days after its last request and when \
                 there are many. What it sent last may have been taken. Begin at sequence 0 with epoch {epoch} or greater."
            ),
        )
        .with(EPOCH, u64::from(epoch)),
        OutOfTurn::Differs => Refusal::coded(
            StatusCode::UNPROCESSABLE_ENTITY,
            42209,
            "Other records were sent under this sequence or key, or the topic had fewer partitions. Nothing was taken.",
        ),
    }
}

/// The one value of a header.
fn value<'a>(headers: &'a HeaderMap, header: &str) -> Result<Option<&'a str>, Refusal> {
    let mut values = headers.get_all(header).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => {
            value.to_str().map(Some).map_err(|_| bad(format!("{header}: it is not printable ASCII")))
        }
        _ => Err(bad(format!("{header}: it is there twice"))),
    }
}

fn name<'a>(headers: &'a HeaderMap, header: &str) -> Result<Option<&'a str>, Refusal> {
    match value(headers, header)? {
        Some(name) if !(1..=NAME_BYTES_MAX).contains(&name.len()) || name.contains('\t') => {
            Err(bad(format!("{header}: it has to be 1 to {NAME_BYTES_MAX} printable bytes")))
        }
        name => Ok(name),
    }
}

fn number(headers: &HeaderMap, header: &str, most: u32) -> Result<Option<u32>, Refusal> {
    let Some(text) = value(headers, header)? else { return Ok(None) };
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|number| digits && *number <= most);
    number.map(Some).ok_or_else(|| bad(format!("{header}: it has to be a number from 0 to {most}")))
}

fn bad(why: impl std::fmt::Display) -> Refusal {
    Refusal::plain(StatusCode::BAD_REQUEST, format!("Bad Request: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(headers: &[(&'static str, &str)], expected: Result<Option<Producer>, &str>) {
        let given = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
        let mut map = HeaderMap::new();
        given.for_each(|(name, value): (axum::http::HeaderName, _)| _ = map.append(name, value));
        match (named(&map), expected) {
            (Ok(named), Ok(expected)) => assert_eq!(named, expected, "{headers:?}"),
            (Err(refusal), Err(words)) => {
                assert_eq!((refusal.status.as_u16(), refusal.code), (400, 400), "{headers:?}");
                assert!(refusal.message.contains(words), "{headers:?}: {refusal:?}");
            }
            (named, _) => panic!("{headers:?}: {named:?}"),
        }
    }

    #[test]
    fn a_producer_has_three_headers_and_a_key_one() {
        let long = "x".repeat(256);
        let of = |id, epoch, sequence| [(ID, id), (EPOCH, epoch), (SEQUENCE, sequence)];
        check(&[], Ok(None));
        check(&of("a b", "0", "7"), Ok(Some(Producer::counting("a b", 0, 7))));
        check(
            &of(&long[1..], "4294967294", "4294967295"),
            Ok(Some(Producer::counting(&long[1..], u32::MAX - 1, u32::MAX))),
        );
        check(&[(KEY, "k")], Ok(Some(Producer::keyed("k"))));
        check(&of("", "0", "0"), Err("producer-id: it has to be 1 to 255"));
        check(&of(&long, "0", "0"), Err("producer-id: it has to be 1 to 255"));
        check(&of("é", "0", "0"), Err("producer-id: it is not printable ASCII"));
        check(&of("a", "4294967295", "0"), Err("producer-epoch: it has to be a number from 0 to 4294967294"));
        for wrong in ["", "-1", "+1", "1.0", "4294967296", "one"] {
            check(&of("a", "0", wrong), Err("producer-sequence: it has to be a number"));
        }
        check(&of("a", "0", "0")[..2], Err("belong together"));
        check(&[of("a", "0", "0").as_slice(), &[(KEY, "k")]].concat(), Err("not both"));
        check(&[(ID, "a"), (KEY, "k")], Err("belong together"));
        check(&[(KEY, "k"), (KEY, "k")], Err("idempotency-key: it is there twice"));
    }
}
