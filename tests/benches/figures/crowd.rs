//! What busy clients notice of a crowd on the same listener: connections that say nothing, and such as drip a body.

use std::io::{BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tidemill::emulate::population::Population;
use tidemill_tests::daemon::{Daemon, pinterest};
use tidemill_tests::place::Folder;

use crate::door::{self, exchange};

/// The bench of this file.
pub(crate) const BENCHES: [(&str, fn()); 1] = [("crowd of connections", crowd)];

const IDLE: usize = 1000;
const SLOW: usize = 100;
const BUSY: u32 = 200;
/// Posts of one record that fall due each second, over all that are busy.
const RATE: u32 = 2000;
/// How long they are measured each time.
const TIME: Duration = Duration::from_secs(6);
/// How often, without the crowd and with it in turns.
const TURNS: usize = 5;
/// A slow one sends a byte so often.
const DRIP: Duration = Duration::from_millis(100);

fn crowd() {
    let folder = Folder::new("bench-crowd");
    let limits = "[listen.limits]\nconnections = 2000\nconnections_per_address = 2000\n\n[ingest]\n";
    let daemon = Daemon::start(&pinterest(folder.path(), &[("[ingest]\n", limits)]));
    let population = Population::new(1_000_000, 3);
    println!(
        "{BUSY} connections with {RATE} posts of one pin a second, alone and beside {IDLE} idle and {SLOW} slow ones"
    );
    busy(daemon.topics, &population);
    let mut p99s = [Vec::new(), Vec::new()];
    for _ in 0..TURNS {
        p99s[0].push(busy(daemon.topics, &population));
        let (here, end) = (AtomicUsize::new(0), AtomicBool::new(false));
        let beside = std::thread::scope(|scope| {
            scope.spawn(|| besiege(daemon.topics, &here, &end));
            while here.load(Ordering::Relaxed) < IDLE + SLOW {
                std::thread::sleep(Duration::from_millis(10));
            }
            let took = busy(daemon.topics, &population);
            end.store(true, Ordering::Relaxed);
            took
        });
        p99s[1].push(beside);
    }
    let [alone, beside] = p99s.map(|mut p99s| {
        p99s.sort_unstable();
        p99s[TURNS / 2].as_secs_f64() * 1e3
    });
    let (memory, peak) = (daemon.memory(), daemon.used().1);
    println!(
        "    p99 {alone:.1} ms alone, {beside:.1} ms beside them: {:.2} times; {memory} MB, {peak} MB at most",
        beside / alone
    );
}

/// The 99th percentile of the time from when a post was due until it was acknowledged.
fn busy(to: SocketAddr, population: &Population) -> Duration {
    let begun = Instant::now() + Duration::from_millis(100);
    let posts = RATE * TIME.as_secs() as u32;
    let mut times: Vec<Duration> = std::thread::scope(|scope| {
        let clients = (0..BUSY).map(|client| {
            scope.spawn(move || {
                let mut socket = BufReader::new(TcpStream::connect(to).expect("the listener"));
                let due = (client..posts).step_by(BUSY as usize);
                let took = due.map(|nth| {
                    let request = door::request(to, population, u64::from(nth), 1);
                    let due = begun + Duration::from_secs(1) * nth / RATE;
                    std::thread::sleep(due.saturating_duration_since(Instant::now()));
                    exchange(&mut socket, &request);
                    due.elapsed()
                });
                took.collect::<Vec<_>>()
            })
        });
        let clients: Vec<_> = clients.collect();
        clients.into_iter().flat_map(|client| client.join().expect("every post was taken")).collect()
    });
    times.sort_unstable();
    times[times.len() * 99 / 100]
}

/// Holds the crowd's connections until the end; those that were closed, as the listener closes who says nothing, are opened again.
fn besiege(to: SocketAddr, here: &AtomicUsize, end: &AtomicBool) {
    let head = "POST /topics/pin HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/vnd.kafka.json.v2+json\r\ncontent-length: 60000\r\n\r\n";
    let open = |slow: bool| {
        let mut socket = TcpStream::connect(to).expect("the listener");
        if slow {
            socket.write_all(head.as_bytes()).expect("its head");
        }
        socket.set_nonblocking(true).expect("a socket");
        socket
    };
    let mut sockets: Vec<TcpStream> = (0..IDLE + SLOW).map(|nth| open(nth < SLOW)).collect();
    here.store(sockets.len(), Ordering::Relaxed);
    while !end.load(Ordering::Relaxed) {
        for (nth, socket) in sockets.iter_mut().enumerate() {
            let dripped = nth >= SLOW || socket.write(b"{").is_ok();
            if !dripped || socket.peek(&mut [0; 1]).is_ok() {
                *socket = open(nth < SLOW);
            }
        }
        std::thread::sleep(DRIP);
    }
}
