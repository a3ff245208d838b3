//! A package in JavaScript, bundled by esbuild and put into an engine by componentize-js.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::scratch::Scratch;
use super::stamp::Stamp;
use super::{Recipe, WIT, languages, on_path, program};
use crate::error::{Error, Kind, OrFail, Result};

const BUNDLE: &str = include_str!("bundle.mjs");
const COMPONENTIZE: &str = include_str!("componentize.mjs");
/// Packages that a build needs, with the versions that are known to do.
const PACKAGES: [(&str, &str); 2] = [("@bytecodealliance/componentize-js", "0.23.0"), ("esbuild", "0.25.12")];

/// The packages that make components, and the program that runs them.
#[derive(Debug, PartialEq, Eq)]
struct Toolchain {
    node: PathBuf,
    /// A folder `node_modules` with the packages.
    modules: PathBuf,
}

/// Bundles the package, which tells what it is made of.
pub(super) fn recipe(folder: &Path, scratch: &Scratch, progress: &mut dyn FnMut(&str)) -> Result<Recipe> {
    let program = std::env::current_exe().unwrap_or_default();
    let Toolchain { node, modules } = toolchain(folder, on_path("node"), languages(&program))?;
    let version = version(&modules)?;
    // Programs find packages in the folder `node_modules` beside them.
    std::os::unix::fs::symlink(&modules, scratch.path().join("node_modules"))
        .or_fail(Kind::Storage, || "link to node_modules")?;
    let (bundler, maker) = (scratch.write("bundle.mjs", BUNDLE)?, scratch.write("componentize.mjs", COMPONENTIZE)?);
    let bundle = scratch.path().join("bundle.js");
    let mut command = Command::new(&node);
    command.arg(bundler).args([folder, &modules, &bundle]);
    let ended = program::run(&mut command, "node", progress)?;
    if !ended.success {
        return Err(Error::new(Kind::Input, format!("it cannot be bundled\n{}", ended.said())));
    }
    let text = std::fs::read(&bundle).or_fail(Kind::Storage, || format!("bundle {bundle:?}"))?;
    let mut command = Command::new(&node);
    command
        .arg(maker)
        .args([&bundle, &scratch.path().join("transform.wit"), &scratch.component()])
        .current_dir(scratch.path());
    Ok(Recipe {
        stamp: Stamp::of([&text, version.as_bytes(), COMPONENTIZE.as_bytes(), WIT.as_bytes()]),
        command,
        tool: format!("componentize-js {version}"),
    })
}

/// The packages that the package has installed, those of a folder around it, or those that came with this program's build.
fn toolchain(folder: &Path, node: Option<PathBuf>, built: impl Iterator<Item = PathBuf>) -> Result<Toolchain> {
    let has_all =
        |modules: &PathBuf| PACKAGES.iter().all(|(name, _)| modules.join(name).join("package.json").is_file());
    let places = folder.ancestors().map(Path::to_owned).chain(built);
    let modules = places.map(|place| place.join("node_modules")).find(has_all);
    match (node, modules) {
        (Some(node), Some(modules)) => Ok(Toolchain { node, modules }),
        (None, _) => {
            Err(Error::new(Kind::Missing, "there is no program \"node\" here, which makes components of JavaScript")
                .hint(format!(
                    "install Node.js 20 or newer with npm (on Debian: `apt-get install nodejs npm`), then: `{}`",
                    install(folder)
                )))
        }
        (_, None) => {
            Err(Error::new(Kind::Missing, "the packages that make components of JavaScript are not installed")
                .hint(format!("`{}`", install(folder))))
        }
    }
}

/// The command that installs what is missing: what the package itself asks for, if that is all.
fn install(folder: &Path) -> String {
    let text = std::fs::read_to_string(folder.join("package.json")).unwrap_or_default();
    let go = format!("cd {} && npm install", folder.display());
    if PACKAGES.iter().all(|(name, _)| text.contains(name)) {
        return go;
    }
    let all: Vec<_> = PACKAGES.iter().map(|(name, version)| format!("{name}@{version}")).collect();
    format!("{go} --save-dev --save-exact {}", all.join(" "))
}

/// The version of componentize-js in `modules`.
fn version(modules: &Path) -> Result<String> {
    let [(name, _), _] = PACKAGES;
    let path = modules.join(name).join("package.json");
    let text = std::fs::read_to_string(&path).or_fail(Kind::Storage, || format!("file {path:?}"))?;
    let package: Value = serde_json::from_str(&text).or_fail(Kind::Input, || format!("file {path:?}"))?;
    Ok(package.get("version").and_then(Value::as_str).unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests;
