//! The emulator with a database as the original had it: filled, read row by row, away for a while, through each door.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use tidemill::emulate::population::Population;
use tidemill_tests::daemon::{Daemon, pinterest_of_its_own, query, tidemill};
use tidemill_tests::database::{Kind, PASSWORD, Server};
use tidemill_tests::fill;
use tidemill_tests::place::{Folder, command};

const ROWS: u64 = 700;
const SEED: u64 = 11;

/// `random.seed(100)` in CPython, then `randrange(0, 2)` with `randint(0, 11000)`: the second of each.
const ORIGINAL: [u64; 20] = [
    7528, 2863, 5730, 8304, 8731, 1313, 4315, 10794, 5494, 5069, 2923, 3089, 6063, 3454, 7554, 6145, 10625, 2959, 9875,
    2418,
];

/// A pipeline whose topics have one partition and these names.
fn pipeline(folder: &Path, names: [&str; 3]) -> PathBuf {
    let gateway = "[gateway]\nlisten = \"127.0.0.1:0\"\n[gateway.stages.dev]\n[tables.pin]".to_owned();
    let mut replace = vec![("[tables.pin]".to_owned(), gateway)];
    for (table, name) in ["pin", "geo", "user"].iter().zip(names) {
        replace.push((format!("[topics.{table}]\npartitions = 2"), format!("[topics.{name:?}]\npartitions = 1")));
        replace.push((format!("topic = \"{table}\""), format!("topic = {name:?}")));
    }
    let replace: Vec<(&str, &str)> = replace.iter().map(|(from, to)| (from.as_str(), to.as_str())).collect();
    pinterest_of_its_own(folder, &replace)
}

/// Runs `tidemill emulate` to its end, with the password in its environment.
fn emulate(arguments: &[&str]) -> Output {
    let mut command = Command::new(command());
    command.arg("emulate").args(arguments).env("TIDEMILL_DATABASE_PASSWORD", PASSWORD);
    command.output().expect("tidemill starts")
}

/// What it said, all went well.
fn well(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn load(address: &str, rows: u64) {
    let rows = rows.to_string();
    let said = well(&emulate(&["--load", address, "--population", &rows, "--seed", &SEED.to_string()]));
    assert!(!said.contains("c0ral"), "{said}");
}

/// The values of a topic, in their order.
fn values(pipeline: &Path, topic: &str) -> Vec<String> {
    let pipeline = pipeline.to_string_lossy();
    let output = tidemill(["topic", "consume", topic, "--pipeline", &pipeline]);
    well(&output).lines().map(str::to_owned).collect()
}

/// The generated row of table 0 pin, 1 geo, 2 user.
fn generated(population: &Population, table: usize, index: u64) -> String {
    let mut row = Vec::new();
    fill::TABLES[table].1(population, index, &mut row);
    String::from_utf8(row).expect("UTF-8")
}

/// The place of a SQLite file, or a server's address.
fn each_kind(name: &str, check: impl Fn(&str, Option<&mut Server>)) {
    let folder = Folder::new(name);
    check(&format!("sqlite:{}", folder.path().join("pins.db").display()), None);
    for kind in [Kind::Mysql, Kind::Postgres] {
        let Some(mut server) = Server::start(kind) else { continue };
        check(&server.address(kind == Kind::Mysql), Some(&mut server));
    }
}

#[test]
fn what_is_loaded_into_a_database_is_posted_as_it_was_generated() {
    let population = Population::new(ROWS, SEED);
    each_kind("databases-loaded", |address, _| {
        load(address, ROWS);
        let folder = Folder::new("databases-posted");
        let pipeline = pipeline(folder.path(), ["pin", "geo", "user"]);
        let daemon = Daemon::start(&pipeline);
        let to = format!("http://{}", daemon.topics);
        let posts = ROWS.to_string();
        well(&emulate(&["--from", address, "--to", &to, "--posts", &posts, "--resend", "0", "--batch", "7"]));
        for (table, topic) in ["pin", "geo", "user"].into_iter().enumerate() {
            let mut posted = values(&pipeline, topic);
            let mut expected: Vec<String> = (0..ROWS).map(|index| generated(&population, table, index)).collect();
            posted.sort_unstable();
            expected.sort_unstable();
            assert!(posted == expected, "{address}: {topic}: {:?}", posted.first());
        }
        daemon.stop();
    });
}

#[test]
fn tables_with_rows_are_not_overwritten_unless_that_is_meant() {
    each_kind("databases-full", |address, _| {
        load(address, 20);
        let refused = emulate(&["--load", address, "--population", "10"]);
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!refused.status.success() && said.contains("has 20 rows") && said.contains("--replace"), "{said}");
        let replaced = well(&emulate(&["--load", address, "--population", "10", "--replace"]));
        assert!(replaced.starts_with("30 rows in pinterest_data, geolocation_data, user_data of "), "{replaced}");
    });
}

/// An emulator under way, whose log is read as it comes.
struct Emulator {
    child: Child,
    log: BufReader<std::process::ChildStderr>,
}

impl Emulator {
    fn start(arguments: &[&str]) -> Self {
        let mut command = Command::new(command());
        command.arg("emulate").args(arguments).env("TIDEMILL_DATABASE_PASSWORD", PASSWORD);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("tidemill starts");
        let log = BufReader::new(child.stderr.take().expect("its log"));
        Self { child, log }
    }

    /// Reads its log up to a line with this.
    fn says(&mut self, what: &str) -> String {
        let mut all = String::new();
        while !all.contains(what) {
            assert!(self.log.read_line(&mut all).expect("a line") > 0, "it ended: {all}");
        }
        all
    }

    /// Waits until it has ended well; gives the rest of its log.
    fn end(mut self) -> String {
        let mut rest = String::new();
        self.log.read_to_string(&mut rest).expect("its log");
        assert!(self.child.wait().expect("it ends").success(), "{rest}");
        rest
    }
}

#[test]
fn an_outage_of_the_database_is_waited_for_said_once_and_loses_nothing() {
    const POSTS: usize = 400;
    let population = Population::new(ROWS, SEED);
    each_kind("databases-away", |address, server| {
        // A file is not away.
        let Some(server) = server else { return };
        load(address, ROWS);
        let folder = Folder::new("databases-outage");
        let pipeline = pipeline(folder.path(), ["pin", "geo", "user"]);
        let daemon = Daemon::start(&pipeline);
        let (to, posts) = (format!("http://{}", daemon.topics), POSTS.to_string());
        let mut arguments = vec!["--from", address, "--to", &to, "--posts", &posts, "--resend", "0", "--lanes", "1"];
        // It does not come to its end before the outage does.
        arguments.extend(["--rate", "100"]);
        let mut emulator = Emulator::start(&arguments);
        daemon.wait("some posts", |status| {
            status["tables"]["user"]["workers"]["0"]["next"].as_u64().is_some_and(|n| n >= 30)
        });
        server.kill();
        let away = emulator.says("it is away, and asked again until it is back");
        assert!(!away.contains("c0ral") && away.contains("emulator@127.0.0.1"), "{away}");
        server.resume();
        let back = emulator.says("it is back");
        let rest = emulator.end();
        assert!(!(back + &rest).contains("it is away"), "once: {rest}");
        for (table, topic) in ["pin", "geo", "user"].into_iter().enumerate() {
            let posted = values(&pipeline, topic);
            let mut distinct = posted.clone();
            distinct.sort_unstable();
            distinct.dedup();
            assert_eq!((posted.len(), distinct.len()), (POSTS, POSTS), "{topic}");
            let all: Vec<String> = (0..ROWS).map(|index| generated(&population, table, index)).collect();
            assert!(posted.iter().all(|row| all.contains(row)), "{topic}: rows as they were generated");
        }
        daemon.stop();
    });
}

#[test]
fn a_database_that_starts_later_is_waited_for_and_one_that_refuses_is_not() {
    for kind in [Kind::Mysql, Kind::Postgres] {
        let Some(mut server) = Server::start(kind) else { continue };
        load(&server.address(true), 20);
        let open = server.address(false);
        let wrong = open.replace("emulator@", "emulator:inv%40lid@");
        let missing = open.replace("pinterest_data", "elsewhere");
        for (address, arguments, said) in [
            (&wrong, &[][..], ["denied", "authentication failed"]),
            (&missing, &[], ["elsewhere", "elsewhere"]),
            (&open, &["--tables", "a", "b", "c"], ["a' doesn't exist", "\"a\" does not exist"]),
        ] {
            let refused = emulate(&[&["--from", address, "--posts", "1"], arguments].concat());
            let told = String::from_utf8_lossy(&refused.stderr).into_owned();
            assert!(!refused.status.success() && said.iter().any(|said| told.contains(said)), "{kind:?}: {told}");
            assert!(!told.contains("inv@lid") && !told.contains("inv%40lid") && !told.contains("c0ral"), "{told}");
        }
        server.kill();
        let folder = Folder::new("databases-later");
        let pipeline = pipeline(folder.path(), ["pin", "geo", "user"]);
        let daemon = Daemon::start(&pipeline);
        let to = format!("http://{}", daemon.topics);
        let mut emulator = Emulator::start(&["--from", &open, "--to", &to, "--posts", "20", "--resend", "0"]);
        emulator.says("it is away");
        server.resume();
        emulator.end();
        assert_eq!(values(&pipeline, "pin").len(), 20, "{kind:?}");
        daemon.stop();
    }
}

#[test]
fn the_original_order_comes_through_every_door_as_the_same_rows() {
    let source = Folder::new("databases-doors");
    let address = format!("sqlite:{}", source.path().join("pins.db").display());
    load(&address, 11_154);
    let mut seen = Vec::new();
    for (via, names, dates) in [
        ("rest", ["0a1b.pin", "0a1b.geo", "0a1b.user"], "T"),
        ("gateway", ["0a1b.pin", "0a1b.geo", "0a1b.user"], "blank"),
        ("kinesis", ["streaming-0a1b-pin", "streaming-0a1b-geo", "streaming-0a1b-user"], "T"),
        ("kinesis", ["streaming-0a1b-pin", "streaming-0a1b-geo", "streaming-0a1b-user"], "blank"),
    ] {
        let folder = Folder::new(&format!("databases-{via}"));
        let pipeline = pipeline(folder.path(), names);
        let daemon = Daemon::start(&pipeline);
        let to = format!("http://{}", if via == "rest" { daemon.topics } else { daemon.gateway.expect("a gateway") });
        let mut arguments = vec!["--from", &address, "--to", &to, "--via", via, "--user-id", "0a1b", "--posts", "20"];
        arguments.extend(["--order", "original", "--speed", "0", "--dates", dates]);
        let said = well(&emulate(&arguments));
        assert!(said.starts_with("20 posts, 60 records acknowledged"), "{via}: {said}");
        daemon.settle();
        let posted: Vec<serde_json::Value> =
            values(&pipeline, names[0]).iter().map(|row| serde_json::from_str(row).expect("JSON")).collect();
        let drawn: Vec<u64> = posted.iter().map(|pin| pin["index"].as_u64().expect("a number")).collect();
        assert_eq!(drawn, ORIGINAL, "{via}");
        let parted = if dates == "T" { 'T' } else { ' ' };
        let users = values(&pipeline, names[2]);
        let joined = |user: &String| user.split("\"date_joined\":\"").nth(1).and_then(|time| time.chars().nth(10));
        assert!(users.iter().all(|user| joined(user) == Some(parted)), "{via}: {:?}", users.first());
        let rows = [
            "SELECT ind, category, follower_count, poster_name FROM pin ORDER BY ind",
            "SELECT ind, country, timestamp FROM geo ORDER BY ind",
            "SELECT ind, age, date_joined FROM user ORDER BY ind",
        ];
        seen.push(rows.map(|sql| query(&pipeline, sql)));
        daemon.stop();
    }
    assert!(seen[0].iter().all(|rows| rows.len() == 21), "{:?}", seen[0]);
    assert!(seen.windows(2).all(|two| two[0] == two[1]), "{seen:?}");
}
