//! The addresses at which clouds give out a machine's own keys: nobody is led there, whatever is sent.
//!
//! In a network of its own, in which those addresses are this test's; it needs root, and is left out where it cannot have one.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use tidemill_tests::http;
use tidemill_tests::place::{changeling, command};
use tidemill_tests::things::House;

/// The instance's and the container's.
const ADDRESSES: [&str; 2] = ["169.254.169.254", "169.254.170.2"];
/// Set in the network of its own.
const INSIDE: &str = "TIDEMILL_TEST_METADATA";
/// Keys that somebody gave.
const KEYS: [(&str, &str); 2] = [("AWS_ACCESS_KEY_ID", "given"), ("AWS_SECRET_ACCESS_KEY", "given")];

#[test]
fn nobody_is_led_to_where_a_machine_has_its_keys() {
    if std::env::var_os(INSIDE).is_none() {
        return in_a_network_of_its_own("nobody_is_led_to_where_a_machine_has_its_keys");
    }
    let metadata = Metadata::listen();
    drop(TcpStream::connect((ADDRESSES[0], 80)).expect("it listens"));
    assert_eq!(metadata.came_since(0), 1, "who comes is counted");

    // An S3 of somebody's own that sends everybody there, with keys and without.
    let elsewhere = redirecting();
    let house = House::with(
        "metadata-url",
        &changeling("good"),
        &[("endpoint = \"embedded\"", &format!("endpoint = \"http://{elsewhere}\""))],
    );
    for keys in [&KEYS[..], &[]] {
        let output = run(&house.pipeline, keys);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains("error: bucket \"things\""), "{said}");
        assert_eq!(metadata.came_since(1), 0, "with the keys {keys:?}: {said}");
    }

    // Clients that name it wherever something can be named.
    let house = House::new("metadata-clients", &changeling("good"));
    let daemon = house.start();
    for (to, bytes) in requests(&daemon) {
        let answer = http::raw(to, bytes.as_bytes());
        assert!((200..500).contains(&answer.status) || answer.status == 501, "{bytes:?}: {answer:?}");
    }
    daemon.settle();
    daemon.stop();
    assert_eq!(metadata.came_since(1), 0, "a client had it go there");

    // AWS itself is what a machine's own keys are for.
    let aws = House::with("metadata-aws", &changeling("good"), &[("endpoint = \"embedded\"", "endpoint = \"aws\"")]);
    assert!(!run(&aws.pipeline, &[]).status.success());
    assert_ne!(metadata.came_since(1), 0, "with the endpoint \"aws\", the machine's keys are asked for");
}

fn requests(daemon: &tidemill_tests::daemon::Daemon) -> Vec<(SocketAddr, String)> {
    let lake = daemon.lake.expect("the embedded lake");
    let url = format!("http://{}/latest/meta-data/", ADDRESSES[0]);
    let escaped = url.replace(':', "%3A").replace('/', "%2F");
    let json = "content-type: application/vnd.kafka.json.v2+json";
    let record = format!("{{\"records\":[{{\"value\":{{\"ind\":1,\"url\":\"{url}\",\"image_src\":\"{url}\"}}}}]}}");
    let mut requests = Vec::new();
    for to in [daemon.topics, daemon.admin, lake] {
        for line in [format!("GET {url}"), format!("POST {url}"), format!("CONNECT {}:80", ADDRESSES[0])] {
            requests
                .push((to, format!("{line} HTTP/1.1\r\nhost: {to}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")));
        }
        for header in
            ["x-forwarded-host", "x-forwarded-for", "forwarded", "referer", "origin", "x-original-url", "location"]
        {
            requests.push((
                to,
                format!("GET /topics HTTP/1.1\r\nhost: {to}\r\nconnection: close\r\n{header}: {url}\r\n\r\n"),
            ));
        }
        for path in [&url, &escaped, &format!("?url={escaped}"), &format!("?endpoint={escaped}")] {
            requests.push((to, format!("GET /topics/{path} HTTP/1.1\r\nhost: {to}\r\nconnection: close\r\n\r\n")));
        }
    }
    let posted = |to: SocketAddr, path: &str, body: &str| {
        let length = body.len();
        (
            to,
            format!(
                "POST {path} HTTP/1.1\r\nhost: {to}\r\nconnection: close\r\n{json}\r\ncontent-length: {length}\r\n\r\n{body}"
            ),
        )
    };
    requests.push(posted(daemon.topics, "/topics/thing", &record));
    for path in ["/tables/thing/reload", "/tables/thing/shadow", "/tables/thing/redrive", "/tables/thing/promote"] {
        requests.push(posted(daemon.admin, path, &url));
        requests.push(posted(daemon.admin, &format!("{path}?with={escaped}"), ""));
    }
    requests.push((
        lake,
        format!("PUT /things/x HTTP/1.1\r\nhost: {lake}\r\nconnection: close\r\nx-amz-copy-source: {escaped}\r\ncontent-length: 0\r\n\r\n"),
    ));
    requests
}

/// Runs a pipeline that cannot start, with these keys in its environment and no others.
fn run(pipeline: &Path, keys: &[(&str, &str)]) -> Output {
    let mut run = Command::new(command());
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("AWS_")) {
        run.env_remove(name);
    }
    let home = pipeline.parent().expect("a folder");
    run.env("HOME", home).envs(keys.iter().copied()).arg("run").arg(pipeline).output().expect("tidemill starts")
}

/// Who listens at the addresses, and counts.
struct Metadata(Arc<AtomicU64>);

impl Metadata {
    fn listen() -> Self {
        let count = Arc::new(AtomicU64::new(0));
        for address in ADDRESSES {
            let (listener, count) = (TcpListener::bind((address, 80)).expect("the address"), Arc::clone(&count));
            thread::spawn(move || {
                for mut socket in listener.incoming().flatten() {
                    count.fetch_add(1, Ordering::SeqCst);
                    let _ =
                        socket.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
                }
            });
        }
        Self(count)
    }

    /// How many have come after the first so many; all that were under way have been seen.
    fn came_since(&self, before: u64) -> u64 {
        // Who connects now is counted, and then answered, after all that came before.
        for address in ADDRESSES {
            let mut socket = TcpStream::connect((address, 80)).expect("it listens");
            socket.read_to_end(&mut Vec::new()).expect("an answer");
            self.0.fetch_sub(1, Ordering::SeqCst);
        }
        self.0.load(Ordering::SeqCst) - before
    }
}

/// Something that sends whoever comes to where the metadata is.
fn redirecting() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let at = listener.local_addr().expect("where it listens");
    thread::spawn(move || {
        for mut socket in listener.incoming().flatten() {
            let mut head = [0; 4096];
            let _ = std::io::Read::read(&mut socket, &mut head);
            let to = ADDRESSES[0];
            let answer = format!(
                "HTTP/1.1 307 Temporary Redirect\r\nlocation: http://{to}/latest/meta-data/iam/security-credentials/\r\n\
                 content-length: 0\r\nconnection: close\r\n\r\n"
            );
            let _ = socket.write_all(answer.as_bytes());
        }
    });
    at
}

/// Runs a test of this file in a network that has nothing but these addresses.
fn in_a_network_of_its_own(test: &str) {
    let addresses = ADDRESSES.map(|address| format!("ip addr add {address}/32 dev lo")).join(" && ");
    let network = format!("ip link set lo up && {addresses}");
    let able = Command::new("unshare").args(["--net", "sh", "-c", &network]).output();
    if !able.as_ref().is_ok_and(|output| output.status.success()) {
        println!("left out: a network of one's own needs root, unshare and ip: {able:?}");
        return;
    }
    let script = format!("{network} && exec \"$0\" --exact {test} --nocapture");
    let this = std::env::current_exe().expect("this test");
    let output = Command::new("unshare").args(["--net", "sh", "-c", &script]).arg(this).env(INSIDE, "1").output();
    let output = output.expect("unshare");
    let said = [output.stdout, output.stderr].map(|said| String::from_utf8_lossy(&said).into_owned()).concat();
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}
