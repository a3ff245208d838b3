//! A tool run to its end, with what it says handed on as it comes.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};

use crate::error::{Error, Kind, OrFail, Result};

/// Lines that a failure repeats.
const LINES_MAX: usize = 60;

/// How a program ended.
pub(super) struct Ended {
    /// Whether it did what it was asked.
    pub(super) success: bool,
    /// What it wrote to standard output.
    pub(super) answers: String,
    /// The last of what it wrote to standard error.
    pub(super) last: String,
}

impl Ended {
    /// The last lines of both, for a failure.
    pub(super) fn said(&self) -> String {
        let both = format!("{}\n{}", self.answers.trim(), self.last.trim());
        let lines: Vec<_> = both.lines().collect();
        let start = lines.len().saturating_sub(LINES_MAX);
        lines.get(start..).unwrap_or_default().join("\n").trim().to_owned()
    }
}

/// Runs `command`; `progress` is given the lines of its standard error.
pub(super) fn run(command: &mut Command, name: &str, progress: &mut dyn FnMut(&str)) -> Result<Ended> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut running = command.spawn().or_fail(Kind::Missing, || name)?;
    let (out, err) = (running.stdout.take(), running.stderr.take());
    // Both pipes are read at one time: a program would wait for a full one.
    let answers = std::thread::spawn(move || {
        let mut text = Vec::new();
        out.map_or(Ok(0), |mut out| out.read_to_end(&mut text)).map(|_| String::from_utf8_lossy(&text).into_owned())
    });
    let mut last = VecDeque::new();
    let err = err.ok_or_else(|| Error::new(Kind::Internal, format!("{name} has no output")))?;
    for line in BufReader::new(err).split(b'\n') {
        let line = line.or_fail(Kind::Internal, || name)?;
        let line = String::from_utf8_lossy(&line).into_owned();
        progress(&line);
        last.push_back(line);
        last.drain(..last.len().saturating_sub(LINES_MAX));
    }
    let status = running.wait().or_fail(Kind::Internal, || name)?;
    let answers =
        answers.join().map_err(|_| Error::new(Kind::Internal, format!("the answers of {name} could not be read")))?;
    let last: Vec<_> = last.into();
    Ok(Ended { success: status.success(), answers: answers.or_fail(Kind::Internal, || name)?, last: last.join("\n") })
}
