//! A secret, which nothing shows by accident: it has neither `Debug` nor `Display`.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::TryRng as _;

use super::DIGEST_BYTES;
use crate::error::{Error, Kind, Result};

/// What the text of a key begins with, so that tools which look for secrets in files know it.
const MARK: &str = "tidemill_";
/// Random bytes of a key.
const KEY_BYTES: usize = 32;

/// A secret text.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// This text as a secret.
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// A new key, from the system's random numbers.
    pub fn generate() -> Result<Self> {
        let mut bytes = [0; KEY_BYTES];
        let drawn = rand::rngs::SysRng.try_fill_bytes(&mut bytes);
        drawn.map_err(|cause| Error::new(Kind::Internal, format!("the system's random numbers: {cause}")))?;
        Ok(Self(format!("{MARK}{}", URL_SAFE_NO_PAD.encode(bytes))))
    }

    /// The text itself, for who sends it or shows it once.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The sha256 by which it is known.
    pub fn digest(&self) -> [u8; DIGEST_BYTES] {
        super::digest(self.0.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_long_and_no_two_are_alike() {
        let (one, other) = (Secret::generate().unwrap(), Secret::generate().unwrap());
        assert_eq!(one.expose().len(), MARK.len() + 43);
        assert!(one.expose() != other.expose() && one.digest() != other.digest());
    }
}
