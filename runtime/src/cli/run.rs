//! `tidemill run`: a pipeline until ctrl-c.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::Ended;
use crate::config::plan::Pipeline;
use crate::error::{Error, Kind, OrFail, Result};
use crate::http::{self, Listener};
use crate::reload::Watch;
use crate::runtime::{Options, Runtime};
use crate::time::Clock;

/// How often it is looked whether the process has to end.
const LOOK_TIME: Duration = Duration::from_millis(500);
/// How often topics are trimmed.
const RETAIN_TIME: Duration = Duration::from_secs(60);

/// Run a pipeline until ctrl-c.
#[derive(Debug, Args)]
pub(super) struct Run {
    /// The pipeline file.
    pipeline: PathBuf,
    /// Keep everything in this folder instead of the one that the file names.
    #[arg(long)]
    data: Option<PathBuf>,
    /// Begin with the files' components although fields of a table go or become others; what SQLite has of those begins anew.
    #[arg(long)]
    accept_breaking: bool,
}

/// A pipeline that runs and answers, until it is ended.
pub(super) struct Running {
    pub(super) runtime: Arc<Runtime>,
    /// Where the REST proxy listens.
    pub(super) topics: std::net::SocketAddr,
    /// Where the operator asks.
    pub(super) admin: std::net::SocketAddr,
    end: watch::Sender<bool>,
    listeners: [JoinHandle<()>; 2],
    _watch: Watch,
}

impl Run {
    pub(super) fn run(self) -> Result<Ended> {
        super::log_to_stderr("info");
        let pipeline = super::pipeline(&self.pipeline, self.data)?;
        super::tokio_runtime()?.block_on(async {
            let options = Options { accept_breaking: self.accept_breaking };
            let running = Running::start(pipeline, options).await?;
            // Before the first word: who reads it may ask for the end at once.
            let asked = Asked::listen()?;
            println!("pipeline {:?} is running; ctrl-c ends it", running.runtime.pipeline().name);
            println!("  post to   http://{}/topics/<topic>", running.topics);
            println!("  admin     http://{}/status", running.admin);
            if let Some(lake) = running.runtime.lake_addr() {
                println!(
                    "  lake      http://{lake}/{} (key and secret: tidemill)",
                    running.runtime.pipeline().lake.bucket
                );
            }
            let ended = running.watch_over(asked).await;
            let runtime = Arc::clone(&running.runtime);
            running.end().await;
            // A sync may have failed on the way to the end.
            runtime.unsynced().map_or(ended, Err)?;
            // Nobody may be left to read it.
            let _ = writeln!(std::io::stdout(), "pipeline ended; all that was taken is committed or in the topics");
            Ok(Ended::Well)
        })
    }
}

/// The two signals that ask for the end; from [`Asked::listen`] on neither kills.
struct Asked {
    interrupt: Signal,
    terminate: Signal,
}

impl Asked {
    fn listen() -> Result<Self> {
        let listen = |kind| signal(kind).or_fail(Kind::Internal, || "signal handler");
        Ok(Self { interrupt: listen(SignalKind::interrupt())?, terminate: listen(SignalKind::terminate())? })
    }
}

impl Running {
    /// Binds the listeners first, so that an occupied port is said before anything is touched.
    pub(super) async fn start(pipeline: Pipeline, options: Options) -> Result<Self> {
        let topics = Listener::bind(pipeline.listen.topics, "listen.topics").await?;
        let admin = Listener::bind(pipeline.listen.admin, "listen.admin").await?;
        let (topics_at, admin_at) = (topics.addr(), admin.addr());
        let runtime = Runtime::start(pipeline, options, Arc::new(Clock::System)).await?;
        let (end, ends) = watch::channel(false);
        let listeners = [
            tokio::spawn(topics.serve(http::topics(Arc::clone(&runtime)), ends.clone())),
            tokio::spawn(admin.serve(http::admin(Arc::clone(&runtime)), ends)),
        ];
        let watch = runtime.watch()?;
        Ok(Self { runtime, topics: topics_at, admin: admin_at, end, listeners, _watch: watch })
    }

    /// Until ctrl-c or a request to terminate; an error when the process cannot go on.
    async fn watch_over(&self, mut asked: Asked) -> Result<()> {
        let mut look = tokio::time::interval(LOOK_TIME);
        let mut retain = tokio::time::interval(RETAIN_TIME);
        loop {
            tokio::select! {
                _ = asked.interrupt.recv() => return Ok(()),
                _ = asked.terminate.recv() => return Ok(()),
                _ = look.tick() => if let Some(fatal) = self.runtime.fatal() {
                    return Err(fatal.hint("mend the cause and start again: what was acknowledged is kept"));
                },
                _ = retain.tick() => {
                    let runtime = Arc::clone(&self.runtime);
                    let retained = tokio::task::spawn_blocking(move || runtime.retain()).await;
                    retained.map_err(|cause| Error::new(Kind::Internal, format!("retention: {cause}")))?;
                }
            }
        }
    }

    /// Takes no more, finishes what was taken.
    pub(super) async fn end(self) {
        let _ = self.end.send(true);
        for listener in self.listeners {
            let _ = listener.await;
        }
        self.runtime.stop().await;
    }
}
