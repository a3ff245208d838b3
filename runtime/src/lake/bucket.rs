//! The bucket that objects are delivered to.

#[cfg(test)]
mod tests;

use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{Builder, Credentials as Keys, Region};
use aws_sdk_s3::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::ByteStream;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use tracing::warn;

use super::disk::{COPY_BYTES, hex, unhex};
use super::options::{Endpoint, Options};
use super::server::{Credentials, Dock, Docked, Server};
use crate::commit::Object;
use crate::error::{Error, Kind, OrFail, Result};

/// The user metadata that says what an object's bytes are.
const SHA256: &str = "tidemill-sha256";
const ATTEMPT: Duration = Duration::from_secs(30);
const OPERATION: Duration = Duration::from_secs(120);
/// A body may take longer than [`ATTEMPT`]: as much more as it needs at this pace.
const UPLOAD_BYTES_PER_SECOND_MIN: u64 = 512 * 1024;

/// A bucket, reached; cheap to share behind an `Arc`, and free of state that a crash could lose.
pub struct Bucket {
    client: Client,
    /// The embedded server's, where it has one.
    dock: Option<Dock>,
    name: String,
    /// Whether the other side is known to heed `If-None-Match: *`.
    proven: AtomicBool,
    /// Whether it is asked to.
    conditional: AtomicBool,
}

/// How an object came to be in the bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivered {
    /// It was stored now.
    Stored,
    /// The same bytes were there: an earlier try had succeeded unheard.
    Found,
}

/// An object as the bucket lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its key.
    pub key: String,
    /// Its size in bytes.
    pub bytes: u64,
}

impl Bucket {
    /// Reaches the bucket of `options`; `embedded` is the embedded server, whose bucket is created.
    ///
    /// Errors are `Unavailable` (try again), `Missing` (no such bucket) or `Input` (refused, or options that do not fit).
    pub async fn open(options: &Options, embedded: Option<&Server>) -> Result<Self> {
        let client = Client::from_conf(settings(options, embedded.map(Server::addr)).await?.build());
        // AWS and our own server are known; what else speaks S3 has to show it.
        let proven = AtomicBool::new(!matches!(options.endpoint, Endpoint::Url(_)));
        let dock = embedded.and_then(Server::dock);
        let bucket = Self { client, dock, name: options.bucket.clone(), proven, conditional: AtomicBool::new(true) };
        if matches!(options.endpoint, Endpoint::Embedded { .. }) {
            bucket.create().await?;
        }
        let head = bucket.client.head_bucket().bucket(&bucket.name).send().await;
        head.map_err(|error| bucket.failed("cannot be reached", &error))?;
        Ok(bucket)
    }

    /// Brings the bytes of `file` under the key of `object`, or finds them there; other bytes are never overwritten.
    ///
    /// Errors: `Conflict` where other bytes have the key, `Corrupt` where `file` is not what `object` says,
    /// `Unavailable` where it is unknown whether it arrived (then the same call again is right).
    pub async fn put(&self, object: &Object, file: &Path) -> Result<Delivered> {
        let on_disk = tokio::fs::metadata(file).await.or_fail(Kind::Storage, || format!("{file:?}"))?.len();
        if on_disk != object.bytes {
            let wrong = format!("object {:?}: {on_disk} bytes are spooled, {} were promised", object.key, object.bytes);
            return Err(Error::new(Kind::Corrupt, wrong));
        }
        match self.hand_over(object, file).await? {
            Docked::Stored => return Ok(Delivered::Stored),
            Docked::Taken => return self.find(object).await?.ok_or_else(|| self.unknown(object, "it came and went")),
            Docked::Apart => {}
        }
        let careful = self.conditional.load(Ordering::Relaxed) && self.proven.load(Ordering::Relaxed);
        if !careful && let Some(found) = self.find(object).await? {
            return Ok(found);
        }
        match self.send(object, file).await? {
            Sent::Stored => {}
            Sent::Refused => return self.find(object).await?.ok_or_else(|| self.unknown(object, "it came and went")),
        }
        if !self.proven.load(Ordering::Relaxed) {
            self.prove(object, file).await?;
        }
        Ok(Delivered::Stored)
    }

    /// Every object whose key begins with `prefix`, by key.
    pub async fn list(&self, prefix: &str) -> Result<Vec<Listed>> {
        let mut listed = Vec::new();
        loop {
            let after = listed.last().map_or("", |last: &Listed| &last.key);
            match self.page(prefix, after).await? {
                page if page.is_empty() => return Ok(listed),
                page => listed.extend(page),
            }
        }
    }

    /// Some objects whose key begins with `prefix` and comes after `after`, by key; none where there are no more.
    pub async fn page(&self, prefix: &str, after: &str) -> Result<Vec<Listed>> {
        let mut asked = self.client.list_objects_v2().bucket(&self.name).prefix(prefix);
        if !after.is_empty() {
            asked = asked.start_after(after);
        }
        let page = asked.send().await.map_err(|error| self.failed("cannot be listed", &error))?;
        let listed = |object: &aws_sdk_s3::types::Object| Listed {
            key: object.key().unwrap_or_default().to_owned(),
            bytes: u64::try_from(object.size().unwrap_or(0)).unwrap_or(0),
        };
        Ok(page.contents().iter().map(listed).collect())
    }

    /// Writes an object's bytes into `to`, and says their sha256 and how many they are; none where there is none of this key.
    pub async fn get(&self, key: &str, to: &mut (impl Write + Send)) -> Result<Option<(String, u64)>> {
        let failed = |error: &dyn std::fmt::Display| self.said("cannot read", key, error);
        let mut body = match self.client.get_object().bucket(&self.name).key(key).send().await {
            Ok(got) => got.body,
            Err(error) if status(&error) == Some(404) => return Ok(None),
            Err(error) => return Err(self.failed(&format!("cannot read {key:?}"), &error)),
        };
        let (mut hash, mut bytes) = (Sha256::new(), 0);
        while let Some(chunk) = body.try_next().await.map_err(|error| failed(&error))? {
            hash.update(&chunk);
            bytes += chunk.len() as u64;
            to.write_all(&chunk).or_fail(Kind::Storage, || format!("object {key:?}"))?;
        }
        Ok(Some((hex(&hash.finalize()), bytes)))
    }

    /// Removes an object that a revision superseded; one that is not there is no error.
    pub async fn delete(&self, key: &str) -> Result<()> {
        let sent = self.client.delete_object().bucket(&self.name).key(key).send().await;
        sent.map_err(|error| self.failed(&format!("cannot delete {key:?}"), &error))?;
        Ok(())
    }

    /// The same, which sends what it could hand over.
    #[cfg(test)]
    pub(super) fn undocked(self) -> Self {
        Self { dock: None, ..self }
    }

    async fn create(&self) -> Result<()> {
        match self.client.create_bucket().bucket(&self.name).send().await {
            Ok(_) => Ok(()),
            Err(error) if status(&error) == Some(409) => Ok(()),
            Err(error) => Err(self.failed("cannot be created", &error)),
        }
    }

    /// Gives the embedded server the file itself, where there is one that can take it.
    async fn hand_over(&self, object: &Object, file: &Path) -> Result<Docked> {
        let Some(dock) = self.dock.clone() else { return Ok(Docked::Apart) };
        let (bucket, object, file) = (self.name.clone(), object.clone(), file.to_owned());
        let what = format!("object {:?}", object.key);
        let sha256 = STANDARD.encode(unhex(&object.sha256)?);
        let docked = tokio::task::spawn_blocking(move || {
            let user = [(SHA256.to_owned(), object.sha256.clone())].into();
            dock.put((&bucket, &object.key), &file, (&object.sha256, &sha256), content_type(&object.key), user)
        });
        docked.await.or_fail(Kind::Internal, || &what)?.or_fail(Kind::Unavailable, || &what)
    }

    async fn send(&self, object: &Object, file: &Path) -> Result<Sent> {
        let body = ByteStream::read_from().path(file).buffer_size(COPY_BYTES).build().await;
        let body = body.or_fail(Kind::Storage, || format!("object {:?}", object.key))?;
        let checksum = STANDARD.encode(unhex(&object.sha256)?);
        let mut put = self.client.put_object().bucket(&self.name).key(&object.key).body(body);
        put = put.content_type(content_type(&object.key)).metadata(SHA256, &object.sha256).checksum_sha256(&checksum);
        if self.conditional.load(Ordering::Relaxed) {
            put = put.if_none_match("*");
        }
        let paced = Duration::from_secs(object.bytes / UPLOAD_BYTES_PER_SECOND_MIN);
        let times = timeouts(ATTEMPT + paced, OPERATION + paced);
        // The checksum in the header vouches for the body, so it is not hashed a second time for the signature.
        let customized = put.customize().disable_payload_signing();
        match customized.config_override(Builder::new().timeout_config(times)).send().await {
            Ok(sent) if sent.checksum_sha256().is_some_and(|theirs| theirs != checksum) => {
                Err(self.unknown(object, "the bucket answered with another checksum"))
            }
            Ok(_) => Ok(Sent::Stored),
            Err(error) if status(&error) == Some(412) => Ok(Sent::Refused),
            Err(error) if status(&error) == Some(409) => Err(self.unknown(object, "another write is under way")),
            Err(error) if status(&error) == Some(501) && self.conditional.swap(false, Ordering::Relaxed) => {
                warn!(bucket = self.name, "no conditional writes here: the outbox looks before it writes");
                Err(self.unknown(object, "the bucket does not know conditional writes"))
            }
            Err(error) => Err(self.failed(&format!("cannot take {:?}", object.key), &error)),
        }
    }

    /// Sends the object that was just stored once more: who heeds the condition refuses it, who does not is found out.
    async fn prove(&self, object: &Object, file: &Path) -> Result<()> {
        if self.conditional.load(Ordering::Relaxed) && self.send(object, file).await? == Sent::Stored {
            warn!(bucket = self.name, "conditional writes are ignored here: the outbox looks before it writes");
            self.conditional.store(false, Ordering::Relaxed);
        }
        self.proven.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Whether the object's key is taken: by the same bytes, or (an error) by others.
    async fn find(&self, object: &Object) -> Result<Option<Delivered>> {
        let head = match self.client.head_object().bucket(&self.name).key(&object.key).send().await {
            Ok(head) => head,
            Err(error) if status(&error) == Some(404) => return Ok(None),
            Err(error) => return Err(self.failed(&format!("cannot look for {:?}", object.key), &error)),
        };
        let bytes = u64::try_from(head.content_length().unwrap_or(-1)).ok();
        let known = head.metadata().and_then(|metadata| metadata.get(SHA256)).cloned();
        let sha256 = match known {
            Some(sha256) => sha256,
            None if bytes == Some(object.bytes) => self.hash(&object.key).await?,
            None => "unknown".to_owned(),
        };
        if bytes == Some(object.bytes) && sha256 == object.sha256 {
            return Ok(Some(Delivered::Found));
        }
        let there = format!("{} bytes with sha256 {sha256}", bytes.unwrap_or(0));
        let ours = format!("{} bytes with sha256 {}", object.bytes, object.sha256);
        let message = format!("object {:?}: the bucket holds {there}, the outbox {ours}", object.key);
        Err(Error::new(Kind::Conflict, message)
            .hint("another pipeline writes here: give each its own prefix or bucket"))
    }

    /// The sha256 of an object that does not carry it.
    async fn hash(&self, key: &str) -> Result<String> {
        let got = self.get(key, &mut std::io::sink()).await?;
        got.map(|(sha256, _)| sha256).ok_or_else(|| self.said("cannot read", key, &"it came and went"))
    }

    fn said(&self, verb: &str, key: &str, cause: &dyn std::fmt::Display) -> Error {
        Error::new(Kind::Unavailable, format!("bucket {:?}: {verb} {key:?}: {cause}", self.name))
    }

    fn unknown(&self, object: &Object, why: &str) -> Error {
        Error::new(Kind::Unavailable, format!("object {:?}: {why}", object.key))
    }

    /// What an S3 answered, or that it did not, as our error; no secret is in it.
    fn failed<E: ProvideErrorMetadata + std::error::Error + 'static>(&self, what: &str, error: &SdkError<E>) -> Error {
        let code = error.code().unwrap_or_default();
        let (kind, hint) = match (status(error), code) {
            (_, "RequestTimeTooSkewed") => (Kind::Unavailable, "set this machine's clock"),
            (Some(404), _) => (Kind::Missing, "create the bucket, or correct its name under [lake]"),
            (Some(301 | 307 | 400), _) => (Kind::Input, "look at region and endpoint under [lake]"),
            // Keys expire and are renewed while a pipeline runs, so these may pass.
            (Some(401 | 403), _) => {
                (Kind::Unavailable, "look at the credentials in the environment, and what they allow")
            }
            (Some(_), _) => (Kind::Unavailable, ""),
            (None, _) => (Kind::Unavailable, "look at endpoint and region under [lake], and at the network"),
        };
        let cause = match error.message() {
            Some(message) => format!("{code} {message}").trim().to_owned(),
            None => DisplayErrorContext(error).to_string(),
        };
        let error = Error::new(kind, format!("bucket {:?}: {what}: {cause}", self.name));
        if hint.is_empty() { error } else { error.hint(hint) }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sent {
    Stored,
    Refused,
}

async fn settings(options: &Options, embedded: Option<SocketAddr>) -> Result<Builder> {
    let region = options.region.clone().map(Region::new);
    let here = || region.clone().unwrap_or_else(|| Region::from_static("us-east-1"));
    let builder = match &options.endpoint {
        Endpoint::Embedded { .. } => {
            let addr = embedded.ok_or_else(|| Error::new(Kind::Internal, "lake: its embedded server does not run"))?;
            let Credentials { access_key, secret_key } = Credentials::default();
            let keys = Keys::new(access_key, secret_key, None, None, "embedded");
            Builder::new().credentials_provider(keys).region(here()).endpoint_url(format!("http://{addr}"))
        }
        Endpoint::Aws => {
            let mut loader = aws_config::from_env();
            if let Some(region) = region {
                loader = loader.region(region);
            }
            Builder::from(&loader.load().await)
        }
        Endpoint::Url(url) => Builder::from(&aws_config::from_env().region(here()).load().await).endpoint_url(url),
    };
    Ok(builder
        .behavior_version_latest()
        .force_path_style(options.endpoint != Endpoint::Aws)
        .retry_config(RetryConfig::standard())
        .timeout_config(timeouts(ATTEMPT, OPERATION)))
}

fn timeouts(attempt: Duration, operation: Duration) -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(5))
        .operation_attempt_timeout(attempt)
        .operation_timeout(operation)
        .build()
}

fn content_type(key: &str) -> &'static str {
    match key.rsplit_once('.') {
        Some((_, "parquet")) => "application/vnd.apache.parquet",
        Some((_, "json")) => "application/x-ndjson",
        _ => "application/octet-stream",
    }
}

fn status<E>(error: &SdkError<E>) -> Option<u16> {
    error.raw_response().map(|response| response.status().as_u16())
}
