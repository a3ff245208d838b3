//! A bucket in memory whose answers get lost.

use std::collections::BTreeMap;
use std::fmt::Write;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use sha2::{Digest, Sha256};

use crate::commit::Object;

/// Objects by their keys.
#[derive(Default)]
pub(super) struct Bucket {
    pub(super) objects: BTreeMap<String, Vec<u8>>,
}

impl Bucket {
    /// Puts an object where its key is free, as the uploader's requests do; whether it is heard that the bucket has it. What was
    /// not heard may have been stored all the same.
    pub(super) fn put(&mut self, object: &Object, bytes: &[u8], calm: bool, random: &mut ChaCha8Rng) -> bool {
        assert_eq!(
            (object.bytes, &object.sha256),
            (bytes.len() as u64, &sha256(bytes)),
            "{:?} is other bytes",
            object.key
        );
        let (busy, heard) = (!calm && random.random_range(0..5) == 0, calm || random.random_range(0..4) > 0);
        if busy {
            return false;
        }
        // Taken keys are refused, and the sha256 tells whether it was ourselves.
        let there = self.objects.entry(object.key.clone()).or_insert_with(|| bytes.to_vec());
        assert_eq!(sha256(there), object.sha256, "{:?} was stored with other bytes", object.key);
        heard
    }
}

/// The sha256 in hexadecimal.
pub(super) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
