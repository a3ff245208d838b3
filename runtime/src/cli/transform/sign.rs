//! `tidemill transform sign`: a signature at the end of a component.

use std::path::PathBuf;

use clap::Args;

use super::{Ended, component_file, read};
use crate::component::{SecretKey, build, sign};
use crate::error::{Kind, OrFail, Result};

/// Sign a component, for pipelines that list the key under [trust].
///
/// Several people may sign one component, one after another; a signature covers all that was built, and no other signature.
/// A component that is built again has to be signed again.
#[derive(Debug, Args)]
pub(in crate::cli) struct Sign {
    /// The component's file, or the folder of its crate.
    file: PathBuf,
    /// The secret key, in a file that only its owner may read: PKCS#8 in PEM, as `transform keygen` makes it, and also
    /// `openssl genpkey -algorithm ed25519`.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
}

impl Sign {
    pub(in crate::cli) fn run(self) -> Result<Ended> {
        let key = SecretKey::read(&self.key)?;
        let file = component_file(&self.file);
        let signed = sign(&read(&self.file)?, &key).map_err(|fault| fault.within(file.display()))?;
        let already = if signed.is_none() { " already" } else { "" };
        if let Some(bytes) = signed {
            build::replace(&file, &bytes).or_fail(Kind::Storage, || format!("component {}", file.display()))?;
        }
        println!("{} is signed{already} by {}", file.display(), key.public());
        Ok(Ended::Well)
    }
}
