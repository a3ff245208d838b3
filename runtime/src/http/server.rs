//! A listener: HTTP/1.1 connections with time-outs, caps on their number, and an end that lets requests finish.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::connection::{Line, Timed, within};
use super::crowd::{Crowd, Place};
use super::guard::Guard;
use crate::config::plan::ListenLimits;
use crate::error::{Error, Result, io_kind};

/// How many headers hyper keeps room for without being told.
const HEADERS_USUAL: usize = 100;
/// Bytes that are read at once, at least.
const READ_BYTES: usize = 64 << 10;
/// How long requests that are being answered may take after the end was asked for.
const END_TIME_MAX: Duration = Duration::from_secs(10);
/// How long accepting rests after it failed, as it does when file descriptors have run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A listener that is bound and not yet answering.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    addr: SocketAddr,
}

/// Whom a request comes from; each has it among its extensions.
#[derive(Clone)]
pub(super) struct Peer {
    /// The client's address.
    pub(super) address: IpAddr,
    /// Its connection.
    pub(super) line: Arc<Line>,
}

impl Listener {
    /// Binds `addr`; `key` is where the pipeline file says so.
    pub async fn bind(addr: SocketAddr, key: &str) -> Result<Self> {
        let refused = |cause: std::io::Error| {
            let error = Error::new(io_kind(&cause), format!("listener {key} on {addr}: {cause}"));
            match cause.kind() {
                std::io::ErrorKind::AddrInUse => error.hint(format!(
                    "stop the program that listens on port {}, or change {key} in the pipeline file",
                    addr.port()
                )),
                _ => error,
            }
        };
        let socket = TcpListener::bind(addr).await.map_err(refused)?;
        let addr = socket.local_addr().map_err(refused)?;
        Ok(Self { socket, addr })
    }

    /// Where it listens, with the port that it got.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Answers with `router` whom `guard` lets in until `end` turns true; then lets the requests under way finish.
    pub async fn serve(self, router: Router, guard: Arc<Guard>, mut end: watch::Receiver<bool>) {
        let crowd = Crowd::new(guard.limits());
        let mut connections = JoinSet::new();
        loop {
            let entered = tokio::select! {
                entered = enter(&self.socket, &crowd) => entered,
                () = ended(&mut end) => break,
            };
            let Some((stream, peer, place)) = entered else { continue };
            let (router, guard, end) = (router.clone(), Arc::clone(&guard), end.clone());
            connections.spawn(async move {
                let talk = talk(stream, peer, router, &guard, end);
                tokio::select! {
                    () = talk => {}
                    () = place.line.overdue(guard.limits()) => {}
                    () = place.line.closed() => {}
                }
            });
            while connections.try_join_next().is_some() {}
        }
        drop(self.socket);
        while connections.join_next().await.is_some() {}
    }
}

/// Returns when the end was asked for, or nobody is left who could ask.
async fn ended(end: &mut watch::Receiver<bool>) {
    let _ = end.wait_for(|end| *end).await;
}

async fn enter(socket: &TcpListener, crowd: &Arc<Crowd>) -> Option<(TcpStream, Peer, Place)> {
    let (stream, from) = match socket.accept().await {
        Ok(accepted) => accepted,
        Err(cause) => {
            tracing::warn!(error = %cause, "connection not accepted");
            tokio::time::sleep(ACCEPT_PAUSE).await;
            return None;
        }
    };
    let place = crowd.enter(from.ip()).await?;
    // Answers are small and written whole: waiting to fill a packet would only add to their latency.
    let _ = stream.set_nodelay(true);
    let peer = Peer { address: from.ip().to_canonical(), line: Arc::clone(&place.line) };
    Some((stream, peer, place))
}

/// A connection from its first byte to its last, encrypted where it has to be.
async fn talk(stream: TcpStream, peer: Peer, router: Router, guard: &Guard, mut end: watch::Receiver<bool>) {
    let Some(tls) = guard.tls() else {
        return converse(stream, peer, router, guard.limits(), end).await;
    };
    peer.line.body();
    let shaken = tokio::select! {
        shaken = within(guard.limits().handshake_time_max, tls.accept(stream)) => shaken,
        () = ended(&mut end) => None,
    };
    // A client that does not speak TLS gets no answer: it could not tell it from another's.
    if let Some(Ok(stream)) = shaken {
        peer.line.head();
        converse(stream, peer, router, guard.limits(), end).await;
    }
}

/// Requests and answers, one after the other.
async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    peer: Peer,
    router: Router,
    limits: &ListenLimits,
    mut end: watch::Receiver<bool>,
) {
    let mut builder = hyper::server::conn::http1::Builder::new();
    // A head's time is told by its line, which knows it from a pause between requests.
    builder.timer(TokioTimer::new()).header_read_timeout(None);
    builder.max_header_size(limits.head_bytes_max).max_buf_size(limits.head_bytes_max.max(READ_BYTES));
    if limits.headers_max != HEADERS_USUAL {
        builder.max_headers(limits.headers_max);
    }
    let line = Arc::clone(&peer.line);
    let routes = TowerToHyperService::new(router);
    let service = service_fn(|mut request: hyper::Request<Incoming>| {
        line.work();
        request.extensions_mut().insert(peer.clone());
        let (answer, line) = (routes.call(request.map(Body::new)), Arc::clone(&line));
        async move {
            let answer = answer.await;
            line.answer();
            answer
        }
    });
    let connection = builder.serve_connection(TokioIo::new(Timed::new(stream, &line, limits)), service);
    let mut connection = std::pin::pin!(connection);
    // A connection that breaks has told its client so already; there is nobody else to tell.
    tokio::select! {
        _ = connection.as_mut() => {}
        () = ended(&mut end) => {
            line.end();
            connection.as_mut().graceful_shutdown();
            let _ = tokio::time::timeout(END_TIME_MAX, connection).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use axum::routing::get;

    use super::*;
    use crate::config::plan::Listen;
    use crate::time::Clock;

    /// What a server answers to a GET; nothing where it only closes.
    fn ask(at: SocketAddr, path: &str) -> String {
        let mut socket = std::net::TcpStream::connect(at).unwrap();
        write!(socket, "GET {path} HTTP/1.1\r\nhost: {at}\r\nconnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        // A connection that is cut off is an answer too.
        let _ = socket.read_to_string(&mut answer);
        answer
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_route_that_panics_ends_its_connection_alone() {
        let listener = Listener::bind("127.0.0.1:0".parse().unwrap(), "listen.topics").await.unwrap();
        let at = listener.addr();
        let (go, gone) = watch::channel(false);
        let slow = move || {
            let mut gone = gone.clone();
            async move {
                let _ = gone.wait_for(|gone| *gone).await;
                "late"
            }
        };
        let router = Router::new()
            .route("/bad", get(async || -> &'static str { panic!("on purpose") }))
            .route("/good", get(async || "well"))
            .route("/slow", get(slow));
        let listen = {
            let any = ([127, 0, 0, 1], 0).into();
            let limits = ListenLimits::default();
            Listen { topics: any, admin: any, hosts: Vec::new(), keys: None, tls: None, limits }
        };
        let guard = Guard::new(&listen, Arc::new(Clock::System)).unwrap();
        let (end, ends) = watch::channel(false);
        let served = tokio::spawn(listener.serve(router, guard, ends));
        let ask = |path: &'static str| tokio::task::spawn_blocking(move || ask(at, path));
        let waiting = ask("/slow");
        for _ in 0..20 {
            assert_eq!(ask("/bad").await.unwrap(), "");
            assert!(ask("/good").await.unwrap().ends_with("\r\n\r\nwell"));
        }
        go.send(true).unwrap();
        assert!(waiting.await.unwrap().ends_with("\r\n\r\nlate"), "who was answered meanwhile is answered");
        end.send(true).unwrap();
        served.await.unwrap();
    }
}
