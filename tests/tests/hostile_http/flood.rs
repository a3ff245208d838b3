//! Crowds of bad clients, while good ones go on as if they were alone.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tidemill_tests::http;

use crate::Siege;
use crate::corpus::{GOOD, JSON};

/// Connections that a crowd holds, where the listener has room for a third.
const CROWD: usize = 300;
/// The same, where the listener has room for two fifths.
const SMALL_CROWD: usize = 100;
/// Requests of the good client.
const REQUESTS: usize = 150;
/// The slowest of a hundred, however busy the machine is that tests run on.
const P99_MAX: Duration = Duration::from_secs(2);

/// What each of the crowd says first, and then again and again.
struct Crowd {
    name: &'static str,
    first: String,
    then: &'static str,
}

fn crowds() -> Vec<Crowd> {
    let head = |length: usize| {
        format!("POST /topics/thing HTTP/1.1\r\nhost: localhost\r\n{JSON}\r\ncontent-length: {length}\r\n\r\n")
    };
    vec![
        Crowd { name: "silent connections", first: String::new(), then: "" },
        Crowd { name: "slow heads", first: "GET /topics HTTP/1.1\r\nx: ".into(), then: "y" },
        Crowd { name: "slow bodies", first: head(60_000), then: "{" },
        Crowd { name: "bodies that never come", first: head(60_000), then: "" },
        Crowd {
            name: "answers that nobody reads",
            first: "GET /topics HTTP/1.1\r\nhost: localhost\r\n\r\n".repeat(20),
            then: "GET /topics HTTP/1.1\r\nhost: localhost\r\n\r\n",
        },
    ]
}

impl Crowd {
    /// Holds its connections, opens those again that were closed, and counts all that it has opened.
    fn besiege(&self, to: SocketAddr, size: usize, opened: &AtomicU64, end: &AtomicBool) {
        let mut sockets = Vec::new();
        while !end.load(Ordering::Relaxed) {
            while sockets.len() < size && !end.load(Ordering::Relaxed) {
                let Ok(mut socket) = TcpStream::connect(to) else { break };
                socket.set_nonblocking(true).expect("a socket");
                let _ = socket.write(self.first.as_bytes());
                sockets.push(socket);
                opened.fetch_add(1, Ordering::Relaxed);
            }
            sockets.retain_mut(|socket| match socket.write(self.then.as_bytes()) {
                Ok(_) => !closed(socket),
                Err(cause) => cause.kind() == std::io::ErrorKind::WouldBlock,
            });
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }
}

fn closed(socket: &TcpStream) -> bool {
    matches!(socket.peek(&mut [0; 1]), Ok(0)) || matches!(socket.take_error(), Ok(Some(_)))
}

/// Posts one after the other, each on a connection of its own; the times that they took, the shortest first.
fn good(to: SocketAddr) -> (Vec<Duration>, usize) {
    let (mut times, mut again) = (Vec::new(), 0);
    while times.len() < REQUESTS {
        let begun = Instant::now();
        match http::post(to, "thing", GOOD).status {
            200 => times.push(begun.elapsed()),
            // It was the one that had waited longest, which a machine that is busy with other things can bring about.
            0 => again += 1,
            other => panic!("a good client got {other}"),
        }
        assert!(again < REQUESTS / 10, "good clients are put out");
    }
    times.sort();
    (times, again)
}

fn p99(times: &[Duration]) -> Duration {
    times[times.len() * 99 / 100]
}

#[test]
fn good_clients_go_on_beside_crowds() {
    let mut siege = Siege::begin("flood", "connections = 100");
    let to = siege.daemon.topics;
    let (alone, _) = good(to);
    println!("alone: p50 {:?}, p99 {:?}", alone[alone.len() / 2], p99(&alone));
    for crowd in crowds() {
        let (opened, end, before) = (AtomicU64::new(0), AtomicBool::new(false), siege.kept());
        let (times, again) = std::thread::scope(|scope| {
            scope.spawn(|| crowd.besiege(to, CROWD, &opened, &end));
            while opened.load(Ordering::Relaxed) < CROWD as u64 {
                std::thread::yield_now();
            }
            let good = good(to);
            end.store(true, Ordering::Relaxed);
            good
        });
        let (p50, p99) = (times[times.len() / 2], p99(&times));
        println!("{}: {} connections; p50 {p50:?}, p99 {p99:?}, {again} put out", crowd.name, opened.into_inner());
        assert!(p99 < P99_MAX, "{}: {p99:?}", crowd.name);
        let kept = siege.kept() - before;
        // One that was put out may have been kept before it heard of it.
        assert!((REQUESTS..=REQUESTS + again).contains(&(kept as usize)), "{}: {kept} kept", crowd.name);
        siege.holds(crowd.name);
    }
    siege.end();
}

#[test]
fn crowds_leave_the_pipeline_the_files_that_it_needs() {
    // Fewer than the connections of one listener, of which it may have 1,024.
    let mut siege = Siege::of_few_files("flood-files", 520);
    let doors = [siege.daemon.topics, siege.daemon.admin];
    let status = siege.daemon.status();
    let limits =
        status["doors"].as_array().expect("doors").iter().filter_map(|door| door["limits"]["connections"].as_u64());
    let limits: Vec<u64> = limits.collect();
    assert!(!limits.is_empty() && limits.iter().all(|limit| (8..250).contains(limit)), "{limits:?}");
    let (opened, end, before) = (AtomicU64::new(0), AtomicBool::new(false), siege.kept());
    let silent = &crowds()[0];
    let again = std::thread::scope(|scope| {
        let (opened, end) = (&opened, &end);
        doors.into_iter().for_each(|door| drop(scope.spawn(move || silent.besiege(door, SMALL_CROWD, opened, end))));
        while opened.load(Ordering::Relaxed) < 2 * SMALL_CROWD as u64 {
            std::thread::yield_now();
        }
        let (_, again) = good(doors[0]);
        end.store(true, Ordering::Relaxed);
        again
    });
    let kept = siege.kept() - before;
    assert!((REQUESTS..=REQUESTS + again).contains(&(kept as usize)), "{kept} kept");
    siege.holds("crowds at two doors");
    siege.end();
}

#[test]
fn one_address_does_not_take_all_the_places() {
    let siege = Siege::begin("flood-address", "connections_per_address = 5");
    let (to, other) = (siege.daemon.topics, [127, 0, 0, 2].into());
    let get = b"GET /topics HTTP/1.1\r\nhost: localhost\r\n";
    // Half a request each, so that they stay.
    let mut held: Vec<TcpStream> = (0..5).map(|_| http::connect_from(other, to).expect("a connection")).collect();
    held.iter_mut().for_each(|socket| socket.write_all(get).expect("it is sent"));
    let asked = |from: [u8; 4]| {
        let mut socket = http::connect_from(from.into(), to).expect("the system connects");
        let _ = socket.write_all(&[&get[..], b"connection: close\r\n\r\n"].concat());
        http::answer(socket).status
    };
    assert_eq!(asked([127, 0, 0, 2]), 0, "a sixth is closed");
    assert_eq!(asked([127, 0, 0, 3]), 200, "another address has places of its own");
    // The machine's own address stands for all programs on it.
    let own: Vec<TcpStream> = (0..20).map(|_| TcpStream::connect(to).expect("a connection")).collect();
    assert_eq!(asked([127, 0, 0, 1]), 200);
    drop((held, own));
    let end = Instant::now() + Duration::from_secs(60);
    while asked([127, 0, 0, 2]) != 200 {
        assert!(Instant::now() < end, "places that were given back are there again");
    }
    siege.end();
}

#[test]
fn bodies_that_do_not_come_take_no_room_from_others() {
    // Room for four bodies at their largest: a promise of a hundred of them takes none of it.
    let mut siege = Siege::begin("flood-room", "");
    let head =
        format!("POST /topics/thing HTTP/1.1\r\nhost: localhost\r\n{JSON}\r\ntransfer-encoding: chunked\r\n\r\n");
    let mut held: Vec<TcpStream> =
        (0..100).map(|_| TcpStream::connect(siege.daemon.topics).expect("a connection")).collect();
    held.iter_mut().for_each(|socket| socket.write_all(head.as_bytes()).expect("it is sent"));
    siege.holds("a hundred bodies that do not come");
    drop(held);
    siege.end();
}

/// Posts until it is refused; how many were acknowledged.
fn post_until_the_end(to: SocketAddr, acknowledged: &AtomicU64) {
    while http::post(to, "thing", GOOD).status == 200 {
        acknowledged.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn an_end_under_load_loses_nothing_that_was_acknowledged() {
    /// Requests have 10 s to end, the outbox as much again.
    const DEADLINE: Duration = Duration::from_secs(25);
    let mut siege = Siege::begin("flood-end", "");
    let mut slowest = Duration::ZERO;
    for _ in 0..3 {
        let (to, before) = (siege.daemon.topics, siege.kept());
        let acknowledged = AtomicU64::new(0);
        let held = TcpStream::connect(to).expect("a connection that says nothing");
        let asked = std::thread::scope(|scope| {
            (0..8).for_each(|_| drop(scope.spawn(|| post_until_the_end(to, &acknowledged))));
            while acknowledged.load(Ordering::Relaxed) < 200 {
                std::thread::yield_now();
            }
            siege.daemon.ask_to_end();
            Instant::now()
        });
        let Siege { house, daemon, files, memory_mb } = siege;
        daemon.ended();
        let took = asked.elapsed();
        assert!(took < DEADLINE, "{took:?}");
        slowest = slowest.max(took);
        drop(held);
        let daemon = tidemill_tests::daemon::Daemon::start_with_log(&house.pipeline);
        siege = Siege { house, daemon, files, memory_mb };
        let (kept, acknowledged) = (siege.kept() - before, acknowledged.into_inner());
        // A request whose connection closed may have been kept: at most one of each client.
        assert!((acknowledged..=acknowledged + 8).contains(&kept), "{kept} kept, {acknowledged} acknowledged");
    }
    println!("the slowest end took {slowest:?}");
    siege.end();
}
