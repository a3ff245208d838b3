//! The file of a pipeline's API keys: read, and added to.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use serde::Deserialize;

use super::fault::Place;
use crate::access::{Key, Keys, Scope, digest_of_text};
use crate::error::{Error, Kind, Result, io_kind};
use crate::time::Timestamp;

/// No file of keys is larger.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// The most keys that are looked through for a request.
pub(super) const KEYS_MAX: usize = 1_000;
/// The rights of everybody but a file's owner.
const OTHERS: u32 = 0o077;

/// The file as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    keys: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    scopes: Vec<String>,
    sha256: String,
    expires: Option<String>,
}

/// Reads the keys of a file, which must be its owner's alone.
pub fn read(path: &Path) -> Result<Keys> {
    let subject = || format!("keys {}", path.display());
    let text = text_of(path, &subject()).map_err(|fault| match fault.kind() {
        Kind::Missing => fault.hint(format!("make one: tidemill key new --scope SCOPE --file {}", path.display())),
        _ => fault,
    })?;
    parse(&text).map_err(|fault| fault.within(subject()))
}

/// The text of a file that must be its owner's alone; `subject` is what it is called.
pub(super) fn text_of(path: &Path, subject: &str) -> Result<String> {
    let failed = |cause: std::io::Error| Error::new(io_kind(&cause), format!("{subject}: {cause}"));
    let file = File::open(path).map_err(failed)?;
    // Asked of the open file: the name may point to another one meanwhile.
    let mode = file.metadata().map_err(failed)?.permissions().mode() & 0o777;
    if mode & OTHERS != 0 {
        let open = format!("{subject}: others have rights to it (mode {mode:03o}), so it is not used");
        return Err(Error::new(Kind::Input, open).hint(format!("chmod 600 {}", path.display())));
    }
    let mut text = String::new();
    file.take(FILE_BYTES_MAX).read_to_string(&mut text).map_err(failed)?;
    Ok(text)
}

/// Adds a key to a file, which is made where there is none. It takes the old one's place whole or not at all.
pub fn add(path: &Path, key: &Key, created: Timestamp) -> Result<()> {
    let mut text = String::new();
    if path.exists() {
        let known = read(path)?;
        if known.iter().len() >= KEYS_MAX {
            return Err(Error::new(Kind::Input, format!("keys {}: {KEYS_MAX} are the most", path.display()))
                .hint("take out those that are no longer used"));
        }
        text = fs::read_to_string(path).map_err(|cause| failed(path, &cause))?;
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
    }
    let scopes: Vec<String> = key.scopes.iter().map(|scope| format!("\"{scope}\"")).collect();
    let blank = if text.is_empty() { "" } else { "\n" };
    text += &format!(
        "{blank}# made {created}\n[[keys]]\nsha256 = \"{}\"\nscopes = [{}]\n",
        key.digest_text(),
        scopes.join(", ")
    );
    if let Some(expires) = key.expires {
        text += &format!("expires = \"{expires}\"\n");
    }
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = Path::new(&beside);
    let made = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(beside);
    let written = made.and_then(|mut file| {
        file.set_permissions(fs::Permissions::from_mode(0o600))?;
        file.write_all(text.as_bytes())?;
        crate::sync::file(&file)
    });
    written.and_then(|()| fs::rename(beside, path)).map_err(|cause| failed(path, &cause))
}

fn failed(path: &Path, cause: &std::io::Error) -> Error {
    Error::new(io_kind(cause), format!("keys {}: {cause}", path.display()))
}

fn parse(text: &str) -> Result<Keys> {
    let written: Written = toml::from_str(text).map_err(|cause| {
        let place = Place::of(text, cause.span().map_or(0, |span| span.start));
        Error::new(Kind::Input, format!("line {}: {}", place.line, cause.message()))
    })?;
    if written.keys.len() > KEYS_MAX {
        return Err(Error::new(
            Kind::Input,
            format!("{} are over the {KEYS_MAX} that are looked through", written.keys.len()),
        ));
    }
    let keys = written
        .keys
        .into_iter()
        .zip(1..)
        .map(|(entry, nth)| key(entry).map_err(|fault| fault.within(format!("key {nth}"))));
    keys.collect::<Result<_>>().map(Keys::new)
}

fn key(entry: Entry) -> Result<Key> {
    let digest = digest_of_text(&entry.sha256)
        .ok_or_else(|| Error::new(Kind::Input, "its sha256 is not 64 hexadecimal digits"))?;
    let scopes = entry.scopes.iter().map(|scope| scope.parse()).collect::<Result<Vec<Scope>>>()?;
    let expires = entry.expires.as_deref().map(Timestamp::parse).transpose()?;
    Ok(Key { scopes, digest, expires })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Secret;

    #[test]
    fn what_is_added_is_read_again() {
        let folder = std::env::temp_dir().join(format!("tidemill-keys-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("keys.toml");
        let (one, other) = (Secret::generate().unwrap(), Secret::generate().unwrap());
        let key = |secret: &Secret, scope: &str, expires| Key {
            scopes: vec![scope.parse().unwrap()],
            digest: secret.digest(),
            expires,
        };
        let both = [key(&one, "produce:pin", None), key(&other, "admin", Some(Timestamp(1_800_000_000_000_000)))];
        for key in &both {
            add(&path, key, Timestamp(0)).unwrap();
        }
        let read_back: Vec<Key> = read(&path).unwrap().iter().cloned().collect();
        assert_eq!(read_back, both);
        let text = fs::read_to_string(&path).unwrap();
        assert!(!text.contains(one.expose()) && !text.contains(other.expose()), "{text}");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(read(&path).unwrap_err().message().ends_with("(mode 640), so it is not used"));
        fs::remove_dir_all(&folder).unwrap();
        assert_eq!(read(&path).unwrap_err().kind(), Kind::Missing);
    }

    #[test]
    fn faults_of_a_file() {
        let digest = "0".repeat(64);
        let check = |text: &str, words: &str| {
            let fault = parse(text).unwrap_err();
            assert!(fault.message().contains(words), "{text}: {fault}");
        };
        check("keys = 1", "line 1: ");
        check("[[keys]]\nsha256 = \"0\"\nscopes = []", "key 1: its sha256 is not 64 hexadecimal digits");
        check(&format!("[[keys]]\nsha256 = \"{digest}\"\nscopes = [\"all\"]"), "key 1: scope \"all\" is not known");
        check(&format!("[[keys]]\nsha256 = \"{digest}\"\nscopes = []\nname = \"x\""), "line 4: unknown field `name`");
        check(&format!("[[keys]]\nsha256 = \"{digest}\"\nscopes = []\nexpires = \"soon\""), "key 1: time \"soon\"");
        assert!(parse("").unwrap().is_empty());
    }
}
