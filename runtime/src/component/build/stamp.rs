//! What a component was made of, kept as a digest in the component itself.

use std::path::Path;

use sha2::{Digest, Sha256};

use crate::component::signature;

/// The custom section's name.
const NAME: &[u8] = b"tidemill-made-of";
/// Bytes of a digest.
const DIGEST_BYTES: usize = 32;
/// Bytes of the section's content: the length of its name, the name, the digest.
const CONTENT_BYTES: usize = 1 + NAME.len() + DIGEST_BYTES;
// A number below 128 is one byte.
const _: () = assert!(CONTENT_BYTES < 128);

/// The digest of sources and tools.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stamp([u8; DIGEST_BYTES]);

impl Stamp {
    /// The stamp of these parts, in this order, each apart from its neighbours.
    pub(super) fn of<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut digest = Sha256::new();
        for part in parts {
            digest.update((part.len() as u64).to_le_bytes());
            digest.update(part);
        }
        Self(digest.finalize().into())
    }

    /// A custom section that carries it, to be put at the end of a component.
    pub(super) fn section(&self) -> Vec<u8> {
        [&[0, CONTENT_BYTES as u8, NAME.len() as u8], NAME, &self.0].concat()
    }

    /// Whether the component at `path` ends with it, but for signatures.
    pub(super) fn is_on(&self, path: &Path) -> bool {
        let section = self.section();
        std::fs::read(path).is_ok_and(|bytes| signature::signed(&bytes).is_ok_and(|signed| signed.ends_with(&section)))
    }
}
