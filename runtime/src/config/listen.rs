//! The `[listen]` of a pipeline file: where it listens, who may come in, how much and how long that may take.

use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::lake::options::Endpoint;

use super::fault::{Fault, wrong};
use super::plan::{Gateway, Kinesis, Listen, ListenLimits, Pipeline, Tls, TlsVersion};
use super::section::Section;
use super::{Declared, access_keys, keys, names, paths};

/// The Kafka REST proxy's usual port, then that of the operator's surface.
const PORTS: [u16; 2] = [8082, 9082];
/// The most connections that a listener may be allowed.
const CONNECTIONS_MAX: u64 = 1 << 16;
/// The most consumers that a listener may be allowed.
const CONSUMERS_MAX: u64 = 10_000;
/// The most headers that a request may be allowed.
const HEADERS_MAX: u64 = 1_000;
/// Bounds on the bytes of a request's head. A buffer below the least would not hold one.
const HEAD_BYTES: std::ops::RangeInclusive<u64> = 8 << 10..=1 << 20;
/// Bounds on the bytes of a request's path and query.
const URI_BYTES: std::ops::RangeInclusive<u64> = 256..=64 << 10;
/// The shortest time that a client may be given for anything.
const TIME_MIN: Duration = Duration::from_millis(10);
/// The rights of everybody but a file's owner and group.
const WORLD: u32 = 0o007;

/// Reads it; files are seen from `folder`.
pub(super) fn read(section: &Section<'_>, folder: &Path) -> Listen {
    let [topics, admin] = PORTS.map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    let listen = Listen {
        topics: address(section, "topics", PORTS[0]).unwrap_or(topics),
        admin: address(section, "admin", PORTS[0]).unwrap_or(admin),
        hosts: hosts(section),
        keys: section.text("keys").map(|written| paths::absolute(folder, &written)),
        tls: tls(&section.section("tls"), folder),
        limits: limits(&section.section("limits")),
    };
    section.finish();
    if meet(listen.topics, listen.admin) {
        let key = if section.has("admin") { "admin" } else { "topics" };
        let taken = format!("listen.topics and listen.admin both listen on port {}", listen.admin.port());
        section.wrong(key, &wrong(taken).hint("give each its own port"));
    }
    listen
}

/// The other doors listen too, and the embedded S3 server on loopback; `sections` are the doors' own.
pub(super) fn ports_apart(
    lake: (&Section<'_>, &Endpoint),
    listen: &Listen,
    gateway: (&Section<'_>, Option<&Gateway>),
    kinesis: (&Section<'_>, Option<&Kinesis>),
) {
    let mut taken = vec![("listen.topics", listen.topics), ("listen.admin", listen.admin)];
    let gateway = (gateway.0, "gateway.listen", gateway.1.map(|gateway| gateway.listen));
    let kinesis = (kinesis.0, "kinesis.listen", kinesis.1.map(|kinesis| kinesis.listen));
    for (section, key, at) in [gateway, kinesis] {
        let Some(at) = at else { continue };
        for (other, _) in taken.iter().filter(|(_, other)| meet(at, *other)) {
            let both = wrong(format!("{other} already listens on port {}", at.port()));
            section.wrong("listen", &both.hint("give each its own port"));
        }
        taken.push((key, at));
    }
    let (section, Endpoint::Embedded { port }) = lake else { return };
    let s3 = SocketAddr::from((Ipv4Addr::LOCALHOST, *port));
    for (key, _) in taken.iter().filter(|(_, other)| meet(s3, *other)) {
        let taken = wrong(format!("{key} already listens on port {port}"));
        section.wrong("port", &taken.hint("write port = 0 to take a free one"));
    }
}

/// What keeps a pipeline from being let listen: files of keys or TLS that cannot be used, and, unless `insecure`, an address
/// that lets other machines in without both. For those who run or check one; others only ask it.
pub fn exposed(declared: &Declared, insecure: bool) -> Vec<Fault> {
    let listen = &declared.pipeline.listen;
    let mut faults = Vec::new();
    let mut add = |path: &str, wrong: &Error| faults.push(declared.places.fault(path, wrong));
    let Pipeline { gateway, kinesis, .. } = &declared.pipeline;
    let gateway_keys = gateway.as_ref().and_then(|gateway| gateway.keys.as_deref());
    let kinesis_keys = kinesis.as_ref().and_then(|kinesis| kinesis.keys.as_deref());
    let counted = |file: &Path| keys::read(file).map(|keys| keys.iter().len());
    let signing = |file: &Path| access_keys::read(file).map(|keys| keys.len());
    for (key, found) in [
        ("listen.keys", listen.keys.as_deref().map(counted)),
        ("gateway.keys", gateway_keys.map(counted)),
        ("kinesis.keys", kinesis_keys.map(signing)),
    ] {
        match found {
            Some(Err(fault)) => add(key, &fault),
            Some(Ok(0)) => {
                let none = wrong("there is no key in it, so nobody could come in");
                add(key, &none.hint(format!("make one with `tidemill key new`, or leave {key} out")));
            }
            _ => {}
        }
    }
    if let Some(tls) = &listen.tls {
        let files =
            [("certificate", Some(&tls.certificate)), ("key", Some(&tls.key)), ("clients", tls.clients.as_ref())];
        for (key, file) in files {
            let Some(Err(fault)) = file.map(|file| usable(file, key == "key")) else { continue };
            add(&format!("listen.tls.{key}"), &fault);
        }
    }
    let doors = [
        ("listen.topics", Some(listen.topics), listen.keys.is_some()),
        ("listen.admin", Some(listen.admin), listen.keys.is_some()),
        (
            "gateway.listen",
            gateway.as_ref().map(|gateway| gateway.listen),
            gateway_keys.or(listen.keys.as_deref()).is_some(),
        ),
        ("kinesis.listen", kinesis.as_ref().map(|kinesis| kinesis.listen), kinesis_keys.is_some()),
    ];
    for (key, address, has_keys) in doors {
        let Some(address) = address.filter(|_| !insecure) else { continue };
        if listen.keys.is_some() && !has_keys {
            let open = wrong("the other listeners ask for keys, and this door lets in whoever comes");
            add(
                key,
                &open.hint("write kinesis.keys = \"FILE\" with the access keys that requests must be signed with"),
            );
        }
        let missing = match (listen.tls.is_some(), has_keys) {
            (true, true) => None,
            (false, true) => Some("without encryption"),
            (true, false) => Some("without keys"),
            (false, false) => Some("without encryption or keys"),
        };
        let Some(missing) = missing.filter(|_| !address.ip().is_loopback()) else { continue };
        let local = SocketAddr::from((Ipv4Addr::LOCALHOST, address.port())).to_string();
        let keys = if key == "kinesis.listen" { "kinesis.keys" } else { "listen.keys" };
        let open = wrong(format!("\"{address}\" lets other machines in, {missing}"));
        add(key, &open.hint(format!("write {local:?}, or configure listen.tls and {keys}")));
    }
    faults.sort_by_key(|fault| (fault.line, fault.column));
    faults
}

fn meet(one: SocketAddr, other: SocketAddr) -> bool {
    let same_host = one.ip() == other.ip() || one.ip().is_unspecified() || other.ip().is_unspecified();
    one.port() == other.port() && one.port() != 0 && same_host
}

/// An IP address with a port; `port` is what is suggested where there is none.
pub(super) fn address(section: &Section<'_>, key: &'static str, port: u16) -> Option<SocketAddr> {
    let text = section.text(key)?;
    let address = text.parse().ok();
    if address.is_none() {
        let port = text.rsplit(':').next().and_then(|port| port.parse::<u16>().ok()).unwrap_or(port);
        let local = SocketAddr::from((Ipv4Addr::LOCALHOST, port)).to_string();
        section
            .wrong(key, &wrong(format!("{text:?} is not an IP address with a port")).hint(format!("write {local:?}")));
    }
    address
}

fn hosts(section: &Section<'_>) -> Vec<String> {
    let hosts = section.texts("hosts");
    for (index, host) in hosts.iter().enumerate() {
        if let Err(fault) = names::host(host) {
            section.wrong_at(&format!("{}[{index}]", section.path_of("hosts")), &fault);
        }
    }
    hosts
}

fn tls(section: &Section<'_>, folder: &Path) -> Option<Tls> {
    section.need(
        "certificate",
        "certificate = \"FILE.pem\", the server's certificate and those that lead to its authority",
    );
    section.need("key", "key = \"FILE.pem\", the certificate's private key");
    let file = |key| section.text(key).map(|written| paths::absolute(folder, &written));
    let versions = [("1.3", TlsVersion::V1_3), ("1.2", TlsVersion::V1_2)];
    let (certificate, key, clients) = (file("certificate"), file("key"), file("clients"));
    let oldest = section.choice("oldest", &versions).unwrap_or(TlsVersion::V1_3);
    section.finish();
    Some(Tls { certificate: certificate?, key: key?, clients, oldest })
}

fn limits(section: &Section<'_>) -> ListenLimits {
    let usual = ListenLimits::default();
    let number = |key, max, usual| section.number(key, 1..=max).and_then(|n| usize::try_from(n).ok()).unwrap_or(usual);
    let time = |key, usual| section.duration(key, TIME_MIN).unwrap_or(usual);
    let limits = ListenLimits {
        connections_max: number("connections", CONNECTIONS_MAX, usual.connections_max),
        address_connections_max: number("connections_per_address", CONNECTIONS_MAX, usual.address_connections_max),
        headers_max: number("headers", HEADERS_MAX, usual.headers_max),
        head_bytes_max: section.memory("head", HEAD_BYTES).unwrap_or(usual.head_bytes_max),
        uri_bytes_max: section.memory("uri", URI_BYTES).unwrap_or(usual.uri_bytes_max),
        handshake_time_max: time("handshake_time", usual.handshake_time_max),
        head_time_max: time("head_time", usual.head_time_max),
        body_pause_max: time("body_pause", usual.body_pause_max),
        body_time_max: time("body_time", usual.body_time_max),
        answer_pause_max: time("answer_pause", usual.answer_pause_max),
        idle_time_max: time("idle_time", usual.idle_time_max),
        consumers_max: number("consumers", CONSUMERS_MAX, usual.consumers_max),
        consumer_idle_time_max: time("consumer_idle_time", usual.consumer_idle_time_max),
    };
    section.finish();
    limits
}

/// Whether a file can be read, and a private one is not everybody's.
fn usable(file: &Path, private: bool) -> Result<()> {
    let found = std::fs::File::open(file).and_then(|file| file.metadata());
    let found = found.map_err(|cause| wrong(format!("{} cannot be read: {cause}", file.display())))?;
    let mode = found.permissions().mode() & 0o777;
    if private && mode & WORLD != 0 {
        let open = wrong(format!("everybody has rights to {} (mode {mode:03o}), so it is not used", file.display()));
        return Err(open.hint(format!("chmod 600 {}", file.display())));
    }
    Ok(())
}
