//! How soon single posts are acknowledged at a steady rate, and what memory that takes: `TIDEMILL_STEADY_SECONDS` says for how long.

use std::io::BufReader;
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use tidemill::emulate::population::Population;
use tidemill_tests::daemon::{Daemon, pinterest};
use tidemill_tests::place::Folder;

use crate::door::{self, exchange};

/// The bench of this file.
pub(crate) const BENCHES: [(&str, fn()); 1] = [("steady posts", steady)];

/// Posts of one record that fall due each second.
const RATE: u32 = 2000;
/// Clients at one time, each on a connection of its own.
const CLIENTS: u32 = 32;
/// How much of the time one line of figures is for.
const STRETCH: Duration = Duration::from_secs(60);

/// Posts fall due by the clock, whether or not those before were answered: what waits for its turn counts as slow.
fn steady() {
    let seconds = std::env::var("TIDEMILL_STEADY_SECONDS").ok().map_or(10, |text| text.parse().expect("seconds"));
    let folder = Folder::new("bench-steady");
    let daemon = Daemon::start(&pinterest(folder.path(), &[]));
    let population = Population::new(1_000_000, 3);
    let end = Duration::from_secs(seconds);
    let mut all = Vec::new();
    println!("{RATE} posts of one pin a second, {CLIENTS} connections: ms until they are acknowledged; MB in memory");
    for stretch in (0..).map(|nth| STRETCH * nth).take_while(|from| *from < end) {
        let mut times = posts(daemon.topics, &population, stretch, STRETCH.min(end - stretch));
        let (_, peak) = daemon.used();
        line(&format!("    {:>3} min: ", stretch.as_secs() / 60), &mut times, peak, daemon.memory());
        all.append(&mut times);
    }
    line("    in all: ", &mut all, daemon.used().1, daemon.memory());
}

/// The times until each post of a stretch was acknowledged, from when it was due.
fn posts(to: SocketAddr, population: &Population, from: Duration, length: Duration) -> Vec<Duration> {
    let begun = Instant::now();
    let (first, posts) = (RATE * from.as_secs() as u32, RATE * length.as_secs() as u32);
    std::thread::scope(|scope| {
        let clients = (0..CLIENTS).map(|client| {
            scope.spawn(move || {
                let mut socket = BufReader::new(TcpStream::connect(to).expect("the listener"));
                let due = (client..posts).step_by(CLIENTS as usize);
                let took = due.map(|nth| {
                    let request = door::request(to, population, u64::from(first + nth), 1);
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
    })
}

fn line(what: &str, times: &mut [Duration], peak: u64, now: u64) {
    times.sort_unstable();
    let at = |part: f64| times[((times.len() - 1) as f64 * part) as usize].as_secs_f64() * 1e3;
    println!(
        "{what}{} posts, half {:.1}, p99 {:.1}, p99.9 {:.1}, slowest {:.0}; {now} MB, {peak} MB at most",
        times.len(),
        at(0.5),
        at(0.99),
        at(0.999),
        at(1.0)
    );
}
