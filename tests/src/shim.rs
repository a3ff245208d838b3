//! The preloaded library of `shim/faults.c`: built once, told what to do, its log read.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::place;

/// What a process under the shim does to one folder, and what is done to it.
#[derive(Clone, Debug)]
pub struct Shim {
    /// The folder whose operations count.
    pub folder: PathBuf,
    /// Where each operation is listed.
    pub log: PathBuf,
    /// `ACTION FUNCTION KIND NTH[+]`, as `shim/faults.c` has it; none lets all pass.
    pub rule: Option<String>,
    /// The rule counts from when this file exists; without one, from the start.
    pub armed: Option<PathBuf>,
    /// Once this file exists, nothing fails any more.
    pub healed: PathBuf,
    /// From these seconds since 1970 on, the wall clock runs so many times as fast.
    pub clock: Option<(u64, u64)>,
}

/// An operation on a file, as the shim has listed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// The C library's function.
    pub function: String,
    /// What kind of file it was for.
    pub kind: String,
    /// The path below the folder.
    pub path: String,
    /// Whether the rule struck it.
    pub struck: bool,
}

impl Shim {
    /// Puts it before a command.
    pub fn before(&self, command: &mut Command) {
        command.env("LD_PRELOAD", library()).env("TIDEMILL_SHIM_FOLDER", &self.folder);
        command.env("TIDEMILL_SHIM_LOG", &self.log).env("TIDEMILL_SHIM_HEALED", &self.healed);
        if let Some(rule) = &self.rule {
            command.env("TIDEMILL_SHIM_RULE", rule);
        }
        if let Some(armed) = &self.armed {
            command.env("TIDEMILL_SHIM_ARMED", armed);
        }
        if let Some((base, speed)) = self.clock {
            command.env("TIDEMILL_SHIM_CLOCK", format!("{base} {speed}"));
        }
    }

    /// What has been listed so far; a line that a kill cut off is left out.
    pub fn operations(&self) -> Vec<Operation> {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        whole.lines().filter_map(Operation::read).collect()
    }
}

impl Operation {
    fn read(line: &str) -> Option<Self> {
        let struck = line.starts_with('!');
        let mut words = line.splitn(4, ' ').skip(1).map(str::to_owned);
        let (function, kind) = (words.next()?, words.next()?);
        Some(Self { function, kind, path: words.next().unwrap_or_default(), struck })
    }

    /// Function and kind of file, as a rule names them.
    pub fn what(&self) -> String {
        format!("{} {}", self.function, self.kind)
    }

    /// Whether it makes something durable.
    pub fn is_sync(&self) -> bool {
        matches!(self.function.as_str(), "fsync" | "fdatasync" | "syncfs" | "sync_file_range" | "msync")
    }

    /// Whether it writes bytes.
    pub fn is_write(&self) -> bool {
        ["write", "copy_file_range", "sendfile"].iter().any(|word| self.function.contains(word))
    }
}

/// The library, built by the C compiler at its first use.
pub fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let source = place::root().join("tests/shim/faults.c");
        let built = place::command().with_file_name(format!("tidemill-shim-{}.so", std::process::id()));
        let library = place::command().with_file_name("tidemill-shim.so");
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-O2", "-Wall", "-Wextra", "-Werror", "-o"]).arg(&built).arg(&source);
        assert!(compiler.status().expect("a C compiler").success(), "{} compiles", source.display());
        // Another test may be using it.
        fs::rename(&built, &library).expect("the library in its place");
        library
    })
}

/// Has a command live at this time, in seconds since 1970.
pub fn live_at(command: &mut Command, then: u64) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a time after 1970").as_secs();
    let back = now as i64 - then as i64;
    command.env("LD_PRELOAD", library()).env("TIDEMILL_SHIM_CLOCK", format!("0 1 {back}"));
}
