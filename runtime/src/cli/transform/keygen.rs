//! `tidemill transform keygen`: a pair of keys to sign components with.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::Args;

use super::Ended;
use crate::component::SecretKey;
use crate::error::{Error, Kind, Result, io_kind};

/// Make a pair of keys: NAME.key signs components, NAME.pub is for pipeline files.
#[derive(Debug, Args)]
pub(in crate::cli) struct Keygen {
    /// What the two files are called, before .key and .pub.
    name: PathBuf,
}

impl Keygen {
    pub(in crate::cli) fn run(self) -> Result<Ended> {
        let key = SecretKey::generate()?;
        let with = |end: &str| PathBuf::from(format!("{}.{end}", self.name.display()));
        let (secret, public) = (with("key"), with("pub"));
        write_new(&secret, 0o600, &key.to_pem())?;
        if let Err(error) = write_new(&public, 0o644, &format!("{}\n", key.public())) {
            // Half a pair is of no use, and it would be in the way of the next try.
            let _ = fs::remove_file(&secret);
            return Err(error);
        }
        println!("made {}: keep it to yourself, `tidemill transform sign` needs it", secret.display());
        println!(
            "made {}: its line goes into a pipeline file\n\n[trust]\nkeys = [\"{}\"]",
            public.display(),
            key.public()
        );
        Ok(Ended::Well)
    }
}

/// Writes a file that must not be there.
fn write_new(path: &Path, mode: u32, text: &str) -> Result<()> {
    let made = OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
    let written = made.and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| crate::sync::file(&file)));
    written.map_err(|cause| match cause.kind() {
        std::io::ErrorKind::AlreadyExists => {
            Error::new(Kind::Conflict, format!("{} is there already, and is left as it is", path.display()))
                .hint("choose another name")
        }
        _ => Error::new(io_kind(&cause), format!("{}: {cause}", path.display())),
    })
}
