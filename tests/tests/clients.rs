//! Lake and streams as clients use them that are not ours: boto3, the AWS command line, pyarrow, DuckDB.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tidemill::emulate::population::Population;
use tidemill_tests::daemon::{Daemon, pinterest, query};
use tidemill_tests::place::{self, Folder, changeling};
use tidemill_tests::things::House;
use tidemill_tests::{fill, http};

const ROWS: u64 = 700;
const BUCKET: &str = "user-pinterest-bucket";
/// For an S3 that takes any.
const KEYS: [(&str, &str); 2] = [("AWS_ACCESS_KEY_ID", "tidemill"), ("AWS_SECRET_ACCESS_KEY", "tidemill")];

/// The Python with the clients' packages, where one is named.
fn python() -> Option<String> {
    let named = std::env::var("TIDEMILL_CLIENTS").ok();
    if named.is_none() {
        println!("not asked for: TIDEMILL_CLIENTS names a Python with the packages of tests/clients/requirements.txt");
    }
    named
}

/// Runs a script of `tests/clients`; what it saw.
fn seen(python: &str, script: &str, arguments: &[&str]) -> Value {
    let script = place::root().join("tests/clients").join(script);
    let output = Command::new(python).arg(script).args(arguments).output().expect("python");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

#[test]
fn boto3_the_aws_command_line_pyarrow_and_duckdb_read_the_lake() {
    let Some(python) = python() else { return };
    let folder = Folder::new("clients");
    let daemon = Daemon::start(&pinterest(folder.path(), &[]));
    let endpoint = format!("http://{}", daemon.lake.expect("the embedded lake"));
    fill_and_read(&python, daemon, &endpoint);
}

#[test]
fn they_read_a_lake_in_another_s3() {
    let Some(python) = python() else { return };
    let moto = Moto::start(&python);
    assert_eq!(http::request(moto.addr, "PUT", &format!("/{BUCKET}"), &[], b"").status, 200);
    let folder = Folder::new("clients-moto");
    let endpoint = format!("http://{}", moto.addr);
    let file = pinterest(folder.path(), &[("endpoint = \"embedded\"", &format!("endpoint = \"{endpoint}\""))]);
    let daemon = Daemon::start_in(&file, &KEYS.map(|(name, key)| (name, key.to_owned())));
    fill_and_read(&python, daemon, &endpoint);
    let mut audit = Command::new(place::command());
    let audit = audit.arg("audit").arg(&file).arg("--json").envs(KEYS).output().expect("it starts");
    let report: Value = serde_json::from_slice(&audit.stdout).expect("JSON");
    assert_eq!(report["proven"], true, "{report:#}");
}

/// An S3 of another make, of the clients' packages; it ends when it is dropped.
struct Moto {
    addr: SocketAddr,
    child: Child,
}

impl Moto {
    fn start(python: &str) -> Self {
        let free = TcpListener::bind("127.0.0.1:0").expect("a port");
        let addr = free.local_addr().expect("its address");
        drop(free);
        let mut command = Command::new(Path::new(python).with_file_name("moto_server"));
        command.args(["-H", "127.0.0.1", "-p", &addr.port().to_string()]).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().expect("moto_server");
        let mut moto = Self { addr, child };
        while TcpStream::connect(addr).is_err() {
            assert!(moto.child.try_wait().expect("a process").is_none(), "moto_server ended");
            std::thread::park_timeout(Duration::from_millis(50));
        }
        moto
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Posts rows of all tables, waits until they are in the lake, and has them read.
fn fill_and_read(python: &str, daemon: Daemon, endpoint: &str) {
    let population = Population::new(ROWS, 5);
    for (topic, row) in fill::TABLES {
        let lines: Vec<String> = (0..ROWS)
            .map(|index| {
                let mut line = Vec::new();
                row(&population, index, &mut line);
                String::from_utf8(line).expect("UTF-8")
            })
            .collect();
        http::post_lines(daemon.topics, topic, lines.iter().map(String::as_str), 50);
    }
    daemon.settle();
    let seen = seen(python, "lake.py", &[endpoint, BUCKET]);
    for table in ["pin", "geo", "user"] {
        let counts = [&seen["tables"][table]["pyarrow"], &seen["tables"][table]["duckdb"]];
        assert_eq!(counts, [&json!(ROWS), &json!(ROWS)], "{table}: {seen:#}");
    }
    assert_eq!((&seen["pins"], &seen["first"]), (&json!(ROWS), &json!(0)));
    let geo = &seen["tables"]["geo"]["columns"];
    let expected = json!([
        "ind int64",
        "country string",
        "coordinates list<element: double not null>",
        "timestamp timestamp[us, tz=UTC]",
        "_time timestamp[us, tz=UTC]",
        "_partition int64",
        "_offset int64",
        "_row int64"
    ]);
    assert_eq!(geo, &expected, "{seen:#}");
    daemon.stop();
}

#[test]
fn boto3_and_the_aws_command_line_use_streams() {
    let Some(python) = python() else { return };
    let doors = "[kinesis]\nlisten = \"127.0.0.1:0\"\nkeys = \"access.toml\"\n[epoch]\n";
    let house = House::with("clients-kinesis", &changeling("good"), &[("[epoch]\n", doors)]);
    let (id, secret) = ("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");
    let scopes = "[\"produce:\", \"consume\", \"admin\"]";
    let keys =
        house.put("access.toml", format!("[[keys]]\nid = {id:?}\nsecret = {secret:?}\nscopes = {scopes}\n").as_bytes());
    fs::set_permissions(&keys, fs::Permissions::from_mode(0o600)).expect("its owner's alone");
    let daemon = Daemon::start_with_log(&house.pipeline);
    let endpoint = format!("http://{}", daemon.kinesis.expect("Kinesis"));
    let seen = seen(&python, "kinesis.py", &[&endpoint, "rows", id, secret]);
    let expected = json!({
        "boto3": {
            "shards": 4, "spread": 4, "failed": 0, "found": true, "at": true, "after": 1, "dated": true, "latest": [],
            "listed": true, "active": "ACTIVE", "created": true, "arrived": true, "summary": 4, "limits": true,
            "again": "ResourceInUseException", "retention": "UnsupportedOperationException",
            "absent": "ResourceNotFoundException", "too_many": "ValidationException", "forged": "ExpiredIteratorException",
        },
        "signatures": {
            "good": 200, "unsigned": "MissingAuthenticationTokenException", "other_body": "InvalidSignatureException",
            "other_target": "InvalidSignatureException", "other_secret": "InvalidSignatureException",
            "unknown": "UnrecognizedClientException", "expired": "InvalidSignatureException",
            "early": "InvalidSignatureException", "within": 200, "other_service": "InvalidSignatureException",
            "undated": "IncompleteSignatureException", "bearer": "IncompleteSignatureException",
            "garbled": "IncompleteSignatureException", "wrong_by_boto3": "InvalidSignatureException",
        },
        "cli": { "data": ["hello", "more"], "failed": 0, "listed": true, "deleted": 0, "gone": true },
    });
    assert_eq!(seen, expected, "{seen:#}");
    let log = fs::read_to_string(house.pipeline.with_file_name("log")).expect("the log");
    assert!(!log.contains(secret), "no secret is logged");
    daemon.stop();
}

#[test]
fn requests_sends_what_the_original_emulators_sent() {
    let Some(python) = python() else { return };
    let folder = Folder::new("clients-emulators");
    let gateway = "[gateway]\nlisten = \"127.0.0.1:0\"\n[gateway.stages.dev]\n\n[lake]\n";
    let pipeline = pinterest(folder.path(), &[("[lake]\n", gateway)]);
    let daemon = Daemon::start(&pipeline);
    let stage = format!("http://{}/dev", daemon.gateway.expect("the gateway"));
    let rows = 100;
    let seen = seen(&python, "emulators.py", &[&stage, &rows.to_string()]);
    let expected = json!({
        "statuses": { "batch 200": 3 * rows, "stream 200": 3 * rows },
        "answers": {
            "batch": ["key_schema_id", "offsets", "value_schema_id"],
            "stream": ["SequenceNumber", "ShardId"],
        },
    });
    assert_eq!(seen, expected, "{seen:#}");
    daemon.settle();
    daemon.stop();
    let same = |table: &str, columns: &[&str]| {
        let all: String = columns.iter().map(|column| format!(" AND a.{column} IS b.{column}")).collect();
        let sql = format!("SELECT count(*) FROM {table} a JOIN {table} b ON b.ind = a.ind + 100000 WHERE 1{all}");
        assert_eq!(query(&pipeline, &sql)[1..], [rows.to_string()], "{table}: whichever variant, the same row");
        assert_eq!(query(&pipeline, &format!("SELECT count(*) FROM {table}"))[1..], [(2 * rows).to_string()]);
    };
    same("pin", &["category", "follower_count", "poster_name"]);
    same("geo", &["country", "timestamp"]);
    same("user", &["age", "date_joined"]);
    assert_eq!(
        query(&pipeline, "SELECT count(*) FROM geo WHERE timestamp LIKE '2020-08-28 03:52:%'")[1..],
        [(2 * rows).to_string()]
    );
    assert_eq!(query(&pipeline, "SELECT count(*) FROM tidemill_dead_letters")[1..], ["0"]);
}
