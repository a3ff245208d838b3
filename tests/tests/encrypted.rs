//! TLS: who is spoken to, in which versions, with which certificate; and no way in from other machines without it.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use reqwest::{Certificate, Client, Identity};
use tidemill_tests::cli::{failed, said};
use tidemill_tests::daemon::Daemon;
use tidemill_tests::keys::KeyFile;
use tidemill_tests::place::{changeling, command};
use tidemill_tests::things::House;

/// Nothing that is waited for takes so long.
const WAIT_TIME_MAX: Duration = Duration::from_secs(60);

/// An authority that signs certificates.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "an authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("a certificate"))
    }

    /// A certificate for these names, and its key, both in PEM.
    fn sign(&self, names: &[&str]) -> (String, String) {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let (mut params, key) = (CertificateParams::new(names).expect("names"), KeyPair::generate().expect("a key"));
        params.distinguished_name.push(DnType::CommonName, "a mill");
        (params.signed_by(&key, &self.0).expect("a certificate").pem(), key.serialize_pem())
    }

    fn root(&self) -> Certificate {
        Certificate::from_pem(self.0.pem().as_bytes()).expect("a certificate")
    }
}

/// A pipeline that speaks TLS alone.
struct Sealed {
    house: House,
    authority: Authority,
    daemon: Daemon,
}

const NAMES: [&str; 2] = ["localhost", "127.0.0.1"];

impl Sealed {
    fn start(name: &str, more: &str) -> Self {
        let listen =
            "[listen]\ntls = { certificate = \"server.pem\", key = \"server.key\"MORE }\nhosts = [\"mill.test\"]\n";
        let house = House::with(name, &changeling("good"), &[("[listen]\n", &listen.replace("MORE", more))]);
        let authority = Authority::new();
        house.put("root.pem", authority.0.pem().as_bytes());
        put(&house, authority.sign(&[NAMES[0], NAMES[1], "mill.test"]));
        let daemon = Daemon::start_with_log(&house.pipeline);
        Self { house, authority, daemon }
    }

    /// What a client gets that trusts `root`: the status, or what was wrong.
    fn get(&self, client: reqwest::ClientBuilder) -> Result<u16, String> {
        let url = format!("https://{}/status", self.daemon.admin);
        block_on(async {
            let client = client.build().map_err(|cause| format!("{cause:?}"))?;
            let answer = client.get(url).send().await.map_err(|cause| format!("{cause:?}"))?;
            assert_eq!(answer.version(), reqwest::Version::HTTP_11, "HTTP/2 is off");
            Ok(answer.status().as_u16())
        })
    }

    fn root(&self) -> PathBuf {
        self.house.pipeline.with_file_name("root.pem")
    }
}

fn put(house: &House, (certificate, key): (String, String)) {
    house.put("server.pem", certificate.as_bytes());
    let key = house.put("server.key", key.as_bytes());
    fs::set_permissions(key, fs::Permissions::from_mode(0o600)).expect("its rights");
}

fn trusting(root: &Authority) -> reqwest::ClientBuilder {
    Client::builder().tls_certs_only([root.root()]).no_proxy().timeout(WAIT_TIME_MAX)
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(future)
}

#[test]
fn who_is_spoken_to() {
    let sealed = Sealed::start("sealed", "");
    assert_eq!(sealed.get(trusting(&sealed.authority)), Ok(200));
    let stranger = sealed.get(trusting(&Authority::new())).expect_err("its root is another");
    assert!(stranger.contains("InvalidCertificate"), "{stranger}");
    let old = trusting(&sealed.authority).tls_version_max(reqwest::tls::Version::TLS_1_2);
    let old = sealed.get(old).expect_err("1.2 is not spoken");
    assert!(old.contains("ProtocolVersion"), "{old}");
    // Plain HTTP, and things that are nothing at all: closed, with no more than an alert.
    for bytes in
        [&b"GET /status HTTP/1.1\r\nhost: localhost\r\n\r\n"[..], b"\0\0\0\0", b"\x16\x03\x01\xff\xff", &[0xff; 1000]]
    {
        let mut socket = TcpStream::connect(sealed.daemon.admin).expect("the listener");
        socket.write_all(bytes).expect("it is sent");
        let _ = socket.shutdown(std::net::Shutdown::Write);
        let mut answer = Vec::new();
        let _ = socket.read_to_end(&mut answer);
        assert!(answer.len() <= 7, "{:?}", String::from_utf8_lossy(&answer));
    }
    assert_eq!(sealed.get(trusting(&sealed.authority)), Ok(200));
    let url = format!("https://{}/health", sealed.daemon.admin);
    let curl = Command::new("curl").args(["--silent", "--fail", &url, "--cacert"]).arg(sealed.root()).output();
    match curl {
        Ok(output) => assert_eq!(String::from_utf8_lossy(&output.stdout), r#"{"status":"ok"}"#, "{output:?}"),
        Err(_) => println!("there is no curl: left out"),
    }
}

#[test]
fn version_1_2_where_it_is_asked_for() {
    let sealed = Sealed::start("sealed-old", ", oldest = \"1.2\"");
    let old = trusting(&sealed.authority).tls_version_max(reqwest::tls::Version::TLS_1_2);
    assert_eq!(sealed.get(old), Ok(200));
    let new = trusting(&sealed.authority).tls_version_min(reqwest::tls::Version::TLS_1_3);
    assert_eq!(sealed.get(new), Ok(200));
}

#[test]
fn clients_that_have_to_prove_themselves() {
    let sealed = Sealed::start("sealed-clients", ", clients = \"root.pem\"");
    let with = |(certificate, key): (String, String)| {
        let identity = Identity::from_pem((certificate + &key).as_bytes()).expect("an identity");
        sealed.get(trusting(&sealed.authority).identity(identity))
    };
    assert_eq!(with(sealed.authority.sign(&["client.test"])), Ok(200));
    assert!(with(Authority::new().sign(&["client.test"])).is_err(), "another authority's");
    assert!(sealed.get(trusting(&sealed.authority)).is_err(), "none");
}

#[test]
fn a_certificate_is_changed_while_it_runs() {
    let sealed = Sealed::start("sealed-change", "");
    let next = Authority::new();
    assert!(sealed.get(trusting(&next)).is_err());
    // A certificate that does not go with the key changes nothing.
    sealed.house.put("server.pem", next.sign(&NAMES).0.as_bytes());
    sealed.daemon.signal("HUP");
    assert_eq!(sealed.get(trusting(&sealed.authority)), Ok(200));
    put(&sealed.house, next.sign(&NAMES));
    sealed.daemon.signal("HUP");
    let end = Instant::now() + WAIT_TIME_MAX;
    while sealed.get(trusting(&next)) != Ok(200) {
        assert!(Instant::now() < end, "the new certificate is shown");
    }
    assert!(sealed.get(trusting(&sealed.authority)).is_err(), "the old one is not");
}

#[test]
fn a_handshake_that_does_not_come_is_given_up() {
    let sealed = Sealed::start("sealed-slow", "}\nlimits = { handshake_time = \"300ms\"");
    for first in [&b""[..], b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"] {
        let begun = Instant::now();
        let mut socket = TcpStream::connect(sealed.daemon.topics).expect("the listener");
        socket.set_read_timeout(Some(WAIT_TIME_MAX)).expect("a time-out");
        socket.write_all(first).expect("it is sent");
        let _ = socket.read_to_end(&mut Vec::new());
        let took = begun.elapsed();
        assert!(took >= Duration::from_millis(270) && took < WAIT_TIME_MAX, "{took:?}");
    }
    assert_eq!(sealed.get(trusting(&sealed.authority)), Ok(200));
}

#[test]
fn commands_find_it_by_its_name() {
    let sealed = Sealed::start("sealed-commands", "");
    let found = sealed.house.found(&sealed.daemon);
    let run = |root: Option<PathBuf>| {
        let mut command = Command::new(command());
        command.arg("status").arg(&found).envs(root.map(|root| ("SSL_CERT_FILE", root)));
        command.output().expect("tidemill starts")
    };
    let output = run(Some(sealed.root()));
    assert!(output.status.success() && said(&output).0.contains("\"pipeline\":\"things\""), "{output:?}");
    assert!(!run(None).status.success(), "a certificate that nobody vouches for");
}

#[test]
fn other_machines_are_let_in_with_tls_and_keys_alone() {
    // An address that no machine has (RFC 5737): what could listen there fails at that, and no sooner.
    let check = |listen: &str, insecure: bool, words: &[&str]| {
        let listen = format!("[listen]\n{listen}topics = \"192.0.2.1:0\"");
        let house = House::with("sealed-open", &changeling("good"), &[("[listen]\ntopics = \"127.0.0.1:0\"", &listen)]);
        let folder = house.pipeline.parent().expect("a folder");
        KeyFile::new(folder).make(&["--scope", "admin"]);
        put(&house, Authority::new().sign(&NAMES));
        let file = house.pipeline.to_str().expect("a path");
        let arguments = ["run", file, "--insecure-bind"];
        let err = failed(folder, if insecure { &arguments } else { &arguments[..2] });
        words.iter().for_each(|words| assert!(err.contains(words), "{listen}: {words:?}: {err}"));
        err
    };
    let (keys, tls) = ("keys = \"keys.toml\"\n", "tls = { certificate = \"server.pem\", key = \"server.key\" }\n");
    let hint = "write \"127.0.0.1:0\", or configure listen.tls and listen.keys";
    let fault = |what: &str| format!("listen.topics: \"192.0.2.1:0\" lets other machines in, {what}; {hint}");
    check("", false, &[":5:1: ", &fault("without encryption or keys")]);
    check(keys, false, &[":6:1: ", &fault("without encryption")]);
    check(tls, false, &[":6:1: ", &fault("without keys")]);
    let bound = "listener listen.topics on 192.0.2.1:0: Cannot assign requested address";
    let warned = "other machines are let in, without both TLS and keys";
    check("", true, &[warned, bound]);
    check(keys, true, &[warned, bound]);
    let err = check(&format!("{keys}{tls}"), false, &[bound]);
    assert!(!err.contains(warned), "{err}");
}
