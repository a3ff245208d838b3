//! Whose signature a component must carry before it is compiled.

use super::key::PublicKey;
use super::signature::signers;
use crate::error::{Error, Kind, Result};
use crate::sabotage::{self, Fault};

/// The keys of which one must have signed a component. By default there are none, and nothing is asked.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    keys: Vec<PublicKey>,
}

impl Trust {
    /// Takes what one of `keys` has signed.
    pub fn in_keys(keys: Vec<PublicKey>) -> Self {
        Self { keys }
    }

    /// The keys.
    pub fn keys(&self) -> &[PublicKey] {
        &self.keys
    }

    /// Whether these bytes may be compiled: an error says that they are not signed, are signed by others only, were changed
    /// after they were signed, or have a garbled signature.
    pub fn check(&self, bytes: &[u8]) -> Result<()> {
        if self.keys.is_empty() || sabotage::is(Fault::SignatureUnread) {
            return Ok(());
        }
        let signers = signers(bytes)?;
        if signers.iter().any(|signer| self.keys.contains(signer)) {
            return Ok(());
        }
        let what = match signers.as_slice() {
            [] => {
                format!("component: it is not signed, and the pipeline takes only components signed by {}", self.one())
            }
            signers => {
                let names: Vec<String> = signers.iter().map(PublicKey::to_string).collect();
                format!("component: it is signed by {}, not by {}, as the pipeline asks", names.join(", "), self.one())
            }
        };
        Err(Error::new(Kind::Input, what).hint("sign it: tidemill transform sign FILE --key KEY"))
    }

    fn one(&self) -> String {
        match self.keys.as_slice() {
            [key] => format!("the key {key}"),
            keys => format!("one of {} keys", keys.len()),
        }
    }
}
