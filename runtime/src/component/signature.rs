//! Signatures of a component: sections at its end, each with a key and what it signed.
//!
//! Signed is all that stands before the first of them, so that several people sign the same bytes one after another,
//! and none of them takes part in another's signature. Nothing else may follow: it would be signed by nobody.

use sha2::{Digest, Sha256};
use wasmparser::BinaryReader;

use super::key::{KEY_BYTES, PublicKey, SIGNATURE_BYTES, SecretKey};
use super::{load, shape};
use crate::error::{Error, Kind, Result};

/// The section's name.
const NAME: &[u8] = b"tidemill:signature";
/// The form of what it holds: this byte, the key, the signature.
const VERSION: u8 = 1;
/// Bytes of what it holds.
const HELD_BYTES: usize = 1 + KEY_BYTES + SIGNATURE_BYTES;
/// How every such section begins: that it is a custom one, its size, the name's size. Each size is one byte of LEB128,
/// and a section that writes them otherwise is not ours.
const BEGIN: [u8; 3] = [0, (1 + NAME.len() + HELD_BYTES) as u8, NAME.len() as u8];
/// Before what is signed, so that no signature made for another purpose can be taken for one of a component.
const DOMAIN: &[u8] = b"tidemill component signature 1\0";
/// The most signatures of one component; each takes time to check.
const SIGNATURES_MAX: usize = 16;
/// Bytes before a component's first section.
const PREAMBLE_BYTES: usize = 8;

/// What to do about a signature that is none.
const AGAIN: &str = "build it again, then sign it: tidemill transform sign FILE --key KEY";

/// A component taken apart.
struct Parts<'a> {
    /// What is signed.
    signed: &'a [u8],
    signatures: Vec<Signature<'a>>,
}

/// What a section of ours holds.
struct Signature<'a> {
    key: &'a [u8; KEY_BYTES],
    signature: &'a [u8; SIGNATURE_BYTES],
}

/// Who signed a component, in their order; none where nobody did.
///
/// Errors where a section is garbled, or a signature does not match the bytes, whoever it is by.
pub fn signers(bytes: &[u8]) -> Result<Vec<PublicKey>> {
    let parts = Parts::of(bytes)?;
    let message = message(parts.signed);
    let mut signers = Vec::new();
    for Signature { key, signature } in parts.signatures {
        let key = PublicKey::of_bytes(key).ok_or_else(|| garbled("it names what is no key"))?;
        if signers.contains(&key) {
            return Err(garbled(&format!("it is there twice, by {key}")));
        }
        if !key.signed(&message, signature) {
            let what = format!("component: the signature by {key} does not match: its bytes were changed after it");
            return Err(Error::new(Kind::Input, what).hint(AGAIN));
        }
        signers.push(key);
    }
    Ok(signers)
}

/// The component with one signature more; none where it has this key's already.
///
/// Errors where it is no component, or one whose signatures would be refused.
pub fn sign(bytes: &[u8], key: &SecretKey) -> Result<Option<Vec<u8>>> {
    let signers = signers(bytes)?;
    if signers.contains(&key.public()) {
        return Ok(None);
    }
    if signers.len() >= SIGNATURES_MAX {
        let most = format!("component: it has {SIGNATURES_MAX} signatures, which are the most");
        return Err(Error::new(Kind::Input, most).hint(AGAIN));
    }
    let signature = key.sign(&message(Parts::of(bytes)?.signed));
    Ok(Some([bytes, &BEGIN, NAME, &[VERSION], key.public().as_bytes(), &signature].concat()))
}

/// Whether `bytes` are those of `component` with signatures that match.
pub(super) fn is_of(bytes: &[u8], component: &[u8]) -> bool {
    signers(bytes).is_ok() && Parts::of(bytes).is_ok_and(|parts| parts.signed == component)
}

/// What is signed of a component, or is to be: all but its signatures.
pub(super) fn signed(bytes: &[u8]) -> Result<&[u8]> {
    Parts::of(bytes).map(|parts| parts.signed)
}

fn garbled(what: &str) -> Error {
    Error::new(Kind::Input, format!("component: its signature is garbled: {what}")).hint(AGAIN)
}

/// What a key signs of these bytes.
fn message(signed: &[u8]) -> Vec<u8> {
    [DOMAIN, Sha256::digest(signed).as_slice()].concat()
}

impl<'a> Parts<'a> {
    fn of(bytes: &'a [u8]) -> Result<Self> {
        load::check_form(bytes)?;
        let mut reader = BinaryReader::new(bytes.get(PREAMBLE_BYTES..).unwrap_or_default(), PREAMBLE_BYTES);
        let (mut signed, mut signatures) = (bytes, Vec::new());
        while !reader.eof() {
            let start = reader.original_position();
            let name = skip_section(&mut reader).map_err(|cause| match signatures.is_empty() {
                true => shape::unreadable(&cause),
                false => garbled("it is followed by what cannot be read"),
            })?;
            let whole = bytes.get(start..reader.original_position()).unwrap_or_default();
            if name == Some(NAME) {
                if signatures.is_empty() {
                    signed = bytes.get(..start).unwrap_or_default();
                }
                signatures.push(Signature::of(whole)?);
            } else if !signatures.is_empty() {
                return Err(garbled("it is followed by what it does not cover"));
            }
            if signatures.len() > SIGNATURES_MAX {
                return Err(garbled(&format!("there are more than {SIGNATURES_MAX}")));
            }
        }
        Ok(Self { signed, signatures })
    }
}

/// Reads past a section; gives the name of a custom one.
fn skip_section<'a>(reader: &mut BinaryReader<'a>) -> wasmparser::Result<Option<&'a [u8]>> {
    let kind = reader.read_u8()?;
    let size = reader.read_var_u32()?;
    let body = reader.read_bytes(size as usize)?;
    if kind != 0 {
        return Ok(None);
    }
    let mut body = BinaryReader::new(body, 0);
    let length = body.read_var_u32()?;
    body.read_bytes(length as usize).map(Some)
}

impl<'a> Signature<'a> {
    /// What a whole section holds, which is written in one way only.
    fn of(whole: &'a [u8]) -> Result<Self> {
        let held = whole.strip_prefix(&BEGIN).and_then(|rest| rest.strip_prefix(NAME));
        let (version, held) = held.and_then(<[u8]>::split_first).ok_or_else(|| garbled("it has not its size"))?;
        if *version != VERSION {
            let newer = format!("component: its signature is of version {version}, and only {VERSION} is known here");
            return Err(Error::new(Kind::Input, newer).hint("sign it with the tidemill that is to run it"));
        }
        let (key, signature) = held.split_first_chunk().ok_or_else(|| garbled("it has not its size"))?;
        let signature = signature.try_into().map_err(|_| garbled("it has not its size"))?;
        Ok(Self { key, signature })
    }
}
