//! An HTTP proxy that lets requests through and loses answers, as a network that breaks at the wrong moment.

use std::collections::HashSet;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A proxy that lets each request through, and loses the answer to about one in `share` when it is first sent.
pub struct Forgetful {
    /// Where it listens.
    pub addr: SocketAddr,
    lost: Arc<AtomicU64>,
}

/// What the proxy's connections share: what was sent, and the coin.
struct Seen(Mutex<(HashSet<Vec<u8>>, ChaCha8Rng)>);

impl Forgetful {
    /// Starts one in front of a server on loopback.
    pub fn start(to: SocketAddr, share: u32) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let (addr, lost) = (listener.local_addr().expect("its address"), Arc::new(AtomicU64::new(0)));
        let seen = Arc::new(Seen(Mutex::new((HashSet::new(), ChaCha8Rng::seed_from_u64(3)))));
        let counted = Arc::clone(&lost);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (seen, counted) = (Arc::clone(&seen), Arc::clone(&counted));
                thread::spawn(move || {
                    let server = TcpStream::connect(to).expect("the server");
                    let (mut from, mut back) = (BufReader::new(&client), BufReader::new(&server));
                    while let Some(request) = whole(&mut from) {
                        (&server).write_all(&request).expect("the request goes through");
                        let answer = whole(&mut back).expect("an answer");
                        if seen.loses(request, share) {
                            counted.fetch_add(1, Ordering::Relaxed);
                            return;
                        }
                        if (&client).write_all(&answer).is_err() {
                            return;
                        }
                    }
                });
            }
        });
        Self { addr, lost }
    }

    /// How many answers it has lost.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }
}

impl Seen {
    fn loses(&self, request: Vec<u8>, share: u32) -> bool {
        let (seen, random) = &mut *self.0.lock().expect("no thread has failed");
        seen.insert(request) && random.random_range(0..share) == 0
    }
}

/// A request or an answer, whose head says how long its body is; none when the other side has closed.
fn whole(from: &mut impl BufRead) -> Option<Vec<u8>> {
    let (mut bytes, mut length) = (Vec::new(), 0);
    loop {
        let start = bytes.len();
        if from.read_until(b'\n', &mut bytes).ok()? == 0 {
            return None;
        }
        let line = String::from_utf8_lossy(&bytes[start..]).to_ascii_lowercase();
        if let Some(said) = line.strip_prefix("content-length:") {
            length = said.trim().parse().expect("a length");
        }
        if line == "\r\n" {
            break;
        }
    }
    let head = bytes.len();
    bytes.resize(head + length, 0);
    from.read_exact(&mut bytes[head..]).ok()?;
    Some(bytes)
}
