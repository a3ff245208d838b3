//! The `[trust]` of a pipeline file: whose signature its components must carry.

use std::path::Path;

use crate::component::{PublicKey, Trust};
use crate::error::Result;

use super::fault::wrong;
use super::paths;
use super::section::Section;

/// Reads the keys, those in files as seen from `folder`. Where the section is absent, nothing is asked of a component.
pub(super) fn read(section: &Section<'_>, folder: &Path) -> Trust {
    section.need("keys", "keys = [\"ed25519:..\"], the lines of .pub files, or their paths");
    let mut keys: Vec<PublicKey> = Vec::new();
    for (index, written) in section.texts("keys").iter().enumerate() {
        let place = format!("{}[{index}]", section.path_of("keys"));
        match key(folder, written) {
            Ok(key) if keys.contains(&key) => section.wrong_at(&place, &wrong("the same key stands here twice")),
            Ok(key) => keys.push(key),
            Err(fault) => section.wrong_at(&place, &fault),
        }
    }
    if section.is_empty_list("keys") {
        let none = wrong("there is no key, so no component could be taken");
        section.wrong("keys", &none.hint("name one, or leave [trust] out to take any component"));
    }
    section.finish();
    Trust::in_keys(keys)
}

/// A key as it is, or the path of a file that holds one.
fn key(folder: &Path, written: &str) -> Result<PublicKey> {
    if Path::new(written).extension().is_some_and(|end| end == "pub") {
        return paths::public_key(folder, written);
    }
    if written.starts_with("ed25519:") {
        return PublicKey::parse(written);
    }
    let neither = wrong(format!("{written:?} is neither a key nor a .pub file"));
    Err(neither.hint("write \"ed25519:..\", the line of a .pub file, or the file's path"))
}
