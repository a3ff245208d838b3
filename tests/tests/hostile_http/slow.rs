//! Clients that are slow at each step: each is given the time for it, and no more.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use tidemill_tests::http;

use crate::Siege;
use crate::corpus::{GOOD, JSON};

/// What each client is given here.
const TIME: Duration = Duration::from_millis(300);
/// More than any of them takes, however busy the machine is.
const LONG: Duration = Duration::from_secs(60);

fn open(siege: &Siege) -> TcpStream {
    let socket = TcpStream::connect(siege.daemon.topics).expect("the listener");
    socket.set_read_timeout(Some(LONG)).expect("a time-out");
    socket.set_write_timeout(Some(LONG)).expect("a time-out");
    socket
}

/// The server ends this connection, after the time and with this in its answer.
fn ends(mut socket: TcpStream, begun: Instant, step: &str, words: &str) {
    let mut answer = Vec::new();
    let _ = socket.read_to_end(&mut answer);
    let (answer, took) = (String::from_utf8_lossy(&answer).into_owned(), begun.elapsed());
    assert!(answer.contains(words) && (words.is_empty() == answer.is_empty()), "{step}, {words:?}: {answer:?}");
    assert!(took >= TIME * 9 / 10 && took < LONG, "{step}, {words:?}: {took:?}: {answer:?}");
}

#[test]
fn each_step_has_its_time() {
    let only = |key: &str| format!("{key} = \"300ms\"");
    let head =
        format!("POST /topics/thing HTTP/1.1\r\nhost: localhost\r\n{JSON}\r\ncontent-length: {}\r\n\r\n", GOOD.len());
    let check = |key: &str, before: &str, drip: &str, words: &str| {
        let mut siege = Siege::begin(&format!("slow-{key}"), &only(key));
        let mut socket = open(&siege);
        socket.write_all(before.as_bytes()).expect("it is sent");
        let begun = Instant::now();
        // A byte now and then, until the server has enough of it.
        let mut dripping = socket.try_clone().expect("the same connection");
        let drip = drip.to_owned();
        let dripper = std::thread::spawn(move || {
            for byte in drip.bytes() {
                std::thread::park_timeout(TIME / 10);
                if dripping.write_all(&[byte]).is_err() {
                    break;
                }
            }
        });
        ends(socket, begun, key, words);
        dripper.join().expect("it ends");
        siege.holds(key);
    };
    check("head_time", "", "", "");
    check("head_time", "GET /top", "", "");
    check("head_time", "", &"GET /topics HTTP/1.1\r\nx: y\r\n".repeat(5), "");
    check("body_pause", &head, "", "408 Request Timeout");
    check("body_pause", &format!("{head}{}", &GOOD[..10]), "", "408 Request Timeout");
    check("body_time", &head, &GOOD[..GOOD.len() - 1], "408 Request Timeout");
    check("idle_time", "GET /topics HTTP/1.1\r\nhost: localhost\r\n\r\n", "", "200 OK");
}

#[test]
fn a_body_that_comes_slowly_and_in_time_is_taken() {
    let siege = Siege::begin("slow-patient", "body_pause = \"10s\"");
    let mut socket = open(&siege);
    let request = crate::corpus::post(&[], GOOD.as_bytes());
    for byte in request {
        socket.write_all(&[byte]).expect("it is sent");
    }
    assert_eq!(http::answer(socket).status, 200);
    siege.end();
}

#[test]
fn an_answer_that_nobody_reads_is_given_up() {
    let mut siege = Siege::begin("slow-reader", "answer_pause = \"300ms\"");
    let mut socket = open(&siege);
    let requests = "GET /topics HTTP/1.1\r\nhost: localhost\r\n\r\n".repeat(1_000);
    let begun = Instant::now();
    // The answers fill what lies between, then the server waits, then it has enough.
    while socket.write_all(requests.as_bytes()).is_ok() {
        assert!(begun.elapsed() < LONG, "it goes on");
    }
    siege.holds("answers that nobody reads");
    siege.end();
}

#[test]
fn a_process_that_stood_still_answers_what_came_meanwhile() {
    let siege = Siege::begin("slow-stopped", "head_time = \"300ms\"\nbody_pause = \"300ms\"\nidle_time = \"300ms\"");
    let request = crate::corpus::post(&[], GOOD.as_bytes());
    let mut sockets: Vec<TcpStream> = (0..3).map(|_| open(&siege)).collect();
    siege.daemon.signal("STOP");
    let state = || std::fs::read_to_string(format!("/proc/{}/stat", siege.daemon.pid())).expect("its state");
    while !state().contains(") T ") {
        std::thread::yield_now();
    }
    let stopped = Instant::now();
    sockets.iter_mut().for_each(|socket| socket.write_all(&request).expect("the system takes it"));
    while stopped.elapsed() < 3 * TIME {
        std::thread::park_timeout(TIME);
    }
    siege.daemon.signal("CONT");
    for socket in sockets {
        let answer = http::answer(socket);
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    siege.end();
}
