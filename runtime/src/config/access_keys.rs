//! The file of access keys with which requests to Kinesis's own API are signed.
//!
//! A signature can only be checked by who knows the secret, so the file holds secrets, not digests.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;

use super::fault::Place;
use super::keys::{KEYS_MAX, text_of};
use crate::access::{Grant, Key, Scope, Secret};
use crate::error::{Error, Kind, Result};
use crate::time::Timestamp;

/// Characters of an access key's id.
const ID_MAX: usize = 128;
/// Characters of a secret, at least.
const SECRET_MIN: usize = 16;

/// The file as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    keys: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    id: String,
    secret: String,
    scopes: Vec<String>,
    expires: Option<String>,
}

/// Access keys by their ids.
#[derive(Default)]
pub struct AccessKeys(BTreeMap<String, AccessKey>);

/// What signs, and what that is good for.
#[derive(Clone)]
pub struct AccessKey {
    /// What it signs with.
    pub secret: Secret,
    key: Arc<Key>,
}

impl AccessKeys {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The key with this id, unless it has expired.
    pub fn get(&self, id: &str, now: Timestamp) -> Option<&AccessKey> {
        self.0.get(id).filter(|found| !found.key.expired(now))
    }
}

impl AccessKey {
    /// What it is good for.
    pub fn grant(&self) -> Grant {
        Grant::Key(Arc::clone(&self.key))
    }
}

/// Reads the access keys of a file, which must be its owner's alone.
pub fn read(path: &Path) -> Result<AccessKeys> {
    let subject = || format!("access keys {}", path.display());
    let hint = "write [[keys]] with id, secret and scopes into it, and chmod 600";
    let text = text_of(path, &subject()).map_err(|fault| match fault.kind() {
        Kind::Missing => fault.hint(hint),
        _ => fault,
    })?;
    parse(&text).map_err(|fault| fault.within(subject()))
}

fn parse(text: &str) -> Result<AccessKeys> {
    // What TOML says of a line could show a part of a secret, so only the place is told.
    let written: Written = toml::from_str(text).map_err(|cause| {
        let place = Place::of(text, cause.span().map_or(0, |span| span.start));
        let what = format!("line {}: it is not TOML with [[keys]] of id, secret, scopes and expires alone", place.line);
        Error::new(Kind::Input, what)
    })?;
    if written.keys.len() > KEYS_MAX {
        return Err(Error::new(Kind::Input, format!("{} are over the limit of {KEYS_MAX}", written.keys.len())));
    }
    let mut keys = AccessKeys::default();
    for (entry, nth) in written.keys.into_iter().zip(1..) {
        let (id, key) = key(entry).map_err(|fault| fault.within(format!("key {nth}")))?;
        if keys.0.insert(id, key).is_some() {
            return Err(Error::new(Kind::Input, format!("key {nth}: its id stands there twice")));
        }
    }
    Ok(keys)
}

fn key(entry: Entry) -> Result<(String, AccessKey)> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
    if entry.id.is_empty() || entry.id.len() > ID_MAX || !entry.id.bytes().all(plain) {
        return Err(Error::new(Kind::Input, format!("its id is not 1 to {ID_MAX} letters, digits, _ and -")));
    }
    if entry.secret.len() < SECRET_MIN {
        return Err(Error::new(Kind::Input, format!("its secret has fewer than {SECRET_MIN} characters")));
    }
    let secret = Secret::new(entry.secret);
    let scopes = entry.scopes.iter().map(|scope| scope.parse()).collect::<Result<Vec<Scope>>>()?;
    let expires = entry.expires.as_deref().map(Timestamp::parse).transpose()?;
    let key = Arc::new(Key { scopes, digest: secret.digest(), expires });
    Ok((entry.id, AccessKey { secret, key }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str =
        "[[keys]]\nid = \"AKIAIOSFODNN7EXAMPLE\"\nsecret = \"wJalrXUtnFEMI/K7MDENG\"\nscopes = [\"produce:pin\"]\n";

    #[test]
    fn keys_are_found_by_their_ids_until_they_expire() {
        let more =
            "[[keys]]\nid = \"old\"\nsecret = \"0123456789abcdef\"\nscopes = []\nexpires = \"1970-01-01T00:00:01Z\"\n";
        let keys = parse(&format!("{GOOD}{more}")).unwrap();
        let good = keys.get("AKIAIOSFODNN7EXAMPLE", Timestamp(0)).unwrap();
        assert_eq!(good.secret.expose(), "wJalrXUtnFEMI/K7MDENG");
        assert!(good.grant().produces("pins") && !good.grant().produces("geo") && !good.grant().consumes_some());
        assert!(keys.get("old", Timestamp(999_999)).is_some() && keys.get("old", Timestamp(1_000_000)).is_none());
        assert!(keys.get("other", Timestamp(0)).is_none());
    }

    #[test]
    fn what_is_wrong_is_said_without_a_secret() {
        for (text, part) in [
            (GOOD.replace("id =", "name ="), "line 2: it is not TOML"),
            (GOOD.replace("AKIA", "AK IA"), "key 1: its id is not"),
            (GOOD.replace("/K7MDENG", ""), "key 1: its secret has fewer than 16"),
            (GOOD.replace("produce:pin", "write"), "key 1: scope \"write\" is not known"),
            (GOOD.repeat(2), "key 2: its id stands there twice"),
            (GOOD.replace("ENG\"", "ENG"), "line 3: it is not TOML"),
        ] {
            let fault = parse(&text).err().map(|fault| fault.message().to_owned()).unwrap_or_default();
            assert!(fault.contains(part) && !fault.contains("wJal"), "{fault}");
        }
    }
}
