//! What a request shows of itself: the secret in its headers, and how often its address has shown a wrong one.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::http::{HeaderMap, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::crowd::network;
use crate::access::Secret;

/// Wrong keys that an address may show in [`SPAN`].
const FAILURES_MAX: u32 = 10;
/// How long wrong keys are remembered, from the first on.
const SPAN: Duration = Duration::from_secs(60);
/// Addresses that are remembered; of more, the first are forgotten.
const ADDRESSES_MAX: usize = 4_096;

/// The secret in `Authorization: Bearer SECRET`, or the password in `Basic`, as Kafka's REST clients send it. Nothing else is
/// looked at: a query would end up in logs.
pub(super) fn secret(headers: &HeaderMap) -> Option<Secret> {
    let mut all = headers.get_all(header::AUTHORIZATION).iter();
    let (value, None) = (all.next()?.to_str().ok()?, all.next()) else { return None };
    let (scheme, rest) = value.split_once(' ')?;
    let rest = rest.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(Secret::new(rest.to_owned()));
    }
    if scheme.eq_ignore_ascii_case("basic") {
        let text = String::from_utf8(STANDARD.decode(rest).ok()?).ok()?;
        return text.split_once(':').map(|(_, password)| Secret::new(password.to_owned()));
    }
    None
}

/// Wrong keys by address.
#[derive(Debug, Default)]
pub(super) struct Failures(Mutex<BTreeMap<IpAddr, (u32, Instant)>>);

impl Failures {
    /// Whether an address has shown too many.
    pub(super) fn too_many(&self, address: IpAddr, now: Instant) -> bool {
        let failures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let failed = failures.get(&network(address));
        failed.is_some_and(|(count, since)| *count >= FAILURES_MAX && now.duration_since(*since) < SPAN)
    }

    /// It has shown one more.
    pub(super) fn add(&self, address: IpAddr, now: Instant) {
        let address = network(address);
        let mut failures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if failures.len() >= ADDRESSES_MAX && !failures.contains_key(&address) {
            failures.retain(|_, (_, since)| now.duration_since(*since) < SPAN);
            if failures.len() >= ADDRESSES_MAX {
                failures.pop_first();
            }
        }
        let (count, since) = failures.entry(address).or_insert((0, now));
        if now.duration_since(*since) >= SPAN {
            (*count, *since) = (0, now);
        }
        *count += 1;
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn where_a_secret_is_looked_for() {
        let check = |values: &[&str], expected: Option<&str>| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::AUTHORIZATION, HeaderValue::from_str(value).unwrap());
            }
            assert_eq!(secret(&headers).as_ref().map(Secret::expose), expected, "{values:?}");
        };
        check(&["Bearer abc"], Some("abc"));
        check(&["bearer  abc "], Some("abc"));
        check(&["Basic YW5uOmFiYw=="], Some("abc"));
        check(&["Basic OmE6Yg=="], Some("a:b"));
        for wrong in ["", "abc", "Bearer", "Basic abc", "Basic YWJj", "Basic /w==", "Digest abc", "Bearerabc"] {
            check(&[wrong], None);
        }
        check(&["Bearer abc", "Bearer abc"], None);
        check(&[], None);
    }

    #[test]
    fn an_address_is_shut_out_for_a_while() {
        let (failures, begun) = (Failures::default(), Instant::now());
        let (bad, good) = ("10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap());
        for _ in 0..FAILURES_MAX {
            assert!(!failures.too_many(bad, begun));
            failures.add(bad, begun);
        }
        assert!(failures.too_many(bad, begun) && !failures.too_many(good, begun));
        let later = begun + SPAN;
        assert!(!failures.too_many(bad, later), "it may try again");
        failures.add(bad, later);
        assert!(!failures.too_many(bad, later), "counted from the beginning");
    }

    #[test]
    fn no_number_of_addresses_takes_more_memory() {
        let (failures, now) = (Failures::default(), Instant::now());
        for nth in 0..3 * ADDRESSES_MAX as u32 {
            failures.add(std::net::Ipv4Addr::from_bits(nth).into(), now);
        }
        assert_eq!(failures.0.lock().unwrap().len(), ADDRESSES_MAX);
    }
}
