//! The embedded S3 server: on loopback, over plain files, so that a first run needs no account.

mod answers;
mod body;
mod dock;
mod listing;
mod look;
mod operations;
pub(in crate::lake) mod path;
mod store;
#[cfg(test)]
mod tests;
mod uploads;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use s3s::S3;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::{JoinHandle, JoinSet};
use tracing::debug;

pub(super) use self::dock::{Dock, Docked, Part};
pub(super) use self::look::Look;
pub(super) use self::operations::Operations;
use crate::error::{Error, Kind, OrFail, Result, io_kind};

/// The key pair that a client signs with.
#[derive(Clone)]
pub struct Credentials {
    /// The public half.
    pub access_key: String,
    /// The half that is never sent.
    pub secret_key: String,
}

/// What everyone on this machine may know: the server listens on loopback alone.
impl Default for Credentials {
    fn default() -> Self {
        Self { access_key: "tidemill".to_owned(), secret_key: "tidemill".to_owned() }
    }
}

/// The running server. What it has answered is on disk, so dropping it loses nothing.
pub struct Server {
    addr: SocketAddr,
    dock: Option<Dock>,
    stop: watch::Sender<bool>,
    accepting: JoinHandle<()>,
}

impl Server {
    /// Serves the folder `dir` (created where it is not there) on `127.0.0.1:port`; port 0 takes a free one.
    ///
    /// `dir/<bucket>/<key>` are the objects; `dir/.meta` keeps what S3 knows beside their bytes, `dir/.temp` what is not whole.
    pub async fn start(dir: &Path, port: u16, credentials: Credentials) -> Result<Self> {
        let storage = || format!("folder {:?}", dir.display().to_string());
        let root = dir.to_owned();
        let opened = tokio::task::spawn_blocking(move || Operations::open(&root)).await;
        let operations = opened.or_fail(Kind::Internal, storage)?.or_fail(Kind::Storage, storage)?;
        let dock = operations.dock();
        Ok(Self { dock: Some(dock), ..Self::listen(port, credentials, operations).await? })
    }

    /// Answers on `127.0.0.1:port` with what `s3` does.
    pub(super) async fn listen(port: u16, credentials: Credentials, s3: impl S3) -> Result<Self> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let listener = TcpListener::bind(address).await.map_err(|cause| {
            Error::new(io_kind(&cause), format!("embedded S3 on {address}: {cause}")).hint("give [lake] another port")
        })?;
        let addr = listener.local_addr().or_fail(Kind::Internal, || "embedded S3")?;
        let mut service = S3ServiceBuilder::new(s3);
        service.set_auth(SimpleAuth::from_single(credentials.access_key, credentials.secret_key));
        let (stop, stopped) = watch::channel(false);
        let accepting = tokio::spawn(accept(listener, service.build(), stopped));
        Ok(Self { addr, dock: None, stop, accepting })
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Where this process hands it files; none where something stands before its folder.
    pub(super) fn dock(&self) -> Option<Dock> {
        self.dock.clone()
    }

    /// Takes no more requests, and returns when those under way are answered, or have had [`STOP_PATIENCE`].
    pub async fn stop(&mut self) {
        self.stop.send_replace(true);
        if let Err(error) = (&mut self.accepting).await {
            debug!(%error, "embedded S3 ended");
        }
    }
}

/// How many connections are open at most: what others may take of the files that this process can have open.
const CONNECTIONS_MAX: usize = 256;
/// Pauses after a refused accept (no more file descriptors, say), so that it does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// How long requests under way may hold a stop up.
const STOP_PATIENCE: Duration = Duration::from_secs(5);
/// What hyper reads at once; large bodies take large strides.
const READ_BYTES: usize = 512 * 1024;

async fn accept(listener: TcpListener, service: S3Service, mut stopped: watch::Receiver<bool>) {
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = enter(&listener, &room) => accepted,
            () = stop(&mut stopped) => break,
        };
        match accepted {
            Ok((stream, place)) => {
                let served = serve(stream, service.clone(), stopped.clone());
                connections.spawn(async move {
                    served.await;
                    drop(place);
                });
            }
            Err(error) => {
                debug!(%error, "embedded S3 cannot accept");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
        while connections.try_join_next().is_some() {}
    }
    drop(listener);
    let answered = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(STOP_PATIENCE, answered).await.is_err() {
        debug!("embedded S3 left requests unanswered");
    }
}

/// The next connection, once there is room for it; until then it waits where the system keeps it.
async fn enter(listener: &TcpListener, room: &Arc<Semaphore>) -> std::io::Result<(TcpStream, OwnedSemaphorePermit)> {
    let place = Arc::clone(room).acquire_owned().await.map_err(std::io::Error::other)?;
    let (stream, _) = listener.accept().await?;
    Ok((stream, place))
}

async fn serve(stream: TcpStream, service: S3Service, mut stopped: watch::Receiver<bool>) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .max_buf_size(READ_BYTES)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop(&mut stopped) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        debug!(%error, "embedded S3 connection ended");
    }
}

/// Returns when the server is told to stop, or is gone.
async fn stop(stopped: &mut watch::Receiver<bool>) {
    let _ = stopped.wait_for(|stop| *stop).await;
}
