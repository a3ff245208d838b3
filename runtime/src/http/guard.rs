//! The guard of the listeners: which requests are let in, looked at before a byte of their bodies is read.

use std::fs;
use std::net::IpAddr;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Instant;

use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, Version, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

use super::answer::Refusal;
use super::credentials::{Failures, secret};
use super::crowd::shared;
use super::server::Peer;
use super::tls;
use crate::access::{Grant, Keys, Secret};
use crate::config::keys;
use crate::config::plan::{Listen, ListenLimits};
use crate::error::Result;
use crate::metrics::Metrics;
use crate::time::Clock;

/// The one path of the admin listener that asks for no key.
const OPEN_PATH: &str = "/health";
/// The one below which it lets in who may ask queries and no more.
const QUERIES_PATH: &str = "/queries";

/// Which listener a request came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// The REST proxy's.
    Topics,
    /// The operator's.
    Admin,
    /// The API gateway's.
    Gateway,
    /// That of Kinesis's own API.
    Kinesis,
}

impl Side {
    /// What figures call it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Topics => "rest",
            Self::Admin => "admin",
            Self::Gateway => "gateway",
            Self::Kinesis => "kinesis",
        }
    }
}

/// What both listeners let in, and what they prove themselves with.
pub struct Guard {
    listen: Listen,
    clock: Arc<Clock>,
    keys: RwLock<Option<Arc<Keys>>>,
    tls: RwLock<Option<Arc<ServerConfig>>>,
    failures: Failures,
    /// What the files were like when they were read.
    read: Mutex<Vec<Option<Stamp>>>,
}

/// What changes when a file does: its number, size and time of change.
pub(super) type Stamp = (u64, u64, i64, i64);

impl Guard {
    /// Reads the files of keys and TLS.
    pub fn new(listen: &Listen, clock: Arc<Clock>) -> Result<Arc<Self>> {
        let guard = Self {
            listen: listen.clone(),
            clock,
            keys: RwLock::default(),
            tls: RwLock::default(),
            failures: Failures::default(),
            read: Mutex::default(),
        };
        guard.take_files(true)?;
        Ok(Arc::new(guard))
    }

    /// Reads the files again if one of them has changed, or in any case; where one cannot be used, all stays as it was.
    pub fn refresh(&self, in_any_case: bool) {
        match self.take_files(in_any_case) {
            Ok(false) => {}
            Ok(true) => tracing::info!("keys and certificates read again"),
            Err(error) => tracing::error!(error = error.line(), "keys and certificates not taken, the old ones stay"),
        }
    }

    /// Whether there are files that can be read again.
    pub fn has_files(&self) -> bool {
        self.listen.keys.is_some() || self.listen.tls.is_some()
    }

    /// Bounds on connections and on the heads of requests.
    pub(super) fn limits(&self) -> &ListenLimits {
        &self.listen.limits
    }

    /// What a new connection is encrypted with, if it is.
    pub(super) fn tls(&self) -> Option<TlsAcceptor> {
        self.tls.read().unwrap_or_else(PoisonError::into_inner).clone().map(TlsAcceptor::from)
    }

    fn take_files(&self, in_any_case: bool) -> Result<bool> {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let tls = self.listen.tls.as_ref();
        let files = [
            self.listen.keys.as_deref(),
            tls.map(|tls| tls.certificate.as_path()),
            tls.map(|tls| tls.key.as_path()),
            tls.and_then(|tls| tls.clients.as_deref()),
        ];
        let found: Vec<Option<Stamp>> = files.into_iter().map(|file| file.and_then(stamp)).collect();
        if *read == found && !in_any_case {
            return Ok(false);
        }
        // Remembered first: a file that cannot be used is complained of once.
        *read = found;
        let keys = self.listen.keys.as_deref().map(keys::read).transpose()?;
        let tls = tls.map(tls::read).transpose()?;
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys.map(Arc::new);
        *self.tls.write().unwrap_or_else(PoisonError::into_inner) = tls;
        Ok(true)
    }

    /// Whether a request names this server, and comes from no page of another's.
    pub(super) fn looks_right(&self, head: &Parts) -> Result<(), Refusal> {
        let uri = &head.uri;
        if uri.path_and_query().map_or(0, |path| path.as_str().len()) > self.listen.limits.uri_bytes_max {
            return Err(refusal(StatusCode::URI_TOO_LONG));
        }
        let host = host(head.version, uri, &head.headers)?;
        if host.as_ref().is_some_and(|host| !self.knows(host)) {
            return Err(refusal(StatusCode::MISDIRECTED_REQUEST));
        }
        if foreign(&head.headers, host.as_ref()) {
            return Err(refusal(StatusCode::FORBIDDEN));
        }
        Ok(())
    }

    fn admit(&self, side: Side, head: &Parts) -> Result<Grant, Refusal> {
        self.looks_right(head)?;
        let asked = matches!(head.method, Method::GET | Method::HEAD);
        if side == Side::Admin && asked && head.uri.path() == OPEN_PATH {
            return Ok(Grant::All);
        }
        let address = head.extensions.get::<Peer>().map(|peer| peer.address);
        let grant = self.grant(secret(&head.headers), address)?;
        let questions = || asked && below(head.uri.path(), QUERIES_PATH) && grant.asks_some();
        if side == Side::Admin && !grant.administers() && !questions() {
            return Err(refusal(StatusCode::FORBIDDEN));
        }
        Ok(grant)
    }

    /// What the secret that a request shows is good for.
    pub(super) fn grant(&self, secret: Option<Secret>, address: Option<IpAddr>) -> Result<Grant, Refusal> {
        let Some(keys) = self.keys.read().unwrap_or_else(PoisonError::into_inner).clone() else {
            return Ok(Grant::All);
        };
        let unauthorized = || refusal(StatusCode::UNAUTHORIZED);
        let address = address.ok_or_else(unauthorized)?;
        if self.shut_out(address) {
            return Err(Refusal::busy());
        }
        let secret = secret.ok_or_else(unauthorized)?;
        if let Some(grant) = keys.grant(&secret, self.clock.now()) {
            return Ok(grant);
        }
        if self.failures.too_many(address, Instant::now()) {
            return Err(Refusal::busy());
        }
        self.failed(address);
        Err(unauthorized())
    }

    /// Whether an address has shown too many wrong keys. One that many share is not shut out: one of them would do it to all the
    /// others.
    pub(super) fn shut_out(&self, address: IpAddr) -> bool {
        self.failures.too_many(address, Instant::now()) && !shared(address)
    }

    /// An address has shown a wrong key.
    pub(super) fn failed(&self, address: IpAddr) {
        self.failures.add(address, Instant::now());
        tracing::warn!(%address, "a wrong or expired key was shown");
    }

    /// Whether a host is this server: an address, which no other name can be made to lead to, or a name that it was given.
    fn knows(&self, host: &Authority) -> bool {
        let name = host.host().trim_end_matches('.');
        let bare = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(name);
        bare.parse::<IpAddr>().is_ok()
            || name.eq_ignore_ascii_case("localhost")
            || self.listen.hosts.iter().any(|known| known.eq_ignore_ascii_case(name))
    }
}

/// The layer that asks the guard; what an operator changes is noted with who did it.
pub(super) async fn admit(
    State((guard, side, metrics)): State<(Arc<Guard>, Side, Arc<Metrics>)>,
    request: Request,
    next: Next,
) -> Response {
    let (head, body) = request.into_parts();
    let grant = match guard.admit(side, &head) {
        Ok(grant) => grant,
        Err(refusal) => {
            metrics.refused.with_label_values(&[side.name(), &refusal.code.to_string()]).inc();
            return refusal.into_response();
        }
    };
    let mut request = Request::from_parts(head, body);
    let noted = (side == Side::Admin && *request.method() == Method::POST).then(|| {
        (grant.id(), request.uri().path().to_owned(), request.extensions().get::<Peer>().map(|peer| peer.address))
    });
    request.extensions_mut().insert(grant);
    let response = next.run(request).await;
    if let Some((key, path, address)) = noted {
        tracing::info!(key, ?address, path, status = response.status().as_u16(), "operator's request");
    }
    response
}

/// Whether a path is another, or lies below it.
fn below(path: &str, other: &str) -> bool {
    path.strip_prefix(other).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// A refusal that says no more than its status.
pub(super) fn refusal(status: StatusCode) -> Refusal {
    Refusal::plain(status, format!("HTTP {status}"))
}

/// The host that a request names: once in its headers, and the same where its line names one too. HTTP/1.0 need not.
fn host(version: Version, uri: &Uri, headers: &HeaderMap) -> Result<Option<Authority>, Refusal> {
    let wrong = || refusal(StatusCode::BAD_REQUEST);
    let mut all = headers.get_all(header::HOST).iter();
    let (first, more) = (all.next(), all.next());
    if more.is_some() || (first.is_none() && version >= Version::HTTP_11) {
        return Err(wrong());
    }
    let host = first.map(|value| Authority::try_from(value.as_bytes())).transpose().map_err(|_| wrong())?;
    // What stands before an @ is no part of a host.
    if host.as_ref().is_some_and(|host| host.as_str().contains('@')) {
        return Err(wrong());
    }
    match (uri.authority(), host) {
        (Some(named), Some(host)) if *named != host => Err(wrong()),
        (Some(named), None) => Ok(Some(named.clone())),
        (_, host) => Ok(host),
    }
}

/// Whether a browser sends the request for a page of another site.
fn foreign(headers: &HeaderMap, host: Option<&Authority>) -> bool {
    let origins = headers.get_all(header::ORIGIN).iter();
    let own = |origin: &HeaderValue| {
        let origin = origin.to_str().unwrap_or_default();
        let named = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
        named.is_some_and(|named| host.is_some_and(|host| host.as_str().eq_ignore_ascii_case(named)))
    };
    let fetched = headers.get_all("sec-fetch-site").iter();
    origins.into_iter().any(|origin| !own(origin))
        || fetched.into_iter().any(|site| !matches!(site.as_bytes(), b"same-origin" | b"none"))
}

/// What a file is like now.
pub(super) fn stamp(file: &Path) -> Option<Stamp> {
    let found = fs::metadata(file).ok()?;
    Some((found.ino(), found.len(), found.mtime(), found.mtime_nsec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        lines.iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_str(value).unwrap())).fold(
            HeaderMap::new(),
            |mut headers, (name, value): (header::HeaderName, _)| {
                headers.append(name, value);
                headers
            },
        )
    }

    #[test]
    fn hosts_that_are_this_server() {
        let listen = Listen {
            topics: ([127, 0, 0, 1], 0).into(),
            admin: ([127, 0, 0, 1], 0).into(),
            hosts: vec!["mill.example.org".to_owned()],
            keys: None,
            tls: None,
            limits: ListenLimits::default(),
        };
        let guard = Guard::new(&listen, Arc::new(Clock::System)).unwrap();
        let check = |host: &str, expected: Option<bool>| {
            let found = super::host(Version::HTTP_11, &Uri::from_static("/"), &headers(&[("host", host)]));
            let known = found.ok().map(|host| host.is_some_and(|host| guard.knows(&host)));
            assert_eq!(known, expected, "{host:?}");
        };
        for known in [
            "127.0.0.1",
            "127.0.0.1:8082",
            "[::1]:8082",
            "192.0.2.1",
            "localhost",
            "LOCALHOST:1",
            "localhost.",
            "mill.example.org:443",
            "Mill.Example.Org",
        ] {
            check(known, Some(true));
        }
        for other in [
            "evil.example",
            "evil.example:8082",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
            "x",
            "127.1",
            "2130706433",
            "0x7f.1",
        ] {
            check(other, Some(false));
        }
        for wrong in ["", "a b", "localhost@evil.example", "evil@localhost", "localhost/..", "[::1"] {
            check(wrong, None);
        }
    }

    #[test]
    fn pages_of_other_sites() {
        let host = Authority::from_static("localhost:8082");
        let check = |lines: &[(&'static str, &str)], expected: bool| {
            assert_eq!(foreign(&headers(lines), Some(&host)), expected, "{lines:?}");
        };
        check(&[], false);
        check(&[("origin", "http://localhost:8082")], false);
        check(&[("origin", "https://LOCALHOST:8082"), ("sec-fetch-site", "same-origin")], false);
        check(&[("sec-fetch-site", "none")], false);
        for origin in [
            "null",
            "http://evil.example",
            "http://localhost",
            "http://localhost:8083",
            "file://",
            "http://localhost:8082.evil.example",
            "",
        ] {
            check(&[("origin", origin)], true);
        }
        check(&[("origin", "http://localhost:8082"), ("origin", "http://evil.example")], true);
        check(&[("sec-fetch-site", "cross-site")], true);
        check(&[("sec-fetch-site", "same-site")], true);
    }
}
