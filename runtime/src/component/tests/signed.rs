//! Signatures at the end of components, and the keys that make them.

use super::guest::{Guest, host, limits};
use crate::component::{PublicKey, SecretKey, Trust, digest, sign, signers};

/// The key pair that RFC 8410 shows, as OpenSSL writes both halves.
const SECRET: &str = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n-----END PRIVATE KEY-----\n";
const PUBLIC: &str = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n";
const LINE: &str = "ed25519:Gb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=";

/// Bytes of a section with a signature.
const SECTION: usize = 118;

/// Three people, of whom the pipeline trusts the first two.
struct House {
    keys: [SecretKey; 3],
    trust: Trust,
    /// A component in a few bytes, and the same signed by the first.
    plain: Vec<u8>,
    signed: Vec<u8>,
}

impl House {
    fn new() -> Self {
        let keys = [(); 3].map(|()| SecretKey::generate().unwrap());
        let trust = Trust::in_keys(vec![keys[0].public(), keys[1].public()]);
        let plain = wat::parse_str("(component (core module (func)))").unwrap();
        let signed = sign(&plain, &keys[0]).unwrap().unwrap();
        Self { keys, trust, plain, signed }
    }

    fn by(&self, signers: &[usize]) -> Vec<u8> {
        signers.iter().fold(self.plain.clone(), |bytes, nth| sign(&bytes, &self.keys[*nth]).unwrap().unwrap())
    }

    fn taken(&self, bytes: &[u8]) {
        self.trust.check(bytes).unwrap();
    }

    fn refused(&self, bytes: &[u8], why: &str) {
        let fault = self.trust.check(bytes).unwrap_err();
        assert!(fault.message().contains(why), "{fault}, not {why}");
        assert!(fault.next_step().is_some(), "{fault}");
    }
}

/// A custom section.
fn section(name: &str, held: &[u8]) -> Vec<u8> {
    let size = 1 + name.len() + held.len();
    [&[0, size as u8, name.len() as u8][..], name.as_bytes(), held].concat()
}

#[test]
fn one_of_the_keys_has_to_have_signed() {
    let house = House::new();
    for signers in [&[0][..], &[1], &[0, 1], &[2, 1], &[0, 2]] {
        house.taken(&house.by(signers));
    }
    let asked = "the pipeline takes only components signed by one of 2 keys";
    house.refused(&house.plain, &format!("component: it is not signed, and {asked}"));
    let stranger = house.keys[2].public();
    let unknown = format!("component: it is signed by {stranger}, not by one of 2 keys, as the pipeline asks");
    house.refused(&house.by(&[2]), &unknown);
    let one = Trust::in_keys(vec![house.keys[1].public()]);
    let fault = one.check(&house.plain).unwrap_err();
    assert!(fault.message().ends_with(&format!("signed by the key {}", house.keys[1].public())), "{fault}");
    Trust::default().check(&house.plain).unwrap();
}

#[test]
fn signers_are_named_in_their_order_and_once() {
    let house = House::new();
    assert_eq!(signers(&house.plain).unwrap(), []);
    let both = house.by(&[1, 0]);
    assert_eq!(signers(&both).unwrap(), [house.keys[1].public(), house.keys[0].public()]);
    assert_eq!(both.len(), house.plain.len() + 2 * SECTION);
    for key in &house.keys[..2] {
        assert!(sign(&both, key).unwrap().is_none(), "a second time changes nothing");
    }
    // A signature covers none of the others: in whatever order they come, each is the same.
    let other = house.by(&[0, 1]);
    assert_eq!(&other[house.plain.len()..][..SECTION], &both[house.plain.len() + SECTION..]);
}

#[test]
fn every_bit_counts() {
    let house = House::new();
    for signed in [house.signed.clone(), house.by(&[0, 2])] {
        for bit in 0..signed.len() * 8 {
            let mut flipped = signed.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(house.trust.check(&flipped).is_err(), "bit {bit}");
        }
        for cut in 0..signed.len() {
            // What is left of two signatures may be one.
            if cut != house.signed.len() {
                assert!(house.trust.check(&signed[..cut]).is_err(), "the first {cut} bytes");
            }
        }
    }
}

#[test]
fn nothing_hides_behind_a_signature() {
    let house = House::new();
    let with = |more: &[u8]| [&house.signed[..], more].concat();
    let own = house.signed[house.plain.len()..].to_vec();
    let uncovered = "its signature is garbled: it is followed by what it does not cover";
    house.refused(&with(&section("note", b"hello")), uncovered);
    house.refused(&with(&[&section("note", b"hello")[..], &own].concat()), uncovered);
    house.refused(&with(&house.plain[8..]), uncovered);
    let unreadable = "its signature is garbled: it is followed by what cannot be read";
    house.refused(&with(&[0]), unreadable);
    house.refused(&with(&own[..40]), unreadable);
    house.refused(&with(&own), &format!("it is there twice, by {}", house.keys[0].public()));
    // What stands before a signature is signed with the rest.
    let noted = [&house.plain[..], &section("note", b"hello")].concat();
    house.taken(&sign(&noted, &house.keys[1]).unwrap().unwrap());
    house.refused(&[&noted[..], &own].concat(), "does not match: its bytes were changed after it");
}

#[test]
fn a_signature_has_one_form() {
    let house = House::new();
    let at = house.plain.len();
    let as_other = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = house.signed.clone();
        change(&mut bytes);
        bytes
    };
    house.refused(&as_other(&|bytes| bytes[at + 21] = 2), "its signature is of version 2, and only 1 is known here");
    // A size in two bytes is valid WebAssembly, and another file.
    house.refused(&as_other(&|bytes| _ = bytes.splice(at + 1..at + 2, [0xf4, 0])), "garbled: it has not its size");
    house.refused(&[&house.plain[..], &section("tidemill:signature", b"")].concat(), "garbled: it has not its size");
    house.refused(&[&house.plain[..], &section("tidemill:signature", &[1; 60])].concat(), "garbled");
    // A key of small order would take many signatures for its own.
    let mut weak = vec![1; 97];
    weak[1..].fill(0);
    weak[1] = 1;
    house.refused(&[&house.plain[..], &section("tidemill:signature", &weak)].concat(), "it names what is no key");
    let many: Vec<u8> =
        (0..17).flat_map(|nth| section("tidemill:signature", &[&[1][..], &[nth; 96]].concat())).collect();
    house.refused(&[&house.plain[..], &many].concat(), "garbled");
}

#[test]
fn what_is_signed_in_disorder_is_not_signed_again() {
    let house = House::new();
    let mut changed = house.signed.clone();
    *changed.last_mut().unwrap() ^= 1;
    let key = &house.keys[1];
    assert!(sign(&changed, key).unwrap_err().message().contains("does not match"));
    assert!(sign(b"", key).unwrap_err().message().contains("the file is empty"));
    assert!(sign(b"\0asm\x01\0\0\0", key).unwrap_err().message().contains("it is a core module"));
    let keys: Vec<SecretKey> = (0..17).map(|_| SecretKey::generate().unwrap()).collect();
    let full = keys[..16].iter().fold(house.plain.clone(), |bytes, key| sign(&bytes, key).unwrap().unwrap());
    assert_eq!(signers(&full).unwrap().len(), 16);
    let more = sign(&full, &keys[16]).unwrap_err();
    assert_eq!(more.message(), "component: it has 16 signatures, which are the most");
}

#[test]
fn a_host_loads_only_what_is_signed_as_it_asks() {
    let key = SecretKey::parse(SECRET).unwrap();
    let host = host().clone().trusting(&Trust::in_keys(vec![key.public()]));
    let plain = Guest::honest().bytes();
    let fault = host.load(&plain, &limits()).unwrap_err();
    assert!(fault.message().starts_with("component: it is not signed"), "{fault}");
    let signed = sign(&plain, &key).unwrap().unwrap();
    let component = host.load(&signed, &limits()).unwrap();
    assert_ne!(component.digest(), digest(&plain));
    component.instantiate("{}").unwrap();
    // What is no component is told of as ever.
    assert!(host.load(b"(module)", &limits()).unwrap_err().message().contains("it is not WebAssembly"));
}

#[test]
fn keys_are_those_of_openssl() {
    let key = SecretKey::parse(SECRET).unwrap();
    assert_eq!(key.to_pem(), SECRET);
    assert_eq!(key.public().to_string(), LINE);
    for text in [PUBLIC, LINE, &format!("{LINE}\n")] {
        assert_eq!(PublicKey::parse_file(text).unwrap(), key.public());
    }
    assert_eq!(PublicKey::parse(LINE).unwrap(), key.public());
    assert_eq!(format!("{key:?}"), format!("SecretKey(of {LINE})"), "it does not show itself");
}

/// Ed25519 knows no chance, so the same key makes the same file; this one's signature was made by OpenSSL.
#[test]
fn what_is_signed_stays_the_same_from_version_to_version() {
    let empty = wat::parse_str("(component)").unwrap();
    let signed = sign(&empty, &SecretKey::parse(SECRET).unwrap()).unwrap().unwrap();
    assert_eq!(digest(&signed), "996082068bd7b7e252c10e72c329e96e36e25757a99fbb45c5bc191c93e1c85d");
}

#[test]
fn what_is_no_key() {
    let secret = |text: &str, why: &str| {
        let fault = SecretKey::parse(text).unwrap_err();
        assert_eq!(fault.message(), why);
        assert!(fault.next_step().unwrap().contains("tidemill transform keygen"), "{fault}");
    };
    secret("", "it is not PKCS#8 in PEM");
    secret(LINE, "it is a public key, and only a secret one signs");
    secret(PUBLIC, "it is a public key, and only a secret one signs");
    secret(&SECRET.replace("MC4C", "MC4D"), "it holds no secret key of ed25519");
    secret(&SECRET.replace("PRIVATE", "ENCRYPTED PRIVATE"), "it has a passphrase, which cannot be given here");
    let public = |text: &str, why: &str| assert_eq!(PublicKey::parse_file(text).unwrap_err().message(), why);
    public(SECRET, "it holds a secret key");
    for text in ["", "ssh-ed25519 AAAA me", &PUBLIC.replace("MCow", "MCox")] {
        public(text, "it holds no public key of ed25519");
    }
    let public = |text: &str, why: &str| assert_eq!(PublicKey::parse(text).unwrap_err().message(), why);
    for text in
        ["", "ed25519:", "ed25519:AAAA", &LINE[..51], &LINE.replace("ed25519", "rsa"), &LINE.replace("uE=", "uF=")]
    {
        public(text, &format!("{text:?} is not ed25519: and 32 bytes in base64"));
    }
    let zero = format!("ed25519:{}=", "A".repeat(43));
    public(&zero, &format!("{zero:?} is no key that signs"));
}
