//! Who may do what: API keys, of which only digests are kept, and their scopes.

mod seal;
mod secret;
pub mod signature;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::error::{Error, Kind, Result};
use crate::time::Timestamp;

pub use self::seal::{Broken, Seal};
pub use self::secret::Secret;

/// Bytes of a key's digest.
const DIGEST_BYTES: usize = 32;
/// Characters of a digest that name its key where people read.
const ID_CHARACTERS: usize = 12;

/// One thing that a key is good for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Posting to the topics whose names begin so; all where it is empty.
    Produce(String),
    /// Reading the topics whose names begin so, and seeing that they are there; all where it is empty.
    Consume(String),
    /// Asking the named queries whose names begin so, on the admin listener; all where it is empty.
    Query(String),
    /// All that the admin listener offers, and nothing else.
    Admin,
}

/// A key as it is kept: what it is good for, and the sha256 by which it is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// What it is good for.
    pub scopes: Vec<Scope>,
    /// The sha256 of its text.
    pub digest: [u8; DIGEST_BYTES],
    /// From when on it is good for nothing; never where it is absent.
    pub expires: Option<Timestamp>,
}

/// The keys that a pipeline knows.
#[derive(Clone, Debug, Default)]
pub struct Keys(Vec<Arc<Key>>);

/// What a request may do.
#[derive(Clone, Debug)]
pub enum Grant {
    /// Everything: the pipeline has no keys.
    All,
    /// What this key is good for.
    Key(Arc<Key>),
}

impl Keys {
    /// These keys.
    pub fn new(keys: Vec<Key>) -> Self {
        Self(keys.into_iter().map(Arc::new).collect())
    }

    /// Each of them, in the file's order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Key> {
        self.0.iter().map(Arc::as_ref)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What a secret is good for; none where it is no key's, or its key has expired.
    ///
    /// It takes as long for a secret that is nearly right as for any other: digests are compared, each of them whole.
    pub fn grant(&self, secret: &Secret, now: Timestamp) -> Option<Grant> {
        let digest = secret.digest();
        let mut found = None;
        for key in &self.0 {
            if bool::from(key.digest.ct_eq(&digest)) {
                found = Some(key);
            }
        }
        let key = found.filter(|key| !key.expired(now))?;
        Some(Grant::Key(Arc::clone(key)))
    }
}

impl Key {
    /// What it is called where people read: the beginning of its digest.
    pub fn id(&self) -> String {
        hex(&self.digest).chars().take(ID_CHARACTERS).collect()
    }

    /// Its digest in hexadecimal.
    pub fn digest_text(&self) -> String {
        hex(&self.digest)
    }

    /// Whether it is good for nothing any more.
    pub fn expired(&self, now: Timestamp) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }
}

impl Grant {
    /// Whether it covers posting to a topic.
    pub fn produces(&self, topic: &str) -> bool {
        self.has(|scope| matches!(scope, Scope::Produce(prefix) if topic.starts_with(prefix.as_str())))
    }

    /// Whether it covers reading a topic.
    pub fn consumes(&self, topic: &str) -> bool {
        self.has(|scope| matches!(scope, Scope::Consume(prefix) if topic.starts_with(prefix.as_str())))
    }

    /// Whether it covers reading any topic.
    pub fn consumes_some(&self) -> bool {
        self.has(|scope| matches!(scope, Scope::Consume(_)))
    }

    /// Whether it covers asking a named query.
    pub fn asks(&self, query: &str) -> bool {
        self.has(|scope| match scope {
            Scope::Query(prefix) => query.starts_with(prefix.as_str()),
            scope => *scope == Scope::Admin,
        })
    }

    /// Whether it covers asking any of them.
    pub fn asks_some(&self) -> bool {
        self.has(|scope| matches!(scope, Scope::Query(_) | Scope::Admin))
    }

    /// Whether it covers the admin listener.
    pub fn administers(&self) -> bool {
        self.has(|scope| *scope == Scope::Admin)
    }

    /// The key's id; a dash where there are no keys.
    pub fn id(&self) -> String {
        match self {
            Self::All => "-".to_owned(),
            Self::Key(key) => key.id(),
        }
    }

    fn has(&self, fits: impl Fn(&Scope) -> bool) -> bool {
        match self {
            Self::All => true,
            Self::Key(key) => key.scopes.iter().any(fits),
        }
    }
}

impl FromStr for Scope {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        match text.split_once(':') {
            Some(("produce", prefix)) if prefix.bytes().all(plain) => Ok(Self::Produce(prefix.to_owned())),
            Some(("consume", prefix)) if !prefix.is_empty() && prefix.bytes().all(plain) => {
                Ok(Self::Consume(prefix.to_owned()))
            }
            Some(("query", prefix)) if !prefix.is_empty() && prefix.bytes().all(plain) => {
                Ok(Self::Query(prefix.to_owned()))
            }
            None if text == "consume" => Ok(Self::Consume(String::new())),
            None if text == "query" => Ok(Self::Query(String::new())),
            None if text == "admin" => Ok(Self::Admin),
            _ => Err(Error::new(Kind::Input, format!("scope {text:?} is not known")).hint(
                "write produce:PREFIX, where a topic's name begins so, or produce: for all topics; consume:PREFIX, or \
                 consume; query:PREFIX, where a query's name begins so, or query; admin",
            )),
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Produce(prefix) => write!(f, "produce:{prefix}"),
            Self::Consume(prefix) if prefix.is_empty() => f.write_str("consume"),
            Self::Consume(prefix) => write!(f, "consume:{prefix}"),
            Self::Query(prefix) if prefix.is_empty() => f.write_str("query"),
            Self::Query(prefix) => write!(f, "query:{prefix}"),
            Self::Admin => f.write_str("admin"),
        }
    }
}

/// Reads a digest in hexadecimal.
pub fn digest_of_text(text: &str) -> Option<[u8; DIGEST_BYTES]> {
    let mut digest = [0; DIGEST_BYTES];
    if text.len() != 2 * DIGEST_BYTES || !text.is_ascii() {
        return None;
    }
    for (at, byte) in digest.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(digest)
}

fn digest(text: &[u8]) -> [u8; DIGEST_BYTES] {
    Sha256::digest(text).into()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(secret: &Secret, scopes: &[&str], expires: Option<i64>) -> Key {
        let scopes = scopes.iter().map(|scope| scope.parse().unwrap()).collect();
        Key { scopes, digest: secret.digest(), expires: expires.map(Timestamp) }
    }

    #[test]
    fn a_scope_is_read_as_it_is_written() {
        for text in
            ["produce:", "produce:pin", "produce:a.b_c-D1", "consume", "consume:pin", "query", "query:pins_", "admin"]
        {
            assert_eq!(text.parse::<Scope>().unwrap().to_string(), text);
        }
        for text in [
            "",
            "produce",
            "produce:a/b",
            "produce:..%2f",
            "Admin",
            "consume:",
            "consume:a/b",
            "query:",
            "query:a b",
            "all",
            "admin ",
        ] {
            assert!(text.parse::<Scope>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_key_is_good_for_its_scopes_alone() {
        let check = |scopes: &[&str], expected: [bool; 4]| {
            let secret = Secret::generate().unwrap();
            let grant = Keys::new(vec![key(&secret, scopes, None)]).grant(&secret, Timestamp(0)).unwrap();
            let got = [grant.produces("pin"), grant.produces("geo"), grant.consumes("pin"), grant.administers()];
            assert_eq!(got, expected, "{scopes:?}");
        };
        check(&["produce:pin"], [true, false, false, false]);
        check(&["produce:"], [true, true, false, false]);
        check(&["produce:pins"], [false; 4]);
        check(&["consume"], [false, false, true, false]);
        check(&["consume:pi"], [false, false, true, false]);
        check(&["consume:geo"], [false; 4]);
        check(&["admin"], [false, false, false, true]);
        check(&["admin", "consume", "produce:ge"], [false, true, true, true]);
        check(&[], [false; 4]);
    }

    #[test]
    fn a_key_asks_the_queries_of_its_scopes() {
        let check = |scopes: &[&str], expected: [bool; 4]| {
            let secret = Secret::generate().unwrap();
            let grant = Keys::new(vec![key(&secret, scopes, None)]).grant(&secret, Timestamp(0)).unwrap();
            let got = [grant.asks("pins_by_year"), grant.asks("users"), grant.asks_some(), grant.administers()];
            assert_eq!(got, expected, "{scopes:?}");
        };
        check(&["query"], [true, true, true, false]);
        check(&["query:pins_"], [true, false, true, false]);
        check(&["admin"], [true; 4]);
        check(&["produce:", "consume"], [false; 4]);
    }

    #[test]
    fn no_other_secret_and_no_expired_key_is_granted_anything() {
        let (one, other) = (Secret::generate().unwrap(), Secret::generate().unwrap());
        let keys = Keys::new(vec![key(&one, &["admin"], Some(100))]);
        assert!(keys.grant(&one, Timestamp(99)).is_some());
        assert!(keys.grant(&one, Timestamp(100)).is_none(), "it has expired");
        assert!(keys.grant(&other, Timestamp(0)).is_none());
        let nearly: String = one.expose().chars().rev().skip(1).collect::<Vec<_>>().into_iter().rev().collect();
        for wrong in [nearly, String::new(), one.expose().to_uppercase(), format!("{} ", one.expose())] {
            assert!(keys.grant(&Secret::new(wrong), Timestamp(0)).is_none());
        }
        // What is kept does not open anything.
        let kept = keys.iter().next().unwrap().digest_text();
        assert!(keys.grant(&Secret::new(kept.clone()), Timestamp(0)).is_none());
        assert_eq!(digest_of_text(&kept), Some(one.digest()));
        assert_eq!(digest_of_text(&kept[1..]), None);
        assert_eq!(digest_of_text(&kept.replace(|_: char| true, "g")), None);
    }
}
