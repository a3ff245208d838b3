//! gzip, both ways.

use std::io::{Read, Write};
use std::net::TcpStream;

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use tidemill_tests::http;
use tidemill_tests::place::Folder;

use crate::start;

fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::best());
    packer.write_all(bytes).expect("it is packed");
    packer.finish().expect("it is packed")
}

#[test]
fn packed_bodies_and_answers() {
    let folder = Folder::new("rest-packed");
    let daemon = start(&folder, "[ingest]\nbody = \"1MiB\"\ninflight = \"4MiB\"\n");
    let to = daemon.topics;
    let headers = [("content-type", "application/vnd.kafka.json.v2+json"), ("content-encoding", "gzip")];
    let post = |body: &[u8]| http::request(to, "POST", "/topics/one", &headers, body);
    let good = packed(br#"{"records":[{"value":1},{"value":2}]}"#);
    assert_eq!(post(&good).status, 200);
    let large = format!("{{\"records\":[{{\"value\":\"{}\"}}]}}", "x".repeat(900 << 10));
    assert_eq!(post(&packed(large.as_bytes())).status, 200, "within the bound once it is unpacked");
    // A thousandth of what it becomes.
    let bomb = packed(&vec![b' '; 64 << 20]);
    assert!(bomb.len() < 128 << 10);
    assert_eq!(post(&bomb).status, 413);
    assert_eq!(post(&good[..good.len() - 4]).status, 400, "it is cut short");
    assert_eq!(post(&[good.clone(), packed(b" ")].concat()).status, 200, "in two members");
    let (_, memory) = daemon.used();
    assert!(memory < 250, "{memory} MB");
    let offsets = http::get(to, "/topics/one/partitions/0/offsets").json();
    assert_eq!(offsets, json!({"beginning_offset": 0, "end_offset": 5}));
    let mut socket = TcpStream::connect(to).expect("the listener");
    let request =
        "GET /topics HTTP/1.1\r\nhost: localhost\r\naccept-encoding: gzip, deflate\r\nconnection: close\r\n\r\n";
    socket.write_all(request.as_bytes()).expect("it is sent");
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).expect("an answer");
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("its head") + 4;
    let head = String::from_utf8_lossy(&answer[..end]).to_ascii_lowercase();
    assert!(head.contains("content-encoding: gzip") && head.contains("vary: accept-encoding"), "{head}");
    let names: Value = serde_json::from_reader(GzDecoder::new(&answer[end..])).expect("JSON in gzip");
    assert_eq!(names, json!(["many", "one", "small", "two"]));
    daemon.stop();
}
