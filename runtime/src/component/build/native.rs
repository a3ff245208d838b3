//! A transform's function built for this machine, in a program that runs it against the clock.

use std::path::{Path, PathBuf};

use serde_json::Value as Json;

use super::rust::{answers_of, quiet};
use crate::error::{Error, Kind, OrFail, Result, io_kind};

/// The crate of the program, to be filled in.
const MANIFEST: &str = include_str!("native/crate.toml");
const PROGRAM: &str = include_str!("native/main.rs");
/// The crate that every transform uses.
const SDK: &str = "tidemill-sdk";

/// What cargo says of a crate.
struct Facts {
    package: String,
    sdk: PathBuf,
    target: PathBuf,
    lock: PathBuf,
}

/// Builds the function of the crate in `crate_dir` for this machine, as optimised as the component is, and returns the program
/// around it. Both lie in the crate's own build folder. `progress` is given the compiler's lines as they come.
///
/// The program's arguments are the transform's parameters and for how many milliseconds it runs. On standard input it takes
/// records, each a JSON object on a line, with a blank line between two calls; it prints the nanoseconds of the fastest pass.
pub fn native(crate_dir: &Path, mut progress: impl FnMut(&str)) -> Result<PathBuf> {
    let named = || format!("crate {crate_dir:?}");
    let failed = |cause: std::io::Error| Error::new(io_kind(&cause), format!("{}: {cause}", named()));
    let folder = crate_dir.canonicalize().map_err(failed)?;
    let facts = facts(&folder, &mut progress).map_err(|fault| fault.within(named()))?;
    let runner = facts.target.join("tidemill-bench").join(&facts.package);
    write(&runner, &folder, &facts).map_err(failed)?;
    let mut cargo = quiet("cargo", &folder);
    cargo.args(["build", "--release", "--target", "host-tuple", "--message-format", "json-render-diagnostics"]);
    cargo.arg("--manifest-path").arg(runner.join("Cargo.toml")).arg("--target-dir").arg(&facts.target);
    let answers = answers_of(cargo, &mut progress).map_err(|fault| fault.within(named()))?;
    executable(&answers).ok_or_else(|| Error::new(Kind::Internal, format!("{}: cargo made no program", named())))
}

fn facts(folder: &Path, progress: &mut dyn FnMut(&str)) -> Result<Facts> {
    let manifest = folder.join("Cargo.toml");
    let mut cargo = quiet("cargo", folder);
    cargo.args(["metadata", "--format-version", "1", "--manifest-path"]).arg(&manifest);
    let answer: Json =
        serde_json::from_str(&answers_of(cargo, progress)?).or_fail(Kind::Internal, || "cargo's answer")?;
    let text = |of: &Json, key: &str| of.get(key).and_then(Json::as_str).map(str::to_owned);
    let packages = answer.get("packages").and_then(Json::as_array).cloned().unwrap_or_default();
    let place = |package: &Json| text(package, "manifest_path").map(PathBuf::from);
    let own = packages.iter().find(|package| place(package).as_ref() == Some(&manifest));
    let sdk = packages.iter().find(|package| text(package, "name").as_deref() == Some(SDK)).and_then(place);
    let unread = || Error::new(Kind::Internal, "cargo does not say what it is made of");
    Ok(Facts {
        package: own.and_then(|own| text(own, "name")).ok_or_else(unread)?,
        sdk: sdk.and_then(|manifest| manifest.parent().map(Path::to_owned)).ok_or_else(|| {
            Error::new(Kind::Input, "it does not use the SDK, so its function is not known")
                .hint("write it with `#[transform]`, as transforms/README.md shows")
        })?,
        target: text(&answer, "target_directory").map(PathBuf::from).ok_or_else(unread)?,
        lock: text(&answer, "workspace_root").map(|root| Path::new(&root).join("Cargo.lock")).ok_or_else(unread)?,
    })
}

/// Writes the program's crate, where it is not there as it should be: cargo goes by the times of files.
fn write(runner: &Path, folder: &Path, facts: &Facts) -> std::io::Result<()> {
    let path = |path: &Path| format!("{:?}", path.display().to_string());
    let manifest = MANIFEST
        .replace("@PACKAGE@", &facts.package)
        .replace("@FOLDER@", &path(folder))
        .replace("@SDK@", &path(&facts.sdk));
    std::fs::create_dir_all(runner.join("src"))?;
    for (file, text) in [("Cargo.toml", manifest.as_str()), ("src/main.rs", PROGRAM)] {
        let file = runner.join(file);
        if !std::fs::read(&file).is_ok_and(|there| there == text.as_bytes()) {
            std::fs::write(&file, text)?;
        }
    }
    // The crate's own versions. Without them cargo finds some.
    if facts.lock.is_file() {
        std::fs::copy(&facts.lock, runner.join("Cargo.lock"))?;
    }
    Ok(())
}

/// The program among cargo's answers.
fn executable(answers: &str) -> Option<PathBuf> {
    let answers = answers.lines().rev().filter_map(|line| serde_json::from_str::<Json>(line).ok());
    answers.filter_map(|answer| answer.get("executable")?.as_str().map(PathBuf::from)).next()
}
