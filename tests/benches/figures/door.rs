//! The HTTP door: durable posts, and how soon after its start a pipeline takes the first.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tidemill::emulate::population::Population;
use tidemill_tests::daemon::{Daemon, pinterest};
use tidemill_tests::http;
use tidemill_tests::place::Folder;

/// The benches of this file.
pub(crate) const BENCHES: [(&str, fn()); 3] =
    [("door ingest", ingest), ("door kinesis", kinesis), ("door start", start)];

/// Records of one request.
const BATCH: u64 = 500;
/// Requests of each client.
const REQUESTS: u64 = 150;
/// Clients at one time, each on a connection of its own.
const CLIENTS: u64 = 8;

/// A whole request of pins from the `first` on, ready to be sent.
pub(crate) fn request(to: SocketAddr, population: &Population, first: u64, records: u64) -> Vec<u8> {
    let mut body = b"{\"records\":[".to_vec();
    for index in first..first + records {
        body.extend_from_slice(if index == first { b"{\"value\":" } else { b",{\"value\":" });
        population.pin(index, &mut body);
        body.push(b'}');
    }
    body.extend_from_slice(b"]}");
    let head = format!(
        "POST /topics/pin HTTP/1.1\r\nhost: {to}\r\ncontent-type: application/vnd.kafka.json.v2+json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    [head.into_bytes(), body].concat()
}

/// Sends a request on an open connection and reads its answer; it must be a 200.
pub(crate) fn exchange(socket: &mut BufReader<TcpStream>, request: &[u8]) {
    socket.get_mut().write_all(request).expect("it is sent");
    let (mut line, mut length) = (String::new(), 0);
    socket.read_line(&mut line).expect("a status");
    assert!(line.starts_with("HTTP/1.1 200"), "{line}");
    while line != "\r\n" {
        line.clear();
        socket.read_line(&mut line).expect("a header");
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().expect("a length");
        }
    }
    let mut body = vec![0; length];
    socket.read_exact(&mut body).expect("a body");
}

/// The same records for a stream.
fn put_records(to: SocketAddr, population: &Population, first: u64) -> Vec<u8> {
    let (mut body, mut pin) = (b"{\"StreamName\":\"pin\",\"Records\":[".to_vec(), Vec::new());
    for index in first..first + BATCH {
        pin.clear();
        population.pin(index, &mut pin);
        let comma = if index == first { "" } else { "," };
        let data = STANDARD.encode(&pin);
        body.extend_from_slice(format!("{comma}{{\"Data\":\"{data}\",\"PartitionKey\":\"{index}\"}}").as_bytes());
    }
    body.extend_from_slice(b"]}");
    let head = format!(
        "POST / HTTP/1.1\r\nhost: {to}\r\nx-amz-target: Kinesis_20131202.PutRecords\r\ncontent-type: application/x-amz-json-1.1\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    [head.into_bytes(), body].concat()
}

/// Clients post pins in batches; each waits for its answer, which comes once the records are synced.
fn ingest() {
    let folder = Folder::new("bench-door");
    let daemon = Daemon::start(&pinterest(folder.path(), &[]));
    post("durable HTTP ingest, 500 pins a request", daemon.topics, |to, pins, first| request(to, pins, first, BATCH));
}

/// The same as `PutRecords`.
fn kinesis() {
    let folder = Folder::new("bench-kinesis");
    let door = "[kinesis]\nlisten = \"127.0.0.1:0\"\n\n[lake]\n";
    let daemon = Daemon::start(&pinterest(folder.path(), &[("[lake]\n", door)]));
    post("durable PutRecords, 500 pins a request", daemon.kinesis.expect("Kinesis"), put_records);
}

/// Clients send requests over and over.
fn post(what: &str, to: SocketAddr, request: fn(SocketAddr, &Population, u64) -> Vec<u8>) {
    let population = Population::new(1_000_000, 2);
    let requests: Vec<Vec<u8>> = (0..CLIENTS).map(|client| request(to, &population, client * BATCH)).collect();
    let bytes: usize = requests.iter().map(Vec::len).sum();
    let seconds = crate::median(|| {
        let begun = Instant::now();
        std::thread::scope(|scope| {
            for request in &requests {
                scope.spawn(|| {
                    let socket = TcpStream::connect(to).expect("the listener");
                    let mut socket = BufReader::new(socket);
                    (0..REQUESTS).for_each(|_| exchange(&mut socket, request));
                });
            }
        });
        begun.elapsed().as_secs_f64()
    });
    let records = CLIENTS * REQUESTS * BATCH;
    crate::print(what, records, bytes as u64 * REQUESTS, seconds);
}

/// From the start of the process to the first post that is answered, with compiled components cached.
fn start() {
    let folder = Folder::new("bench-start");
    let pipeline = pinterest(folder.path(), &[]);
    Daemon::start(&pipeline).stop();
    let seconds = crate::median(|| {
        let begun = Instant::now();
        let daemon = Daemon::start(&pipeline);
        http::post_lines(daemon.topics, "geo", ["{\"ind\":1,\"country\":\"Albania\"}"], 1);
        begun.elapsed().as_secs_f64()
    });
    println!("{:<44} {:>12.0} ms", "start to the first accepted post", seconds * 1e3);
}
