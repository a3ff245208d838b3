//! `tidemill transform`: begin a transform, build it, look into a component, try it, measure it, sign it.

mod bench;
mod inspect;
mod keygen;
mod new;
mod run;
mod sign;

use std::path::{Path, PathBuf};

use clap::Subcommand;

use super::{Ended, host, table};
use crate::component::limits::Limits;
use crate::component::{Component, Host, build};
use crate::error::{Error, Result, io_kind};

/// Begin, build, inspect, try, measure or sign a transform.
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
    /// Show what a component is: name, digest, signers, fields in and out, parameters, size.
    Inspect(inspect::Inspect),
    /// Clean lines of standard input: rows on standard output, what was rejected on standard error.
    Run(run::Run),
    /// Measure what a component costs per record; with `--against`, refuse one that got dearer.
    Bench(bench::Bench),
    /// Make a pair of keys: NAME.key signs components, NAME.pub is for pipeline files.
    Keygen(keygen::Keygen),
    /// Sign a component, for pipelines that list the key under [trust].
    Sign(sign::Sign),
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
            Self::Keygen(keygen) => keygen.run(),
            Self::Sign(sign) => sign.run(),
        }
    }
}

/// Loads the component at `path`, its own file or the folder that it is built from; its bytes are given too.
fn load(host: &Host, path: &Path) -> Result<(Component, Vec<u8>)> {
    let bytes = read(path)?;
    let component =
        host.load(&bytes, &Limits::generous()).map_err(|fault| fault.within(component_file(path).display()))?;
    Ok((component, bytes))
}

/// The bytes of the component at `path`.
fn read(path: &Path) -> Result<Vec<u8>> {
    let file = component_file(path);
    std::fs::read(&file).map_err(|cause| {
        let error = Error::new(io_kind(&cause), format!("component {}: {cause}", file.display()));
        if path.is_dir() { error.hint(format!("build it: tidemill transform build {}", path.display())) } else { error }
    })
}

/// Where `tidemill transform build` leaves the component of a folder; a file is one itself.
fn component_file(path: &Path) -> PathBuf {
    let folder = path.canonicalize().ok().filter(|path| path.is_dir());
    match folder.as_ref().and_then(|folder| folder.file_name()) {
        Some(name) => path.join(format!("{}.wasm", name.to_string_lossy())),
        None => path.to_owned(),
    }
}
