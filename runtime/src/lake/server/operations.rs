//! The S3 operations, each a few calls of the store.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use s3s::dto::*;
use s3s::{S3, S3Request, S3Response, S3Result, s3_error};
use tokio::task::spawn_blocking;

use super::super::disk::hex;
use super::answers::{self, answer, found, head_of};
use super::body::{self, Durability, Received};
use super::dock::Dock;
use super::listing::{self, Page, Query};
use super::store::{Found, Meta, Outcome, Store, Temp};
use super::uploads::{Part as Piece, Uploads, assemble};

/// A page's bound, as of S3.
const PAGE_MAX: i32 = 1000;
const PARTS_MAX: i32 = 10_000;

/// The store and the open uploads, seen as S3.
pub(in super::super) struct Operations {
    store: Arc<Store>,
    uploads: Uploads,
}

impl Operations {
    /// S3 over the folder `dir`; this blocks.
    pub(in super::super) fn open(dir: &Path) -> io::Result<Self> {
        Ok(Self { store: Arc::new(Store::open(dir)?), uploads: Uploads::default() })
    }

    /// Where this process hands files over.
    pub(super) fn dock(&self) -> Dock {
        Dock::new(Arc::clone(&self.store))
    }

    /// Runs what blocks where it may, and says in S3's words why not.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Store) -> Outcome<T> + Send + 'static,
    ) -> S3Result<T> {
        let store = Arc::clone(&self.store);
        let done = spawn_blocking(move || work(&store)).await.map_err(|error| s3_error!(error, InternalError))?;
        done.map_err(answers::refused)
    }

    async fn bucket(&self, bucket: String) -> S3Result<()> {
        self.blocking(move |store| store.bucket(&bucket).map(drop)).await
    }

    async fn object(&self, bucket: String, key: String) -> S3Result<Found> {
        self.blocking(move |store| store.get(&bucket, &key)).await
    }

    async fn publish(
        &self,
        (bucket, key): (String, String),
        temp: Temp,
        meta: Meta,
        conditions: (Option<IfMatch>, Option<IfNoneMatch>),
    ) -> S3Result<SystemTime> {
        let allowed = move |etag: Option<&str>| answers::allows(&conditions.0, &conditions.1, etag);
        self.blocking(move |store| store.put(&bucket, &key, temp, meta, allowed)).await
    }

    async fn page(&self, input: &ListObjectsV2Input, after: String) -> S3Result<(Page, Vec<Object>)> {
        let (bucket, delimiter) = (input.bucket.clone(), input.delimiter.clone());
        let prefix = input.prefix.clone().unwrap_or_default();
        let entries_max = usize::try_from(input.max_keys.unwrap_or(PAGE_MAX).min(PAGE_MAX));
        let entries_max = entries_max.map_err(|error| s3_error!(error, InvalidArgument, "max-keys"))?;
        let encode = answers::encoder(input.encoding_type.as_ref());
        self.blocking(move |store| {
            let query = Query { prefix: &prefix, delimiter: delimiter.as_deref(), after: &after, entries_max };
            let mut page = listing::page(store, &bucket, &query)?;
            // A key that was removed since is left out.
            let keys = page.keys.iter().filter_map(|key| Some((key, store.get(&bucket, key).ok()?)));
            let objects = keys.map(|(key, found)| answers::listed(encode(key), &found)).collect();
            page.prefixes = page.prefixes.iter().map(|prefix| encode(prefix)).collect();
            Ok((page, objects))
        })
        .await
    }
}

#[async_trait::async_trait]
impl S3 for Operations {
    async fn list_buckets(&self, _: S3Request<ListBucketsInput>) -> S3Result<S3Response<ListBucketsOutput>> {
        let buckets = self.blocking(|store| Ok(store.buckets()?)).await?;
        let shown = |(name, created): (String, SystemTime)| Bucket {
            name: Some(name),
            creation_date: Some(created.into()),
            ..Bucket::default()
        };
        let buckets = Some(buckets.into_iter().map(shown).collect());
        answer(ListBucketsOutput { buckets, ..ListBucketsOutput::default() })
    }

    async fn create_bucket(&self, req: S3Request<CreateBucketInput>) -> S3Result<S3Response<CreateBucketOutput>> {
        let bucket = req.input.bucket;
        let location = Some(format!("/{bucket}"));
        self.blocking(move |store| store.create_bucket(&bucket)).await?;
        answer(CreateBucketOutput { location })
    }

    async fn head_bucket(&self, req: S3Request<HeadBucketInput>) -> S3Result<S3Response<HeadBucketOutput>> {
        self.bucket(req.input.bucket).await?;
        answer(HeadBucketOutput::default())
    }

    async fn delete_bucket(&self, req: S3Request<DeleteBucketInput>) -> S3Result<S3Response<DeleteBucketOutput>> {
        self.blocking(move |store| store.remove_bucket(&req.input.bucket)).await?;
        answer(DeleteBucketOutput {})
    }

    async fn get_bucket_location(
        &self,
        req: S3Request<GetBucketLocationInput>,
    ) -> S3Result<S3Response<GetBucketLocationOutput>> {
        self.bucket(req.input.bucket).await?;
        answer(GetBucketLocationOutput::default())
    }

    async fn put_object(&self, mut req: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
        let claim = answers::claim_of_put(&req);
        let input = &mut req.input;
        self.bucket(input.bucket.clone()).await?;
        let temp = self.store.temp();
        let received = body::receive(input.body.take(), &temp.0, claim, Durability::Synced).await?;
        let mut meta = answers::meta_of_put(input);
        meta.etag = etag_of(&received);
        meta.sha256 = Some(STANDARD.encode(received.sha256));
        let Received { mut sums, .. } = received;
        sums.checksum_sha256 = meta.sha256.clone();
        let e_tag = Some(ETag::Strong(meta.etag.clone()));
        let conditions = (req.input.if_match.take(), req.input.if_none_match.take());
        self.publish((req.input.bucket, req.input.key), temp, meta, conditions).await?;
        answer(PutObjectOutput {
            e_tag,
            checksum_crc32: sums.checksum_crc32,
            checksum_crc32c: sums.checksum_crc32c,
            checksum_crc64nvme: sums.checksum_crc64nvme,
            checksum_sha1: sums.checksum_sha1,
            checksum_sha256: sums.checksum_sha256,
            ..PutObjectOutput::default()
        })
    }

    async fn head_object(&self, req: S3Request<HeadObjectInput>) -> S3Result<S3Response<HeadObjectOutput>> {
        let input = req.input;
        let object = self.object(input.bucket, input.key).await?;
        answers::check_read(&input.if_match, &input.if_none_match, &object)?;
        answer(head_of(&object, input.checksum_mode.is_some()))
    }

    async fn get_object(&self, req: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
        let input = req.input;
        let object = self.object(input.bucket.clone(), input.key.clone()).await?;
        answers::check_read(&input.if_match, &input.if_none_match, &object)?;
        answer(found(object, &input)?)
    }

    async fn copy_object(&self, req: S3Request<CopyObjectInput>) -> S3Result<S3Response<CopyObjectOutput>> {
        let input = req.input;
        let CopySource::Bucket { bucket, key, .. } = &input.copy_source else {
            return Err(s3_error!(NotImplemented, "only objects of this server can be copied"));
        };
        let mut source = self.object(bucket.to_string(), key.to_string()).await?;
        answers::check_copy(&input.copy_source_if_match, &input.copy_source_if_none_match, &source)?;
        let replaced = input.metadata_directive.as_ref().is_some_and(|how| how.as_str() == MetadataDirective::REPLACE);
        let meta = if replaced { answers::meta_of_copy(&input, &source.meta) } else { source.meta.clone() };
        let e_tag = Some(ETag::Strong(meta.etag.clone()));
        let temp = self
            .blocking(move |store| {
                let temp = store.temp();
                let mut copy = std::fs::File::create_new(&temp.0)?;
                io::copy(&mut source.file, &mut copy)?;
                crate::sync::file(&copy)?;
                Ok(temp)
            })
            .await?;
        let modified = self.publish((input.bucket, input.key), temp, meta, (None, None)).await?;
        let result = CopyObjectResult { e_tag, last_modified: Some(modified.into()), ..CopyObjectResult::default() };
        answer(CopyObjectOutput { copy_object_result: Some(result), ..CopyObjectOutput::default() })
    }

    async fn delete_object(&self, req: S3Request<DeleteObjectInput>) -> S3Result<S3Response<DeleteObjectOutput>> {
        self.blocking(move |store| store.remove(&req.input.bucket, &req.input.key)).await?;
        answer(DeleteObjectOutput::default())
    }

    async fn delete_objects(&self, req: S3Request<DeleteObjectsInput>) -> S3Result<S3Response<DeleteObjectsOutput>> {
        let DeleteObjectsInput { bucket, delete, .. } = req.input;
        self.bucket(bucket.clone()).await?;
        let (mut deleted, mut errors) = (Vec::new(), Vec::new());
        for ObjectIdentifier { key, .. } in delete.objects {
            let (from, name) = (bucket.clone(), key.clone());
            match self.blocking(move |store| store.remove(&from, &name)).await {
                Ok(()) => deleted.push(DeletedObject { key: Some(key), ..DeletedObject::default() }),
                Err(error) => errors.push(answers::not_deleted(key, &error)),
            }
        }
        let deleted = Some(deleted).filter(|_| delete.quiet != Some(true));
        answer(DeleteObjectsOutput { deleted, errors: Some(errors), ..DeleteObjectsOutput::default() })
    }

    async fn list_objects(&self, req: S3Request<ListObjectsInput>) -> S3Result<S3Response<ListObjectsOutput>> {
        let marker = req.input.marker.clone();
        let input = ListObjectsV2Input::from(req.input);
        let (page, contents) = self.page(&input, marker.clone().unwrap_or_default()).await?;
        let encode = answers::encoder(input.encoding_type.as_ref());
        answer(ListObjectsOutput {
            name: Some(input.bucket),
            prefix: input.prefix.map(|prefix| encode(&prefix)),
            delimiter: input.delimiter.map(|delimiter| encode(&delimiter)),
            marker: marker.map(|marker| encode(&marker)),
            max_keys: Some(input.max_keys.unwrap_or(PAGE_MAX)),
            is_truncated: Some(page.next.is_some()),
            next_marker: page.next.map(|next| encode(&next)),
            contents: Some(contents),
            common_prefixes: Some(answers::prefixes(page.prefixes)),
            encoding_type: input.encoding_type,
            ..ListObjectsOutput::default()
        })
    }

    async fn list_objects_v2(&self, req: S3Request<ListObjectsV2Input>) -> S3Result<S3Response<ListObjectsV2Output>> {
        let input = req.input;
        let after = match &input.continuation_token {
            Some(token) => answers::token_key(token)?,
            None => input.start_after.clone().unwrap_or_default(),
        };
        let (page, contents) = self.page(&input, after).await?;
        let encode = answers::encoder(input.encoding_type.as_ref());
        answer(ListObjectsV2Output {
            name: Some(input.bucket),
            prefix: input.prefix.map(|prefix| encode(&prefix)),
            delimiter: input.delimiter.map(|delimiter| encode(&delimiter)),
            start_after: input.start_after.map(|after| encode(&after)),
            max_keys: Some(input.max_keys.unwrap_or(PAGE_MAX)),
            key_count: i32::try_from(contents.len() + page.prefixes.len()).ok(),
            is_truncated: Some(page.next.is_some()),
            continuation_token: input.continuation_token,
            next_continuation_token: page.next.map(|next| STANDARD.encode(next)),
            contents: Some(contents),
            common_prefixes: Some(answers::prefixes(page.prefixes)),
            encoding_type: input.encoding_type,
            ..ListObjectsV2Output::default()
        })
    }

    async fn create_multipart_upload(
        &self,
        req: S3Request<CreateMultipartUploadInput>,
    ) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
        let input = req.input;
        self.bucket(input.bucket.clone()).await?;
        let upload_id = Some(self.uploads.begin(&input.bucket, &input.key, answers::meta_of_upload(&input)));
        let (bucket, key) = (Some(input.bucket), Some(input.key));
        answer(CreateMultipartUploadOutput { bucket, key, upload_id, ..CreateMultipartUploadOutput::default() })
    }

    async fn upload_part(&self, mut req: S3Request<UploadPartInput>) -> S3Result<S3Response<UploadPartOutput>> {
        let claim = answers::claim_of_part(&req);
        let input = &mut req.input;
        if !(1..=PARTS_MAX).contains(&input.part_number) {
            return Err(s3_error!(InvalidArgument, "part numbers run from 1 to {PARTS_MAX}"));
        }
        self.uploads.parts(&input.upload_id, &input.bucket, &input.key).map_err(answers::flawed)?;
        let temp = self.store.temp();
        // The whole is synced when it is complete; until then a crash ends the upload anyway.
        let received = body::receive(input.body.take(), &temp.0, claim, Durability::Cached).await?;
        let etag = etag_of(&received);
        let part = Piece { temp, etag: etag.clone(), bytes: received.bytes, received: SystemTime::now() };
        let added = self.uploads.add(&input.upload_id, &input.bucket, &input.key, input.part_number, part);
        added.map_err(answers::flawed)?;
        answer(UploadPartOutput {
            e_tag: Some(ETag::Strong(etag)),
            checksum_crc32: received.sums.checksum_crc32,
            checksum_crc32c: received.sums.checksum_crc32c,
            checksum_crc64nvme: received.sums.checksum_crc64nvme,
            checksum_sha1: received.sums.checksum_sha1,
            checksum_sha256: Some(STANDARD.encode(received.sha256)),
            ..UploadPartOutput::default()
        })
    }

    async fn complete_multipart_upload(
        &self,
        req: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        let input = req.input;
        let wanted = answers::wanted(input.multipart_upload)?;
        let chosen = self.uploads.choose(&input.upload_id, &input.bucket, &input.key, &wanted);
        let (mut meta, parts) = chosen.map_err(answers::flawed)?;
        let (temp, etag) = self.blocking(move |store| Ok(assemble(store, &parts)?)).await?;
        meta.etag.clone_from(&etag);
        let conditions = (input.if_match, input.if_none_match);
        self.publish((input.bucket.clone(), input.key.clone()), temp, meta, conditions).await?;
        self.uploads.end(&input.upload_id, &input.bucket, &input.key).map_err(answers::flawed)?;
        answer(CompleteMultipartUploadOutput {
            location: Some(format!("/{}/{}", input.bucket, input.key)),
            bucket: Some(input.bucket),
            key: Some(input.key),
            e_tag: Some(ETag::Strong(etag)),
            ..CompleteMultipartUploadOutput::default()
        })
    }

    async fn abort_multipart_upload(
        &self,
        req: S3Request<AbortMultipartUploadInput>,
    ) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
        let input = req.input;
        self.uploads.end(&input.upload_id, &input.bucket, &input.key).map_err(answers::flawed)?;
        answer(AbortMultipartUploadOutput::default())
    }

    async fn list_parts(&self, req: S3Request<ListPartsInput>) -> S3Result<S3Response<ListPartsOutput>> {
        let input = req.input;
        let parts = self.uploads.parts(&input.upload_id, &input.bucket, &input.key).map_err(answers::flawed)?;
        let after = input.part_number_marker.unwrap_or(0);
        let limit = usize::try_from(input.max_parts.unwrap_or(PAGE_MAX).clamp(0, PAGE_MAX)).unwrap_or(0);
        let rest: Vec<_> = parts.into_iter().filter(|(number, _)| *number > after).collect();
        let shown: Vec<_> = rest.iter().take(limit).map(|(number, part)| answers::listed_part(*number, part)).collect();
        answer(ListPartsOutput {
            bucket: Some(input.bucket),
            key: Some(input.key),
            upload_id: Some(input.upload_id),
            is_truncated: Some(shown.len() < rest.len()),
            next_part_number_marker: shown.last().and_then(|part| part.part_number),
            part_number_marker: input.part_number_marker,
            max_parts: i32::try_from(limit).ok(),
            parts: Some(shown),
            ..ListPartsOutput::default()
        })
    }
}

fn etag_of(received: &Received) -> String {
    etag_of_sha256(&hex(&received.sha256))
}

/// Not an MD5, and with a dash, so that no tool takes it for one: the bytes' sha256 in hexadecimal, in one part.
pub(super) fn etag_of_sha256(hex: &str) -> String {
    format!("{hex}-1")
}
