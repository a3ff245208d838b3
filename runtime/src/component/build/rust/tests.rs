//! The search for a toolchain, for what cargo made.

use super::super::tests::Folder;
use super::*;

#[test]
fn a_toolchain_is_found_or_the_next_step_is_named() {
    let active = Folder::new("active", &["lib/rustlib/wasm32-unknown-unknown/lib/libcore.rlib"]);
    let host_only = Folder::new("host", &["lib/rustlib/x86_64-unknown-linux-gnu/lib/libcore.rlib"]);
    let parts = ["bin/rustc", "bin/cargo", "bin/wasm-ld-19", "lib/rustlib/src/rust/library/std/lib.rs"];
    let debian = Folder::new("debian", &parts);
    let none = Folder::new("none", &parts[..2]);
    let from_debian = Toolchain::Debian { root: debian.0.clone(), linker: debian.0.join("bin/wasm-ld-19") };
    assert_eq!(toolchain(Some(&active.0), &debian.0).unwrap(), Toolchain::Active);
    assert_eq!(toolchain(Some(&host_only.0), &debian.0).unwrap(), from_debian);
    assert_eq!(toolchain(None, &debian.0).unwrap(), from_debian);
    let fault = toolchain(Some(&host_only.0), &none.0).unwrap_err();
    assert_eq!(fault.message(), "no Rust toolchain here compiles for wasm32-unknown-unknown");
    for command in
        ["rustup target add wasm32-unknown-unknown", "apt-get install rustc-web cargo-web rust-web-src lld-19"]
    {
        assert!(fault.next_step().unwrap().contains(command));
    }
}

#[test]
fn the_module_is_the_crates_own() {
    let manifest = Path::new("/t/pin/Cargo.toml");
    let dependency = r#"{"manifest_path":"/t/sdk/Cargo.toml","filenames":["/x/sdk.wasm"]}"#;
    let ours = r#"{"manifest_path":"/t/pin/Cargo.toml","filenames":["/x/libpin.rlib","/x/pin.wasm"]}"#;
    let library = r#"{"manifest_path":"/t/pin/Cargo.toml","filenames":["/x/libpin.rlib"]}"#;
    let check = |answers: &[&str]| module(&answers.join("\n"), manifest).ok();
    assert_eq!(check(&[dependency, "no json", ours]), Some("/x/pin.wasm".into()));
    assert_eq!(check(&[dependency, library]), None);
}

#[test]
fn a_module_without_the_contract_is_no_component_of_ours() {
    let module = wat::parse_str("(module (import \"env\" \"clock\" (func)))").unwrap();
    let fault = encode(&module).unwrap_err();
    assert!(fault.message().starts_with("it compiles, but not to a transform: "), "{fault}");
}
