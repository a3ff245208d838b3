//! `tidemill transform`: begin a transform's crate, build it, look into a component, try it, measure it.

mod bench;
mod inspect;
mod new;
mod run;

use std::path::{Path, PathBuf};

use clap::Subcommand;

use super::{Ended, table};
use crate::component::limits::Limits;
use crate::component::{Component, Host, build};
use crate::error::{Error, Result, io_kind};

/// Begin, build, inspect, try or measure a transform.
#[derive(Debug, Subcommand)]
pub(super) enum Transform {
    /// Begin a transform: a crate with a test, a sample and a pipeline.
    New(new::New),
    /// Build crates into components, each written beside its crate.
    Build {
        /// The crates' folders.
        #[arg(default_value = ".")]
        crates: Vec<PathBuf>,
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
            Self::Build { crates } => {
                for folder in crates {
                    let component = build::build(&folder, |line| println!("{line}"))?;
                    println!("built {}", component.display());
                }
                Ok(Ended::Well)
            }
            Self::Inspect(inspect) => inspect.run(),
            Self::Run(run) => run.run(),
            Self::Bench(bench) => bench.run(),
        }
    }
}

/// Loads the component at `path`, its own file or the folder of its crate; its size in bytes is told too.
fn load(host: &Host, path: &Path) -> Result<(Component, usize)> {
    let file = component_file(path);
    let bytes = std::fs::read(&file).map_err(|cause| {
        let error = Error::new(io_kind(&cause), format!("component {}: {cause}", file.display()));
        if path.is_dir() { error.hint(format!("build it: tidemill transform build {}", path.display())) } else { error }
    })?;
    let component = host.load(&bytes, &Limits::default()).map_err(|fault| fault.within(file.display()))?;
    Ok((component, bytes.len()))
}

/// Where `tidemill transform build` leaves the component of a crate's folder; a file is one itself.
fn component_file(path: &Path) -> PathBuf {
    let folder = path.canonicalize().ok().filter(|path| path.is_dir());
    match folder.as_ref().and_then(|folder| folder.file_name()) {
        Some(name) => path.join(format!("{}.wasm", name.to_string_lossy())),
        None => path.to_owned(),
    }
}
