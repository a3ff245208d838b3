//! The same function built for this machine, to hold the sandbox against.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Serialize;

use super::super::component_file;
use super::cost::{CLOCK_TIME, Cost};
use crate::component::build;
use crate::error::{Error, Kind, OrFail, Result};

/// What came of the host build.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Native {
    /// How long it took.
    Took {
        ns_per_record: f64,
        /// How many times as long the component takes.
        ratio: f64,
    },
    /// Why there is nothing to compare with.
    Not { reason: String },
}

impl Native {
    /// Builds the crate that the component at `file` is from, and gives it the same calls.
    pub(super) fn measure(file: &Path, calls: &[String], parameters: &str, cost: &Cost) -> Self {
        let Some(folder) = crate_of(file) else {
            return Self::Not { reason: "its crate is not beside it".to_owned() };
        };
        match run(&folder, calls, parameters) {
            Ok(nanoseconds) => {
                let ns_per_record = nanoseconds / cost.records as f64;
                Self::Took { ns_per_record, ratio: cost.ns_per_record / ns_per_record }
            }
            Err(error) => Self::Not { reason: in_a_line(error.message()) },
        }
    }

    pub(super) fn shown(&self) -> String {
        match self {
            Self::Took { ns_per_record, ratio } => {
                format!("{ratio:.2} times the same function built for this machine, {ns_per_record:.0} ns a record")
            }
            Self::Not { reason } => format!("not compared with a build for this machine: {reason}"),
        }
    }
}

/// What is wrong; of a compiler's many lines, the first that says so.
fn in_a_line(message: &str) -> String {
    let mut lines = message.lines();
    let first = lines.next().unwrap_or_default();
    match lines.find(|line| line.starts_with("error")) {
        Some(cause) => format!("{first}: {cause}"),
        None => first.to_owned(),
    }
}

/// The folder of the crate, where it is named itself or by the component that is built in it.
fn crate_of(file: &Path) -> Option<PathBuf> {
    let folder = match file.is_dir() {
        true => file.to_owned(),
        false => std::path::absolute(file).ok()?.parent()?.to_owned(),
    };
    let is_its = component_file(&folder).file_name() == component_file(file).file_name();
    (is_its && folder.join("Cargo.toml").is_file()).then_some(folder)
}

/// The nanoseconds of the fastest pass over all calls.
fn run(folder: &Path, calls: &[String], parameters: &str) -> Result<f64> {
    if std::io::stderr().is_terminal() {
        eprintln!("building {} for this machine", folder.display());
    }
    let program = build::native(folder, |_| ())?;
    let subject = || format!("program {}", program.display());
    let mut command = Command::new(&program);
    command.arg(parameters).arg(CLOCK_TIME.as_millis().to_string());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut running = command.spawn().or_fail(Kind::Internal, subject)?;
    if let Some(mut input) = running.stdin.take() {
        // One that ends before it has read all says why.
        let _ = input.write_all(calls.join("\n\n").as_bytes());
    }
    let ended = running.wait_with_output().or_fail(Kind::Internal, subject)?;
    let said = String::from_utf8_lossy(&ended.stdout);
    said.trim().parse().map_err(|_| {
        let why = String::from_utf8_lossy(&ended.stderr);
        let why = why.lines().next().unwrap_or("it gave no figure");
        Error::new(Kind::Transform, why.trim_start_matches("Error: "))
    })
}
