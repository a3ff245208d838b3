//! The operator's way to a running pipeline: where it listens, and the key that it asks for.

use std::fs;

use crate::access::Secret;
use crate::config::plan::{Listen, Pipeline};
use crate::emulate::client::Client;
use crate::error::{Error, Kind, OrFail, Result};

/// The environment's variable that holds a key.
const KEY: &str = "TIDEMILL_KEY";
/// The one that names a file which holds a key.
const KEY_FILE: &str = "TIDEMILL_KEY_FILE";

/// The key that requests carry, where the environment has one. No argument has it: other users see those.
pub(super) fn key() -> Result<Option<Secret>> {
    secret("key", KEY, KEY_FILE)
}

/// A secret in one variable of the environment, or in the file that another names.
pub(super) fn secret(what: &str, variable: &str, file_variable: &str) -> Result<Option<Secret>> {
    let read = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    if let Some(secret) = read(variable) {
        let secret = secret.into_string();
        let secret = secret.map_err(|_| Error::new(Kind::Input, format!("{what} in {variable}: it is not a text")))?;
        return Ok(Some(Secret::new(secret.trim().to_owned())));
    }
    let Some(file) = read(file_variable) else { return Ok(None) };
    let text = fs::read_to_string(&file)
        .or_fail(Kind::Missing, || format!("{what} file {file:?}, which {file_variable} names"))?;
    Ok(Some(Secret::new(text.trim().to_owned())))
}

/// A client of the operator's side of a pipeline, and what its URLs begin with.
pub(super) fn client(pipeline: &Pipeline) -> Result<(Client, String)> {
    let listen = &pipeline.listen;
    // Its name need not be known to the machine: it is found where the pipeline file says that it listens.
    let found = listen.hosts.first().map(|host| (host.as_str(), Listen::near(listen.admin)));
    Ok((Client::new(key()?.as_ref(), found)?, listen.url(listen.admin)))
}
