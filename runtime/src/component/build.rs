//! A transform's folder, built into a component that lies in it.

mod exports;
mod javascript;
mod native;
mod program;
mod python;
mod rust;
mod scratch;
mod stamp;

use std::path::{Path, PathBuf};
use std::process::Command;

use scratch::Scratch;
use stamp::Stamp;

pub use self::native::native;
use super::signature;
use crate::error::{Error, Kind, OrFail, Result, io_kind};

#[cfg(test)]
pub(super) use rust::encode;

/// The contract, as the tools of other languages read it.
const WIT: &str = include_str!("../../../transforms/wit/transform.wit");
/// The folder with packages for other languages, in that of a build.
const LANGUAGES: &str = "languages";

/// A language that transforms are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// A crate.
    Rust,
    /// A package of npm's kind.
    JavaScript,
    /// A package of pip's kind.
    Python,
}

/// What was built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Built {
    /// The component's file.
    pub path: PathBuf,
    /// Whether it was made now; one whose sources and tools are the same as before is left alone.
    pub is_new: bool,
}

/// How the component of a package is made, with the stamp of all that it depends on.
struct Recipe {
    stamp: Stamp,
    /// Writes the component to [`Scratch::component`].
    command: Command,
    /// What runs, for messages.
    tool: String,
}

impl Language {
    /// The language of a transform's folder, by the file that describes it; none where there is no such file.
    pub fn of(folder: &Path) -> Option<Self> {
        [Self::Rust, Self::JavaScript, Self::Python]
            .into_iter()
            .find(|language| folder.join(language.manifest()).is_file())
    }

    /// The file that describes a folder in this language.
    fn manifest(self) -> &'static str {
        match self {
            Self::Rust => "Cargo.toml",
            Self::JavaScript => "package.json",
            Self::Python => "pyproject.toml",
        }
    }

    /// What such a folder is called.
    fn noun(self) -> &'static str {
        match self {
            Self::Rust => "crate",
            Self::JavaScript | Self::Python => "package",
        }
    }
}

/// Builds the crate or package in `folder` and writes the component beside it, as `<folder>/<folder's name>.wasm`.
/// `progress` is given lines of what goes on.
///
/// Errors when the folder is of no language, when there is no toolchain for it (the hint says what to install), when it
/// does not compile, or when what was compiled is no transform.
pub fn build(folder: &Path, mut progress: impl FnMut(&str)) -> Result<Built> {
    let named = |noun: &str| format!("{noun} {folder:?}");
    let root =
        folder.canonicalize().map_err(|cause| Error::new(io_kind(&cause), format!("{}: {cause}", named("folder"))))?;
    let language = Language::of(&root).ok_or_else(|| {
        Error::new(Kind::Missing, format!("{}: it has no Cargo.toml, package.json or pyproject.toml", named("folder")))
            .hint("name the folder of a transform; transforms/README.md tells how one begins")
    })?;
    let name = root.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let path = root.join(format!("{name}.wasm"));
    let made = match language {
        // Cargo knows by itself what has changed.
        Language::Rust => rust::build(&root, &mut progress).map(Some),
        Language::JavaScript => {
            packaged(&path, &mut progress, |scratch, progress| javascript::recipe(&root, scratch, progress))
        }
        Language::Python => packaged(&path, &mut progress, |scratch, _| python::recipe(&root, scratch)),
    };
    let made = made.map_err(|fault| fault.within(named(language.noun())))?;
    // The same bytes built again leave their signatures in place.
    let signed = |component| std::fs::read(&path).is_ok_and(|present| signature::is_of(&present, component));
    if let Some(component) = made.as_deref().filter(|component| !signed(component)) {
        replace(&path, component).or_fail(Kind::Storage, || format!("component {path:?}"))?;
    }
    Ok(Built { path, is_new: made.is_some() })
}

/// The component of a package, or nothing where the one at `path` carries the stamp that it would get.
fn packaged(
    path: &Path,
    progress: &mut dyn FnMut(&str),
    recipe: impl FnOnce(&Scratch, &mut dyn FnMut(&str)) -> Result<Recipe>,
) -> Result<Option<Vec<u8>>> {
    let scratch = Scratch::new()?;
    scratch.write("transform.wit", WIT)?;
    let Recipe { stamp, mut command, tool } = recipe(&scratch, progress)?;
    if stamp.is_on(path) {
        return Ok(None);
    }
    progress(&format!("making a component with {tool}: it takes some ten seconds"));
    let ended = program::run(&mut command, &tool, progress)?;
    if !ended.success {
        return Err(Error::new(Kind::Input, format!("{tool} makes no component of it\n{}", ended.said())));
    }
    let made = scratch.component();
    let made = std::fs::read(&made).or_fail(Kind::Storage, || format!("what {tool} made, {made:?}"))?;
    let mut component = exports::only_ours(&made)?;
    component.extend_from_slice(&stamp.section());
    Ok(Some(component))
}

/// A program that stands in one of the folders of `PATH`.
fn on_path(name: &str) -> Option<PathBuf> {
    let folders = std::env::var_os("PATH")?;
    std::env::split_paths(&folders).map(|folder| folder.join(name)).find(|path| path.is_file())
}

/// The folders beside this program, and around it, in which a build of Tidemill may have left packages for other languages.
fn languages(program: &Path) -> impl Iterator<Item = PathBuf> {
    program.ancestors().skip(1).map(|folder| folder.join(LANGUAGES))
}

/// Puts a file in place at once, so that who watches it never sees half of it; the same bytes are left alone.
pub fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    if std::fs::read(path).is_ok_and(|present| present == bytes) {
        return Ok(());
    }
    let beside = path.with_extension(format!("wasm.{}", std::process::id()));
    std::fs::write(&beside, bytes)?;
    std::fs::rename(&beside, path)
}

#[cfg(test)]
mod tests;
