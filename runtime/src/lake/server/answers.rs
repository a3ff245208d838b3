//! The store's words in S3's, field by field.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::stream;
use s3s::dto::*;
use s3s::{S3Error, S3Request, S3Response, S3Result, s3_error};
use tokio::task::spawn_blocking;

use super::super::disk::COPY_BYTES;
use super::body::{Claim, internal};
use super::store::{Found, Meta, Refusal};
use super::uploads::{Flaw, Part as Piece};

pub(super) fn answer<T>(output: T) -> S3Result<S3Response<T>> {
    Ok(S3Response::new(output))
}

pub(super) fn refused(refusal: Refusal) -> S3Error {
    match refusal {
        Refusal::NoBucket => s3_error!(NoSuchBucket, "there is no such bucket"),
        Refusal::NoKey => s3_error!(NoSuchKey, "there is no such object"),
        Refusal::BucketTaken => s3_error!(BucketAlreadyOwnedByYou, "the bucket is there"),
        Refusal::BucketNotEmpty => s3_error!(BucketNotEmpty, "the bucket holds objects"),
        Refusal::Condition => s3_error!(PreconditionFailed, "the object as it stands does not meet the condition"),
        Refusal::Folder => s3_error!(InvalidRequest, "a key cannot be an object and the folder of others here"),
        Refusal::Io(error) => internal(error),
    }
}

pub(super) fn flawed(flaw: Flaw) -> S3Error {
    match flaw {
        Flaw::NoSuchUpload => s3_error!(NoSuchUpload, "the upload was ended, or never begun"),
        Flaw::InvalidPart => s3_error!(InvalidPart, "a part was not received, or is another"),
        Flaw::Order => s3_error!(InvalidPartOrder, "parts are named by rising numbers"),
    }
}

/// Whether a write may go on, given the ETag that is there.
pub(super) fn allows(if_match: &Option<IfMatch>, if_none_match: &Option<IfNoneMatch>, etag: Option<&str>) -> bool {
    let meets = |condition: &ETagCondition| match (condition, etag) {
        (_, None) => false,
        (ETagCondition::Any, Some(_)) => true,
        (ETagCondition::ETag(wanted), Some(etag)) => wanted.value() == etag,
    };
    if_match.as_ref().is_none_or(meets) && !if_none_match.as_ref().is_some_and(meets)
}

pub(super) fn check_read(
    if_match: &Option<IfMatch>,
    if_none_match: &Option<IfNoneMatch>,
    object: &Found,
) -> S3Result<()> {
    let etag = Some(object.meta.etag.as_str());
    if !allows(if_match, &None, etag) {
        return Err(refused(Refusal::Condition));
    }
    if !allows(&None, if_none_match, etag) {
        return Err(s3_error!(NotModified));
    }
    Ok(())
}

pub(super) fn check_copy(
    if_match: &Option<CopySourceIfMatch>,
    if_none_match: &Option<CopySourceIfNoneMatch>,
    source: &Found,
) -> S3Result<()> {
    match allows(if_match, if_none_match, Some(&source.meta.etag)) {
        true => Ok(()),
        false => Err(refused(Refusal::Condition)),
    }
}

/// What a request says of its body; `$input` has the same fields for objects and parts.
macro_rules! claim {
    ($req:expr) => {{
        let (req, input) = ($req, &$req.input);
        let header = |name: &str| req.headers.get(name).and_then(|value| value.to_str().ok());
        let decoded = header("x-amz-decoded-content-length").and_then(|length| length.parse().ok());
        let named = header("x-amz-trailer").map(|name| name.trim().to_ascii_lowercase());
        Claim {
            bytes: decoded.or(input.content_length.and_then(|length| u64::try_from(length).ok())),
            md5: input.content_md5.clone(),
            sums: Checksum {
                checksum_crc32: input.checksum_crc32.clone(),
                checksum_crc32c: input.checksum_crc32c.clone(),
                checksum_crc64nvme: input.checksum_crc64nvme.clone(),
                checksum_sha1: input.checksum_sha1.clone(),
                checksum_sha256: input.checksum_sha256.clone(),
                ..Checksum::default()
            },
            trailer: req.trailing_headers.clone().zip(named),
        }
    }};
}

pub(super) fn claim_of_put(req: &S3Request<PutObjectInput>) -> Claim {
    claim!(req)
}

pub(super) fn claim_of_part(req: &S3Request<UploadPartInput>) -> Claim {
    claim!(req)
}

/// The metadata that a request gives; the ETag comes later.
macro_rules! meta {
    ($input:expr) => {
        Meta {
            content_type: $input.content_type.clone(),
            content_encoding: $input.content_encoding.clone(),
            content_disposition: $input.content_disposition.clone(),
            content_language: $input.content_language.clone(),
            cache_control: $input.cache_control.clone(),
            user: $input.metadata.clone().unwrap_or_default(),
            ..Meta::default()
        }
    };
}

pub(super) fn meta_of_put(input: &PutObjectInput) -> Meta {
    meta!(input)
}

pub(super) fn meta_of_upload(input: &CreateMultipartUploadInput) -> Meta {
    meta!(input)
}

pub(super) fn meta_of_copy(input: &CopyObjectInput, source: &Meta) -> Meta {
    Meta { etag: source.etag.clone(), sha256: source.sha256.clone(), ..meta!(input) }
}

pub(super) fn head_of(object: &Found, with_checksum: bool) -> HeadObjectOutput {
    let meta = object.meta.clone();
    HeadObjectOutput {
        accept_ranges: Some("bytes".to_owned()),
        content_length: i64::try_from(object.bytes).ok(),
        content_type: meta.content_type.or_else(unknown_type),
        content_encoding: meta.content_encoding,
        content_disposition: meta.content_disposition,
        content_language: meta.content_language,
        cache_control: meta.cache_control,
        checksum_sha256: meta.sha256.filter(|_| with_checksum),
        e_tag: Some(ETag::Strong(meta.etag)),
        last_modified: Some(object.modified.into()),
        metadata: Some(meta.user),
        ..HeadObjectOutput::default()
    }
}

/// The object or a range of it, as a body that is read while it is sent.
pub(super) fn found(mut object: Found, input: &GetObjectInput) -> S3Result<GetObjectOutput> {
    let head = head_of(&object, input.checksum_mode.is_some() && input.range.is_none());
    let range = match input.range {
        Some(range) => range.check(object.bytes)?,
        None => 0..object.bytes,
    };
    let content_range = input.range.map(|_| format!("bytes {}-{}/{}", range.start, range.end - 1, object.bytes));
    object.file.seek(SeekFrom::Start(range.start)).map_err(internal)?;
    let bytes = range.end - range.start;
    Ok(GetObjectOutput {
        body: Some(stream_of(object.file, bytes)),
        content_length: i64::try_from(bytes).ok(),
        content_range,
        accept_ranges: head.accept_ranges,
        content_type: input.response_content_type.clone().or(head.content_type),
        content_encoding: input.response_content_encoding.clone().or(head.content_encoding),
        content_disposition: input.response_content_disposition.clone().or(head.content_disposition),
        content_language: input.response_content_language.clone().or(head.content_language),
        cache_control: input.response_cache_control.clone().or(head.cache_control),
        checksum_sha256: head.checksum_sha256,
        e_tag: head.e_tag,
        last_modified: head.last_modified,
        metadata: head.metadata,
        ..GetObjectOutput::default()
    })
}

fn unknown_type() -> Option<String> {
    Some("application/octet-stream".to_owned())
}

fn stream_of(file: File, bytes: u64) -> StreamingBlob {
    let pieces = stream::try_unfold((file, bytes), |(file, left)| async move {
        if left == 0 {
            return Ok(None);
        }
        let read = spawn_blocking(move || read_piece(file, left)).await.map_err(io::Error::other)??;
        let (piece, file) = read;
        let left = left.saturating_sub(piece.len() as u64);
        Ok::<_, io::Error>(Some((piece, (file, left))))
    });
    StreamingBlob::wrap(pieces)
}

fn read_piece(mut file: File, left: u64) -> io::Result<(Bytes, File)> {
    let bytes = usize::try_from(left).unwrap_or(COPY_BYTES).min(COPY_BYTES);
    let mut piece = vec![0; bytes];
    file.read_exact(&mut piece)?;
    Ok((piece.into(), file))
}

pub(super) fn listed(key: String, found: &Found) -> Object {
    Object {
        key: Some(key),
        size: i64::try_from(found.bytes).ok(),
        e_tag: Some(ETag::Strong(found.meta.etag.clone())),
        last_modified: Some(found.modified.into()),
        storage_class: Some(ObjectStorageClass::from_static(ObjectStorageClass::STANDARD)),
        ..Object::default()
    }
}

pub(super) fn listed_part(number: i32, part: &Piece) -> Part {
    Part {
        part_number: Some(number),
        size: i64::try_from(part.bytes).ok(),
        e_tag: Some(ETag::Strong(part.etag.clone())),
        last_modified: Some(part.received.into()),
        ..Part::default()
    }
}

pub(super) fn prefixes(prefixes: Vec<String>) -> Vec<CommonPrefix> {
    prefixes.into_iter().map(|prefix| CommonPrefix { prefix: Some(prefix) }).collect()
}

pub(super) fn not_deleted(key: String, error: &S3Error) -> Error {
    let message = error.message().map(str::to_owned);
    Error { key: Some(key), code: Some(error.code().as_str().to_owned()), message, ..Error::default() }
}

/// The parts that a completion names, with their ETags.
pub(super) fn wanted(upload: Option<CompletedMultipartUpload>) -> S3Result<Vec<(i32, Option<String>)>> {
    let mut wanted = Vec::new();
    for part in upload.and_then(|upload| upload.parts).unwrap_or_default() {
        let number = part.part_number.ok_or_else(|| s3_error!(MalformedXML, "a part has no number"))?;
        wanted.push((number, part.e_tag.map(|etag| etag.value().to_owned())));
    }
    Ok(wanted)
}

/// The key that a continuation token stands for.
pub(super) fn token_key(token: &str) -> S3Result<String> {
    let key = STANDARD.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    key.ok_or_else(|| s3_error!(InvalidArgument, "the continuation token is not one of ours"))
}

/// How keys stand in a listing: as they are, or URL-encoded, since XML cannot hold every character.
pub(super) fn encoder(encoding: Option<&EncodingType>) -> fn(&str) -> String {
    match encoding {
        Some(encoding) if encoding.as_str() == EncodingType::URL => url_encoded,
        _ => str::to_owned,
    }
}

fn url_encoded(key: &str) -> String {
    let mut encoded = String::with_capacity(key.len());
    for byte in key.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b'/' => encoded.push(byte.into()),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}
