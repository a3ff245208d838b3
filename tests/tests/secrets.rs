//! Secrets: whatever is done with them, at the most talkative level, nothing that is written anywhere has one.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tidemill_tests::daemon::Daemon;
use tidemill_tests::http;
use tidemill_tests::keys::KeyFile;
use tidemill_tests::place::{changeling, command};
use tidemill_tests::things::House;

const GOOD: &str = r#"{"records":[{"value":{"ind":1}}]}"#;
/// Everything but what the compiler of components says of each instruction: it is given no secret.
const TALKATIVE: &str =
    "trace,cranelift_codegen=warn,cranelift_frontend=warn,wasmtime_cranelift=warn,timing=warn,regalloc2=warn";
/// Nothing that is waited for takes so long.
const WAIT_TIME_MAX: Duration = Duration::from_secs(60);

/// What must not be found, each in the ways in which it could be written.
struct Canaries(Vec<Vec<u8>>);

impl Canaries {
    fn new(secrets: &[&str]) -> Self {
        let basic = |secret: &str| STANDARD.encode(format!("ann:{secret}"));
        Self(secrets.iter().flat_map(|secret| [secret.as_bytes().to_vec(), basic(secret).into_bytes()]).collect())
    }

    fn absent(&self, place: &str, bytes: &[u8]) {
        for canary in &self.0 {
            let found = bytes.windows(canary.len()).position(|window| window == canary);
            let around = |at: usize| String::from_utf8_lossy(&bytes[at.saturating_sub(200)..at]).into_owned();
            assert!(found.is_none(), "{place} has a secret after {:?}", found.map(around));
        }
    }

    /// In no file of a folder.
    fn absent_in(&self, folder: &Path) {
        for entry in folder.read_dir().expect("a folder").flatten() {
            let path = entry.path();
            match path.is_dir() {
                true => self.absent_in(&path),
                false => self.absent(&path.display().to_string(), &fs::read(&path).expect("a file")),
            }
        }
    }
}

fn traced() -> Command {
    let mut command = Command::new(command());
    command
        .env("RUST_LOG", TALKATIVE)
        .env("AWS_ACCESS_KEY_ID", "AKIDCANARY")
        .env("AWS_SECRET_ACCESS_KEY", "canary-of-the-cloud");
    command.env("AWS_SESSION_TOKEN", "canary-of-the-session").env("AWS_REGION", "eu-west-1");
    command.env("AWS_EC2_METADATA_DISABLED", "true");
    command
}

#[test]
fn nothing_that_is_written_has_a_secret() {
    let house = House::with("secrets", &changeling("good"), &[("[listen]\n", "[listen]\nkeys = \"keys.toml\"\n")]);
    let folder = house.pipeline.parent().expect("a folder").to_owned();
    let key = KeyFile::new(&folder).make(&["--scope", "admin", "--scope", "produce:", "--scope", "consume"]);
    let wrong = "canary-that-opens-nothing";
    let canaries = Canaries::new(&[&key, wrong, "canary-of-the-cloud", "canary-of-the-session"]);
    let log = fs::File::create(folder.join("log")).expect("a file for the log");
    let daemon = Daemon::spawn(traced().arg("run").arg(&house.pipeline).stderr(log));
    let with = |to, method: &str, path: &str, authorization: &str| {
        let headers = [("content-type", "application/vnd.kafka.json.v2+json"), ("authorization", authorization)];
        let answer = http::request(to, method, path, &headers, if method == "POST" { GOOD.as_bytes() } else { b"" });
        canaries
            .absent(&format!("the answer of {method} {path}"), format!("{}{}", answer.headers, answer.body).as_bytes());
        answer.status
    };
    let (right, basic) = (format!("Bearer {key}"), format!("Basic {}", STANDARD.encode(format!("ann:{key}"))));
    assert_eq!(with(daemon.topics, "POST", "/topics/thing", &right), 200);
    assert_eq!(with(daemon.topics, "POST", "/topics/thing", &basic), 200);
    assert_eq!(with(daemon.topics, "POST", "/topics/thing", &format!("Bearer {wrong}")), 401);
    for path in ["/status", "/metrics", "/tables/thing/tap", "/tables/none/tap", "/health"] {
        assert!([200, 404].contains(&with(daemon.admin, "GET", path, &right)), "{path}");
    }
    let found = house.found(&daemon);
    let to = format!("http://{}", daemon.topics);
    let emulate = ["emulate", "--to", &to, "--posts", "2", "--topics", "thing", "thing", "thing"];
    let (found, pipeline) = (found.to_str().expect("a path"), house.pipeline.to_str().expect("a path"));
    let keys = folder.join("keys.toml");
    let list = ["key", "list", "--file", keys.to_str().expect("a path")];
    let commands: [&[&str]; 6] = [
        &emulate,
        &["status", found],
        &["reload", "thing", "-p", found],
        &["check", pipeline],
        &["query", "-p", pipeline, "thing"],
        &list,
    ];
    for arguments in commands {
        for shown in [key.as_str(), wrong] {
            let output = traced().env("TIDEMILL_KEY", shown).args(arguments).output().expect("tidemill starts");
            canaries.absent(&format!("{arguments:?}"), &[output.stdout, output.stderr].concat());
        }
    }
    daemon.stop();
    let log = fs::read(folder.join("log")).expect("the log");
    assert!(log.windows(5).any(|window| window == b"TRACE"), "it was the most talkative level");
    canaries.absent_in(&folder);
    println!("{} kB of log without a secret", log.len() / 1000);
}

#[test]
fn credentials_of_the_lake_stay_out_of_the_log() {
    // Nobody listens there: requests are signed, sent and tried again.
    let house = House::with("secrets-lake", &changeling("good"), &[("\"embedded\"", "\"http://127.0.0.1:9\"")]);
    let path = house.pipeline.with_file_name("log");
    let log = fs::File::create(&path).expect("a file for the log");
    let mut child =
        traced().arg("run").arg(&house.pipeline).stdout(Stdio::null()).stderr(log).spawn().expect("it starts");
    let (end, read) = (Instant::now() + WAIT_TIME_MAX, || fs::read(&path).expect("the log"));
    let signed = |log: &[u8]| log.windows(10).any(|window| window == b"AKIDCANARY");
    while child.try_wait().expect("its state").is_none() && !signed(&read()) {
        assert!(Instant::now() < end, "a request is signed");
        std::thread::park_timeout(Duration::from_millis(20));
    }
    let _ = child.kill();
    child.wait().expect("it ends");
    Canaries::new(&["canary-of-the-cloud"]).absent("the log", &read());
}

#[test]
fn what_is_kept_is_its_owners_alone() {
    let house = House::with("secrets-rights", &changeling("good"), &[]);
    let daemon = Daemon::start(&house.pipeline);
    assert_eq!(http::post(daemon.topics, "thing", GOOD).status, 200);
    daemon.settle();
    let limits = fs::read_to_string(format!("/proc/{}/limits", daemon.pid())).expect("its limits");
    let core: Vec<&str> =
        limits.lines().find(|line| line.starts_with("Max core file size")).expect("one").split_whitespace().collect();
    assert_eq!(core[4..6], ["0", "0"], "no core files");
    let status = fs::read_to_string(format!("/proc/{}/status", daemon.pid())).expect("its status");
    assert!(status.contains("NoNewPrivs:\t1") && status.contains("Umask:\t0077"), "{status}");
    daemon.stop();
    let mut folders = vec![house.data()];
    while let Some(folder) = folders.pop() {
        for path in folder.read_dir().expect("a folder").flatten().map(|entry| entry.path()).chain([folder.clone()]) {
            let mode = fs::metadata(&path).expect("its rights").permissions().mode() & 0o077;
            assert_eq!(mode, 0, "{}", path.display());
            if path.is_dir() && path != folder {
                folders.push(path);
            }
        }
    }
}
