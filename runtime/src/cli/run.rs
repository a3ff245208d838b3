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
use crate::access::Seal;
use crate::config;
use crate::config::plan::{Listen, Pipeline, Topic};
use crate::error::{Error, Kind, OrFail, Result};
use crate::http::{self, Addresses, Guard, Listener, Rates, Signers, Usage, Wired};
use crate::lake::options::Endpoint;
use crate::process;
use crate::reload::Watch;
use crate::runtime::{Options, Runtime};
use crate::time::Clock;

/// How often it is looked whether the process has to end.
const LOOK_TIME: Duration = Duration::from_millis(500);
/// Files that a pipeline has open whatever it has to do: its cache, questions, consumers.
const FILES: u64 = 128;
/// Connections of the embedded S3.
const S3_FILES: u64 = 256;
/// Files and connections of the uploads of a table or landing.
const UPLOAD_FILES: u64 = 8;
/// Files of a partition: of its topic, of a table that reads it, of a landing, which has one for each of its open objects.
const TOPIC_FILES: u64 = 4;
const TABLE_FILES: u64 = 8;
const LANDING_FILES: u64 = 64;
/// What a listener takes in any case.
const CONNECTIONS_MIN: u64 = 8;
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
    /// Where the API gateway listens, where there is one.
    pub(super) gateway: Option<std::net::SocketAddr>,
    /// Where Kinesis's own API is offered.
    pub(super) kinesis: Option<std::net::SocketAddr>,
    guards: Vec<Arc<Guard>>,
    signers: Option<Arc<Signers>>,
    usage: Option<Arc<Usage>>,
    end: watch::Sender<bool>,
    listeners: Vec<JoinHandle<()>>,
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
        let signed = pipeline.kinesis.as_ref().is_some_and(|kinesis| kinesis.keys.is_some());
        if listen.keys.is_some() || listen.tls.is_some() || signed {
            process::close_memory()?;
        }
        if listen.keys.is_none() || listen.tls.is_none() {
            let doors =
                [pipeline.gateway.as_ref().map(|door| door.listen), pipeline.kinesis.as_ref().map(|door| door.listen)];
            let all = [listen.topics, listen.admin].into_iter().chain(doors.into_iter().flatten());
            let open = all.filter(|address| !address.ip().is_loopback());
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
            if let (Some(at), Some(gateway)) = (running.gateway, &running.runtime.pipeline().gateway) {
                let stages: Vec<&str> = gateway.stages.iter().map(|stage| stage.name.as_str()).collect();
                println!("  gateway   {}/{}", listen.url(at), stages.join(", /"));
            }
            if let Some(at) = running.kinesis {
                println!("  kinesis   {}", listen.url(at));
            }
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

/// Lets listeners take no more connections than leave the pipeline the files that it needs, of so many that may be open.
fn leave_files(pipeline: &mut Pipeline, files: u64) {
    let room = room(pipeline, files);
    let limits = &mut pipeline.listen.limits;
    if limits.connections_max <= room {
        return;
    }
    tracing::warn!(
        files,
        connections = room,
        wanted = limits.connections_max,
        "listeners take fewer connections, so that files can be opened: raise the limit of open files (ulimit -n)"
    );
    limits.connections_max = room;
    // One address alone does not take all.
    limits.address_connections_max = limits.address_connections_max.min(room.div_ceil(2));
}

/// The connections that there is room for at each listener.
fn room(pipeline: &Pipeline, files: u64) -> usize {
    let of_topic = |topic: &Topic| {
        let tables = pipeline.tables.iter().filter(|table| table.topic == topic.name).count() as u64;
        let landings = pipeline.landings.iter().filter(|landing| landing.topic == topic.name).count() as u64;
        let each = TOPIC_FILES + tables * TABLE_FILES + landings * LANDING_FILES;
        u64::from(topic.backend.partitions()) * each
    };
    let embedded = if matches!(pipeline.lake.endpoint, Endpoint::Embedded { .. }) { S3_FILES } else { 0 };
    let uploads = pipeline.lanes().count() as u64 * UPLOAD_FILES;
    let own = FILES + embedded + uploads + pipeline.topics.iter().map(of_topic).sum::<u64>();
    let doors = 2 + u64::from(pipeline.gateway.is_some()) + u64::from(pipeline.kinesis.is_some());
    usize::try_from((files.saturating_sub(own) / doors).max(CONNECTIONS_MIN)).unwrap_or(usize::MAX)
}

/// How a task ended, where there is one.
async fn ended(task: &mut Option<JoinHandle<()>>) -> Option<Result<(), tokio::task::JoinError>> {
    match task {
        Some(task) => Some(task.await),
        None => None,
    }
}

/// Binds a listener, where there is to be one.
async fn bind(addr: Option<std::net::SocketAddr>, key: &str) -> Result<Option<Listener>> {
    match addr {
        Some(addr) => Listener::bind(addr, key).await.map(Some),
        None => Ok(None),
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
    pub(super) async fn start(mut pipeline: Pipeline, options: Options) -> Result<Self> {
        leave_files(&mut pipeline, process::open_files());
        let topics = Listener::bind(pipeline.listen.topics, "listen.topics").await?;
        let admin = Listener::bind(pipeline.listen.admin, "listen.admin").await?;
        let (gateway, kinesis) = (pipeline.gateway.clone(), pipeline.kinesis.clone());
        let gateway_listener = bind(gateway.as_ref().map(|gateway| gateway.listen), "gateway.listen").await?;
        let kinesis_listener = bind(kinesis.as_ref().map(|kinesis| kinesis.listen), "kinesis.listen").await?;
        let (topics_at, admin_at) = (topics.addr(), admin.addr());
        let (gateway_at, kinesis_at) =
            [&gateway_listener, &kinesis_listener].map(|at| at.as_ref().map(Listener::addr)).into();
        let clock = Arc::new(Clock::System);
        let listen = pipeline.listen.clone();
        let guard = Guard::new(&listen, Arc::clone(&clock))?;
        let usage = pipeline.data.join("gateway-quotas.json");
        let runtime = Runtime::start(pipeline, options, Arc::clone(&clock)).await?;
        let (end, ends) = watch::channel(false);
        let serve = |listener: Listener, router, guard: &Arc<Guard>| {
            tokio::spawn(listener.serve(router, Arc::clone(guard), ends.clone()))
        };
        let at = Addresses { topics: topics_at, gateway: gateway_at, kinesis: kinesis_at };
        let limited = kinesis.as_ref().is_some_and(|kinesis| kinesis.shard_limits);
        let rates = limited.then(|| Arc::new(Rates::default()));
        let wired = Wired {
            runtime: Arc::clone(&runtime),
            guard: Arc::clone(&guard),
            clock,
            seal: Arc::new(Seal::new()?),
            rates,
        };
        let mut running = Self {
            topics: topics_at,
            admin: admin_at,
            gateway: gateway_at,
            kinesis: kinesis_at,
            listeners: vec![
                serve(topics, http::topics(Arc::clone(&runtime), Arc::clone(&guard)), &guard),
                serve(admin, http::admin(Arc::clone(&runtime), Arc::clone(&guard), at), &guard),
            ],
            guards: vec![guard],
            signers: None,
            usage: None,
            _watch: runtime.watch()?,
            runtime,
            end,
        };
        if let (Some(plan), Some(listener)) = (gateway, gateway_listener) {
            // Its own keys, where it has some; all else as at the other listeners.
            let keys = plan.keys.clone().or_else(|| listen.keys.clone());
            let guard = Guard::new(&Listen { keys, ..listen }, Arc::clone(&wired.clock))?;
            let usage = Arc::new(Usage::open(usage));
            let router = http::gateway(plan, Wired { guard: Arc::clone(&guard), ..wired.clone() }, Arc::clone(&usage));
            running.listeners.push(serve(listener, router, &guard));
            running.guards.push(guard);
            running.usage = Some(usage);
        }
        if let (Some(plan), Some(listener)) = (kinesis, kinesis_listener) {
            let signers = Signers::new(plan.keys, Arc::clone(&wired.clock))?;
            let guard = Arc::clone(&wired.guard);
            let router = http::kinesis(&plan.region, wired, Arc::clone(&signers));
            running.listeners.push(serve(listener, router, &guard));
            running.signers = Some(signers);
        }
        Ok(running)
    }

    /// Reads keys and certificates again, where they have changed or in any case.
    fn refresh(&self, in_any_case: bool) {
        self.guards.iter().for_each(|guard| guard.refresh(in_any_case));
        self.signers.iter().for_each(|signers| signers.refresh(in_any_case));
    }

    fn has_files(&self) -> bool {
        self.guards.iter().any(|guard| guard.has_files()) || self.signers.iter().any(|signers| signers.has_file())
    }

    /// Keeps what the gateway has counted, where it has.
    fn keep_usage(&self) {
        if let Some(Err(error)) = self.usage.as_ref().map(|usage| usage.keep()) {
            tracing::warn!(error = error.line(), "quotas of the gateway not kept");
        }
    }

    /// Until ctrl-c or a request to terminate; an error when the process cannot go on.
    async fn watch_over(&self, mut asked: Asked) -> Result<()> {
        let mut look = tokio::time::interval(LOOK_TIME);
        let (mut retain, mut retaining) = (tokio::time::interval(RETAIN_TIME), None);
        loop {
            tokio::select! {
                _ = asked.interrupt.recv() => return Ok(()),
                _ = asked.terminate.recv() => return Ok(()),
                _ = asked.hangup.recv() => match self.has_files() {
                    true => self.refresh(true),
                    false => return Ok(()),
                },
                _ = look.tick() => {
                    if let Some(fatal) = self.runtime.fatal() {
                        return Err(fatal.hint("mend the cause and start again: what was acknowledged is kept"));
                    }
                    self.refresh(false);
                    self.keep_usage();
                }
                // It may take long, or wait for the disk: meanwhile all else is heard.
                _ = retain.tick(), if retaining.is_none() => {
                    let runtime = Arc::clone(&self.runtime);
                    retaining = Some(tokio::task::spawn_blocking(move || runtime.retain()));
                }
                Some(retained) = ended(&mut retaining), if retaining.is_some() => {
                    retaining = None;
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
        if let Some(Err(error)) = self.usage.map(|usage| usage.keep()) {
            tracing::warn!(error = error.line(), "quotas of the gateway not kept");
        }
        self.runtime.stop().await;
    }
}
