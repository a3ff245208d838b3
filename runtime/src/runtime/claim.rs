//! Whose bucket it is: an object that says which pipeline writes there, by the id of its cache.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::commit::Object;
use crate::config::plan::Pipeline;
use crate::disk::{self, File};
use crate::error::{Error, Kind, OrFail, Result};
use crate::lake::{self, Bucket};

/// How long a start waits for a bucket that does not answer.
pub(super) const WAIT_TIME_MAX: Duration = Duration::from_secs(5);

/// A pipeline's claim to its bucket, or to the part of it that its prefix names.
pub(super) struct Claim<'a> {
    pub(super) bucket: &'a Bucket,
    pub(super) pipeline: &'a Pipeline,
    pub(super) spool: &'a Path,
}

/// The format of the claim.
const FORMAT: u32 = 1;

/// What the object says.
#[derive(Debug, Deserialize, Serialize)]
struct Owner {
    #[serde(default)]
    format: u32,
    /// The pipeline's name.
    pipeline: String,
    /// The id of its cache's file, made when that was.
    instance: String,
}

impl Claim<'_> {
    /// That nobody has the bucket. Errors with `Kind::Conflict` where somebody has, which without the cache's file cannot be us.
    pub(super) async fn is_free(&self, cache: &Path) -> Result<()> {
        let Some(owner) = self.owner().await? else { return Ok(()) };
        if owner.pipeline != self.pipeline.name {
            return Err(self.foreign(&owner));
        }
        let what = format!(
            "cache {cache:?}: it is not there, and bucket {:?} holds what pipeline {:?} has written with it, id {}",
            self.pipeline.lake.bucket, owner.pipeline, owner.instance
        );
        Err(Error::new(Kind::Conflict, what).hint(format!(
            "put the file back, with its -wal: only it knows up to where records were taken; to begin anew, name another bucket or \
             prefix under [lake], or remove all objects there, {:?} last",
            self.key()
        )))
    }

    /// Writes the claim where there is none. Errors with `Kind::Conflict` where the bucket is another's. One that does not answer is
    /// looked at again at the next start: keys that another has used are found out then too, for none is ever overwritten.
    pub(super) async fn make(&self, instance: &str) -> Result<()> {
        let owner = Owner { format: FORMAT, pipeline: self.pipeline.name.clone(), instance: instance.to_owned() };
        let bytes = serde_json::to_vec(&owner).or_fail(Kind::Internal, || "claim to the bucket")?;
        let file = "owner.json".to_owned();
        let path = self.spool.join(&file);
        // Synced as every file of the spool: the embedded lake takes the file itself.
        let written = File::create(&path).and_then(|mut file| file.write_all(&bytes).and_then(|()| file.sync_all()));
        written.or_fail(Kind::Storage, || format!("spool file {path:?}"))?;
        let object = Object {
            key: self.key(),
            file,
            start: 0,
            table: String::new(),
            partition: 0,
            revision: 0,
            window: crate::time::Timestamp(0),
            first_offset: 0,
            next_offset: 0,
            rows: 0,
            bytes: bytes.len() as u64,
            sha256: lake::hex(&Sha256::digest(&bytes)),
            digests: Vec::new(),
        };
        let put = within(self.bucket.put(&object, &path)).await;
        disk::remove_file(&path).or_fail(Kind::Storage, || format!("spool file {path:?}"))?;
        match put {
            Err(error) if error.kind() == Kind::Conflict => match self.owner().await? {
                // In the words of another version.
                Some(owner) if owner.instance == instance => Ok(()),
                Some(owner) => Err(self.foreign(&owner)),
                None => Err(error),
            },
            Err(error) if error.kind() == Kind::Unavailable => {
                tracing::warn!(error = error.line(), "it is not known yet whose the bucket is");
                Ok(())
            }
            put => put.map(drop),
        }
    }

    async fn owner(&self) -> Result<Option<Owner>> {
        let (key, mut bytes) = (self.key(), Vec::new());
        if within(self.bucket.get(&key, &mut bytes)).await?.is_none() {
            return Ok(None);
        }
        let broken = || format!("object {key:?}: it does not say whose bucket this is");
        let owner: Owner = serde_json::from_slice(&bytes).or_fail(Kind::Conflict, broken)?;
        if owner.format > FORMAT {
            let what = format!("object {key:?}: its format is {}, and only {FORMAT} is known here", owner.format);
            return Err(Error::new(Kind::Conflict, what).hint("use the newer version of tidemill that wrote it"));
        }
        Ok(Some(owner))
    }

    fn foreign(&self, owner: &Owner) -> Error {
        let Owner { pipeline, instance, .. } = owner;
        let bucket = &self.pipeline.lake.bucket;
        let what = format!(
            "bucket {bucket:?}: it is that of pipeline {pipeline:?}, id {instance}, by its object {:?}",
            self.key()
        );
        Error::new(Kind::Conflict, what).hint("give each pipeline a prefix or a bucket of its own under [lake]")
    }

    fn key(&self) -> String {
        lake::claim_key(&self.pipeline.lake)
    }
}

async fn within<T>(asked: impl Future<Output = Result<T>>) -> Result<T> {
    let late =
        |_| Err(Error::new(Kind::Unavailable, "bucket: it does not answer").hint("look at [lake], and at the network"));
    tokio::time::timeout(WAIT_TIME_MAX, asked).await.unwrap_or_else(late)
}
