//! Components kept by their digests in the data folder, so that what was in service can be again.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use super::generation::{Chain, digests, load_component};
use crate::component::Host;
use crate::config::plan;
use crate::error::{Error, Kind, OrFail, Result};

/// Where the component of a digest is kept.
pub fn kept(folder: &Path, digest: &str) -> PathBuf {
    folder.join(format!("{digest}.wasm"))
}

/// Keeps a component under its digest; it is there, whole and synced, when this returns.
pub fn keep(folder: &Path, digest: &str, bytes: &[u8]) -> Result<()> {
    let path = kept(folder, digest);
    if fs::read(&path).is_ok_and(|there| there == bytes) {
        return Ok(());
    }
    let write = || -> std::io::Result<()> {
        fs::create_dir_all(folder)?;
        let half = path.with_extension("half");
        let mut file = fs::File::create(&half)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&half, &path)?;
        fs::File::open(folder)?.sync_all()
    };
    write().or_fail(Kind::Storage, || format!("component {path:?}"))
}

/// The chain of a digest, of components that were kept.
///
/// Errors with `Kind::Missing` where one is not there or not trusted any more, or where the table has more or fewer transforms by now.
pub fn kept_chain(host: &Host, plan: &plan::Table, components: &Path, digest: &str) -> Result<Chain> {
    let digests = digests(digest);
    if digests.len() != plan.transforms.len() {
        let (then, now) = (digests.len(), plan.transforms.len());
        return Err(Error::new(Kind::Missing, format!("it had {then} transforms where it has {now} now")));
    }
    let mut chain = Vec::new();
    for (digest, transform) in digests.iter().zip(&plan.transforms) {
        let kept = kept(components, digest);
        let bytes = fs::read(&kept).or_fail(Kind::Missing, || format!("component {}", kept.display()))?;
        host.trust().check(&bytes).map_err(|reason| Error::new(Kind::Missing, reason.message()))?;
        chain.push((load_component(host, transform, &bytes)?, transform.parameters.clone()));
    }
    Chain::new(chain)
}
