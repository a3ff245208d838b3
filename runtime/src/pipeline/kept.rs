//! Components kept by their digests in the data folder, so that what was in service can be again.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use super::generation::{Chain, digests, load_component, unwrap};
use crate::component::Host;
use crate::config::plan;
use crate::error::{Error, Kind, OrFail, Result};
use crate::sync;

/// Where the component of a digest is kept.
pub fn kept(folder: &Path, digest: &str) -> PathBuf {
    folder.join(format!("{digest}.wasm"))
}

/// Keeps a component under its digest; it is there, whole and synced, when this returns.
pub fn keep(folder: &Path, digest: &str, bytes: &[u8]) -> Result<()> {
    let path = kept(folder, digest);
    let failed = || format!("component {path:?}");
    if fs::read(&path).is_ok_and(|there| there == bytes) {
        // A crash may have left its name in memory alone.
        return sync::folder(folder).or_fail(Kind::Storage, failed);
    }
    let write = || -> std::io::Result<()> {
        fs::create_dir_all(folder)?;
        let half = path.with_extension("half");
        let mut file = fs::File::create(&half)?;
        file.write_all(bytes)?;
        sync::file(&file)?;
        fs::rename(&half, &path)?;
        sync::folder(folder)
    };
    write().or_fail(Kind::Storage, failed)
}

/// The chain of a digest with the parameters that its components had and what was taken off values then, as the ledger names them,
/// whatever the pipeline file says now.
///
/// Errors with `Kind::Missing` where a component is not there any more.
pub fn chain_then(
    host: &Host,
    plan: &plan::Table,
    components: &Path,
    digest: &str,
    parameters: &[String],
) -> Result<Chain> {
    let limits = plan.transforms.first().map(|transform| transform.limits.clone()).unwrap_or_default();
    let (mut chain, unwrap) = (Vec::new(), unwrap(digest)?);
    for (nth, digest) in digests(digest).into_iter().enumerate() {
        let path = kept(components, digest);
        let bytes = fs::read(&path).or_fail(Kind::Missing, || format!("component {}", path.display()))?;
        let limits = plan.transforms.get(nth).map_or_else(|| limits.clone(), |transform| transform.limits.clone());
        let component = host.load(&bytes, &limits)?;
        chain.push((component, parameters.get(nth).cloned().unwrap_or_else(|| "{}".to_owned())));
    }
    Ok(Chain::new(chain)?.unwrapping(&unwrap))
}

/// The chain of a digest, of components that were kept, with the parameters and the unwrapping of the pipeline file.
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
    Ok(Chain::new(chain)?.unwrapping(&plan.unwrap))
}
