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
use crate::config;
use crate::config::plan::Pipeline;
use crate::error::{Error, Kind, OrFail, Result};
use crate::http::{self, Guard, Listener};
use crate::lake::options::Endpoint;
use crate::process;
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
    /// Let other machines in although the pipeline file has no TLS or no keys: whoever reaches the listeners may do everything.
    #[arg(long)]
    insecure_bind: bool,
}

/// A pipeline that runs and answers, until it is ended.
pub(super) struct Running {
    pub(super) runtime: Arc<Runtime>,
    /// Where the REST proxy listens.
    pub(super) topics: std::net::SocketAddr,
    /// Where the operator asks.
    pub(super) admin: std::net::SocketAddr,
    guard: Arc<Guard>,
    end: watch::Sender<bool>,
    listeners: [JoinHandle<()>; 2],
    _watch: Watch,
}

impl Run {
    pub(super) fn run(self) -> Result<Ended> {
        super::log_to_stderr("info");
        process::harden()?;
        let declared = super::declared(&self.pipeline, self.data)?;
        let exposed = config::exposed(&declared, self.insecure_bind);
        if !exposed.is_empty() {
            return Err(super::faulty(&self.pipeline, &exposed));
        }
        let pipeline = declared.pipeline;
        let listen = &pipeline.listen;
        if listen.keys.is_some() || listen.tls.is_some() {
            process::close_memory()?;
        }
        if listen.keys.is_none() || listen.tls.is_none() {
            let open = [listen.topics, listen.admin].into_iter().filter(|address| !address.ip().is_loopback());
            open.for_each(|address| tracing::warn!(%address, "other machines are let in, without both TLS and keys"));
        }
        super::tokio_runtime()?.block_on(async {
            let options = Options { accept_breaking: self.accept_breaking };
            let running = Running::start(pipeline, options).await?;
            // Before the first word: who reads it may ask for the end at once.
            let asked = Asked::listen()?;
            println!("pipeline {:?} is running; ctrl-c ends it", running.runtime.pipeline().name);
            let listen = &running.runtime.pipeline().listen;
            println!("  post to   {}/topics/<topic>", listen.url(running.topics));
            println!("  admin     {}/status", listen.url(running.admin));
            println!("  lake      {}", lake(&running.runtime));
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

/// Where its objects are to be found.
fn lake(runtime: &Runtime) -> String {
    let lake = &runtime.pipeline().lake;
    match (runtime.lake_addr(), &lake.endpoint) {
        (Some(addr), _) => format!("http://{addr}/{} (key and secret: tidemill)", lake.bucket),
        (None, Endpoint::Url(url)) => format!("{}/{}", url.trim_end_matches('/'), lake.bucket),
        (None, _) => format!("s3://{}", lake.bucket),
    }
}

/// The two signals that ask for the end, and the one that asks to read keys and certificates again, or, where there are none, says
/// that the terminal has gone; from [`Asked::listen`] on none of them kills.
struct Asked {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Asked {
    fn listen() -> Result<Self> {
        let listen = |kind| signal(kind).or_fail(Kind::Internal, || "signal handler");
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            hangup: listen(SignalKind::hangup())?,
        })
    }
}

impl Running {
    /// Binds the listeners first, so that an occupied port is said before anything is touched.
    pub(super) async fn start(pipeline: Pipeline, options: Options) -> Result<Self> {
        let topics = Listener::bind(pipeline.listen.topics, "listen.topics").await?;
        let admin = Listener::bind(pipeline.listen.admin, "listen.admin").await?;
        let (topics_at, admin_at) = (topics.addr(), admin.addr());
        let clock = Arc::new(Clock::System);
        let guard = Guard::new(&pipeline.listen, Arc::clone(&clock))?;
        let runtime = Runtime::start(pipeline, options, clock).await?;
        let (end, ends) = watch::channel(false);
        let listeners = [
            tokio::spawn(topics.serve(
                http::topics(Arc::clone(&runtime), Arc::clone(&guard)),
                Arc::clone(&guard),
                ends.clone(),
            )),
            tokio::spawn(admin.serve(http::admin(Arc::clone(&runtime), Arc::clone(&guard)), Arc::clone(&guard), ends)),
        ];
        let watch = runtime.watch()?;
        Ok(Self { runtime, topics: topics_at, admin: admin_at, guard, end, listeners, _watch: watch })
    }

    /// Until ctrl-c or a request to terminate; an error when the process cannot go on.
    async fn watch_over(&self, mut asked: Asked) -> Result<()> {
        let mut look = tokio::time::interval(LOOK_TIME);
        let mut retain = tokio::time::interval(RETAIN_TIME);
        loop {
            tokio::select! {
                _ = asked.interrupt.recv() => return Ok(()),
                _ = asked.terminate.recv() => return Ok(()),
                _ = asked.hangup.recv() => match self.guard.has_files() {
                    true => self.guard.refresh(true),
                    false => return Ok(()),
                },
                _ = look.tick() => {
                    if let Some(fatal) = self.runtime.fatal() {
                        return Err(fatal.hint("mend the cause and start again: what was acknowledged is kept"));
                    }
                    self.guard.refresh(false);
                }
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
