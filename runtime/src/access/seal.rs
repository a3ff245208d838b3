//! A seal: bytes as a text that only this process can have made.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use rand::TryRng as _;
use sha2::Sha256;

use crate::error::{Error, Kind, Result};

/// Bytes that tell one life of the process from another.
const LIFE_BYTES: usize = 8;
/// Bytes of the seal's key.
const KEY_BYTES: usize = 32;
/// Bytes of the seal that are kept: as many as nobody tries out.
const MAC_BYTES: usize = 16;

/// What seals, drawn anew at each start.
pub struct Seal {
    life: [u8; LIFE_BYTES],
    made: Hmac<Sha256>,
}

/// Why a text cannot be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// Another process sealed it, or one that has ended.
    Foreign,
    /// Nobody did.
    Forged,
}

impl Seal {
    /// A new one, from the system's random numbers.
    pub fn new() -> Result<Self> {
        let (mut life, mut key) = ([0; LIFE_BYTES], [0; KEY_BYTES]);
        let mut random = rand::rngs::SysRng;
        let drawn = random.try_fill_bytes(&mut life).and_then(|()| random.try_fill_bytes(&mut key));
        drawn.map_err(|cause| Error::new(Kind::Internal, format!("the system's random numbers: {cause}")))?;
        let made = Hmac::new_from_slice(&key).map_err(|cause| Error::new(Kind::Internal, format!("seal: {cause}")))?;
        Ok(Self { life, made })
    }

    /// The bytes as a text.
    pub fn seal(&self, bytes: &[u8]) -> String {
        let mac = self.made.clone().chain_update(self.life).chain_update(bytes).finalize().into_bytes();
        let kept: Vec<u8> = mac.iter().copied().take(MAC_BYTES).collect();
        STANDARD.encode([&self.life, kept.as_slice(), bytes].concat())
    }

    /// The bytes of a text.
    pub fn open(&self, text: &str) -> Result<Vec<u8>, Broken> {
        let sealed = STANDARD.decode(text).map_err(|_| Broken::Forged)?;
        let (life, rest) = sealed.split_at_checked(LIFE_BYTES).ok_or(Broken::Forged)?;
        let (mac, bytes) = rest.split_at_checked(MAC_BYTES).ok_or(Broken::Forged)?;
        if life != self.life {
            return Err(Broken::Foreign);
        }
        let made = self.made.clone().chain_update(life).chain_update(bytes);
        made.verify_truncated_left(mac).map(|()| bytes.to_vec()).map_err(|_| Broken::Forged)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_sealed_is_opened() {
        let (seal, other) = (Seal::new().unwrap(), Seal::new().unwrap());
        for bytes in [&b""[..], b"abc", &[0; 300]] {
            let text = seal.seal(bytes);
            assert_eq!(seal.open(&text), Ok(bytes.to_vec()));
            assert_eq!(other.open(&text), Err(Broken::Foreign));
        }
        let sealed = STANDARD.decode(seal.seal(b"abc")).unwrap();
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            let expected = if at < LIFE_BYTES { Broken::Foreign } else { Broken::Forged };
            assert_eq!(seal.open(&STANDARD.encode(changed)), Err(expected), "byte {at}");
        }
        for text in ["", "AAAA", "not base64", &STANDARD.encode(&sealed[..20])] {
            assert_eq!(seal.open(text), Err(Broken::Forged), "{text}");
        }
    }
}
