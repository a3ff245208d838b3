//! Producers that retry: whatever is lost between the append and the answer, each request is in its topic once.

use std::collections::{HashMap, HashSet};
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::thread;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};
use tidemill::log::Topic;
use tidemill::log::options::Options;
use tidemill::record::{Batch, Source};
use tidemill::time::Clock;
use tidemill_tests::cli;
use tidemill_tests::daemon::{Daemon, pinterest_of_its_own};
use tidemill_tests::forgetful::Forgetful;
use tidemill_tests::http::{self, Answer};
use tidemill_tests::place::Folder;

const JSON: (&str, &str) = ("content-type", "application/vnd.kafka.json.v2+json");

/// A pipeline whose topic pin has small segments, so that producers are remembered over several.
fn pipeline(folder: &Path) -> PathBuf {
    pinterest_of_its_own(folder, &[("[topics.pin]\n", "[topics.pin]\nsegment = \"64KiB\"\nrecord = \"1KiB\"\n")])
}

/// A producer's request: its name, epoch, sequence.
type Named<'a> = (&'a str, u32, u32);

/// Two records, which go to different partitions.
fn body(producer: &str, sequence: u32) -> String {
    let record =
        |partition: u32| json!({ "partition": partition, "value": format!("{producer} {sequence} {partition}") });
    json!({ "records": [record(0), record(1)] }).to_string()
}

fn head(to: SocketAddr, (id, epoch, sequence): Named<'_>, body: &str) -> String {
    format!(
        "POST /topics/pin HTTP/1.1\r\nhost: {to}\r\nconnection: close\r\n{}: {}\r\nproducer-id: {id}\r\n\
         producer-epoch: {epoch}\r\nproducer-sequence: {sequence}\r\ncontent-length: {}\r\n\r\n{body}",
        JSON.0,
        JSON.1,
        body.len()
    )
}

fn post(to: SocketAddr, named: Named<'_>, body: &str) -> Answer {
    http::raw(to, head(to, named, body).as_bytes())
}

fn keyed(to: SocketAddr, key: &str, body: &str) -> Answer {
    http::request(to, "POST", "/topics/pin", &[JSON, ("idempotency-key", key)], body.as_bytes())
}

/// The offsets of an answer in which all was taken.
fn offsets(answer: &Answer) -> Vec<u64> {
    assert_eq!(answer.status, 200, "{answer:?}");
    let answer = answer.json();
    let receipts = answer["offsets"].as_array().expect("receipts");
    receipts.iter().map(|receipt| receipt["offset"].as_u64().unwrap_or_else(|| panic!("{answer}"))).collect()
}

/// All values of a topic whose pipeline has stopped, each with how often it is there.
fn values(pipeline: &Path, topic: &str) -> HashMap<String, u32> {
    let data = pipeline.with_file_name("data").join("topics");
    let options = Options { partitions: 2, ..Options::default() };
    let topic = Topic::open(&data, topic, &options, Arc::new(Clock::System)).expect("the topic");
    let mut counts = HashMap::new();
    for partition in 0..2 {
        let mut reader = topic.reader(partition, 0).expect("a reader");
        let mut batch = Batch::default();
        let mut read = 0;
        while read < topic.end(partition) {
            batch.clear();
            reader.read(&mut batch, usize::MAX).expect("records");
            for record in batch.iter() {
                let value = String::from_utf8(record.value.expect("a value").to_vec()).expect("text");
                *counts.entry(value).or_default() += 1;
                read += 1;
            }
        }
    }
    counts
}

/// Each producer's requests are in the topic once: two records of each.
fn each_once(pipeline: &Path, sent: &[(String, u32)]) {
    let mut values = values(pipeline, "pin");
    for (producer, count) in sent {
        for (sequence, partition) in (0..*count).flat_map(|sequence| [(sequence, 0), (sequence, 1)]) {
            let value = format!("\"{producer} {sequence} {partition}\"");
            assert_eq!(values.remove(&value), Some(1), "{value}");
        }
    }
    assert!(values.is_empty(), "{values:?}");
}

/// What a metric of the topic pin has come to.
fn metric(daemon: &Daemon, name: &str) -> u64 {
    let text = http::get(daemon.admin, "/metrics").body;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(&format!("{name}{{door=\"rest\",topic=\"pin\"}} "))?.parse().ok());
    line.unwrap_or(0)
}

#[test]
fn an_answer_that_is_lost_is_given_again_a_thousand_times() {
    const REQUESTS: u32 = 1000;
    let folder = Folder::new("producers-lost");
    let pipeline = pipeline(folder.path());
    let daemon = Daemon::start(&pipeline);
    let mut random = ChaCha8Rng::seed_from_u64(1000);
    for sequence in 0..REQUESTS {
        let (named, body) = (("a", 0, sequence), body("a", sequence));
        let mut socket = TcpStream::connect(daemon.topics).expect("the listener");
        socket.write_all(head(daemon.topics, named, &body).as_bytes()).expect("the request");
        if random.random_range(0..4) == 0 {
            // Gone at once: nobody knows how far it came.
            socket.shutdown(Shutdown::Both).expect("the end");
        } else {
            // The answer was under way, so all was appended, and then it is lost.
            socket.read_exact(&mut [0]).expect("the answer begins");
        }
        drop(socket);
        let first = offsets(&post(daemon.topics, named, &body));
        assert_eq!(first, [u64::from(sequence); 2]);
        assert_eq!(offsets(&post(daemon.topics, named, &body)), first);
    }
    assert_eq!(metric(&daemon, "tidemill_accepted_records_total") % 2, 0);
    assert!(metric(&daemon, "tidemill_repeated_records_total") >= 3 * u64::from(REQUESTS));
    daemon.stop();
    each_once(&pipeline, &[("a".to_owned(), REQUESTS)]);
}

#[test]
fn a_kill_between_the_append_and_the_answer_loses_and_doubles_nothing() {
    const KILLS: u32 = 15;
    const PRODUCERS: usize = 4;
    let folder = Folder::new("producers-killed");
    let pipeline = pipeline(folder.path());
    let mut random = ChaCha8Rng::seed_from_u64(15);
    let mut sent: Vec<(String, u32)> = (0..PRODUCERS).map(|nth| (format!("p{nth}"), 0)).collect();
    for _ in 0..KILLS {
        let daemon = Daemon::start(&pipeline);
        let (to, (acknowledged, answers)) = (daemon.topics, mpsc::channel());
        let producers: Vec<_> = sent
            .into_iter()
            .map(|(producer, mut sequence)| {
                let acknowledged = acknowledged.clone();
                thread::spawn(move || {
                    loop {
                        let answer = post(to, (&producer, 0, sequence), &body(&producer, sequence));
                        if answer.status == 0 {
                            // Nobody knows what became of it: the same again, in the next life.
                            return (producer, sequence);
                        }
                        assert_eq!(offsets(&answer).len(), 2);
                        sequence += 1;
                        let _ = acknowledged.send(());
                    }
                })
            })
            .collect();
        for _ in 0..random.random_range(20..80) {
            answers.recv().expect("an answer");
        }
        daemon.kill();
        sent = producers.into_iter().map(|producer| producer.join().expect("a producer")).collect();
    }
    let daemon = Daemon::start(&pipeline);
    for (producer, sequence) in &mut sent {
        offsets(&post(daemon.topics, (producer, 0, *sequence), &body(producer, *sequence)));
        *sequence += 1;
    }
    daemon.stop();
    each_once(&pipeline, &sent);
}

#[test]
fn eight_copies_at_once_get_the_offsets_of_one_append() {
    let folder = Folder::new("producers-copies");
    let pipeline = pipeline(folder.path());
    let daemon = Daemon::start(&pipeline);
    let to = daemon.topics;
    let at_once = |copy: &(dyn Fn() -> Answer + Sync)| {
        let answers = thread::scope(|scope| {
            let copies: Vec<_> = (0..8).map(|_| scope.spawn(copy)).collect();
            copies.into_iter().map(|copy| offsets(&copy.join().expect("an answer"))).collect::<HashSet<_>>()
        });
        assert_eq!(answers.len(), 1, "{answers:?}");
    };
    for sequence in 0..50 {
        at_once(&|| post(to, ("a", 0, sequence), &body("a", sequence)));
        at_once(&|| keyed(to, &format!("key {sequence}"), &body("k", sequence)));
    }
    assert_eq!(metric(&daemon, "tidemill_accepted_records_total"), 200);
    assert_eq!(metric(&daemon, "tidemill_repeated_records_total"), 7 * 200);
    daemon.stop();
    each_once(&pipeline, &[("a".to_owned(), 50), ("k".to_owned(), 50)]);
}

#[test]
fn what_is_out_of_turn_is_refused_with_a_code_of_its_own() {
    let folder = Folder::new("producers-refused");
    let pipeline = pipeline(folder.path());
    let daemon = Daemon::start(&pipeline);
    let send = |id, epoch, sequence| post(daemon.topics, (id, epoch, sequence), &body("a", sequence));
    for sequence in 0..70 {
        offsets(&send("a", 3, sequence));
    }
    let check = |answer: &Answer, status: u16, code: u64, header: &str| {
        assert_eq!((answer.status, answer.json()["error_code"].as_u64()), (status, Some(code)), "{answer:?}");
        assert!(answer.json()["message"].is_string() && answer.headers.contains(header), "{answer:?}");
    };
    check(&send("a", 3, 71), 409, 40945, "producer-sequence: 70");
    check(&send("a", 4, 70), 409, 40945, "producer-sequence: 0");
    check(&send("a", 3, 5), 409, 40946, "");
    check(&send("a", 2, 0), 409, 40947, "producer-epoch: 3");
    check(&send("b", 0, 1), 409, 40959, "producer-epoch: 0");
    check(&post(daemon.topics, ("a", 3, 69), &body("other", 69)), 422, 42209, "");
    check(&post(daemon.topics, ("a", 3, 7), "{\"records\":[]}"), 422, 422, "");
    let only = |headers: &[(&str, &str)]| http::request(daemon.topics, "POST", "/topics/pin", headers, b"{}");
    check(&only(&[JSON, ("producer-id", "a")]), 400, 400, "");
    check(&only(&[JSON, ("producer-id", "a"), ("producer-epoch", "-1"), ("producer-sequence", "0")]), 400, 400, "");
    check(&only(&[JSON, ("idempotency-key", "")]), 400, 400, "");
    let answer = send("a", 3, 69);
    assert!(answer.headers.contains("producer-epoch: 3") && answer.headers.contains("producer-sequence: 69"));
    assert_eq!(offsets(&answer), [69, 69]);
    daemon.stop();
    each_once(&pipeline, &[("a".to_owned(), 70)]);
}

#[test]
fn a_record_that_is_not_taken_leaves_the_others_to_be_known() {
    let folder = Folder::new("producers-parts");
    let pipeline = pipeline(folder.path());
    let daemon = Daemon::start(&pipeline);
    let large = "x".repeat(2000);
    let record = |partition: u32, value: &str| json!({ "partition": partition, "value": value });
    let some = json!({ "records": [record(0, "a 0 0"), record(0, &large), record(1, "a 0 1")] }).to_string();
    let none = json!({ "records": [record(0, &large)] }).to_string();
    let send = |sequence, body: &str| {
        let answer = post(daemon.topics, ("a", 0, sequence), body);
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()["offsets"].as_array().expect("receipts").clone()
    };
    let outcome = |receipts: &[Value]| -> Vec<Value> {
        let either = |receipt: &Value| {
            if receipt["offset"].is_null() { &receipt["error_code"] } else { &receipt["offset"] }.clone()
        };
        receipts.iter().map(either).collect()
    };
    for _ in 0..3 {
        assert_eq!(outcome(&send(0, &some)), [json!(0), json!(50002), json!(0)]);
    }
    // One of which nothing can be kept uses its sequence up all the same.
    for _ in 0..3 {
        assert_eq!(outcome(&send(1, &none)), [json!(50002)]);
    }
    assert_eq!(outcome(&send(2, &body("a", 1))), [json!(1), json!(1)]);
    daemon.stop();
    each_once(&pipeline, &[("a".to_owned(), 2)]);
}

#[test]
fn what_a_full_disk_refused_is_taken_once_when_there_is_space() {
    let folder = Folder::new("producers-full");
    let pipeline = pipeline(folder.path());
    let daemon = Daemon::start_on_small_disk(&pipeline);
    for sequence in 0..20 {
        daemon.fill_disk(Some(0));
        let answer = post(daemon.topics, ("a", 0, sequence), &body("a", sequence));
        let receipts = answer.json()["offsets"].clone();
        assert!(receipts[0]["error_code"] == 50003 && receipts[1]["error_code"] == 50003, "{answer:?}");
        daemon.fill_disk(None);
        assert_eq!(offsets(&post(daemon.topics, ("a", 0, sequence), &body("a", sequence))), [u64::from(sequence); 2]);
    }
    daemon.stop();
    each_once(&pipeline, &[("a".to_owned(), 20)]);
}

#[test]
fn the_emulator_doubles_nothing_though_answers_are_lost() {
    const POSTS: usize = 300;
    let folder = Folder::new("producers-emulator");
    let pipeline = pipeline(folder.path());
    let daemon = Daemon::start(&pipeline);
    let proxy = Forgetful::start(daemon.topics, 3);
    let to = format!("http://{}", proxy.addr);
    let posts = POSTS.to_string();
    let arguments = ["emulate", "--to", &to, "--posts", &posts, "--resend", "0", "--lanes", "8"];
    let (said, _) = cli::done(folder.path(), &arguments, "");
    assert!(said.contains(&format!("{POSTS} posts, {} records acknowledged", 3 * POSTS)), "{said}");
    let lost = proxy.lost();
    assert!(lost > POSTS as u64 / 2, "{lost} answers were lost");
    assert!(said.contains(&format!("{lost} requests tried again")), "{said}");
    daemon.stop();
    for topic in ["pin", "geo", "user"] {
        let values = values(&pipeline, topic);
        assert_eq!(values.len(), POSTS, "{topic}");
        assert!(values.values().all(|count| *count == 1), "{topic}");
    }
}
