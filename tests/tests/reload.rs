//! A changed component is taken while records flow: checked first, refused with a reason, and none is cleaned twice.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use serde_json::Value;
use tidemill_tests::daemon::{Daemon, pinterest_of_its_own, query};
use tidemill_tests::http;
use tidemill_tests::place::{Folder, component, digest, rebuilt, replace};

/// Many short epochs, so that a generation's change falls between two of them and not at the end of all.
const EPOCH: (&str, &str) = ("[lake]\n", "[epoch]\ntime = \"20ms\"\n\n[lake]\n");
/// What the transform of pins says of a record that has nothing but its number.
const REASON: &str = "it may be meant for another table";

/// A component that does the same, has another digest, and says so: `mark` stands at the end of its rejections' reason.
///
/// The mark takes the place of as many bytes of the reason in the component's data, so that a dead letter shows which
/// component has cleaned its record, whatever the ledger says.
fn marked(component: &[u8], mark: &str) -> Vec<u8> {
    let reason = REASON.as_bytes();
    let at =
        component.windows(reason.len()).position(|window| window == reason).expect("the reason is in the component");
    let end = at + reason.len();
    [&component[..end - mark.len()], mark.as_bytes(), &component[end..]].concat()
}

/// Posts to the topic pin, four records a request, the third one to be rejected, until it is told to end.
struct Stream {
    end: Arc<AtomicBool>,
    thread: JoinHandle<u64>,
}

impl Stream {
    fn start(to: SocketAddr, first: u64) -> Self {
        let end = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&end);
        let thread = std::thread::spawn(move || {
            let mut sent = 0;
            while !told.load(Ordering::Relaxed) {
                let value = |nth: u64| match nth {
                    2 => format!("{{\"ind\":{}}}", first + sent + nth),
                    _ => format!("{{\"ind\":{},\"category\":\"art\",\"follower_count\":\"1k\"}}", first + sent + nth),
                };
                let values: Vec<String> = (0..4).map(value).collect();
                http::post_lines(to, "pin", values.iter().map(String::as_str), 4);
                sent += 4;
            }
            sent
        });
        Self { end, thread }
    }

    /// How many records were acknowledged.
    fn end(self) -> u64 {
        self.end.store(true, Ordering::Relaxed);
        self.thread.join().expect("every post was taken")
    }
}

/// A pipeline under a stream of posts, whose component for pins is replaced.
struct Flow {
    _folder: Folder,
    pipeline: PathBuf,
    file: PathBuf,
    daemon: Daemon,
    stream: Stream,
}

impl Flow {
    fn start(name: &str) -> Self {
        let folder = Folder::new(name);
        let pipeline = pinterest_of_its_own(folder.path(), &[EPOCH]);
        let daemon = Daemon::start(&pipeline);
        let stream = Stream::start(daemon.topics, 0);
        let file = folder.path().join("pin.wasm");
        let flow = Self { _folder: folder, pipeline, file, daemon, stream };
        flow.goes_on();
        flow
    }

    /// Waits until records that were posted from now on are committed in both partitions.
    fn goes_on(&self) {
        let next = |status: &Value, partition: &str| {
            status["tables"]["pin"]["workers"][partition]["next"].as_u64().expect("an offset")
        };
        let before = self.daemon.status();
        self.daemon.wait("records go on", |status| {
            ["0", "1"].iter().all(|partition| next(status, partition) > next(&before, partition) + 8)
        });
    }

    /// Puts a component in the place of the one that is there; what the status then says of it.
    fn offer(&self, bytes: &[u8]) -> Value {
        replace(&self.file, bytes);
        self.answer(bytes)
    }

    /// What the status says of bytes that were offered.
    fn answer(&self, bytes: &[u8]) -> Value {
        let digest = digest(bytes);
        let status = self
            .daemon
            .wait("the offer is answered", |status| status["tables"]["pin"]["last_offer"]["digest"] == *digest);
        status["tables"]["pin"]["last_offer"].clone()
    }

    /// Offers what has to be taken, and waits until every worker has it.
    fn taken(&self, bytes: &[u8]) {
        let offer = self.offer(bytes);
        assert_eq!(offer["refused"], Value::Null);
        self.in_service(bytes);
    }

    /// Waits until all workers have a component, and records go on under it.
    fn in_service(&self, bytes: &[u8]) {
        let digest = digest(bytes);
        self.daemon.wait("every worker has it", |status| {
            let table = &status["tables"]["pin"];
            table["digest"] == *digest
                && ["0", "1"].iter().all(|partition| table["workers"][*partition]["digest"] == *digest)
        });
        self.goes_on();
    }

    /// Offers what has to be refused for `reason`; `stays` goes on.
    fn refused(&self, bytes: &[u8], reason: &str, stays: &[u8]) {
        let offer = self.offer(bytes);
        let refused = offer["refused"].as_str().unwrap_or_default();
        assert!(refused.contains(reason), "{offer}");
        self.in_service(stays);
    }

    /// Ends the stream and the pipeline; every record is in the ledger once, and each generation in its turn.
    fn end(self, generations: &[&[u8]]) {
        let sent = self.stream.end();
        self.daemon.settle();
        self.daemon.stop();
        audit(&self.pipeline, sent, &generations.iter().map(|bytes| digest(bytes)).collect::<Vec<_>>());
    }
}

/// The ledger has every record of the topic pin once, its epochs follow one another, their digests are `digests` in this order.
fn audit(pipeline: &Path, sent: u64, digests: &[String]) {
    let sql = "SELECT partition, epoch, from_offset, next_offset, records_in, rejected, digest FROM tidemill_ledger \
               WHERE table_name = 'pin' ORDER BY partition, epoch";
    let mut ends: BTreeMap<String, (u64, u64, Vec<String>)> = BTreeMap::new();
    for line in &query(pipeline, sql)[1..] {
        let cells: Vec<&str> = line.split(',').collect();
        let number = |nth: usize| cells[nth].parse::<u64>().expect("a number");
        let (epochs, end, seen) = ends.entry(cells[0].to_owned()).or_default();
        assert_eq!((number(1), number(2)), (*epochs + 1, *end), "an epoch begins where the one before ended: {line}");
        assert_eq!(number(4), number(3) - number(2), "each offset is counted: {line}");
        (*epochs, *end) = (number(1), number(3));
        if seen.last().is_none_or(|last| last != cells[6]) {
            seen.push(cells[6].to_owned());
        }
    }
    assert_eq!(ends.values().map(|(_, end, _)| end).sum::<u64>(), sent, "every record that was acknowledged, once");
    for (partition, (_, _, seen)) in &ends {
        assert_eq!(seen, digests, "partition {partition}: the generations in their turn");
    }
    let count = |sql: &str| query(pipeline, sql)[1].parse::<u64>().expect("a number");
    assert_eq!(count("SELECT count(*) FROM pin"), sent / 4 * 3, "a row for each pin");
    assert_eq!(count("SELECT count(*) FROM tidemill_dead_letters"), sent / 4, "a dead letter for each that is none");
    let strangers = "SELECT count(*) FROM tidemill_dead_letters d LEFT JOIN tidemill_ledger l ON l.table_name = d.table_name \
        AND l.partition = d.partition AND d.offset >= l.from_offset AND d.offset < l.next_offset AND l.digest = d.digest \
        WHERE l.digest IS NULL";
    assert_eq!(count(strangers), 0, "a dead letter's digest is that of its epoch");
    let rows = "SELECT count(*) FROM (SELECT sum(rows) AS there FROM tidemill_objects WHERE table_name = 'pin') \
                JOIN (SELECT sum(rows) AS due FROM tidemill_ledger WHERE table_name = 'pin') ON there = due";
    assert_eq!(count(rows), 1, "the lake has every row once");
}

/// The reasons of the dead letters by the component that is said to have given them.
fn reasons(pipeline: &Path) -> Vec<String> {
    query(pipeline, "SELECT DISTINCT digest, reason FROM tidemill_dead_letters ORDER BY 1, 2")[1..].to_vec()
}

fn of(table: &str) -> Vec<u8> {
    fs::read(component(table)).expect("the component")
}

#[test]
fn an_equal_component_is_taken_between_two_epochs() {
    let flow = Flow::start("reload-equal");
    let (first, second, third) = (of("pin"), rebuilt(&of("pin"), "again"), rebuilt(&of("pin"), "and again"));
    flow.taken(&second);
    flow.taken(&third);
    flow.taken(&first);
    flow.end(&[&first, &second, &third, &first]);
}

#[test]
fn a_record_is_cleaned_by_the_component_that_the_ledger_names() {
    let flow = Flow::start("reload-marked");
    let (first, second) = (of("pin"), marked(&of("pin"), "SECOND"));
    flow.taken(&second);
    let pipeline = flow.pipeline.clone();
    let sent = flow.stream.end();
    flow.daemon.settle();
    flow.daemon.stop();
    audit(&pipeline, sent, &[digest(&first), digest(&second)]);
    let mut expected: Vec<String> =
        [(&first, REASON.to_owned()), (&second, format!("{}SECOND", &REASON[..REASON.len() - 6]))]
            .iter()
            .map(|(bytes, reason)| {
                format!("{},the record has no field of a pin but its number: {reason}", digest(bytes))
            })
            .collect();
    expected.sort();
    assert_eq!(reasons(&pipeline), expected);
}

#[test]
fn what_is_no_component_is_refused_and_the_old_one_goes_on() {
    let flow = Flow::start("reload-refused");
    let good = of("pin");
    flow.refused(b"not WebAssembly at all", "it is not WebAssembly", &good);
    flow.refused(b"", "the file is empty", &good);
    flow.refused(b"\0asm\x01\0\0\0", "it is a core module, not a component", &good);
    flow.refused(&good[..good.len() / 3], "it is not valid", &good);
    let other = "a field that the pipeline file names would change: ";
    flow.refused(&of("geo"), other, &good);
    flow.end(&[&good]);
}

#[test]
fn half_a_file_is_refused_and_the_whole_one_taken() {
    let flow = Flow::start("reload-half");
    let (first, second) = (of("pin"), rebuilt(&of("pin"), "written in two steps"));
    let half = &second[..second.len() / 2];
    fs::write(&flow.file, half).expect("half a file");
    assert!(flow.answer(half)["refused"].as_str().is_some_and(|reason| reason.contains("it is not valid")));
    flow.in_service(&first);
    fs::write(&flow.file, &second).expect("the whole file");
    assert_eq!(flow.answer(&second)["refused"], Value::Null);
    flow.in_service(&second);
    flow.end(&[&first, &second]);
}

#[test]
fn a_restart_begins_with_what_was_in_service_and_then_looks_at_the_file() {
    let folder = Folder::new("reload-restart");
    let pipeline = pinterest_of_its_own(folder.path(), &[EPOCH]);
    let file = folder.path().join("pin.wasm");
    let (first, second, third) = (of("pin"), rebuilt(&of("pin"), "second"), rebuilt(&of("pin"), "third"));
    let mut sent = 0;
    let mut live = |bytes: &[u8], refused: Option<&str>, change: Option<&[u8]>| {
        let daemon = Daemon::start(&pipeline);
        let in_service = |bytes: &[u8], refused: Option<&str>| {
            let digest = digest(bytes);
            let status = daemon.wait("it is in service", |status| {
                let table = &status["tables"]["pin"];
                table["workers"]["0"]["digest"] == *digest
                    && table["last_offer"]["refused"].is_string() == refused.is_some()
            });
            let said = status["tables"]["pin"]["last_offer"]["refused"].as_str().unwrap_or_default();
            assert!(said.contains(refused.unwrap_or_default()), "{said}");
        };
        in_service(bytes, refused);
        let first = Stream::start(daemon.topics, sent);
        if let Some(change) = change {
            replace(&file, change);
            in_service(change, None);
        }
        sent += first.end();
        daemon.wait("all is committed", |status| status["settled"] == true);
        daemon.stop();
    };
    live(&first, None, Some(&second));
    // Whatever the file has become meanwhile: it is offered after the start, and refused.
    replace(&file, b"garbage");
    live(&second, Some("it is not WebAssembly"), None);
    fs::remove_file(&file).expect("it was there");
    let gone = tidemill_tests::daemon::tidemill(["run", pipeline.to_str().expect("a path")]);
    assert!(!gone.status.success(), "a .wasm file that the pipeline names has to be there");
    replace(&file, &third);
    live(&third, None, None);
    let numbers =
        query(&pipeline, "SELECT number, digest FROM tidemill_generations WHERE table_name = 'pin' ORDER BY number");
    let expected: Vec<String> = [&first, &second, &third]
        .iter()
        .zip(1..)
        .map(|(bytes, number)| format!("{number},{}", digest(bytes)))
        .collect();
    assert_eq!(numbers[1..], expected);
    assert_eq!(
        query(&pipeline, "SELECT sum(records_in) FROM tidemill_ledger WHERE table_name = 'pin'")[1],
        sent.to_string()
    );
}
