//! v3 streams: receipts as records come, in order, within bounds of time and memory.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tidemill_tests::http;
use tidemill_tests::place::Folder;

use crate::start;

const RECORD: &str = r#"{"value":{"type":"JSON","data":{"ind":1}}}"#;
/// Nothing that is waited for takes so long.
const WAIT_TIME_MAX: Duration = Duration::from_secs(60);

/// A stream of records to a topic.
struct Stream {
    socket: BufReader<TcpStream>,
    /// What has come of the chunk that is being read.
    receipts: Vec<u8>,
}

impl Stream {
    fn begin(to: SocketAddr, topic: &str) -> Self {
        let mut socket = TcpStream::connect(to).expect("the listener");
        socket.set_read_timeout(Some(WAIT_TIME_MAX)).expect("a time-out");
        let head = format!(
            "POST /v3/clusters/doors/topics/{topic}/records HTTP/1.1\r\nhost: localhost\r\n\
             content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
        );
        socket.write_all(head.as_bytes()).expect("it is sent");
        Self { socket: BufReader::new(socket), receipts: Vec::new() }
    }

    fn send(&mut self, records: &str) {
        let chunk = format!("{:x}\r\n{records}\r\n", records.len());
        self.socket.get_mut().write_all(chunk.as_bytes()).expect("it is sent");
    }

    fn end(&mut self) {
        self.socket.get_mut().write_all(b"0\r\n\r\n").expect("it is sent");
    }

    /// The head of the answer, which comes once there is a record.
    fn head(&mut self) {
        let mut line = String::new();
        self.socket.read_line(&mut line).expect("a status");
        assert!(line.starts_with("HTTP/1.1 200"), "{line}");
        while line != "\r\n" {
            line.clear();
            self.socket.read_line(&mut line).expect("a header");
        }
    }

    /// The next receipt; none at the end.
    fn receipt(&mut self) -> Option<Value> {
        loop {
            if let Some(end) = self.receipts.windows(2).position(|two| two == b"\r\n") {
                let receipt: Vec<u8> = self.receipts.drain(..end + 2).collect();
                return Some(serde_json::from_slice(&receipt).expect("a receipt"));
            }
            let mut size = String::new();
            self.socket.read_line(&mut size).expect("a chunk's size");
            let size = usize::from_str_radix(size.trim(), 16).expect("a chunk's size");
            let mut chunk = vec![0; size + 2];
            self.socket.read_exact(&mut chunk).expect("a chunk");
            if size == 0 {
                return None;
            }
            self.receipts.extend_from_slice(&chunk[..size]);
        }
    }
}

#[test]
fn each_receipt_comes_before_the_next_record_is_sent() {
    let folder = Folder::new("rest-stream");
    let daemon = start(&folder, "");
    let mut stream = Stream::begin(daemon.topics, "one");
    for offset in 0..20 {
        stream.send(RECORD);
        if offset == 0 {
            stream.head();
        }
        assert_eq!(stream.receipt().expect("a receipt")["offset"], offset);
    }
    // A record in pieces, and two in one.
    for piece in [&RECORD[..1], &RECORD[1..20], &RECORD[20..]] {
        stream.send(piece);
    }
    assert_eq!(stream.receipt().expect("a receipt")["offset"], 20);
    stream.send(&format!("{RECORD}\n{RECORD}"));
    assert_eq!([21, 22].map(|_| stream.receipt().expect("a receipt")["offset"].clone()), [json!(21), json!(22)]);
    stream.end();
    assert_eq!(stream.receipt(), None);
    daemon.stop();
}

#[test]
fn receipts_of_many_records_are_in_their_order_and_what_they_say_is_kept() {
    const RECORDS: u64 = 30_000;
    let folder = Folder::new("rest-stream-many");
    let daemon = start(&folder, "");
    let mut stream = Stream::begin(daemon.topics, "two");
    let mut sender = stream.socket.get_ref().try_clone().expect("the socket");
    let sent = std::thread::spawn(move || {
        // Chunks of all sizes; every tenth record cannot be read.
        for first in (0..RECORDS).step_by(100) {
            let record = |n: u64| match n % 10 {
                9 => r#"{"value":{"type":"BINARY","data":"?"}}"#.to_owned(),
                _ => format!("{{\"partition_id\":{},\"value\":{{\"type\":\"JSON\",\"data\":{n}}}}}", n % 2),
            };
            let records: String = (first..first + 100).map(record).collect();
            let chunk = format!("{:x}\r\n{records}\r\n", records.len());
            sender.write_all(chunk.as_bytes()).expect("it is sent");
        }
        sender.write_all(b"0\r\n\r\n").expect("it is sent");
    });
    stream.head();
    let mut next = [0, 0];
    for n in 0..RECORDS {
        let receipt = stream.receipt().expect("a receipt");
        if n % 10 == 9 {
            assert_eq!(receipt["error_code"], 400, "{n}: {receipt}");
            continue;
        }
        let partition = usize::try_from(n % 2).expect("a partition");
        let got = (receipt["error_code"].as_u64(), receipt["partition_id"].as_u64(), receipt["offset"].as_u64());
        assert_eq!(got, (Some(200), Some(n % 2), Some(next[partition])), "{n}: {receipt}");
        next[partition] += 1;
    }
    assert_eq!(stream.receipt(), None);
    sent.join().expect("all was sent");
    daemon.kill();
    let daemon = start(&folder, "");
    let ends = [0, 1].map(|partition| {
        let offsets = http::get(daemon.topics, &format!("/topics/two/partitions/{partition}/offsets")).json();
        offsets["end_offset"].as_u64().expect("an offset")
    });
    assert_eq!(ends, next);
    daemon.stop();
}

#[test]
fn a_live_stream_goes_on_and_a_silent_one_is_ended() {
    const BODY_TIME: Duration = Duration::from_millis(500);
    let folder = Folder::new("rest-stream-slow");
    let daemon = start(
        &folder,
        "[listen.limits]\nbody_time = \"500ms\"\nbody_pause = \"500ms\"\nidle_time = \"500ms\"\nhead_time = \"500ms\"\n",
    );
    let mut stream = Stream::begin(daemon.topics, "one");
    stream.send(RECORD);
    stream.head();
    let begun = Instant::now();
    while begun.elapsed() < 3 * BODY_TIME {
        assert_eq!(stream.receipt().expect("a receipt")["error_code"], 200);
        stream.send(RECORD);
    }
    assert_eq!(stream.receipt().expect("a receipt")["error_code"], 200);
    let silent = Instant::now();
    assert_eq!(stream.receipt().expect("the last receipt")["error_code"], 408);
    assert!(silent.elapsed() >= BODY_TIME / 2, "it was given its time");
    assert_eq!(stream.receipt(), None);
    // One that stops in the middle of a record, and one that never begins.
    let mut half = Stream::begin(daemon.topics, "one");
    half.send(&format!("{RECORD}{}", &RECORD[..9]));
    half.head();
    assert_eq!(half.receipt().expect("a receipt")["error_code"], 200);
    assert_eq!(half.receipt().expect("the last receipt")["error_code"], 408);
    let mut never = Stream::begin(daemon.topics, "one");
    never.send("   ");
    let mut line = String::new();
    never.socket.read_line(&mut line).expect("a status");
    assert!(line.starts_with("HTTP/1.1 408"), "{line}");
    daemon.stop();
}

#[test]
fn who_takes_no_receipts_is_not_read_on_and_costs_little() {
    const MOST: usize = 64 << 20;
    let folder = Folder::new("rest-stream-deaf");
    let daemon = start(&folder, "");
    let mut stream = Stream::begin(daemon.topics, "one");
    let socket = stream.socket.get_mut();
    socket.set_write_timeout(Some(Duration::from_secs(2))).expect("a time-out");
    let records = "{}".repeat(10_000);
    let chunk = format!("{:x}\r\n{records}\r\n", records.len());
    let mut sent = 0;
    let stopped = loop {
        match socket.write(chunk.as_bytes()) {
            Ok(written) => sent += written,
            Err(cause) => break cause.kind(),
        }
        assert!(sent < MOST, "it is read on without an end");
    };
    assert!(matches!(stopped, ErrorKind::WouldBlock | ErrorKind::TimedOut), "{stopped}");
    let answer = http::post(daemon.topics, "two", r#"{"records":[{"value":1}]}"#);
    assert_eq!(answer.status, 200, "others go on");
    let (_, memory) = daemon.used();
    assert!(memory < 250, "{memory} MB");
    drop(stream);
    daemon.stop();
}

#[test]
fn an_end_of_the_pipeline_ends_a_stream_in_order() {
    let folder = Folder::new("rest-stream-end");
    let daemon = start(&folder, "");
    let mut stream = Stream::begin(daemon.topics, "one");
    stream.send(RECORD);
    stream.head();
    assert_eq!(stream.receipt().expect("a receipt")["offset"], 0);
    let begun = Instant::now();
    daemon.ask_to_end();
    assert_eq!(stream.receipt(), None, "nothing more is taken, and the answer is whole");
    daemon.ended();
    assert!(begun.elapsed() < Duration::from_secs(8), "it waits for no stream");
}
