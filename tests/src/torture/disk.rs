//! A file system of its own in a file, which can lose its power.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::place::Folder;

/// Enough for what XFS takes at the least.
const BYTES: u64 = 320 << 20;

/// A mounted file system; unmounted when it is dropped.
pub struct Disk {
    folder: Folder,
    kind: &'static str,
}

impl Disk {
    /// Makes and mounts one of a kind, `ext4` or `xfs`.
    ///
    /// # Errors
    ///
    /// Why that is not possible here: it needs root, loop devices and the kind's tools.
    pub fn mount(kind: &'static str) -> Result<Self, String> {
        let disk = Self { folder: Folder::in_memory(kind), kind };
        std::fs::create_dir_all(disk.path()).map_err(|cause| cause.to_string())?;
        let image = std::fs::File::create(disk.image()).map_err(|cause| cause.to_string())?;
        image.set_len(BYTES).map_err(|cause| cause.to_string())?;
        run(Command::new(format!("mkfs.{kind}")).arg("-q").arg(disk.image()))?;
        disk.try_mount()?;
        Ok(disk)
    }

    /// Its kind.
    pub fn kind(&self) -> &'static str {
        self.kind
    }

    /// Where it is mounted.
    pub fn path(&self) -> PathBuf {
        self.folder.path().join("mounted")
    }

    /// Writes all that it has in memory.
    pub fn sync(&self) {
        run(Command::new("sync").arg("--file-system").arg(self.path())).expect("it is synced");
    }

    /// Brings it back after its power was cut: what its journal has is what was synced.
    pub fn power_up(&self) {
        run(Command::new("umount").arg(self.path())).expect("it is unmounted");
        self.try_mount().expect("it is mounted");
    }

    fn image(&self) -> PathBuf {
        self.folder.path().join("image")
    }

    fn try_mount(&self) -> Result<(), String> {
        run(Command::new("mount").args(["-o", "loop", "-t", self.kind]).arg(self.image()).arg(self.path()))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if is_mounted(&self.path()) {
            let _ = run(Command::new("umount").arg("--lazy").arg(self.path()));
        }
    }
}

fn is_mounted(path: &Path) -> bool {
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    mounts.lines().any(|line| line.split(' ').nth(1) == path.to_str())
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.stdin(Stdio::null()).output().map_err(|cause| format!("{command:?}: {cause}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.success() { Ok(()) } else { Err(format!("{command:?}: {}", said.trim())) }
}
