//! A listener: HTTP/1.1 connections with time-outs, a cap on their number, and an end that lets requests finish.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::error::{Error, Result, io_kind};

/// Connections open at one time on one listener; more wait in the system's queue.
const CONNECTIONS_MAX: usize = 1024;
/// The time in which a request's head has to come, and how long a connection may be quiet between requests.
const HEAD_TIME_MAX: Duration = Duration::from_secs(60);
/// Bytes of a request's head.
const HEAD_BYTES_MAX: usize = 64 << 10;
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

    /// Answers with `router` until `end` turns true; then lets the requests under way finish.
    pub async fn serve(self, router: Router, mut end: watch::Receiver<bool>) {
        let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        let mut connections = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                accepted = accept(&self.socket, &room) => accepted,
                () = ended(&mut end) => break,
            };
            let Some((stream, permit)) = accepted else { continue };
            let (router, mut end) = (router.clone(), end.clone());
            connections.spawn(async move {
                let _permit = permit;
                let mut builder = hyper::server::conn::http1::Builder::new();
                builder
                    .timer(TokioTimer::new())
                    .header_read_timeout(HEAD_TIME_MAX)
                    .max_buf_size(HEAD_BYTES_MAX.max(8192));
                let connection = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
                let mut connection = std::pin::pin!(connection);
                // A connection that breaks has told its client so already; there is nobody else to tell.
                tokio::select! {
                    _ = connection.as_mut() => {}
                    () = ended(&mut end) => {
                        connection.as_mut().graceful_shutdown();
                        let _ = tokio::time::timeout(END_TIME_MAX, connection).await;
                    }
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

async fn accept(
    socket: &TcpListener,
    room: &Arc<Semaphore>,
) -> Option<(tokio::net::TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    let permit = Arc::clone(room).acquire_owned().await.ok()?;
    match socket.accept().await {
        Ok((stream, _)) => {
            // Answers are small and written whole: waiting to fill a packet would only add to their latency.
            let _ = stream.set_nodelay(true);
            Some((stream, permit))
        }
        Err(cause) => {
            tracing::warn!(error = %cause, "connection not accepted");
            tokio::time::sleep(ACCEPT_PAUSE).await;
            None
        }
    }
}
