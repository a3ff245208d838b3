//! A crate in Rust, built for WebAssembly, then wrapped as a component.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::program;
use crate::error::{Error, Kind, OrFail, Result};

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

/// A way to compile for WebAssembly.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Toolchain {
    /// The active one has the target.
    Active,
    /// Debian's packages, which bring the standard library as source.
    Debian { root: PathBuf, linker: PathBuf },
}

/// Builds the crate in `folder` in release and returns its component. What has not changed is not compiled again: cargo sees to that.
pub(super) fn build(folder: &Path, progress: &mut dyn FnMut(&str)) -> Result<Vec<u8>> {
    let toolchain = toolchain(sysroot(folder).as_deref(), Path::new("/usr"))?;
    let module = compile(&toolchain, folder, &folder.join("Cargo.toml"), progress)?;
    let module = std::fs::read(&module).or_fail(Kind::Storage, || format!("file {module:?}"))?;
    encode(&module)
}

/// Wraps a core module, which carries the contract as the bindings left it there, as a component.
pub(in crate::component) fn encode(module: &[u8]) -> Result<Vec<u8>> {
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
    module(&answers_of(cargo, progress)?, manifest)
}

/// Runs cargo to its end, and returns what it answers on standard output; `progress` is given the rest line by line.
pub(super) fn answers_of(mut cargo: Command, progress: &mut dyn FnMut(&str)) -> Result<String> {
    let ended = program::run(&mut cargo, "cargo", progress)?;
    match ended.success {
        true => Ok(ended.answers),
        false => Err(Error::new(Kind::Input, format!("it does not compile\n{}", ended.last))),
    }
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
pub(super) fn quiet(program: impl AsRef<std::ffi::OsStr>, folder: &Path) -> Command {
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

#[cfg(test)]
mod tests;
