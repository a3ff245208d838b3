//! What the server holds, and what it answers when nothing goes wrong.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::BUCKET;
use super::wire::{Answer, Request};
use crate::place::digest;

/// How this S3 differs from others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Habits {
    /// What it does with `If-None-Match: *`.
    pub conditions: Conditions,
    /// Whether it names the checksum of what it took.
    pub names_checksums: bool,
    /// Whether it keeps user metadata.
    pub keeps_metadata: bool,
}

/// What becomes of `If-None-Match: *`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conditions {
    /// It is heeded.
    Heeded,
    /// It does nothing.
    Ignored,
    /// It is answered with 501.
    Unknown,
}

impl Default for Habits {
    fn default() -> Self {
        Self { conditions: Conditions::Heeded, names_checksums: true, keeps_metadata: true }
    }
}

/// An object as it was stored once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// The sha256 that its metadata tells.
    pub sha256: Option<String>,
}

#[derive(Default)]
pub(super) struct Store {
    pub(super) habits: Habits,
    pub(super) objects: BTreeMap<String, Version>,
    pub(super) history: BTreeMap<String, Vec<Version>>,
}

impl Store {
    /// Does what a request asks, and answers.
    pub(super) fn answer(&mut self, request: &Request) -> Answer {
        if request.bucket != BUCKET {
            return Answer::error(404, "NoSuchBucket");
        }
        if request.query.contains("upload") {
            return Answer::error(501, "NotImplemented");
        }
        match (request.method.as_str(), request.key.as_str()) {
            ("HEAD", "") => Answer::status(200),
            ("PUT", key) if !key.is_empty() => self.put(request),
            ("HEAD" | "GET", key) => self.get(key),
            _ => Answer::error(501, "NotImplemented"),
        }
    }

    fn put(&mut self, request: &Request) -> Answer {
        let conditional = request.headers.contains_key("if-none-match");
        match self.habits.conditions {
            Conditions::Unknown if conditional => return Answer::error(501, "NotImplemented"),
            Conditions::Heeded if conditional && self.objects.contains_key(&request.key) => {
                return Answer::error(412, "PreconditionFailed");
            }
            _ => {}
        }
        let sha256 = digest(&request.body);
        let promised = request.headers.get("x-amz-checksum-sha256").cloned().unwrap_or_default();
        let hex =
            STANDARD.decode(&promised).unwrap_or_default().iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        if hex != sha256 {
            return Answer::error(400, "BadDigest");
        }
        let told = request.headers.get("x-amz-meta-tidemill-sha256").cloned();
        let version = Version { bytes: request.body.clone(), sha256: told.filter(|_| self.habits.keeps_metadata) };
        self.keep(&request.key, version);
        let mut answer = Answer::status(200).with("etag", &format!("\"{}\"", &sha256[..32]));
        if self.habits.names_checksums {
            answer = answer.with("x-amz-checksum-sha256", &promised);
        }
        answer
    }

    fn get(&self, key: &str) -> Answer {
        let Some(version) = self.objects.get(key) else { return Answer::error(404, "NoSuchKey") };
        let answer = Answer::status(200).with("etag", &format!("\"{}\"", &digest(&version.bytes)[..32]));
        let answer = match &version.sha256 {
            Some(sha256) => answer.with("x-amz-meta-tidemill-sha256", sha256),
            None => answer,
        };
        answer.body(&version.bytes)
    }

    /// Puts another's bytes under a key that is free.
    pub(super) fn plant(&mut self, key: &str) {
        if !self.objects.contains_key(key) {
            self.keep(key, Version { bytes: b"another's\n".to_vec(), sha256: None });
        }
    }

    fn keep(&mut self, key: &str, version: Version) {
        self.history.entry(key.to_owned()).or_default().push(version.clone());
        self.objects.insert(key.to_owned(), version);
    }
}
