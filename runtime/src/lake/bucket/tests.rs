//! Deliveries against an S3 that misbehaves in the ways of real ones.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use s3s::dto::{
    CreateBucketInput, CreateBucketOutput, GetObjectInput, GetObjectOutput, HeadBucketInput, HeadBucketOutput,
    HeadObjectInput, HeadObjectOutput, PutObjectInput, PutObjectOutput,
};
use s3s::{S3, S3Request, S3Response, S3Result, s3_error};

use super::super::server::{Credentials, Operations, Server};
use super::super::tests::{Folder, object};
use super::*;

/// What goes wrong with a PUT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    /// It is stored, and the answer is an error; the first time.
    StoredThenError,
    /// Nothing is stored, and the answer is an error; the first time.
    Error,
    /// Another write of the key is under way; the first time.
    Conflict,
    /// `If-None-Match` does nothing.
    Ignored,
    /// `If-None-Match` is not implemented.
    NotImplemented,
    /// User metadata is lost.
    Forgets,
    /// The answer does not name the checksum.
    Unnamed,
    /// The answer names another checksum.
    Misnamed,
}

/// The real server, with a fault.
struct Faulty {
    real: Operations,
    fault: Fault,
    puts: Arc<AtomicUsize>,
}

#[async_trait::async_trait]
impl S3 for Faulty {
    async fn put_object(&self, mut req: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
        let before = self.puts.fetch_add(1, Ordering::SeqCst);
        match self.fault {
            Fault::Error if before == 0 => return Err(s3_error!(InternalError, "not now")),
            Fault::Conflict if before == 0 => return Err(s3_error!(ConditionalRequestConflict, "another write")),
            Fault::NotImplemented if req.input.if_none_match.is_some() => return Err(s3_error!(NotImplemented)),
            Fault::Ignored => req.input.if_none_match = None,
            Fault::Forgets => req.input.metadata = None,
            _ => {}
        }
        let mut stored = self.real.put_object(req).await?;
        match self.fault {
            Fault::StoredThenError if before == 0 => return Err(s3_error!(InternalError, "who knows")),
            Fault::Unnamed => stored.output.checksum_sha256 = None,
            Fault::Misnamed => stored.output.checksum_sha256 = Some(STANDARD.encode([7; 32])),
            _ => {}
        }
        Ok(stored)
    }

    async fn create_bucket(&self, req: S3Request<CreateBucketInput>) -> S3Result<S3Response<CreateBucketOutput>> {
        self.real.create_bucket(req).await
    }

    async fn head_bucket(&self, req: S3Request<HeadBucketInput>) -> S3Result<S3Response<HeadBucketOutput>> {
        self.real.head_bucket(req).await
    }

    async fn head_object(&self, req: S3Request<HeadObjectInput>) -> S3Result<S3Response<HeadObjectOutput>> {
        self.real.head_object(req).await
    }

    async fn get_object(&self, req: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
        self.real.get_object(req).await
    }
}

/// Delivers one object, and then other bytes under its key: what the first tries said, and how many PUTs it took.
/// The second must be refused, and leave the first as it was.
async fn check(fault: Fault, said: &[Result<Delivered, Kind>], puts: usize) {
    let folder = Folder::new(&format!("{fault:?}"));
    let root = folder.0.join("s3");
    let counted = Arc::new(AtomicUsize::new(0));
    let faulty = Faulty { real: Operations::open(&root).unwrap(), fault, puts: Arc::clone(&counted) };
    let mut server = Server::listen(0, Credentials::default(), faulty).await.unwrap();
    let options = Options {
        bucket: "pins".to_owned(),
        prefix: String::new(),
        endpoint: Endpoint::Embedded { port: 0 },
        region: None,
        format: super::super::options::Format::Json,
        patience: Patience::default(),
        spool_bytes_max: super::super::options::SPOOL_BYTES,
    };
    let mut bucket = Bucket::open(&options, Some(&server)).await.unwrap();
    bucket.proven = AtomicBool::new(false);
    let (first, file) = object(&folder, "a/b.json", b"{}\n");
    for said in said {
        let answer = bucket.put(&first, &file).await.map_err(|error| error.kind());
        assert_eq!(answer, *said, "{fault:?}");
    }
    assert_eq!(counted.load(Ordering::SeqCst), puts, "{fault:?}");
    let (second, file) = object(&folder, "a/b.json", b"[]\n");
    assert_eq!(bucket.put(&second, &file).await.unwrap_err().kind(), Kind::Conflict, "{fault:?}");
    assert_eq!(fs::read(root.join("pins/a/b.json")).unwrap(), b"{}\n");
    drop(bucket);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_outcome_ends_in_one_delivery() {
    use Delivered::{Found, Stored};
    // The first object goes twice, to see whether the condition is heeded.
    check(Fault::None, &[Ok(Stored), Ok(Found)], 3).await;
    check(Fault::StoredThenError, &[Err(Kind::Unavailable), Ok(Found)], 1).await;
    check(Fault::Error, &[Err(Kind::Unavailable), Ok(Stored)], 3).await;
    check(Fault::Conflict, &[Err(Kind::Unavailable), Ok(Stored)], 3).await;
    check(Fault::Ignored, &[Ok(Stored), Ok(Found)], 2).await;
    check(Fault::NotImplemented, &[Ok(Stored), Ok(Found)], 2).await;
    check(Fault::Forgets, &[Ok(Stored), Ok(Found)], 3).await;
    check(Fault::Unnamed, &[Ok(Stored), Ok(Found)], 3).await;
    check(Fault::Misnamed, &[Ok(Stored), Ok(Found)], 3).await;
}
