//! Ed25519 keys as people keep them: a line of text, or a PEM file.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use rand::TryRng as _;

use crate::error::{Error, Kind, Result, io_kind};

/// Bytes of a key, secret or public.
pub(super) const KEY_BYTES: usize = 32;
/// Bytes of a signature.
pub(super) const SIGNATURE_BYTES: usize = 64;

/// What a public key begins with, as text.
const SCHEME: &str = "ed25519:";
/// What stands before the 32 bytes of a secret key in PKCS#8 (RFC 8410), as OpenSSL writes it.
const SECRET_DER: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];
/// What stands before those of a public one (RFC 8410).
const PUBLIC_DER: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
/// The words in the PEM lines around them.
const SECRET_LABEL: &str = "PRIVATE KEY";
const PUBLIC_LABEL: &str = "PUBLIC KEY";
/// No file with a key is larger.
const FILE_BYTES_MAX: u64 = 64 << 10;
/// The rights of everybody but a file's owner.
const OTHERS: u32 = 0o077;

/// Whose signature it is. Its text, `ed25519:` and 44 characters, is short enough to be its own fingerprint.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PublicKey(VerifyingKey);

/// What signs. It is never shown.
pub struct SecretKey(SigningKey);

impl PublicKey {
    /// Reads `ed25519:BASE64`.
    pub fn parse(text: &str) -> Result<Self> {
        let bytes = text.strip_prefix(SCHEME).and_then(|rest| STANDARD.decode(rest).ok());
        let bytes = bytes.and_then(|bytes| <[u8; KEY_BYTES]>::try_from(bytes).ok());
        let bytes = bytes.ok_or_else(|| {
            Error::new(Kind::Input, format!("{text:?} is not {SCHEME} and {KEY_BYTES} bytes in base64"))
                .hint("copy the line of a .pub file, or name the file")
        })?;
        Self::of_bytes(&bytes).ok_or_else(|| Error::new(Kind::Input, format!("{text:?} is no key that signs")))
    }

    /// Reads what a `.pub` file holds: such a line, or the PEM that `openssl pkey -pubout` writes.
    pub fn parse_file(text: &str) -> Result<Self> {
        if text.contains(SECRET_LABEL) {
            let secret = Error::new(Kind::Input, "it holds a secret key");
            return Err(secret.hint("name the .pub file beside it; nothing but `transform sign` needs the secret one"));
        }
        if text.starts_with(SCHEME) {
            return Self::parse(text.trim_end());
        }
        let der = pem(text, PUBLIC_LABEL);
        let key = der.as_deref().and_then(|der| inner(der, &PUBLIC_DER)).and_then(Self::of_bytes);
        key.ok_or_else(|| {
            Error::new(Kind::Input, "it holds no public key of ed25519")
                .hint("make one with `tidemill transform keygen`, or with `openssl pkey -pubout`")
        })
    }

    /// The key of these bytes; none where they are no point of the curve, or one that would take any signature.
    pub(super) fn of_bytes(bytes: &[u8; KEY_BYTES]) -> Option<Self> {
        VerifyingKey::from_bytes(bytes).ok().filter(|key| !key.is_weak()).map(Self)
    }

    pub(super) fn as_bytes(&self) -> &[u8; KEY_BYTES] {
        self.0.as_bytes()
    }

    /// Whether the signature is this key's, of this message and in the one form that a signature has.
    pub(super) fn signed(&self, message: &[u8], signature: &[u8; SIGNATURE_BYTES]) -> bool {
        self.0.verify_strict(message, &Signature::from_bytes(signature)).is_ok()
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}", STANDARD.encode(self.as_bytes()))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl SecretKey {
    /// A new one, from the system's random numbers.
    pub fn generate() -> Result<Self> {
        let mut bytes = [0; KEY_BYTES];
        let drawn = rand::rngs::SysRng.try_fill_bytes(&mut bytes);
        drawn.map_err(|cause| Error::new(Kind::Internal, format!("the system's random numbers: {cause}")))?;
        Ok(Self(SigningKey::from_bytes(&bytes)))
    }

    /// Reads a key's file, which must be its owner's alone.
    pub fn read(path: &Path) -> Result<Self> {
        let subject = || format!("key {}", path.display());
        let failed = |cause: std::io::Error| Error::new(io_kind(&cause), format!("{}: {cause}", subject()));
        let file = File::open(path).map_err(failed)?;
        // Asked of the open file: the name may point to another one meanwhile.
        let mode = file.metadata().map_err(failed)?.permissions().mode() & 0o777;
        if mode & OTHERS != 0 {
            let open = format!("{}: others have rights to it (mode {mode:03o}), so it is not used", subject());
            return Err(Error::new(Kind::Input, open).hint(format!("chmod 600 {}", path.display())));
        }
        let mut text = String::new();
        file.take(FILE_BYTES_MAX).read_to_string(&mut text).map_err(failed)?;
        Self::parse(&text).map_err(|fault| fault.within(subject()))
    }

    /// Reads PKCS#8 in PEM, as `transform keygen` and `openssl genpkey -algorithm ed25519` write it.
    pub fn parse(text: &str) -> Result<Self> {
        let der = pem(text, SECRET_LABEL);
        if let Some(bytes) = der.as_deref().and_then(|der| inner(der, &SECRET_DER)) {
            return Ok(Self(SigningKey::from_bytes(bytes)));
        }
        let what = match text {
            _ if der.is_some() => "it holds no secret key of ed25519",
            _ if text.contains("ENCRYPTED") => "it has a passphrase, which cannot be given here",
            _ if text.contains(PUBLIC_LABEL) || text.starts_with(SCHEME) => {
                "it is a public key, and only a secret one signs"
            }
            _ => "it is not PKCS#8 in PEM",
        };
        let made = "make one with `tidemill transform keygen NAME`, or with `openssl genpkey -algorithm ed25519`";
        Err(Error::new(Kind::Input, what).hint(made))
    }

    /// The key as a PEM file holds it.
    pub fn to_pem(&self) -> String {
        let der = [&SECRET_DER[..], self.0.as_bytes()].concat();
        format!("-----BEGIN {SECRET_LABEL}-----\n{}\n-----END {SECRET_LABEL}-----\n", STANDARD.encode(der))
    }

    /// The public key that goes with it.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key())
    }

    pub(super) fn sign(&self, message: &[u8]) -> [u8; SIGNATURE_BYTES] {
        self.0.sign(message).to_bytes()
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretKey(of {})", self.public())
    }
}

/// The bytes between the PEM lines with this label.
fn pem(text: &str, label: &str) -> Option<Vec<u8>> {
    let (_, rest) = text.split_once(&format!("-----BEGIN {label}-----"))?;
    let (body, _) = rest.split_once(&format!("-----END {label}-----"))?;
    STANDARD.decode(body.split_ascii_whitespace().collect::<String>()).ok()
}

/// The key after a prefix, where there is nothing else.
fn inner<'a>(der: &'a [u8], prefix: &[u8]) -> Option<&'a [u8; KEY_BYTES]> {
    der.strip_prefix(prefix)?.try_into().ok()
}
