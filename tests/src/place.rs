//! Where things are: the workspace, the built command, the components, a folder of one's own.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// The root of the workspace.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_owned()
}

/// The `tidemill` command of the same build as the test that runs, or the one that `TIDEMILL_COMMAND` names.
pub fn command() -> PathBuf {
    if let Some(named) = std::env::var_os("TIDEMILL_COMMAND") {
        return named.into();
    }
    let test = std::env::current_exe().expect("this test");
    let built = test.ancestors().nth(2).expect("the build's folder").join("tidemill");
    assert!(built.is_file(), "{} is not built: run `make test`", built.display());
    built
}

/// The component of a table, as `tidemill transform build` leaves it.
pub fn component(table: &str) -> PathBuf {
    let file = root().join("transforms").join(table).join(format!("{table}.wasm"));
    assert!(file.is_file(), "{} is not built: run `make test`", file.display());
    file
}

/// The component of `tests/guests/wider`, which writes a field more than the changeling.
pub fn wider() -> Vec<u8> {
    let file = root().join("tests/guests/wider/wider.wasm");
    fs::read(&file).unwrap_or_else(|_| panic!("{} is not built: run `make test`", file.display()))
}

/// The component of `tests/guests/changeling`, made to behave so; every behaviour has a digest of its own.
pub fn changeling(behaviour: &str) -> Vec<u8> {
    let file = root().join("tests/guests/changeling/changeling.wasm");
    let mut bytes = fs::read(&file).unwrap_or_else(|_| panic!("{} is not built: run `make test`", file.display()));
    let (old, new) = (format!("{:32}", "behaviour: honest"), format!("{:32}", format!("behaviour: {behaviour}")));
    assert_eq!(old.len(), new.len(), "a behaviour has at most 21 bytes");
    let at = bytes.windows(old.len()).position(|window| window == old.as_bytes()).expect("its behaviour");
    bytes[at..at + new.len()].copy_from_slice(new.as_bytes());
    bytes
}

/// Copies the components of all tables into a folder.
pub fn copy_components(folder: &Path) {
    for table in ["pin", "geo", "user"] {
        fs::copy(component(table), folder.join(format!("{table}.wasm"))).expect("a copy of the component");
    }
}

/// A component that does the same and has another digest: a custom section that says `note` is added to it.
pub fn rebuilt(component: &[u8], note: &str) -> Vec<u8> {
    let name = "note";
    let size = u8::try_from(1 + name.len() + note.len()).expect("a short note");
    assert!(size < 128, "one byte says a size below 128");
    let name_length = u8::try_from(name.len()).expect("a short name");
    [component, &[0, size, name_length], name.as_bytes(), note.as_bytes()].concat()
}

/// Puts a file in the place of another at once, as a careful build does.
pub fn replace(file: &Path, bytes: impl AsRef<[u8]>) {
    let beside = file.with_extension("new");
    fs::write(&beside, bytes).expect("the new file");
    fs::rename(&beside, file).expect("it takes the place of the old one");
}

/// The sha256 of some bytes, in hexadecimal.
pub fn digest(bytes: &[u8]) -> String {
    tidemill::component::digest(bytes)
}

/// A folder of a test's own, empty, removed when it is dropped unless the test has failed.
pub struct Folder(PathBuf);

impl Folder {
    /// A fresh folder; `name` helps a person to find it.
    pub fn new(name: &str) -> Self {
        Self::under(&std::env::temp_dir(), name)
    }

    /// A fresh folder in memory, where the machine has such a place: nothing in it waits for a disk.
    pub fn in_memory(name: &str) -> Self {
        let memory = Path::new("/dev/shm");
        if memory.is_dir() { Self::under(memory, name) } else { Self::new(name) }
    }

    fn under(folder: &Path, name: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let nth = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = folder.join(format!("tidemill-{name}-{}-{nth}", std::process::id()));
        fs::create_dir_all(&path).expect("a folder for the test");
        Self(path)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Writes a file in it and returns where that is.
    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("the file's folder");
        fs::write(&path, text).expect("the file");
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let _ = fs::remove_dir_all(&self.0);
        }
    }
}
