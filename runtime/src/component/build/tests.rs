//! Folders of each language and of none, stamps, files put in place.

use super::*;

/// A folder of its own that is gone afterwards.
pub(super) struct Folder(pub(super) PathBuf);

impl Folder {
    /// One with these files, which are empty.
    pub(super) fn new(name: &str, files: &[&str]) -> Self {
        let folder = Self(std::env::temp_dir().join(format!("tidemill-build-{name}-{}", std::process::id())));
        std::fs::create_dir_all(&folder.0).unwrap();
        files.iter().for_each(|file| folder.write(file, ""));
        folder
    }

    /// Writes a file in it.
    pub(super) fn write(&self, file: &str, text: &str) {
        let path = self.0.join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_folder_is_known_by_a_file() {
    let check = |name: &str, files: &[&str], language| assert_eq!(Language::of(&Folder::new(name, files).0), language);
    check("a", &["Cargo.toml", "package.json"], Some(Language::Rust));
    check("b", &["package.json"], Some(Language::JavaScript));
    check("c", &["pyproject.toml"], Some(Language::Python));
    check("d", &["src/lib.rs"], None);
}

#[test]
fn a_transform_has_to_be_there() {
    let folder = Folder::new("none", &["src/lib.rs"]);
    let fault = build(&folder.0, |_| ()).unwrap_err();
    assert!(fault.message().ends_with("it has no Cargo.toml, package.json or pyproject.toml"), "{fault}");
    assert_eq!(build(&folder.0.join("absent"), |_| ()).unwrap_err().kind(), Kind::Missing);
}

#[test]
fn a_stamp_tells_what_was_changed() {
    let stamp = |parts: &[&str]| Stamp::of(parts.iter().map(|part| part.as_bytes()));
    assert_ne!(stamp(&["ab", "c"]), stamp(&["a", "bc"]));
    let folder = Folder::new("stamp", &["empty.wasm"]);
    let path = folder.0.join("stamped.wasm");
    let mut component = wat::parse_str("(component)").unwrap();
    component.extend(stamp(&["one"]).section());
    std::fs::write(&path, &component).unwrap();
    assert!(stamp(&["one"]).is_on(&path));
    assert!(!stamp(&["other"]).is_on(&path));
    assert!(!stamp(&["one"]).is_on(&folder.0.join("empty.wasm")));
    assert!(!stamp(&["one"]).is_on(&folder.0.join("absent.wasm")));
    // It is a part of a component that every reader may pass over.
    assert!(wasmparser::Parser::new(0).parse_all(&component).all(|payload| payload.is_ok()));
}

#[test]
fn a_file_is_replaced_whole() {
    let folder = Folder::new("replace", &["pin.wasm"]);
    let path = folder.0.join("pin.wasm");
    replace(&path, b"new").unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), b"new");
    assert_eq!(std::fs::read_dir(&folder.0).unwrap().count(), 1);
}
