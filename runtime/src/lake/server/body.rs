//! A request's body on its way to disk, with every checksum that the client gave.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::StreamExt;
use s3s::checksum::ChecksumHasher;
use s3s::crypto::{Checksum as _, Md5};
use s3s::dto::{Checksum, StreamingBlob};
use s3s::{S3Result, TrailingHeaders, s3_error};
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

/// Pieces of a body that wait for the disk.
const PIECES_MAX: usize = 8;

/// What the client says its body is.
pub(super) struct Claim {
    pub(super) bytes: Option<u64>,
    /// In base64.
    pub(super) md5: Option<String>,
    pub(super) sums: Checksum,
    /// The headers that follow the body, and the name of the checksum that will be among them.
    pub(super) trailer: Option<(TrailingHeaders, String)>,
}

/// What was received, verified and (where asked) synced.
pub(super) struct Received {
    pub(super) bytes: u64,
    pub(super) sha256: [u8; 32],
    /// The checksums that the client named.
    pub(super) sums: Checksum,
}

/// Whether a file must outlive a loss of power.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Durability {
    Synced,
    Cached,
}

/// Writes `body` to the new file `into` and verifies it; on an error the file is not to be used.
pub(super) async fn receive(
    body: Option<StreamingBlob>,
    into: &Path,
    claim: Claim,
    durability: Durability,
) -> S3Result<Received> {
    let file = File::create_new(into).map_err(internal)?;
    let hashers = Hashers::of(&claim)?;
    let (pieces, waiting) = mpsc::channel(PIECES_MAX);
    let writer = spawn_blocking(move || write(file, hashers, waiting, durability));
    let sent = send(body, pieces).await;
    let written = writer.await.map_err(|error| s3_error!(error, InternalError))?;
    sent?;
    let (received, md5) = written.map_err(internal)?;
    verify(&claim, &received, md5.as_deref())?;
    Ok(received)
}

/// An error of the disk, which the client may try again.
pub(super) fn internal(error: io::Error) -> s3s::S3Error {
    s3_error!(error, InternalError, "the disk refuses")
}

async fn send(body: Option<StreamingBlob>, pieces: mpsc::Sender<Bytes>) -> S3Result<()> {
    let Some(mut body) = body else { return Ok(()) };
    while let Some(piece) = body.next().await {
        let piece = piece.map_err(|error| s3_error!(IncompleteBody, "the body broke off: {error}"))?;
        if pieces.send(piece).await.is_err() {
            // The writer has failed, and says why.
            return Ok(());
        }
    }
    Ok(())
}

struct Hashers {
    sha256: Sha256,
    md5: Option<Md5>,
    others: ChecksumHasher,
}

impl Hashers {
    fn of(claim: &Claim) -> S3Result<Self> {
        let named = |name: &str| claim.trailer.as_ref().is_some_and(|(_, trailer)| trailer == name);
        let sums = &claim.sums;
        let others = ChecksumHasher {
            crc32: (sums.checksum_crc32.is_some() || named("x-amz-checksum-crc32")).then(Default::default),
            crc32c: (sums.checksum_crc32c.is_some() || named("x-amz-checksum-crc32c")).then(Default::default),
            sha1: (sums.checksum_sha1.is_some() || named("x-amz-checksum-sha1")).then(Default::default),
            // Computed for every object, see `Received::sha256`.
            sha256: None,
            crc64nvme: (sums.checksum_crc64nvme.is_some() || named("x-amz-checksum-crc64nvme")).then(Default::default),
        };
        Ok(Self { sha256: Sha256::new(), md5: claim.md5.as_ref().map(|_| Md5::new()), others })
    }
}

fn write(
    mut file: File,
    mut hashers: Hashers,
    mut pieces: mpsc::Receiver<Bytes>,
    durability: Durability,
) -> io::Result<(Received, Option<String>)> {
    let mut bytes = 0;
    while let Some(piece) = pieces.blocking_recv() {
        file.write_all(&piece)?;
        hashers.sha256.update(&piece);
        hashers.others.update(&piece);
        if let Some(md5) = &mut hashers.md5 {
            md5.update(&piece);
        }
        bytes += piece.len() as u64;
    }
    if durability == Durability::Synced {
        crate::sync::file(&file)?;
    }
    let received = Received { bytes, sha256: hashers.sha256.finalize().into(), sums: hashers.others.finalize() };
    Ok((received, hashers.md5.map(|md5| STANDARD.encode(md5.finalize()))))
}

fn verify(claim: &Claim, received: &Received, md5: Option<&str>) -> S3Result<()> {
    if claim.bytes.is_some_and(|bytes| bytes != received.bytes) {
        return Err(s3_error!(IncompleteBody, "the body is {} bytes long", received.bytes));
    }
    if claim.md5.as_deref() != md5 {
        return Err(s3_error!(BadDigest, "Content-MD5 is not that of the body"));
    }
    let sha256 = STANDARD.encode(received.sha256);
    let (claimed, sums) = (&claim.sums, &received.sums);
    let pairs = [
        ("x-amz-checksum-crc32", &claimed.checksum_crc32, sums.checksum_crc32.as_deref()),
        ("x-amz-checksum-crc32c", &claimed.checksum_crc32c, sums.checksum_crc32c.as_deref()),
        ("x-amz-checksum-crc64nvme", &claimed.checksum_crc64nvme, sums.checksum_crc64nvme.as_deref()),
        ("x-amz-checksum-sha1", &claimed.checksum_sha1, sums.checksum_sha1.as_deref()),
        ("x-amz-checksum-sha256", &claimed.checksum_sha256, Some(sha256.as_str())),
    ];
    for (name, claimed, actual) in pairs {
        let trailing = match &claim.trailer {
            Some((headers, trailer)) if trailer == name => {
                let value =
                    headers.read(|headers| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned));
                Some(
                    value
                        .flatten()
                        .ok_or_else(|| s3_error!(InvalidRequest, "{name} was announced and did not come"))?,
                )
            }
            _ => None,
        };
        for claimed in [claimed.as_deref(), trailing.as_deref()].into_iter().flatten() {
            if Some(claimed) != actual {
                return Err(s3_error!(BadDigest, "{name} is not that of the body"));
            }
        }
    }
    Ok(())
}
