//! Who signed a request, and whether they did: looked at before its body as far as that goes, and after it.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;

use super::fault::Fault;
use crate::access::Grant;
use crate::access::signature::{Signature, Signed};
use crate::config::access_keys::{self, AccessKey, AccessKeys};
use crate::error::Result;
use crate::http::guard::{Guard, Stamp, stamp};
use crate::time::{Clock, Timestamp};

/// How far a request's time may lie from now.
const SKEW_MAX: Duration = Duration::from_mins(15);
/// Headers that a signature must cover.
const COVERED: [&str; 3] = ["host", "x-amz-date", "x-amz-target"];

/// The access keys that requests must be signed with.
pub struct Signers {
    file: Option<PathBuf>,
    clock: Arc<Clock>,
    keys: RwLock<Arc<AccessKeys>>,
    read: Mutex<Option<Stamp>>,
}

/// A request that says who signed it; its body decides.
pub(super) struct Claimed<'a> {
    key: AccessKey,
    signature: Signature<'a>,
    time: &'a str,
}

impl Signers {
    /// Reads their file; without one, no signature is asked for.
    pub fn new(file: Option<PathBuf>, clock: Arc<Clock>) -> Result<Arc<Self>> {
        let signers = Self { file, clock, keys: RwLock::default(), read: Mutex::default() };
        signers.take(true)?;
        Ok(Arc::new(signers))
    }

    /// Whether there is a file that can be read again.
    pub fn has_file(&self) -> bool {
        self.file.is_some()
    }

    /// Reads the file again if it has changed, or in any case; one that cannot be used changes nothing.
    pub fn refresh(&self, in_any_case: bool) {
        match self.take(in_any_case) {
            Ok(false) => {}
            Ok(true) => tracing::info!("access keys read again"),
            Err(error) => tracing::error!(error = error.line(), "access keys not taken, the old ones stay"),
        }
    }

    fn take(&self, in_any_case: bool) -> Result<bool> {
        let Some(file) = &self.file else { return Ok(false) };
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let found = stamp(file);
        if *read == found && !in_any_case {
            return Ok(false);
        }
        // Remembered first: a file that cannot be used is complained of once.
        *read = found;
        let keys = access_keys::read(file)?;
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
        Ok(true)
    }

    /// What can be said before the body is read; none where no signature is asked for.
    pub(super) fn begin<'a>(
        &self,
        guard: &Guard,
        head: &'a Parts,
        address: IpAddr,
    ) -> Result<Option<Claimed<'a>>, Fault> {
        if self.file.is_none() {
            return Ok(None);
        }
        let missing = || Fault::new("MissingAuthenticationTokenException", "Missing Authentication Token");
        let incomplete = |what: &str| Fault::new("IncompleteSignatureException", what);
        if guard.shut_out(address) {
            return Err(Fault::new("ThrottlingException", "Rate exceeded"));
        }
        let authorization = one(&head.headers, AUTHORIZATION.as_str()).ok_or_else(missing)?;
        let signature = Signature::parse(authorization).ok_or_else(|| {
            incomplete("The Authorization header is not AWS4-HMAC-SHA256 with Credential, SignedHeaders and Signature.")
        })?;
        let time = one(&head.headers, "x-amz-date").ok_or_else(|| incomplete("The header X-Amz-Date is missing."))?;
        let made = moment(time).ok_or_else(|| incomplete("The header X-Amz-Date is not YYYYMMDDTHHMMSSZ."))?;
        let covers = |name: &str| signature.headers.contains(&name);
        if !COVERED.iter().all(|name| covers(name)) {
            return Err(incomplete("The signature must cover host, x-amz-date and x-amz-target."));
        }
        let now = self.clock.now();
        if !time.starts_with(signature.day) || signature.service != "kinesis" {
            return Err(unfit("Credential should be scoped to the request's day and to the service kinesis."));
        }
        if now.since(made) > SKEW_MAX {
            return Err(unfit(&format!("Signature expired: {made} is now earlier than {}", now.minus(SKEW_MAX))));
        }
        if made.since(now) > SKEW_MAX {
            return Err(unfit(&format!(
                "Signature not yet current: {made} is still later than {}",
                now.plus(SKEW_MAX)
            )));
        }
        let keys = Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner));
        let Some(key) = keys.get(signature.id, now) else {
            guard.failed(address);
            let what = "The security token included in the request is invalid.";
            return Err(Fault::new("UnrecognizedClientException", what));
        };
        Ok(Some(Claimed { key: key.clone(), signature, time }))
    }
}

impl Claimed<'_> {
    /// What the key is good for, if it signed this.
    pub(super) fn finish(self, guard: &Guard, head: &Parts, address: IpAddr, body: &[u8]) -> Result<Grant, Fault> {
        let values: Vec<String> = self.signature.headers.iter().map(|name| joined(&head.headers, name)).collect();
        let signed =
            Signed { method: head.method.as_str(), path: head.uri.path(), time: self.time, headers: &values, body };
        if self.signature.fits(&self.key.secret, &signed) {
            return Ok(self.key.grant());
        }
        guard.failed(address);
        Err(unfit(
            "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key \
             and signing method. Consult the service documentation for details.",
        ))
    }
}

fn unfit(what: &str) -> Fault {
    Fault::new("InvalidSignatureException", what)
}

/// The value of a header that is there once.
fn one<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut all = headers.get_all(name).iter();
    let first = all.next()?.to_str().ok()?;
    all.next().is_none().then_some(first)
}

/// All values of a header, as a signature covers them.
fn joined(headers: &HeaderMap, name: &str) -> String {
    let values: Vec<&str> = headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect();
    values.join(",")
}

/// A time as a request says it: `20261126T204512Z`.
fn moment(text: &str) -> Option<Timestamp> {
    let (day, time) = text.strip_suffix('Z')?.split_once('T')?;
    if day.len() != 8 || time.len() != 6 || !text.is_ascii() {
        return None;
    }
    let (year, month, day) = (day.get(..4)?, day.get(4..6)?, day.get(6..)?);
    let (hour, minute, second) = (time.get(..2)?, time.get(2..4)?, time.get(4..)?);
    Timestamp::parse(&format!("{year}-{month}-{day}T{hour}:{minute}:{second}Z")).ok()
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn keys_are_read_again_when_their_file_changes_and_stay_where_it_cannot_be_used() {
        let file = std::env::temp_dir().join(format!("tidemill-signers-{}", std::process::id()));
        let put = |ids: &[&str]| {
            let key = |id: &&str| format!("[[keys]]\nid = {id:?}\nsecret = \"0123456789abcdef\"\nscopes = []\n");
            fs::write(&file, ids.iter().map(key).collect::<String>()).unwrap();
            fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
        };
        put(&["one"]);
        let signers = Signers::new(Some(file.clone()), Arc::new(Clock::System)).unwrap();
        let known = |id| signers.keys.read().unwrap().get(id, Timestamp(0)).is_some();
        assert!(known("one") && !known("two"));
        put(&["two", "three"]);
        signers.refresh(false);
        assert!(!known("one") && known("two"));
        fs::write(&file, "[[keys]]\nid = 1\n").unwrap();
        signers.refresh(true);
        assert!(known("two"), "the old ones stay");
        fs::remove_file(&file).unwrap();
        signers.refresh(false);
        assert!(known("two"));
        assert!(!Signers::new(None, Arc::new(Clock::System)).unwrap().has_file());
    }

    #[test]
    fn times_of_requests() {
        assert_eq!(moment("20261126T204512Z"), Timestamp::parse("2026-11-26T20:45:12Z").ok());
        for wrong in
            ["", "20261126T204512", "2026-11-26T20:45:12Z", "20261326T204512Z", "20261126T2045é", "20261126 204512Z"]
        {
            assert_eq!(moment(wrong), None, "{wrong}");
        }
    }
}
