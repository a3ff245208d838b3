//! The `tidemill` command, and others, run to their end.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::place;

/// Runs `tidemill` in a folder on this input; what it said on standard output, then on standard error.
pub fn done(folder: &Path, arguments: &[&str], input: &str) -> (String, String) {
    let output = tidemill(folder, arguments, input);
    let (out, err) = said(&output);
    assert!(output.status.success(), "{arguments:?}: {out}{err}");
    (out, err)
}

/// Runs `tidemill`, which has to fail; what it said on standard error.
pub fn failed(folder: &Path, arguments: &[&str]) -> String {
    let output = tidemill(folder, arguments, "");
    let (out, err) = said(&output);
    assert!(!output.status.success(), "{arguments:?}: {out}{err}");
    err
}

/// Both outputs as text.
pub fn said(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text");
    (text(&output.stdout), text(&output.stderr))
}

fn tidemill(folder: &Path, arguments: &[&str], input: &str) -> Output {
    let mut command = Command::new(place::command());
    // What it compiles is kept beside what it works on, not among the person's own.
    command.env("XDG_CACHE_HOME", folder.join(".cache"));
    command.args(arguments).current_dir(folder).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("tidemill starts");
    let mut pipe = child.stdin.take().expect("its input");
    // Written while it is read: it would wait for a full pipe. Where it does not read, the pipe is closed: no matter.
    std::thread::scope(|scope| {
        scope.spawn(move || pipe.write_all(input.as_bytes()));
        child.wait_with_output().expect("it ends")
    })
}
