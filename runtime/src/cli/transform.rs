//! `tidemill transform`: begin a transform, build it, look into a component, try it, measure it.

mod bench;
mod inspect;
mod new;
mod run;

use std::path::{Path, PathBuf};

use clap::Subcommand;

use super::{Ended, host, table};
use crate::component::limits::Limits;
use crate::component::{Component, Host, build};
use crate::error::{Error, Result, io_kind};

/// Begin, build, inspect, try or measure a transform.
#[derive(Debug, Subcommand)]
pub(super) enum Transform {
    /// Begin a transform: a crate or package with a test, a sample and a pipeline.
    New(new::New),
    /// Build crates and packages into components, each written into its folder.
    Build {
        /// The folders: with Cargo.toml a crate in Rust, with package.json a package in JavaScript, with pyproject.toml one in Python.
        #[arg(default_value = ".")]
        folders: Vec<PathBuf>,
    },
    /// Show what a component is: name, digest, fields in and out, parameters, size.
    Inspect(inspect::Inspect),
    /// Clean lines of standard input: rows on standard output, what was rejected on standard error.
    Run(run::Run),
    /// Measure what a component costs per record; with `--against`, refuse one that got dearer.
    Bench(bench::Bench),
}

impl Transform {
    pub(super) fn run(self) -> Result<Ended> {
        match self {
            Self::New(new) => new.run(),
            Self::Build { folders } => {
                for folder in folders {
                    let built = build::build(&folder, |line| println!("{line}"))?;
                    let how = if built.is_new { "built" } else { "nothing has changed:" };
                    println!("{how} {}", built.path.display());
                }
                Ok(Ended::Well)
            }
            Self::Inspect(inspect) => inspect.run(),
            Self::Run(run) => run.run(),
            Self::Bench(bench) => bench.run(),
        }
    }
}

/// Loads the component at `path`, its own file or the folder that it is built from; its size in bytes is told too.
fn load(host: &Host, path: &Path) -> Result<(Component, usize)> {
    let file = component_file(path);
    let bytes = std::fs::read(&file).map_err(|cause| {
        let error = Error::new(io_kind(&cause), format!("component {}: {cause}", file.display()));
        if path.is_dir() { error.hint(format!("build it: tidemill transform build {}", path.display())) } else { error }
    })?;
    let component = host.load(&bytes, &Limits::generous()).map_err(|fault| fault.within(file.display()))?;
    Ok((component, bytes.len()))
}

/// Where `tidemill transform build` leaves the component of a folder; a file is one itself.
fn component_file(path: &Path) -> PathBuf {
    let folder = path.canonicalize().ok().filter(|path| path.is_dir());
    match folder.as_ref().and_then(|folder| folder.file_name()) {
        Some(name) => path.join(format!("{}.wasm", name.to_string_lossy())),
        None => path.to_owned(),
    }
}
