//! `tidemill transform new`: a crate to begin with.

use std::fs;
use std::path::{Component, Path, PathBuf};

use clap::{Args, ValueEnum};

use super::Ended;
use crate::config::check_name;
use crate::error::{Error, Kind, OrFail, Result, io_kind};

/// The files of the crate, `NAME` and `SDK` to be filled in.
const FILES: [(&str, &str); 5] = [
    ("Cargo.toml", include_str!("template/crate.toml")),
    ("src/lib.rs", include_str!("template/lib.rs")),
    ("sample.jsonl", include_str!("template/sample.jsonl")),
    ("pipeline.toml", include_str!("template/pipeline.toml")),
    (".gitignore", include_str!("template/ignored")),
];
/// Where the SDK lies in a checkout of Tidemill.
const SDK: &str = "transforms/sdk";
/// Names that no crate may have: what every crate has in reach, then Rust's keywords.
const TAKEN: [&str; 47] = [
    "alloc",
    "core",
    "proc_macro",
    "std",
    "test",
    "abstract",
    "as",
    "async",
    "await",
    "become",
    "box",
    "break",
    "const",
    "continue",
    "crate",
    "do",
    "dyn",
    "else",
    "enum",
    "extern",
    "false",
    "final",
    "fn",
    "for",
    "gen",
    "if",
    "impl",
    "in",
    "let",
    "loop",
    "macro",
    "match",
    "mod",
    "move",
    "mut",
    "override",
    "priv",
    "pub",
    "ref",
    "return",
    "static",
    "struct",
    "trait",
    "true",
    "try",
    "type",
    "while",
];

/// Begin a transform: a crate with a test, a sample and a pipeline.
#[derive(Debug, Args)]
pub(in crate::cli) struct New {
    /// The folder to make; its name becomes that of the crate, of the topic and of the table.
    name: PathBuf,
    /// What it is written in.
    #[arg(long, value_enum, default_value = "rust")]
    lang: Language,
    /// Tidemill's SDK, where it is not found from here or from this program upwards.
    #[arg(long)]
    sdk: Option<PathBuf>,
}

/// A language that transforms are written in.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Language {
    /// A crate that uses the SDK.
    Rust,
}

impl New {
    pub(in crate::cli) fn run(self) -> Result<Ended> {
        let folder = std::path::absolute(&self.name).or_fail(Kind::Input, || format!("folder {:?}", self.name))?;
        let name = crate_name(&folder)?;
        let here = std::env::current_dir().or_fail(Kind::Missing, || "current folder")?;
        let program = std::env::current_exe().unwrap_or_default();
        let written = match self.lang {
            Language::Rust => {
                let sdk = sdk(self.sdk.as_deref(), &here, &program)?;
                write(&folder, &name, &sdk)?
            }
        };
        let shown = self.name.display();
        println!("made {shown}: {}\n\nnext:", written.join(", "));
        println!("  cargo test --manifest-path {shown}/Cargo.toml");
        println!("  tidemill transform build {shown}");
        println!("  tidemill transform run {shown} < {shown}/sample.jsonl");
        println!("  tidemill run {shown}/pipeline.toml");
        Ok(Ended::Well)
    }
}

/// The folder's name, if it can be that of a crate and of a table.
fn crate_name(folder: &Path) -> Result<String> {
    let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    check_name(&name)?;
    if TAKEN.contains(&name.as_str()) {
        let taken = Error::new(Kind::Input, format!("the name {name:?} means something else in Rust"));
        return Err(taken.hint(format!("write \"{name}s\"")));
    }
    Ok(name)
}

/// The SDK's folder, without links: the given one, else that of a checkout around `here`, else of one around `program`.
fn sdk(given: Option<&Path>, here: &Path, program: &Path) -> Result<PathBuf> {
    if let Some(given) = given {
        return at(given).ok_or_else(|| {
            let wrong = Error::new(Kind::Missing, format!("folder {given:?} is not the crate tidemill-sdk"));
            wrong.hint(format!("name the folder {SDK} of Tidemill's sources"))
        });
    }
    let around = here.ancestors().chain(program.ancestors());
    around.map(|folder| folder.join(SDK)).find_map(|folder| at(&folder)).ok_or_else(|| {
        let unfound = Error::new(Kind::Missing, format!("the SDK is not found: no folder above this one has {SDK}"));
        unfound.hint(format!("get Tidemill's sources and name it: --sdk PATH/TO/tidemill/{SDK}"))
    })
}

/// The SDK at `folder`, if that is what is there.
fn at(folder: &Path) -> Option<PathBuf> {
    let manifest = fs::read_to_string(folder.join("Cargo.toml")).ok()?;
    let is_sdk = manifest.lines().any(|line| line.replace(' ', "") == "name=\"tidemill-sdk\"");
    if is_sdk { folder.canonicalize().ok() } else { None }
}

/// Makes the folder, which must not be there, and the files in it; returns their names.
fn write(folder: &Path, name: &str, sdk: &Path) -> Result<Vec<&'static str>> {
    let failed = |path: &Path, cause: std::io::Error| Error::new(io_kind(&cause), format!("{path:?}: {cause}"));
    fs::create_dir(folder).map_err(|cause| match cause.kind() {
        std::io::ErrorKind::AlreadyExists => {
            Error::new(Kind::Conflict, format!("{folder:?} is there already, and is left as it is"))
                .hint("choose another name")
        }
        std::io::ErrorKind::NotFound => {
            Error::new(Kind::Missing, format!("{folder:?}: there is no folder to make it in"))
        }
        _ => failed(folder, cause),
    })?;
    let root = folder.canonicalize().map_err(|cause| failed(folder, cause))?;
    let path = format!("{:?}", relative(&root, sdk).display().to_string());
    for (file, text) in FILES {
        let file = root.join(file);
        let text = text.replace("NAME", name).replace("SDK", &path);
        let made = file.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(&file, text));
        made.map_err(|cause| failed(&file, cause))?;
    }
    // The SDK's own versions: known to fit, and perhaps built already. Without them cargo finds some.
    if let Some(lock) = sdk.parent().map(|workspace| workspace.join("Cargo.lock")).filter(|lock| lock.is_file()) {
        fs::copy(&lock, root.join("Cargo.lock")).map_err(|cause| failed(&lock, cause))?;
    }
    Ok(FILES.map(|(file, _)| file).to_vec())
}

/// `to` as seen from `from`, where both lie in one checkout; as it is where it is far away.
fn relative(from: &Path, to: &Path) -> PathBuf {
    let checkout = to.parent().and_then(Path::parent).filter(|checkout| from.starts_with(checkout));
    let Some(inside) = checkout.and_then(|checkout| from.strip_prefix(checkout).ok()) else { return to.to_owned() };
    let up: PathBuf = inside.components().map(|_| Component::ParentDir).collect();
    up.join(SDK)
}

#[cfg(test)]
mod tests;
