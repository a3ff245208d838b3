//! The REST proxy beside batches of v2: single posts, and a v3 stream on one connection.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use tidemill::emulate::population::Population;
use tidemill_tests::daemon::{Daemon, pinterest};
use tidemill_tests::place::Folder;

use crate::door::exchange;

/// The benches of this file.
pub(crate) const BENCHES: [(&str, fn()); 2] = [("rest singles", singles), ("rest stream", stream)];

/// Clients of single posts at one time, each on a connection of its own.
const CLIENTS: usize = 64;
/// Single posts of each.
const POSTS: usize = 300;
/// Records of a stream.
const RECORDS: u64 = 500_000;
/// Bytes of a chunk of a stream.
const CHUNK_BYTES: usize = 64 << 10;

/// Clients post one pin at a time; each waits for its answer, which comes once the record is synced.
fn singles() {
    let folder = Folder::new("bench-singles");
    let daemon = Daemon::start(&pinterest(folder.path(), &[]));
    let mut body = b"{\"records\":[{\"value\":".to_vec();
    Population::new(1_000, 2).pin(7, &mut body);
    body.extend_from_slice(b"}]}");
    let head = format!(
        "POST /topics/pin HTTP/1.1\r\nhost: {}\r\ncontent-type: application/vnd.kafka.json.v2+json\r\ncontent-length: {}\r\n\r\n",
        daemon.topics,
        body.len()
    );
    let request = [head.into_bytes(), body].concat();
    let begun = Instant::now();
    let mut times: Vec<Duration> = std::thread::scope(|scope| {
        let client = || {
            let mut socket = BufReader::new(TcpStream::connect(daemon.topics).expect("the listener"));
            let mut times = Vec::with_capacity(POSTS);
            for _ in 0..POSTS {
                let sent = Instant::now();
                exchange(&mut socket, &request);
                times.push(sent.elapsed());
            }
            times
        };
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(client)).collect();
        clients.into_iter().flat_map(|client| client.join().expect("a client")).collect()
    });
    let seconds = begun.elapsed().as_secs_f64();
    times.sort();
    let (posts, p99) = (times.len(), times[times.len() * 99 / 100]);
    crate::print("durable single posts, 64 clients", posts as u64, (request.len() * posts) as u64, seconds);
    println!("{:<44} {:>12.1} ms", "the slowest of a hundred single posts", p99.as_secs_f64() * 1e3);
}

/// One connection sends records and takes their receipts meanwhile.
fn stream() {
    let folder = Folder::new("bench-stream");
    let daemon = Daemon::start(&pinterest(folder.path(), &[]));
    let records: Vec<String> = (0..1_000)
        .map(|n| format!("{{\"value\":{{\"type\":\"JSON\",\"data\":{{\"ind\":{n},\"category\":\"art\",\"follower_count\":\"12k\"}}}}}}"))
        .collect();
    let bytes: usize = records.iter().map(String::len).sum::<usize>() * (RECORDS as usize / records.len());
    let seconds = crate::median(|| {
        let begun = Instant::now();
        send(daemon.topics, &records);
        begun.elapsed().as_secs_f64()
    });
    crate::print("durable v3 stream, one connection", RECORDS, bytes as u64, seconds);
}

/// Sends them again and again; each has to get a receipt.
fn send(to: SocketAddr, records: &[String]) {
    let mut sender = TcpStream::connect(to).expect("the listener");
    let receiver = sender.try_clone().expect("the socket");
    let head = "POST /v3/clusters/x/topics/pin/records HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
                transfer-encoding: chunked\r\nconnection: close\r\n\r\n";
    std::thread::scope(|scope| {
        let taken = scope.spawn(move || {
            let mut lines = BufReader::with_capacity(1 << 20, receiver);
            let (mut line, mut taken) = (Vec::new(), 0);
            while lines.read_until(b'\n', &mut line).expect("receipts") > 0 {
                taken += u64::from(line.windows(16).any(|part| part == b"\"error_code\":200"));
                line.clear();
            }
            taken
        });
        sender.write_all(head.as_bytes()).expect("it is sent");
        let mut chunk = String::with_capacity(CHUNK_BYTES + 1024);
        for n in 0..RECORDS as usize {
            chunk += &records[n % records.len()];
            if chunk.len() >= CHUNK_BYTES || n + 1 == RECORDS as usize {
                sender.write_all(format!("{:x}\r\n{chunk}\r\n", chunk.len()).as_bytes()).expect("it is sent");
                chunk.clear();
            }
        }
        sender.write_all(b"0\r\n\r\n").expect("it is sent");
        assert_eq!(taken.join().expect("receipts"), RECORDS);
    });
}
