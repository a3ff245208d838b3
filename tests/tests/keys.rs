//! API keys: what each opens, and what none opens, at every route.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use base64::Engine as _;
use tidemill_tests::cli::{failed, said};
use tidemill_tests::daemon::Daemon;
use tidemill_tests::http::{self, Answer};
use tidemill_tests::keys::KeyFile;
use tidemill_tests::place::{changeling, command, replace};
use tidemill_tests::things::House;

const JSON: &str = "application/vnd.kafka.json.v2+json";
const GOOD: &str = r#"{"records":[{"value":{"ind":1}}]}"#;
/// Nothing that is waited for takes so long.
const WAIT_TIME_MAX: Duration = Duration::from_secs(60);

/// A pipeline that asks for keys.
struct Locked {
    house: House,
    file: KeyFile,
    daemon: Daemon,
    admin: String,
}

impl Locked {
    fn start(name: &str) -> Self {
        Self::start_with(name, &[]).0
    }

    /// One that knows keys of these scopes too.
    fn start_with(name: &str, scopes: &[&[&str]]) -> (Self, Vec<String>) {
        let house = House::with(name, &changeling("good"), &[("[listen]\n", "[listen]\nkeys = \"keys.toml\"\n")]);
        let file = KeyFile::new(house.pipeline.parent().expect("a folder"));
        let admin = file.make(&["--scope", "admin"]);
        let keys = scopes.iter().map(|scopes| file.make(scopes)).collect();
        let daemon = Daemon::start_with_log(&house.pipeline);
        (Self { house, file, daemon, admin }, keys)
    }

    /// The pipeline's file for commands that ask it: it says where this one listens.
    fn found(&self) -> PathBuf {
        self.house.found(&self.daemon)
    }

    /// Waits until the log says something for the `nth` time.
    fn says(&self, words: &str, nth: usize) {
        let end = Instant::now() + WAIT_TIME_MAX;
        while self.log().matches(words).count() < nth {
            assert!(Instant::now() < end, "{words}: {}", self.log());
            std::thread::park_timeout(Duration::from_millis(10));
        }
    }

    fn log(&self) -> String {
        fs::read_to_string(self.house.pipeline.with_file_name("log")).expect("the log")
    }
}

/// Asks with a key, or none.
fn ask(to: SocketAddr, method: &str, path: &str, key: Option<&str>, body: &str) -> Answer {
    let bearer = key.map(|key| format!("Bearer {key}")).unwrap_or_default();
    let mut headers = vec![];
    if method == "POST" && path.starts_with("/topics") {
        headers.push(("content-type", JSON));
    }
    if key.is_some() {
        headers.push(("authorization", bearer.as_str()));
    }
    http::request(to, method, path, &headers, body.as_bytes())
}

#[test]
fn every_route_with_every_key() {
    let scopes: [(&str, &[&str]); 9] = [
        ("produce:thing", &["--scope", "produce:thing"]),
        ("produce:thi", &["--scope", "produce:thi"]),
        ("produce:other", &["--scope", "produce:other"]),
        ("consume", &["--scope", "consume"]),
        ("admin", &["--scope", "admin"]),
        ("query", &["--scope", "query"]),
        ("query:ma", &["--scope", "query:ma"]),
        ("all", &["--scope", "admin", "--scope", "produce:", "--scope", "consume"]),
        ("expired", &["--scope", "admin", "--scope", "produce:", "--scope", "consume", "--expires", "1ms"]),
    ];
    let (locked, made) = Locked::start_with("keys-matrix", &scopes.map(|(_, scopes)| scopes));
    let (topics, admin) = (locked.daemon.topics, locked.daemon.admin);
    let mut keys: Vec<(&str, String)> = scopes.iter().map(|(name, _)| *name).zip(made).collect();
    let expired = keys.pop().expect("the last").1;
    let last = keys[7].1.as_str();
    let producers: &[&str] = &["produce:thing", "produce:thi", "all"];
    let describers: &[&str] = &["produce:thing", "produce:thi", "consume", "all"];
    let operators: &[&str] = &["admin", "all"];
    let any: &[&str] =
        &["produce:thing", "produce:thi", "produce:other", "consume", "admin", "query", "query:ma", "all"];
    let askers: &[&str] = &["admin", "query", "query:ma", "all"];
    let all_askers: &[&str] = &["admin", "query", "all"];
    let routes = [
        (topics, "GET", "/", "", any),
        (topics, "GET", "/topics", "", &["consume", "all"]),
        (topics, "GET", "/topics/thing", "", describers),
        (topics, "GET", "/topics/none", "", &["consume", "all"]),
        (topics, "POST", "/topics/thing", GOOD, producers),
        (topics, "POST", "/topics/none", GOOD, &["all"]),
        (topics, "PUT", "/topics/thing", "", any),
        (topics, "GET", "/brokers", "", any),
        (topics, "GET", "/topics/thing/partitions", "", describers),
        (topics, "GET", "/topics/thing/partitions/0", "", describers),
        (topics, "GET", "/topics/thing/partitions/0/offsets", "", describers),
        (topics, "POST", "/topics/thing/partitions/0", GOOD, producers),
        (topics, "GET", "/v3/clusters", "", any),
        (topics, "GET", "/v3/clusters/things", "", any),
        (topics, "GET", "/v3/clusters/things/topics", "", &["consume", "all"]),
        (topics, "GET", "/v3/clusters/things/topics/thing", "", describers),
        (topics, "GET", "/v3/clusters/things/topics/thing/partitions/0", "", describers),
        (topics, "DELETE", "/v3/clusters/things/topics/thing", "", operators),
        (topics, "POST", "/v3/clusters/things/topics/thing/records", "{}", producers),
        (topics, "POST", "/v3/clusters/things/topics/thing/records:batch", "{}", producers),
        (topics, "POST", "/consumers/g", "{}", &["consume", "all"]),
        (topics, "GET", "/consumers/g/instances/none/records", "", any),
        (topics, "GET", "/none", "", any),
        (admin, "GET", "/ready", "", operators),
        (admin, "GET", "/metrics", "", operators),
        (admin, "GET", "/status", "", operators),
        (admin, "GET", "/queries", "", askers),
        (admin, "GET", "/queries/marks", "", askers),
        (admin, "GET", "/queries/others", "", all_askers),
        (admin, "GET", "/queries/others/changes", "", all_askers),
        (admin, "POST", "/queries/marks", "", operators),
        (admin, "GET", "/queriesx", "", operators),
        (admin, "GET", "/tables/thing/generations", "", operators),
        (admin, "GET", "/tables/thing/tap", "", operators),
        (admin, "GET", "/tables/thing/shadow", "", operators),
        (admin, "POST", "/tables/thing/shadow", "", operators),
        (admin, "POST", "/tables/thing/reload", "", operators),
        (admin, "POST", "/tables/thing/promote", "", operators),
        (admin, "POST", "/tables/thing/discard", "", operators),
        (admin, "POST", "/tables/thing/rollback", "", operators),
        (admin, "POST", "/health", "", operators),
        (admin, "GET", "/health/", "", operators),
        (admin, "GET", "/none", "", operators),
        (admin, "DELETE", "/status", "", operators),
    ];
    let mut checked = 0;
    for (to, method, path, body, granted) in routes {
        let mut check = |what: &str, key: Option<&str>, refused: Option<u16>| {
            let answer = ask(to, method, path, key, body);
            match refused {
                Some(status) => {
                    let text = format!("{{\"error_code\":{status},\"message\":\"HTTP {status} ");
                    let of_a_topic = "{\"error_code\":40301,\"message\":\"Not authorized to access topics: [";
                    let said = answer.body.starts_with(&text) || (status == 403 && answer.body.starts_with(of_a_topic));
                    assert!(answer.status == status && said, "{method} {path}, {what}: {answer:?}");
                }
                None => {
                    assert!(![0, 401, 403, 429, 500].contains(&answer.status), "{method} {path}, {what}: {answer:?}")
                }
            }
            checked += 1;
        };
        check("no key", None, Some(401));
        for (name, key) in &keys {
            check(name, Some(key), (!granted.contains(name)).then_some(403));
        }
    }
    println!("{checked} answers");
    for key in [None, Some("wrong"), Some(expired.as_str())] {
        assert_eq!(ask(admin, "GET", "/health", key, "").status, 200, "it asks for no key");
    }
    let kept = || {
        let status = ask(admin, "GET", "/status", Some(&locked.admin), "").json();
        status["topics"]["thing"]
            .as_array()
            .expect("partitions")
            .iter()
            .map(|p| p["end"].as_u64().expect("an offset"))
            .sum::<u64>()
    };
    assert_eq!(kept(), 2 * producers.len() as u64, "what was refused was not kept, at either route");
    // Wrong keys last: of the many, the later ones are answered 429 until a minute has passed.
    for (nth, (to, method, path, body, _)) in routes.iter().enumerate() {
        for (what, key) in [("a wrong key", "wrong"), ("an expired key", expired.as_str())] {
            let answer = ask(*to, method, path, Some(key), body);
            let expected: &[u16] = if nth == 0 { &[401] } else { &[401, 429] };
            assert!(expected.contains(&answer.status), "{method} {path}, {what}: {answer:?}");
        }
    }
    assert_eq!(ask(topics, "GET", "/topics", Some("wrong"), "").status, 429, "too many wrong keys");
    assert_eq!(ask(topics, "GET", "/topics", Some(last), "").status, 200, "a right one passes beside them");
    assert_eq!(kept(), 2 * producers.len() as u64);
}

#[test]
fn an_address_that_tries_keys_is_shut_out_alone() {
    let (locked, keys) = Locked::start_with("keys-lockout", &[&["--scope", "consume"]]);
    let consume = &keys[0];
    let to = locked.daemon.topics;
    let from = |last: u8, key: &str| {
        let mut socket = http::connect_from([127, 0, 0, last].into(), to).expect("a connection");
        let text = format!(
            "GET /topics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nauthorization: Bearer {key}\r\n\r\n"
        );
        socket.write_all(text.as_bytes()).expect("it is sent");
        http::answer(socket)
    };
    for _ in 0..10 {
        assert_eq!(from(2, "wrong").status, 401);
    }
    let shut_out = from(2, consume);
    assert!(shut_out.status == 429 && shut_out.headers.contains("retry-after"), "whatever it shows: {shut_out:?}");
    assert_eq!(from(3, consume).status, 200);
    assert_eq!(from(1, consume).status, 200);
    assert_eq!(locked.log().matches("a wrong or expired key was shown").count(), 10, "the log does not grow with each");
}

#[test]
fn where_a_key_may_stand() {
    let locked = Locked::start("keys-place");
    let (to, key) = (locked.daemon.admin, &locked.admin);
    let with = |path: &str, headers: &[(&str, &str)]| http::request(to, "GET", path, headers, b"").status;
    let base64 = |text: String| base64::engine::general_purpose::STANDARD.encode(text);
    let bearer = format!("Bearer {key}");
    assert_eq!(with("/status", &[("authorization", &bearer)]), 200);
    assert_eq!(with("/status", &[("Authorization", &format!("bearer {key}"))]), 200);
    assert_eq!(with("/status", &[("authorization", &format!("Basic {}", base64(format!("anyone:{key}"))))]), 200);
    assert_eq!(with("/status", &[("authorization", &format!("Basic {}", base64(format!("{key}:"))))]), 401);
    assert_eq!(with("/status", &[("authorization", key)]), 401);
    assert_eq!(with("/status", &[("authorization", &bearer), ("authorization", &bearer)]), 401);
    assert_eq!(with("/status", &[("cookie", &format!("key={key}")), ("x-api-key", key)]), 401);
    for query in ["key", "api_key", "access_token", "authorization"] {
        assert_eq!(with(&format!("/status?{query}={key}"), &[]), 401, "{query}");
    }
}

#[test]
fn a_key_is_looked_at_before_the_body_is_read() {
    let (locked, keys) = Locked::start_with("keys-body", &[&["--scope", "produce:thing"]]);
    let producer = &keys[0];
    let begin = |key: &str, length: &str| {
        let mut socket = TcpStream::connect(locked.daemon.topics).expect("the listener");
        socket.set_read_timeout(Some(WAIT_TIME_MAX)).expect("a time-out");
        let head = format!(
            "POST /topics/thing HTTP/1.1\r\nhost: localhost\r\ncontent-type: {JSON}\r\nexpect: 100-continue\r\n\
             authorization: Bearer {key}\r\ncontent-length: {length}\r\n\r\n"
        );
        socket.write_all(head.as_bytes()).expect("it is sent");
        let mut first = [0; 12];
        socket.read_exact(&mut first).expect("an answer");
        String::from_utf8_lossy(&first[9..]).into_owned()
    };
    for length in ["33", "8000000", "99999999999"] {
        assert_eq!(begin("wrong", length), "401");
        assert_eq!(begin(&locked.admin, length), "403");
    }
    assert_eq!(begin(producer, "33"), "100");
    assert_eq!(begin(producer, "99999999999"), "413");
}

#[test]
fn keys_come_and_go_while_it_runs() {
    let locked = Locked::start("keys-change");
    let to = locked.daemon.admin;
    let status = |key: &str| ask(to, "GET", "/status", Some(key), "");
    let second = locked.file.make(&["--scope", "admin"]);
    locked.says("keys and certificates read again", 1);
    assert_eq!(status(&second).status, 200);
    let both = fs::read(locked.file.path()).expect("the keys");
    // A file that cannot be used changes nothing, and the log says why.
    fs::write(locked.file.path(), "[[keys]]\nscopes = 1\n").expect("the keys");
    locked.says("not taken, the old ones stay", 1);
    assert_eq!((status(&locked.admin).status, status(&second).status), (200, 200));
    // Without the second key.
    let text = String::from_utf8(both).expect("text");
    let first = text.split("\n# made").next().expect("the first key").to_owned() + "\n";
    fs::write(locked.file.path(), first).expect("the keys");
    fs::set_permissions(locked.file.path(), fs::Permissions::from_mode(0o600)).expect("its rights");
    locked.says("keys and certificates read again", 2);
    locked.daemon.signal("HUP");
    locked.says("keys and certificates read again", 3);
    assert_eq!(status(&second).status, 401);
    assert_eq!(status(&locked.admin).status, 200);
}

fn tidemill(environment: &[(&str, &str)], arguments: &[&str]) -> Output {
    let mut command = Command::new(command());
    command.env_remove("TIDEMILL_KEY").env_remove("TIDEMILL_KEY_FILE").envs(environment.iter().copied());
    command.args(arguments).output().expect("tidemill starts")
}

#[test]
fn commands_show_the_key_that_the_environment_has() {
    let (locked, keys) = Locked::start_with("keys-commands", &[&["--scope", "produce:thing"]]);
    let found = locked.found();
    let found = found.to_str().expect("a path");
    let key_file = locked.house.put("admin.key", format!("{}\n", locked.admin).as_bytes());
    let key_file = key_file.to_str().expect("a path");
    let works = |environment: &[(&str, &str)], arguments: &[&str]| {
        let output = tidemill(environment, arguments);
        assert!(output.status.success(), "{arguments:?}: {:?}", said(&output));
    };
    works(&[("TIDEMILL_KEY", &locked.admin)], &["status", found]);
    works(&[("TIDEMILL_KEY_FILE", key_file)], &["generations", "thing", "-p", found]);
    works(&[("TIDEMILL_KEY_FILE", key_file)], &["tap", "thing", "-p", found]);
    let refused = |environment: &[(&str, &str)], arguments: &[&str], status: &str| {
        let output = tidemill(environment, arguments);
        let (out, err) = said(&output);
        let hinted = err.contains("hint: put a key with the scope for it into TIDEMILL_KEY");
        assert!(
            !output.status.success() && out.is_empty() && err.contains(status) && hinted,
            "{arguments:?}: {out}{err}"
        );
    };
    refused(&[], &["status", found], "401");
    refused(&[("TIDEMILL_KEY", "wrong")], &["reload", "thing", "-p", found], "401");
    let to = format!("http://{}", locked.daemon.topics);
    let emulate = ["emulate", "--to", &to, "--posts", "1", "--resend", "0", "--topics", "thing", "thing", "thing"];
    refused(&[], &emulate, "401");
    refused(&[("TIDEMILL_KEY", &locked.admin)], &emulate, "403");
    works(&[("TIDEMILL_KEY", &keys[0])], &emulate);
}

#[test]
fn a_key_does_not_follow_where_a_server_points() {
    let house = House::with("keys-redirect", &changeling("good"), &[]);
    let (server, other) =
        (TcpListener::bind("127.0.0.1:0").expect("a port"), TcpListener::bind("127.0.0.1:0").expect("a port"));
    let text = fs::read_to_string(&house.pipeline).expect("the file");
    let at = |socket: &TcpListener| socket.local_addr().expect("where it listens").to_string();
    let file = house
        .put("found.toml", text.replace("admin = \"127.0.0.1:0\"", &format!("admin = \"{}\"", at(&server))).as_bytes());
    let answer = format!(
        "HTTP/1.1 307 Temporary Redirect\r\nlocation: http://{}/status\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
        at(&other)
    );
    let served = std::thread::spawn(move || {
        let (mut socket, _) = server.accept().expect("a client");
        let mut head = [0; 1024];
        let read = socket.read(&mut head).expect("its request");
        socket.write_all(answer.as_bytes()).expect("an answer");
        String::from_utf8_lossy(&head[..read]).into_owned()
    });
    let output = tidemill(&[("TIDEMILL_KEY", "canary")], &["status", file.to_str().expect("a path")]);
    assert!(!output.status.success() && said(&output).1.contains("307"), "{output:?}");
    assert!(served.join().expect("the server").to_lowercase().contains("authorization: bearer canary"));
    other.set_nonblocking(true).expect("a socket");
    assert!(other.accept().is_err(), "nobody came there");
}

#[test]
fn a_file_of_keys_that_cannot_be_used_keeps_it_from_starting() {
    let house = House::with("keys-faults", &changeling("good"), &[("[listen]\n", "[listen]\nkeys = \"keys.toml\"\n")]);
    let folder = house.pipeline.parent().expect("a folder").to_owned();
    let file = house.pipeline.to_str().expect("a path");
    let check = |words: &str| {
        for command in ["run", "check"] {
            let err = failed(&folder, &[command, file]);
            assert!(err.contains(":5:1: listen.keys: ") && err.contains(words), "{command}: {err}");
        }
        assert!(!folder.join("data").exists(), "nothing was made");
    };
    check("No such file");
    let keys = house.put("keys.toml", b"");
    fs::set_permissions(&keys, fs::Permissions::from_mode(0o644)).expect("its rights");
    check("others have rights to it (mode 644)");
    fs::set_permissions(&keys, fs::Permissions::from_mode(0o600)).expect("its rights");
    check("there is no key in it, so nobody could come in");
    replace(&keys, "[[keys]]\nscopes = [\"admin\"]\nsha256 = \"1234\"\n");
    fs::set_permissions(&keys, fs::Permissions::from_mode(0o600)).expect("its rights");
    check("key 1: its sha256 is not 64 hexadecimal digits");
}
