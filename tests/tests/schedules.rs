//! Schedules: runs that are neither lost nor done twice, whatever happens in between.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::Command;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::{Value, json};
use tidemill::time::Clock;
use tidemill_tests::cli::{done, failed};
use tidemill_tests::daemon::{Daemon, query, tidemill};
use tidemill_tests::http;
use tidemill_tests::place::{changeling, root};
use tidemill_tests::s3::{BUCKET, Fault, Habits, Reply, Server};
use tidemill_tests::things::House;

/// A query of all things, and what is to be done by the clock.
fn house(name: &str, schedules: &str, replace: &[(&str, &str)]) -> House {
    let query = "[queries.marks]\nquery = \"SELECT mark, count(*) AS things FROM thing GROUP BY 1\"\n";
    let sections = format!("{query}{schedules}[topics.thing]");
    House::with(name, &changeling("good"), &[&[("[topics.thing]", sections.as_str())], replace].concat())
}

const EXPORT: &str = "[schedules.nightly]\ncron = \"0 0 1 1 *\"\n\
     export = { query = \"marks\", format = \"csv\", key = \"exports/{query}/{time}.csv\" }\n";

fn post(daemon: &Daemon, from: u64, to: u64) {
    let lines: Vec<String> = (from..to).map(|ind| format!("{{\"ind\":{ind}}}")).collect();
    http::post_lines(daemon.topics, "thing", lines.iter().map(String::as_str), 100);
    daemon.settle();
}

/// Asks for a run; the status and the run.
fn ask(daemon: &Daemon, path: &str) -> (u16, Value) {
    let answer = http::request(daemon.admin, "POST", path, &[], b"");
    (answer.status, answer.json())
}

/// Waits until a run has ended.
fn ended(daemon: &Daemon, schedule: &str, id: &Value) -> Value {
    let look = || http::get(daemon.admin, &format!("/schedules/{schedule}/runs/{id}")).json();
    daemon.wait("the run has ended", |_| !["waits", "runs"].contains(&look()["state"].as_str().expect("a state")));
    look()
}

fn object(house: &House, key: &str) -> PathBuf {
    house.data().join("lake/things").join(key)
}

#[test]
fn a_time_is_one_run_and_one_object() {
    let house = house("schedules-export", EXPORT, &[]);
    let daemon = house.start();
    post(&daemon, 0, 10);
    let path = "/schedules/nightly/runs?time=2026-11-22T00:00:00Z";
    let (status, run) = ask(&daemon, path);
    assert_eq!((status, &run["schedule"], &run["asked"]), (202, &json!("nightly"), &json!(true)), "{run}");
    let run = ended(&daemon, "nightly", &run["id"]);
    let key = "exports/marks/2026-11-22T00-00-00Z.csv";
    assert_eq!(
        (&run["state"], &run["object"]["key"], &run["object"]["rows"]),
        (&json!("done"), &json!(key), &json!(1)),
        "{run}"
    );
    assert_eq!(fs::read_to_string(object(&house, key)).expect("the object"), "mark,things\r\ngood,10\r\n");
    // The same time again is the same run; it is not done again.
    post(&daemon, 10, 20);
    let (status, again) = ask(&daemon, path);
    assert_eq!((status, &again), (200, &run));
    assert_eq!(fs::read_to_string(object(&house, key)).expect("the object"), "mark,things\r\ngood,10\r\n");
    let (_, now) = ask(&daemon, "/schedules/nightly/runs");
    let now = ended(&daemon, "nightly", &now["id"]);
    assert_eq!((&now["state"], &now["object"]["rows"]), (&json!("done"), &json!(1)), "{now}");
    for (path, status, words) in [
        ("/schedules/none/runs", 404, "schedule \"none\": there is none; there are nightly"),
        ("/schedules/nightly/runs?time=yesterday", 400, "time \"yesterday\""),
    ] {
        let (got, said) = ask(&daemon, path);
        assert!(got == status && said["message"].as_str().is_some_and(|said| said.contains(words)), "{said}");
    }
    assert_eq!(http::get(daemon.admin, "/schedules/nightly/runs/99").status, 404);
    let listed = http::get(daemon.admin, "/schedules/nightly/runs").json();
    assert_eq!(listed, json!([now, run]));
    daemon
        .wait("no file is left", |_| fs::read_dir(house.data().join("exports")).expect("the folder").next().is_none());
    daemon.stop();
    let audit = tidemill(["audit", house.pipeline.to_str().expect("a path")]);
    assert!(audit.status.success(), "{audit:?}");
}

/// What was missed is made up for where the schedule says so, a run a time.
#[test]
fn what_was_missed_is_made_up_for() {
    let catching = EXPORT.replace("cron = \"0 0 1 1 *\"", "cron = \"@hourly\"\ncatch_up = true");
    let house = house("schedules-catch-up", &catching, &[]);
    let daemon = house.start();
    post(&daemon, 0, 5);
    // One of those times has its run before it comes.
    let hour = Duration::from_secs(3600);
    let time = Clock::System.now().floor(hour).minus(hour);
    let (status, run) = ask(&daemon, &format!("/schedules/nightly/runs?time={time}"));
    assert_eq!(status, 202, "{run}");
    ended(&daemon, "nightly", &run["id"]);
    daemon.stop();
    let sql = "UPDATE tidemill_schedules SET upto = upto - 3 * 3600 * 1000000";
    let cache = rusqlite::Connection::open(house.data().join("cache.sqlite")).expect("the cache");
    assert_eq!(cache.execute(sql, []).expect("time passes"), 1);
    drop(cache);
    let daemon = house.start();
    let runs = || http::get(daemon.admin, "/schedules/nightly/runs").json();
    daemon.wait("all are done", |_| {
        let runs = runs();
        let runs = runs.as_array().expect("runs");
        runs.len() >= 3 && runs.iter().all(|run| run["state"] == "done")
    });
    let made = runs();
    for run in made.as_array().expect("runs") {
        let key = run["object"]["key"].as_str().expect("a key");
        assert!(key.ends_with("00-00Z.csv"), "{key}");
        assert_eq!(fs::read_to_string(object(&house, key)).expect("the object"), "mark,things\r\ngood,5\r\n");
    }
    daemon.stop();
    let times = "SELECT count(*), count(DISTINCT time) FROM tidemill_runs";
    let [all, different] = query(&house.pipeline, times)[1]
        .split(',')
        .map(|n| n.parse::<u64>().expect("a number"))
        .collect::<Vec<_>>()[..]
    else {
        panic!("two numbers")
    };
    assert!(all == different && (3..=4).contains(&all), "{all} {different}");
}

/// A pipeline before an S3 that can be away.
fn before(server: SocketAddr, name: &str) -> House {
    let away =
        format!("bucket = \"{BUCKET}\"\nendpoint = \"http://{server}\"\ntimeout = \"400ms\"\nretry = \"100ms\"\n");
    house(name, EXPORT, &[("bucket = \"things\"\nendpoint = \"embedded\"\n", &away)])
}

fn start_before(house: &House) -> Daemon {
    let nowhere = house.data().join("no-such-file").display().to_string();
    let environment = [
        ("AWS_ACCESS_KEY_ID", "AKIACANARY".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "secret".to_owned()),
        ("AWS_CONFIG_FILE", nowhere.clone()),
        ("AWS_SHARED_CREDENTIALS_FILE", nowhere),
        ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
    ];
    Daemon::start_in(&house.pipeline, &environment)
}

/// The bucket has one export, of that time, which was written once and is this.
fn exported_once(server: &Server, bytes: &str) {
    let stored: Vec<_> = server.history().into_iter().filter(|(key, _)| key.starts_with("exports/")).collect();
    let [(key, versions)] = stored.as_slice() else { panic!("one object: {stored:?}") };
    assert_eq!((key.as_str(), versions.len()), ("exports/marks/2026-11-22T00-00-00Z.csv", 1));
    assert_eq!(versions[0].bytes, bytes.as_bytes());
}

/// Killed while the bucket is away, it sends the bytes that were fixed before, also where the answer is another by then.
#[test]
fn killed_in_an_export_it_sends_the_same_bytes_once() {
    let server = Server::start(Habits::default());
    let house = before(server.addr(), "schedules-killed");
    let daemon = start_before(&house);
    post(&daemon, 0, 7);
    server.lasting("exports", Some(Fault::instead(Reply::Status(503, "SlowDown"))));
    let (status, run) = ask(&daemon, "/schedules/nightly/runs?time=2026-11-22T00:00:00Z");
    assert_eq!(status, 202, "{run}");
    let id = run["id"].clone();
    let tries = || server.seen().iter().filter(|seen| seen.key.starts_with("exports/")).count();
    daemon.wait("it is tried", |_| tries() > 0);
    // While it waits for the bucket, records are taken as ever.
    post(&daemon, 7, 9);
    daemon.kill();
    let before = tries();
    let daemon = start_before(&house);
    daemon.wait("it is tried again", |_| tries() > before);
    server.lasting("exports", None);
    let run = ended(&daemon, "nightly", &id);
    assert_eq!((&run["state"], &run["attempt"]), (&json!("done"), &json!(1)), "{run}");
    exported_once(&server, "mark,things\r\ngood,7\r\n");
    daemon.stop();
}

/// One that failed for good is done again: what it had fixed is gone, and the answer is that of today.
#[test]
fn an_export_that_failed_is_done_again_when_somebody_asks() {
    let server = Server::start(Habits::default());
    let house = before(server.addr(), "schedules-failed");
    let daemon = start_before(&house);
    post(&daemon, 0, 7);
    let path = "/schedules/nightly/runs?time=2026-11-22T00:00:00Z";
    server.lasting("exports", Some(Fault::instead(Reply::Status(400, "InvalidRequest"))));
    for _ in 0..2 {
        let (status, run) = ask(&daemon, path);
        assert_eq!(status, 202, "{run}");
        let run = ended(&daemon, "nightly", &run["id"]);
        assert!(
            run["state"] == "failed"
                && run["log"].as_str().is_some_and(|log| log.contains("400") || log.contains("InvalidRequest")),
            "{run}"
        );
    }
    server.lasting("exports", None);
    post(&daemon, 7, 9);
    let (_, run) = ask(&daemon, path);
    let run = ended(&daemon, "nightly", &run["id"]);
    assert_eq!((&run["state"], &run["object"]["rows"]), (&json!("done"), &json!(1)), "{run}");
    exported_once(&server, "mark,things\r\ngood,9\r\n");
    daemon.stop();
}

/// A server that gives these answers, one a connection, and tells what it was sent.
fn outside(answers: Vec<String>) -> (SocketAddr, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let at = listener.local_addr().expect("where it listens");
    let (tell, told) = channel();
    std::thread::spawn(move || {
        for answer in answers {
            let (mut socket, _) = listener.accept().expect("a client");
            let mut reader = BufReader::new(socket.try_clone().expect("the socket"));
            let (mut request, mut length) = (String::new(), 0);
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).expect("a line");
                if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().expect("a length");
                }
                request += &line;
                if line == "\r\n" {
                    break;
                }
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).expect("a body");
            tell.send(request + &String::from_utf8_lossy(&body)).expect("the test listens");
            socket.write_all(answer.as_bytes()).expect("it is sent");
        }
    });
    (at, told)
}

fn answer(status: &str, more: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{more}content-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
}

#[test]
fn a_call_goes_to_the_host_that_the_file_names_and_no_further() {
    let (other, _) = outside(Vec::new());
    let (at, told) = outside(vec![
        answer("503 Service Unavailable", "", "not yet"),
        answer("200 OK", "", "{\"run\": \"begun\"}"),
        answer("302 Found", &format!("location: http://{other}/\r\n"), ""),
    ]);
    let schedule = format!(
        "[calls]\nhosts = [\"{at}\"]\n[schedules.dag]\ncron = \"@yearly\"\nretries = 1\nretry_delay = \"100ms\"\n\
         [schedules.dag.call]\nurl = \"http://{at}/api/dags/x\"\nbody = \"{{\\\"run\\\": \\\"{{schedule}} {{time}}\\\"}}\"\n\
         headers = {{ content-type = \"application/json\", authorization = \"env:OUTSIDE_TOKEN\" }}\n\
         [schedules.once]\ncron = \"@yearly\"\n[schedules.once.call]\nurl = \"http://{at}/moved\"\nmethod = \"GET\"\n"
    );
    let house = house("schedules-call", &schedule, &[]);
    let daemon = Daemon::start_in(&house.pipeline, &[("OUTSIDE_TOKEN", "Bearer canary".to_owned())]);
    let (_, run) = ask(&daemon, "/schedules/dag/runs?time=2026-11-22T00:00:00Z");
    let run = ended(&daemon, "dag", &run["id"]);
    let log = run["log"].as_str().expect("a log");
    assert_eq!((&run["state"], &run["attempt"]), (&json!("done"), &json!(2)), "{run}");
    assert!(
        log.contains("attempt 1: server") && log.contains("503: not yet") && log.contains("200: {\"run\": \"begun\"}"),
        "{log}"
    );
    let (first, second) = (told.recv().expect("a request"), told.recv().expect("a request"));
    assert!(first.starts_with("POST /api/dags/x HTTP/1.1\r\n"), "{first}");
    assert!(first.ends_with("\r\n\r\n{\"run\": \"dag 2026-11-22T00:00:00Z\"}"), "{first}");
    for request in [&first, &second] {
        let lower = request.to_ascii_lowercase();
        assert!(lower.contains("authorization: bearer canary\r\n"), "{request}");
        assert!(lower.contains("idempotency-key: dag/2026-11-22t00-00-00z\r\n"), "{request}");
    }
    let (_, run) = ask(&daemon, "/schedules/once/runs");
    let run = ended(&daemon, "once", &run["id"]);
    assert_eq!(run["state"], "failed", "{run}");
    assert!(run["log"].as_str().is_some_and(|log| log.contains("it answered 302")), "{run}");
    assert!(told.recv().expect("a request").starts_with("GET /moved HTTP/1.1\r\n"));
    // Nobody listens there any more.
    let (_, run) = ask(&daemon, "/schedules/once/runs?time=2026-11-22T00:00:00Z");
    let run = ended(&daemon, "once", &run["id"]);
    assert!(run["log"].as_str().is_some_and(|log| log.contains("look whether that server is up")), "{run}");
    daemon.stop();
    let kept = fs::read(house.data().join("cache.sqlite")).expect("the cache");
    let log = fs::read(house.pipeline.with_file_name("log")).expect("the log");
    for bytes in [kept, log] {
        assert!(!bytes.windows(6).any(|part| part == b"canary"), "a secret is kept nowhere");
    }
}

#[test]
fn commands_list_start_and_look_back() {
    let schedules = format!(
        "{EXPORT}[schedules.proof]\ncron = \"30 3 * * MON\"\ntimezone = \"Europe/London\"\naudit = {{ quick = true }}\n"
    );
    let house = house("schedules-commands", &schedules, &[]);
    let daemon = house.start();
    post(&daemon, 0, 3);
    let found = house.found(&daemon);
    let (folder, found) = (found.parent().expect("a folder"), found.to_str().expect("a path"));
    let run = |arguments: &[&str]| done(folder, &[&["schedule"], arguments, &["-p", found]].concat(), "").0;
    let listed: Value = serde_json::from_str(&run(&["list", "--json"])).expect("JSON");
    assert_eq!(
        (&listed[0]["schedule"], &listed[0]["job"], &listed[0]["last"]),
        (&json!("nightly"), &json!("export"), &Value::Null)
    );
    assert_eq!((&listed[1]["cron"], &listed[1]["timezone"]), (&json!("30 3 * * MON"), &json!("Europe/London")));
    assert!(run(&["run", "proof"]).contains("3 rows"));
    let done: Value =
        serde_json::from_str(&run(&["run", "nightly", "--time", "2026-11-22T00:00:00Z", "--json"])).expect("JSON");
    assert_eq!(done["state"], "done");
    let history: Value = serde_json::from_str(&run(&["history", "--json"])).expect("JSON");
    let states: Vec<_> =
        history.as_array().expect("runs").iter().map(|run| (run["schedule"].as_str(), run["state"].as_str())).collect();
    assert_eq!(states, [(Some("nightly"), Some("done")), (Some("proof"), Some("done"))]);
    assert!(run(&["history", "proof"]).contains("proven"));
    assert!(run(&["list"]).contains("Europe/London"));
    let unknown = failed(folder, &["schedule", "run", "dayly", "-p", found]);
    assert!(unknown.contains("schedule \"dayly\": there is none\nhint: there are nightly, proof"), "{unknown}");
    daemon.stop();
}

/// Airflow itself runs the DAG of `pipelines/airflow`.
#[test]
fn airflow_starts_a_run_and_waits_for_its_end() {
    let Ok(python) = std::env::var("TIDEMILL_AIRFLOW") else {
        println!("not asked for: TIDEMILL_AIRFLOW names a Python with Airflow 2");
        return;
    };
    let house = house("schedules-airflow", &EXPORT.replace("nightly", "daily"), &[]);
    let daemon = house.start();
    post(&daemon, 0, 10);
    let home = house.pipeline.with_file_name("airflow");
    for arguments in [&["db", "migrate"][..], &["dags", "test", "tidemill_schedule", "2026-11-22"]] {
        let mut airflow = Command::new(&python);
        airflow.args(["-m", "airflow"]).args(arguments).env("AIRFLOW_HOME", &home);
        airflow.env("AIRFLOW__CORE__DAGS_FOLDER", root().join("pipelines/airflow"));
        airflow.env("AIRFLOW__CORE__LOAD_EXAMPLES", "False").env("TIDEMILL_URL", format!("http://{}", daemon.admin));
        let output = airflow.output().expect("python");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let runs = http::get(daemon.admin, "/schedules/daily/runs").json();
    let run = (&runs[0]["time"], &runs[0]["asked"], &runs[0]["state"], &runs[1]);
    assert_eq!(run, (&json!("2026-11-22T00:00:00Z"), &json!(true), &json!("done"), &Value::Null), "{runs}");
    let key = "exports/marks/2026-11-22T00-00-00Z.csv";
    assert_eq!(fs::read_to_string(object(&house, key)).expect("the object"), "mark,things\r\ngood,10\r\n");
    daemon.stop();
}
