//! Paths in a pipeline file: relative to it, made absolute, looked for.

use std::path::{Component, Path, PathBuf};

use crate::component::PublicKey;
use crate::component::build::Language;
use crate::error::{Error, Result};

use super::fault::wrong;
use super::names;

/// `written` as seen from `folder`, without `.` and `..`; links stay as they are, so that a link can be turned to another file.
pub(super) fn absolute(folder: &Path, written: &str) -> PathBuf {
    let mut path = PathBuf::new();
    for part in folder.join(written).components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                path.pop();
            }
            part => path.push(part),
        }
    }
    path
}

/// A transform's component, and the crate or package that it is built from where `written` names one.
pub(super) fn transform(folder: &Path, written: &str) -> Result<(PathBuf, Option<PathBuf>)> {
    let path = absolute(folder, written);
    if path.extension().is_some_and(|end| end == "wasm") {
        return if path.is_file() { Ok((path, None)) } else { Err(absent(written, &path)) };
    }
    if !path.exists() {
        return Err(absent(written, &path));
    }
    if Language::of(&path).is_none() {
        let neither =
            "is neither a transform's folder (it has no Cargo.toml, package.json or pyproject.toml) nor a .wasm file";
        return Err(wrong(format!("{written:?} {neither}")));
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    Ok((path.join(format!("{name}.wasm")), Some(path)))
}

/// A folder that is there.
pub(super) fn folder(folder: &Path, written: &str) -> Result<PathBuf> {
    let path = absolute(folder, written);
    match path.metadata() {
        Ok(found) if found.is_dir() => Ok(path),
        Ok(_) => Err(wrong(format!("{written:?} is not a folder"))),
        Err(_) => Err(absent(written, &path)),
    }
}

/// The text of a query's file.
pub(super) fn sql(folder: &Path, written: &str) -> Result<(PathBuf, String)> {
    let path = absolute(folder, written);
    if !path.exists() {
        return Err(absent(written, &path));
    }
    let text = std::fs::read_to_string(&path).map_err(|cause| wrong(format!("{written:?} cannot be read: {cause}")))?;
    Ok((path, text))
}

/// The key in a `.pub` file.
pub(super) fn public_key(folder: &Path, written: &str) -> Result<PublicKey> {
    let path = absolute(folder, written);
    if !path.exists() {
        return Err(absent(written, &path));
    }
    let text = std::fs::read_to_string(&path).map_err(|cause| wrong(format!("{written:?} cannot be read: {cause}")))?;
    PublicKey::parse_file(&text).map_err(|fault| fault.within(format!("{written:?}")))
}

fn absent(written: &str, path: &Path) -> Error {
    let fault = wrong(format!("{written:?} does not exist"));
    let Some((parent, name)) = path.parent().zip(path.file_name()) else { return fault };
    let Ok(entries) = parent.read_dir() else {
        return fault.hint(format!("nor does the folder {}", parent.display()));
    };
    let siblings: Vec<String> = entries.flatten().map(|e| e.file_name().to_string_lossy().into_owned()).collect();
    match names::nearest(&name.to_string_lossy(), siblings.iter().map(String::as_str)) {
        Some(near) => {
            let folder = Path::new(written).parent().unwrap_or(Path::new(""));
            fault.hint(format!("did you mean {:?}?", folder.join(near)))
        }
        None => fault.hint(format!("looked for in {}", parent.display())),
    }
}
