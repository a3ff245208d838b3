//! A transform's crate, built for WebAssembly, then wrapped as a component.

mod native;

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

pub use self::native::native;
use super::signature;
use crate::error::{Error, Kind, OrFail, Result, io_kind};

const TARGET: &str = "wasm32-unknown-unknown";
/// What a surrounding cargo, or a shell made ready for the host's build, leaves in the environment.
const MISLEADING: [&str; 10] = [
    "CARGO",
    "CARGO_BUILD_RUSTFLAGS",
    "CARGO_BUILD_TARGET",
    "CARGO_BUILD_TARGET_DIR",
    "CARGO_ENCODED_RUSTFLAGS",
    "CARGO_TARGET_DIR",
    "RUSTC",
    "RUSTC_BOOTSTRAP",
    "RUSTDOC",
    "RUSTFLAGS",
];
/// Versions of LLVM's linker that can read what Debian's compiler writes, the newest first.
const LINKERS: [&str; 4] = ["wasm-ld-22", "wasm-ld-21", "wasm-ld-20", "wasm-ld-19"];
/// Lines of the compiler that a failure repeats.
const LINES_MAX: usize = 60;

/// A way to compile for WebAssembly.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Toolchain {
    /// The active one has the target.
    Active,
    /// Debian's packages, which bring the standard library as source.
    Debian { root: PathBuf, linker: PathBuf },
}

/// Builds the crate in `crate_dir` in release and writes the component beside it, as `<crate dir>/<folder's name>.wasm`,
/// whose path is returned. `progress` is given the compiler's lines as they come.
///
/// Errors when there is no crate, no toolchain for it (the hint says what to install), when it does not compile, or
/// when what was compiled is no transform.
pub fn build(crate_dir: &Path, mut progress: impl FnMut(&str)) -> Result<PathBuf> {
    let named = || format!("crate {crate_dir:?}");
    let folder =
        crate_dir.canonicalize().map_err(|cause| Error::new(io_kind(&cause), format!("{}: {cause}", named())))?;
    let manifest = folder.join("Cargo.toml");
    if !manifest.is_file() {
        return Err(Error::new(Kind::Missing, format!("{}: it has no Cargo.toml", named()))
            .hint("name the folder of a transform's crate; transforms/README.md tells how one begins"));
    }
    let toolchain = toolchain(sysroot(&folder).as_deref(), Path::new("/usr"))?;
    let module = compile(&toolchain, &folder, &manifest, &mut progress).map_err(|fault| fault.within(named()))?;
    let module = std::fs::read(&module).or_fail(Kind::Storage, || format!("file {module:?}"))?;
    let component = encode(&module).map_err(|fault| fault.within(named()))?;
    let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let path = folder.join(format!("{name}.wasm"));
    // The same bytes built again leave their signatures in place.
    if !std::fs::read(&path).is_ok_and(|present| signature::is_of(&present, &component)) {
        replace(&path, &component).or_fail(Kind::Storage, || format!("component {path:?}"))?;
    }
    Ok(path)
}

/// Wraps a core module, which carries the contract as the bindings left it there, as a component.
pub(super) fn encode(module: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = wit_component::ComponentEncoder::default();
    let encoded = encoder.validate(true).module(module).and_then(|encoder| encoder.encode());
    encoded.map_err(|cause| {
        Error::new(Kind::Input, format!("it compiles, but not to a transform: {cause:#}"))
            .hint("use the SDK's `#[transform]`, and nothing that needs files, network, clock or random numbers")
    })
}

/// The folder of the toolchain that is active in `folder`, where there is one.
fn sysroot(folder: &Path) -> Option<PathBuf> {
    let answer = quiet("rustc", folder).args(["--print", "sysroot"]).output().ok()?;
    let text = String::from_utf8(answer.stdout).ok()?;
    answer.status.success().then(|| PathBuf::from(text.trim_end()))
}

fn toolchain(active: Option<&Path>, debian: &Path) -> Result<Toolchain> {
    if active.is_some_and(|root| root.join("lib/rustlib").join(TARGET).join("lib").is_dir()) {
        return Ok(Toolchain::Active);
    }
    let linker = LINKERS.iter().map(|name| debian.join("bin").join(name)).find(|path| path.exists());
    let sources = debian.join("lib/rustlib/src/rust/library");
    let present = [debian.join("bin/rustc"), debian.join("bin/cargo"), sources].iter().all(|path| path.exists());
    if let (Some(linker), true) = (linker, present) {
        return Ok(Toolchain::Debian { root: debian.to_owned(), linker });
    }
    Err(Error::new(Kind::Missing, format!("no Rust toolchain here compiles for {TARGET}")).hint(format!(
        "with rustup: `rustup target add {TARGET}`; on Debian: `apt-get install rustc-web cargo-web rust-web-src lld-19`"
    )))
}

/// Runs cargo and returns the core module's path.
fn compile(toolchain: &Toolchain, folder: &Path, manifest: &Path, progress: &mut dyn FnMut(&str)) -> Result<PathBuf> {
    let mut cargo = command(toolchain, folder);
    cargo.args(["build", "--release", "--lib", "--target", TARGET, "--message-format", "json-render-diagnostics"]);
    cargo.arg("--manifest-path").arg(manifest);
    module(&run(cargo, progress)?, manifest)
}

/// Runs cargo to its end, and returns what it answers on standard output; `progress` is given the rest line by line.
fn run(mut cargo: Command, progress: &mut dyn FnMut(&str)) -> Result<String> {
    cargo.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut running = cargo.spawn().or_fail(Kind::Missing, || "cargo")?;
    let (out, err) = (running.stdout.take(), running.stderr.take());
    // Both pipes are read at one time: cargo would wait for a full one.
    let answers = std::thread::spawn(move || {
        let mut text = String::new();
        out.map_or(Ok(0), |mut out| out.read_to_string(&mut text)).map(|_| text)
    });
    let mut last = std::collections::VecDeque::new();
    for line in BufReader::new(err.ok_or_else(|| Error::new(Kind::Internal, "cargo has no output"))?).lines() {
        let line = line.or_fail(Kind::Internal, || "cargo")?;
        progress(&line);
        last.push_back(line);
        last.drain(..last.len().saturating_sub(LINES_MAX));
    }
    let status = running.wait().or_fail(Kind::Internal, || "cargo")?;
    if !status.success() {
        let last: Vec<_> = last.into();
        return Err(Error::new(Kind::Input, format!("it does not compile\n{}", last.join("\n"))));
    }
    let answers = answers.join().map_err(|_| Error::new(Kind::Internal, "cargo's answers could not be read"))?;
    answers.or_fail(Kind::Internal, || "cargo")
}

fn command(toolchain: &Toolchain, folder: &Path) -> Command {
    let flags = "CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS";
    let mut cargo = match toolchain {
        Toolchain::Active => quiet("cargo", folder),
        Toolchain::Debian { root, linker } => {
            let mut cargo = quiet(root.join("bin/cargo"), folder);
            // Its library comes as source, which only a compiler that takes unstable options builds.
            cargo.env("RUSTC_BOOTSTRAP", "1").env("RUSTC", root.join("bin/rustc"));
            cargo.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker);
            cargo.arg("-Zbuild-std=std,panic_abort");
            cargo
        }
    };
    cargo.env(flags, "-Ctarget-feature=+simd128");
    cargo
}

/// A program that sees nothing of a cargo around us.
fn quiet(program: impl AsRef<std::ffi::OsStr>, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder);
    if std::env::var_os("CARGO").is_some() {
        // Set by rustup's proxy for the outer cargo; a toolchain that a person chose stays.
        command.env_remove("RUSTUP_TOOLCHAIN");
    }
    for name in MISLEADING {
        command.env_remove(name);
    }
    command
}

/// The module among cargo's answers: the .wasm file that the crate itself became.
fn module(answers: &str, manifest: &Path) -> Result<PathBuf> {
    let mut found = None;
    for line in answers.lines() {
        let Ok(answer) = serde_json::from_str::<serde_json::Value>(line) else { continue };
        let ours = answer.get("manifest_path").and_then(|path| path.as_str()).map(Path::new) == Some(manifest);
        let files = answer.get("filenames").and_then(|files| files.as_array());
        if let (true, Some(files)) = (ours, files) {
            let mut names = files.iter().filter_map(|file| file.as_str());
            found = names.find(|name| name.ends_with(".wasm")).map(PathBuf::from).or(found);
        }
    }
    found.ok_or_else(|| {
        Error::new(Kind::Input, "it is compiled to no .wasm file")
            .hint("say `crate-type = [\"cdylib\", \"rlib\"]` under [lib] in its Cargo.toml")
    })
}

/// Puts a file in place at once, so that who watches it never sees half of it; the same bytes are left alone.
pub fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    if std::fs::read(path).is_ok_and(|present| present == bytes) {
        return Ok(());
    }
    let beside = path.with_extension(format!("wasm.{}", std::process::id()));
    std::fs::write(&beside, bytes)?;
    std::fs::rename(&beside, path)
}

#[cfg(test)]
mod tests;
