//! A TCP proxy that cuts, delays and drips connections at byte positions, in either direction.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;

/// What is passed on at a time.
const PIECE_BYTES: usize = 16 * 1024;

/// A proxy before a server; it ends when it is dropped.
pub struct Proxy {
    addr: SocketAddr,
    plans: Arc<Mutex<VecDeque<Plan>>>,
    _runtime: Runtime,
}

/// What happens to one connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// On the way to the server.
    pub up: Option<Turn>,
    /// On the way back.
    pub down: Option<Turn>,
}

/// What happens once so many bytes have passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    /// The bytes that pass before.
    pub bytes: u64,
    /// What happens then.
    pub act: Act,
}

/// What happens to a stream of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Both sides are reset.
    Cut,
    /// Both sides are closed, as by one who is done.
    Close,
    /// Nothing passes for so many milliseconds.
    Delay(u64),
    /// From here on the bytes pass one by one, with so many milliseconds between them.
    Drip(u64),
}

impl Plan {
    /// A plan drawn from a seed: often none.
    pub fn draw(random: &mut ChaCha8Rng) -> Self {
        let turn = |random: &mut ChaCha8Rng| Turn {
            // A request's head has some 900 bytes, an answer's some 200: most turns are near those.
            bytes: match random.random_range(0..3) {
                0 => random.random_range(0..300),
                1 => random.random_range(300..1_500),
                _ => random.random_range(0..8_000),
            },
            act: match random.random_range(0..6) {
                0..2 => Act::Cut,
                2 => Act::Close,
                3 => Act::Delay(random.random_range(10..900)),
                _ => Act::Drip(random.random_range(1..4)),
            },
        };
        match random.random_range(0..4) {
            0 => Self::default(),
            1 => Self { up: Some(turn(random)), down: None },
            2 => Self { up: None, down: Some(turn(random)) },
            _ => Self { up: Some(turn(random)), down: Some(turn(random)) },
        }
    }

    /// Something happens on the way to the server.
    pub const fn up(bytes: u64, act: Act) -> Self {
        Self { up: Some(Turn { bytes, act }), down: None }
    }

    /// Something happens on the way back.
    pub const fn down(bytes: u64, act: Act) -> Self {
        Self { up: None, down: Some(Turn { bytes, act }) }
    }
}

impl Proxy {
    /// Listens on a free port of loopback, and passes on what comes to `server`: the next connections by these plans, others as
    /// they are.
    pub fn start(server: SocketAddr, plans: impl IntoIterator<Item = Plan>) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port");
        let addr = listener.local_addr().expect("its address");
        let plans: Arc<Mutex<VecDeque<Plan>>> = Arc::new(Mutex::new(plans.into_iter().collect()));
        let waiting = Arc::clone(&plans);
        runtime.spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let plan = waiting.lock().unwrap_or_else(PoisonError::into_inner).pop_front().unwrap_or_default();
                tokio::spawn(pass(client, server, plan));
            }
        });
        Self { addr, plans, _runtime: runtime }
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Plans that no connection has met yet.
    pub fn left(&self) -> usize {
        self.plans.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

/// Passes a connection on until either side ends it.
async fn pass(client: TcpStream, server: SocketAddr, plan: Plan) -> io::Result<()> {
    let server = TcpStream::connect(server).await?;
    for stream in [&client, &server] {
        stream.set_nodelay(true)?;
    }
    let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
    // The halves that are dropped close what is left of the connection.
    tokio::select! {
        ended = stream(from_client, to_server, plan.up) => ended,
        ended = stream(from_server, to_client, plan.down) => ended,
    }
}

async fn stream(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut turn: Option<Turn>) -> io::Result<()> {
    let mut piece = vec![0; PIECE_BYTES];
    let (mut passed, mut drip) = (0, None);
    loop {
        let read = from.read(&mut piece).await?;
        if read == 0 {
            return Ok(());
        }
        let mut rest = &piece[..read];
        if let Some(Turn { bytes, act }) = turn.filter(|turn| passed + rest.len() as u64 >= turn.bytes) {
            turn = None;
            let before = usize::try_from(bytes - passed).expect("within a piece");
            to.write_all(&rest[..before]).await?;
            passed += before as u64;
            rest = &rest[before..];
            match act {
                Act::Cut => {
                    from.as_ref().set_zero_linger()?;
                    return to.as_ref().set_zero_linger();
                }
                Act::Close => return Ok(()),
                Act::Delay(time_ms) => tokio::time::sleep(Duration::from_millis(time_ms)).await,
                Act::Drip(pause_ms) => drip = Some(Duration::from_millis(pause_ms)),
            }
        }
        passed += rest.len() as u64;
        match drip {
            None => to.write_all(rest).await?,
            Some(pause) => {
                for byte in rest {
                    to.write_all(&[*byte]).await?;
                    tokio::time::sleep(pause).await;
                }
            }
        }
    }
}
