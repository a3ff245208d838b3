//! The bucket that objects are delivered to.

mod client;
mod refusal;
#[cfg(test)]
mod tests;
mod together;

use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use aws_sdk_s3::Client;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::{ByteStream, Length};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use tracing::warn;

use self::client::{settings, settings_of_body, time_of_body};
use self::refusal::{is_of_checksum, plain, refusal, status};
use super::disk::{self, COPY_BYTES, hex, unhex};
use super::options::{Endpoint, Options, Patience};
use super::server::{Dock, Docked, Server};
use crate::commit::Object;
use crate::error::{Error, Kind, OrFail, Result};
use crate::sabotage::{self, Fault};

/// The user metadata that says what an object's bytes are.
const SHA256: &str = "tidemill-sha256";

/// A bucket, reached; cheap to share behind an `Arc`, and free of state that a crash could lose.
pub struct Bucket {
    client: Client,
    /// The embedded server's, where it has one.
    dock: Option<Dock>,
    name: String,
    patience: Patience,
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
    /// The bucket of `options`; `embedded` is the embedded server, whose bucket is created. Others are not asked yet.
    ///
    /// Errors are those of the embedded server, or options that do not fit.
    pub async fn open(options: &Options, embedded: Option<&Server>) -> Result<Self> {
        let client = Client::from_conf(settings(options, embedded.map(Server::addr)).await?.build());
        // AWS and our own server are known; what else speaks S3 has to show it.
        let proven = AtomicBool::new(!matches!(options.endpoint, Endpoint::Url(_)));
        let dock = embedded.and_then(Server::dock);
        let (name, patience, conditional) = (options.bucket.clone(), options.patience, AtomicBool::new(true));
        let bucket = Self { client, dock, name, patience, proven, conditional };
        if matches!(options.endpoint, Endpoint::Embedded { .. }) {
            bucket.create().await?;
        }
        Ok(bucket)
    }

    /// Asks for the bucket: an error is `Unavailable` (try again), `Missing` (no such bucket) or `Input` (refused for good).
    pub async fn reach(&self) -> Result<()> {
        let head = self.client.head_bucket().bucket(&self.name).send().await;
        head.map(drop).map_err(|error| self.failed("cannot be reached", &error))
    }

    /// Brings the bytes of `file` under the key of `object`, or finds them there; other bytes are never overwritten.
    ///
    /// Errors: `Conflict` where other bytes have the key, `Corrupt` where `file` is not what `object` says,
    /// `Unavailable` where it is unknown whether it arrived (then the same call again is right).
    pub async fn put(&self, object: &Object, file: &Path) -> Result<Delivered> {
        let on_disk = tokio::fs::metadata(file).await.or_fail(Kind::Storage, || format!("{file:?}"))?.len();
        if on_disk < object.start + object.bytes {
            let there = on_disk.saturating_sub(object.start);
            let wrong = format!("object {:?}: {there} bytes are spooled, {} were promised", object.key, object.bytes);
            return Err(Error::new(Kind::Corrupt, wrong));
        }
        match self.hand_over(object, file, on_disk).await? {
            Docked::Stored => return Ok(Delivered::Stored),
            Docked::Taken => return self.found(object, "it came and went").await,
            Docked::Apart => {}
        }
        let careful = self.conditional.load(Ordering::Relaxed) && self.proven.load(Ordering::Relaxed);
        if !careful && let Some(found) = self.find(object).await? {
            return Ok(found);
        }
        let sent = match self.send(object, file).await? {
            // It was not known to heed conditions, so it was looked at already.
            Sent::Unconditional => self.send(object, file).await?,
            sent => sent,
        };
        match sent {
            Sent::Stored => {}
            Sent::Unconditional => return Err(self.unknown(object, "the bucket does not know conditional writes")),
            Sent::Unvouched => _ = self.found(object, "the bucket took it, and does not have it").await?,
            Sent::Doubtful => self.read(object).await?,
            Sent::Refused => return self.found(object, "the bucket refused it as taken, and does not have it").await,
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
        let what = format!("cannot read {key:?}");
        let mut got = match self.client.get_object().bucket(&self.name).key(key).send().await {
            Ok(got) => got,
            Err(error) if status(&error) == Some(404) => return Ok(None),
            Err(error) => return Err(self.failed(&what, &error)),
        };
        let failed =
            |cause: &str| Error::new(Kind::Unavailable, format!("bucket {:?}: {what}: {}", self.name, plain(cause)));
        let time = time_of_body(self.patience, u64::try_from(got.content_length().unwrap_or(0)).unwrap_or(0));
        let read = async {
            let (mut hash, mut bytes) = (Sha256::new(), 0);
            while let Some(chunk) = got.body.try_next().await.map_err(|error| failed(&error.to_string()))? {
                hash.update(&chunk);
                bytes += chunk.len() as u64;
                to.write_all(&chunk).or_fail(Kind::Storage, || format!("object {key:?}"))?;
            }
            Ok(Some((hex(&hash.finalize()), bytes)))
        };
        tokio::time::timeout(time, read).await.unwrap_or_else(|_| Err(failed("it takes too long")))
    }

    /// Removes an object that a revision superseded; one that is not there is no error.
    pub async fn delete(&self, key: &str) -> Result<()> {
        match self.client.delete_object().bucket(&self.name).key(key).send().await {
            Ok(_) => Ok(()),
            Err(error) if error.code() == Some("NoSuchKey") => Ok(()),
            Err(error) => Err(self.failed(&format!("cannot delete {key:?}"), &error)),
        }
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

    /// Gives the embedded server the file itself, or a copy where it is a part of one, where there is one that can take it.
    async fn hand_over(&self, object: &Object, file: &Path, on_disk: u64) -> Result<Docked> {
        if on_disk != object.bytes {
            let docked = self.hand_over_parts(std::slice::from_ref(object), file).await?;
            return Ok(docked.first().copied().unwrap_or(Docked::Apart));
        }
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
        let body = ByteStream::read_from().path(file).buffer_size(COPY_BYTES);
        let body = body.offset(object.start).length(Length::Exact(object.bytes)).build().await;
        let body = body.or_fail(Kind::Storage, || format!("object {:?}", object.key))?;
        let checksum = STANDARD.encode(unhex(&object.sha256)?);
        let mut put = self.client.put_object().bucket(&self.name).key(&object.key).body(body);
        put = put.content_type(content_type(&object.key)).metadata(SHA256, &object.sha256).checksum_sha256(&checksum);
        if self.conditional.load(Ordering::Relaxed) && !sabotage::is(Fault::PutUnconditional) {
            put = put.if_none_match("*");
        }
        // The checksum in the header vouches for the body, so it is not hashed a second time for the signature.
        let customized = put.customize().disable_payload_signing();
        match customized.config_override(settings_of_body(self.patience, object.bytes)).send().await {
            Ok(sent) => Ok(match sent.checksum_sha256() {
                Some(theirs) if theirs == checksum => Sent::Stored,
                Some(_) => Sent::Doubtful,
                None => Sent::Unvouched,
            }),
            Err(error) if status(&error) == Some(412) => Ok(Sent::Refused),
            Err(error) if status(&error) == Some(409) => Err(self.unknown(object, "another write is under way")),
            Err(error) if status(&error) == Some(501) && self.gives_up_conditions() => {
                warn!(bucket = self.name, "no conditional writes here: the outbox looks before it writes");
                Ok(Sent::Unconditional)
            }
            Err(error) if is_of_checksum(&error) => Err(self.altered(object, file, &error).await),
            Err(error) => Err(self.failed(&format!("cannot take {:?}", object.key), &error)),
        }
    }

    /// Sends the object that was just stored once more: who heeds the condition refuses it, who does not is found out.
    async fn prove(&self, object: &Object, file: &Path) -> Result<()> {
        if self.conditional.load(Ordering::Relaxed) && self.send(object, file).await? != Sent::Refused {
            warn!(bucket = self.name, "conditional writes are ignored here: the outbox looks before it writes");
            self.conditional.store(false, Ordering::Relaxed);
        }
        self.proven.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Whether the object's key is taken: by the same bytes, or (an error) by others.
    pub async fn find(&self, object: &Object) -> Result<Option<Delivered>> {
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
        let ours = bytes == Some(object.bytes) && sha256 == object.sha256 && !sabotage::is(Fault::OwnRefused);
        if ours || sabotage::is(Fault::ForeignTaken) {
            return Ok(Some(Delivered::Found));
        }
        Err(self.foreign(object, &format!("{} bytes with sha256 {sha256}", bytes.unwrap_or(0))))
    }

    /// The same, where it has to be there: if not, it is unknown what became of it, and `why`.
    async fn found(&self, object: &Object, why: &str) -> Result<Delivered> {
        self.find(object).await?.ok_or_else(|| self.unknown(object, why))
    }

    /// Reads the object back: its bytes are what was sent, or it is an error.
    async fn read(&self, object: &Object) -> Result<()> {
        let sha256 = self.hash(&object.key).await?;
        if sha256 == object.sha256 { Ok(()) } else { Err(self.foreign(object, &format!("sha256 {sha256}"))) }
    }

    /// The sha256 of an object's bytes, by reading them.
    async fn hash(&self, key: &str) -> Result<String> {
        let gone = || Error::new(Kind::Unavailable, format!("bucket {:?}: {key:?} came and went", self.name));
        Ok(self.get(key, &mut std::io::sink()).await?.ok_or_else(gone)?.0)
    }

    /// Whether conditions are to be asked for no more; where they are known to be heeded, one refusal proves nothing.
    fn gives_up_conditions(&self) -> bool {
        !self.proven.load(Ordering::Relaxed) && self.conditional.swap(false, Ordering::Relaxed)
    }

    /// The bytes that arrived are not those of the checksum: they were changed on their way, or in the spool.
    async fn altered<E: ProvideErrorMetadata + std::error::Error + 'static>(
        &self,
        object: &Object,
        file: &Path,
        error: &SdkError<E>,
    ) -> Error {
        let (spooled, start, bytes) = (file.to_owned(), object.start, object.bytes);
        match tokio::task::spawn_blocking(move || disk::sha256(&spooled, start, bytes)).await {
            Ok(Ok(sha256)) if sha256 != object.sha256 => {
                let changed = format!("object {:?}: its bytes in the spool have changed: {file:?}", object.key);
                Error::new(Kind::Corrupt, changed)
                    .hint("look at the disk; the topic has its records while retention keeps them")
            }
            _ => self.failed(&format!("cannot take {:?}", object.key), error),
        }
    }

    fn foreign(&self, object: &Object, there: &str) -> Error {
        let ours = format!("{} bytes with sha256 {}", object.bytes, object.sha256);
        let message = format!("object {:?}: the bucket holds {there}, the outbox {ours}", object.key);
        Error::new(Kind::Conflict, message)
            .hint("another pipeline writes here: move its object away, then give each its own prefix or bucket")
    }

    fn unknown(&self, object: &Object, why: &str) -> Error {
        Error::new(Kind::Unavailable, format!("object {:?}: {why}", object.key))
    }

    fn failed<E: ProvideErrorMetadata + std::error::Error + 'static>(&self, what: &str, error: &SdkError<E>) -> Error {
        refusal(&format!("bucket {:?}: {what}", self.name), error)
    }
}

/// What an S3 said to an object that it was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sent {
    /// It has it, and named its checksum.
    Stored,
    /// It has something, and named no checksum.
    Unvouched,
    /// It has something, and named another checksum.
    Doubtful,
    /// Its key is taken.
    Refused,
    /// It does not know conditions, and will not be asked for any more.
    Unconditional,
}

fn content_type(key: &str) -> &'static str {
    match key.rsplit_once('.') {
        Some((_, "parquet")) => "application/vnd.apache.parquet",
        Some((_, "json")) => "application/x-ndjson",
        _ => "application/octet-stream",
    }
}
