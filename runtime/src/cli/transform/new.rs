//! `tidemill transform new`: a crate or a package to begin with.

mod template;

use std::fs;
use std::path::{Component, Path, PathBuf};

use clap::{Args, ValueEnum};

use template::Template;

use super::Ended;
use crate::config::check_name;
use crate::error::{Error, Kind, OrFail, Result, io_kind};

/// Begin a transform: a crate or package with a test, a sample and a pipeline.
#[derive(Debug, Args)]
pub(in crate::cli) struct New {
    /// The folder to make; its name becomes that of the crate or package, of the topic and of the table.
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
    /// A crate.
    Rust,
    /// A package in JavaScript, for npm and node.
    #[value(name = "js")]
    JavaScript,
    /// A package in Python, for pip.
    Python,
}

impl Language {
    fn template(self) -> Template {
        match self {
            Self::Rust => template::RUST,
            Self::JavaScript => template::JAVASCRIPT,
            Self::Python => template::PYTHON,
        }
    }
}

impl New {
    pub(in crate::cli) fn run(self) -> Result<Ended> {
        let folder = std::path::absolute(&self.name).or_fail(Kind::Input, || format!("folder {:?}", self.name))?;
        let template = self.lang.template();
        let name = checked_name(&folder, &template)?;
        let here = std::env::current_dir().or_fail(Kind::Missing, || "current folder")?;
        let program = std::env::current_exe().unwrap_or_default();
        let sdk = sdk(&template, self.sdk.as_deref(), &here, &program)?;
        let written = write(&folder, &name, &template, &sdk)?;
        let shown = self.name.display().to_string();
        println!("made {shown}: {}\n\nnext:", written.join(", "));
        println!("  {}", template.test.replace("NAME", &shown));
        println!("  tidemill transform build {shown}");
        println!("  tidemill transform run {shown} < {shown}/sample.jsonl");
        println!("  tidemill run {shown}/pipeline.toml");
        Ok(Ended::Well)
    }
}

/// The folder's name, if it can be that of a crate or package and of a table.
fn checked_name(folder: &Path, template: &Template) -> Result<String> {
    let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    check_name(&name)?;
    if template.taken.contains(&name.as_str()) {
        let taken = Error::new(Kind::Input, format!("the name {name:?} means something else in {}", template.taken_by));
        return Err(taken.hint(format!("write \"{name}s\"")));
    }
    Ok(name)
}

/// The SDK's folder, without links: the given one, else that of a checkout around `here`, else of one around `program`.
fn sdk(template: &Template, given: Option<&Path>, here: &Path, program: &Path) -> Result<PathBuf> {
    let Template { sdk, manifest, .. } = template;
    if let Some(given) = given {
        return at(given, manifest).ok_or_else(|| {
            let wrong = Error::new(
                Kind::Missing,
                format!("folder {given:?} is not tidemill-sdk: its {manifest} is not there or says another name"),
            );
            wrong.hint(format!("name the folder {sdk} of Tidemill's sources"))
        });
    }
    let around = here.ancestors().chain(program.ancestors());
    around.map(|folder| folder.join(sdk)).find_map(|folder| at(&folder, manifest)).ok_or_else(|| {
        let unfound = Error::new(Kind::Missing, format!("the SDK is not found: no folder above this one has {sdk}"));
        unfound.hint(format!("get Tidemill's sources and name it: --sdk PATH/TO/tidemill/{sdk}"))
    })
}

/// The SDK at `folder`, if that is what is there.
fn at(folder: &Path, manifest: &str) -> Option<PathBuf> {
    let manifest = fs::read_to_string(folder.join(manifest)).ok()?;
    // As TOML or JSON has it.
    let bare = |line: &str| line.replace([' ', '"', ','], "").replace(':', "=");
    if manifest.lines().any(|line| bare(line) == "name=tidemill-sdk") { folder.canonicalize().ok() } else { None }
}

/// Makes the folder, which must not be there, and the files in it; returns their names.
fn write(folder: &Path, name: &str, template: &Template, sdk: &Path) -> Result<Vec<&'static str>> {
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
    let path = (template.written)(&relative(&root, sdk, template.sdk).display().to_string());
    for (file, text) in template.files {
        let limits = if *file == "pipeline.toml" { template.limits } else { "" };
        let file = root.join(file);
        let text = [*text, limits].concat().replace("NAME", name).replace("SDK", &path);
        let made = file.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(&file, text));
        made.map_err(|cause| failed(&file, cause))?;
    }
    if let Some((name, workspace)) = template.lock.zip(sdk.parent()) {
        let lock = workspace.join(name);
        if lock.is_file() {
            fs::copy(&lock, root.join(name)).map_err(|cause| failed(&lock, cause))?;
        }
    }
    Ok(template.files.iter().map(|(file, _)| *file).collect())
}

/// `to` as seen from `from`, where both lie in one checkout; as it is where it is far away.
fn relative(from: &Path, to: &Path, inside_checkout: &str) -> PathBuf {
    let checkout = to.parent().and_then(Path::parent).filter(|checkout| from.starts_with(checkout));
    let Some(inside) = checkout.and_then(|checkout| from.strip_prefix(checkout).ok()) else { return to.to_owned() };
    let up: PathBuf = inside.components().map(|_| Component::ParentDir).collect();
    up.join(inside_checkout)
}

#[cfg(test)]
mod tests;
