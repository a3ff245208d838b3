//! A running `tidemill run`: started on free ports, asked, stopped, killed.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use crate::{http, place};

/// Nothing that a test waits for takes so long.
const WAIT_TIME_MAX: Duration = Duration::from_secs(120);

/// How often the state is asked for.
const ASK_TIME: Duration = Duration::from_millis(10);

/// A pipeline in a process of its own.
pub struct Daemon {
    child: Child,
    /// Where the REST proxy listens.
    pub topics: SocketAddr,
    /// Where the operator asks.
    pub admin: SocketAddr,
    /// Where the API gateway listens, where there is one.
    pub gateway: Option<SocketAddr>,
    /// Where Kinesis's own API is offered.
    pub kinesis: Option<SocketAddr>,
    /// Where the S3 endpoint listens, where that is not AWS.
    pub lake: Option<SocketAddr>,
}

impl Daemon {
    /// Starts a pipeline and waits until it listens.
    pub fn start(pipeline: &Path) -> Self {
        Self::start_with(pipeline, &[])
    }

    /// The same, with more on its command line.
    pub fn start_with(pipeline: &Path, more: &[&str]) -> Self {
        Self::spawn(Command::new(place::command()).arg("run").arg(pipeline).args(more))
    }

    /// Starts a pipeline with more in its environment; its log goes on in `log` beside its file.
    pub fn start_in(pipeline: &Path, environment: &[(&str, String)]) -> Self {
        let log = std::fs::File::options().create(true).append(true).open(pipeline.with_file_name("log"));
        let mut command = Command::new(place::command());
        command.arg("run").arg(pipeline).envs(environment.iter().cloned()).stderr(log.expect("a file for the log"));
        Self::spawn(&mut command)
    }

    /// Starts a pipeline whose log goes to a file, which is named too.
    pub fn start_logged(pipeline: &Path) -> (Self, PathBuf) {
        let log = pipeline.with_file_name("log");
        let file = std::fs::File::create(&log).expect("a file for the log");
        (Self::spawn(Command::new(place::command()).arg("run").arg(pipeline).stderr(file)), log)
    }

    /// Starts a pipeline whose log goes to `log` beside its file.
    pub fn start_with_log(pipeline: &Path) -> Self {
        let log = std::fs::File::create(pipeline.with_file_name("log")).expect("a file for the log");
        Self::spawn(Command::new(place::command()).arg("run").arg(pipeline).stderr(log))
    }

    /// Starts a pipeline whose disk can be made full by [`Daemon::fill_disk`]; its log goes to `log` beside the file.
    pub fn start_on_small_disk(pipeline: &Path) -> Self {
        let log = std::fs::File::create(pipeline.with_file_name("log")).expect("a file for the log");
        // The signal that tells of a file over its limit would end it; ignored, the write fails as on a full disk.
        let script = "trap '' XFSZ; exec \"$0\" run \"$1\"";
        Self::spawn(Command::new("sh").args(["-c", script]).arg(place::command()).arg(pipeline).stderr(log))
    }

    /// Starts a pipeline that may have no more than so many files and connections open; its log goes to `log` beside the file.
    pub fn start_with_files(pipeline: &Path, files: u32) -> Self {
        let log = std::fs::File::create(pipeline.with_file_name("log")).expect("a file for the log");
        let script = format!("ulimit -n {files}; exec \"$0\" run \"$1\"");
        Self::spawn(Command::new("sh").args(["-c", &script]).arg(place::command()).arg(pipeline).stderr(log))
    }

    /// Starts what this command says, which is `tidemill run` in some way.
    pub fn spawn(command: &mut Command) -> Self {
        Self::try_spawn(command).expect("it says where it listens")
    }

    /// Starts what may not come so far as to listen; then, how it ended.
    ///
    /// # Errors
    ///
    /// It ended before; with `ABRT`, which it is sent where it does neither.
    pub fn try_spawn(command: &mut Command) -> Result<Self, ExitStatus> {
        let mut child = command.stdout(Stdio::piped()).spawn().expect("tidemill starts");
        let (pid, (starting, started)) = (child.id(), channel::<()>());
        std::thread::spawn(move || {
            if started.recv_timeout(WAIT_TIME_MAX) == Err(RecvTimeoutError::Timeout) {
                signal(pid, "ABRT");
            }
        });
        let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        let (mut topics, mut admin, mut gateway, mut kinesis, mut lake) = (None, None, None, None, None);
        // The lines come in this order.
        while let Some(Ok(line)) = lines.next() {
            // Where a URL names a host, it is this machine all the same.
            let here = |port: &str| Some(SocketAddr::from(([127, 0, 0, 1], port.parse().ok()?)));
            let address = |at: &str| at.parse().ok().or_else(|| here(at.rsplit(':').next()?));
            let at = |line: &str| line.split("://").nth(1).and_then(|rest| address(rest.split('/').next()?));
            match line.trim().split(' ').next() {
                Some("post") => topics = at(&line),
                Some("admin") => admin = at(&line),
                Some("gateway") => gateway = at(&line),
                Some("kinesis") => kinesis = at(&line),
                Some("lake") => {
                    lake = at(&line);
                    break;
                }
                _ => {}
            }
        }
        drop(starting);
        // What else it prints must not fill the pipe.
        std::thread::spawn(move || lines.for_each(drop));
        match (topics, admin) {
            (Some(topics), Some(admin)) => Ok(Self { child, topics, admin, gateway, kinesis, lake }),
            _ => Err(child.wait().expect("it ends")),
        }
    }

    /// What `GET /status` says.
    pub fn status(&self) -> serde_json::Value {
        http::get(self.admin, "/status").json()
    }

    /// Waits until `there` holds of the status.
    pub fn wait(&self, what: &str, there: impl Fn(&serde_json::Value) -> bool) -> serde_json::Value {
        let end = Instant::now() + WAIT_TIME_MAX;
        loop {
            let status = self.status();
            if there(&status) {
                return status;
            }
            assert!(Instant::now() < end, "{what}: {status:#}");
            // Asking without a pause would take the processor from what is waited for.
            std::thread::park_timeout(ASK_TIME);
        }
    }

    /// Waits until every record is committed and every closed window's rows are in the bucket.
    pub fn settle(&self) {
        self.wait("all is committed and uploaded", |status| status["settled"] == true);
    }

    /// The seconds of processor time that it has used, and the most memory that it has held, in MB.
    pub fn used(&self) -> (f64, u64) {
        /// Ticks of the kernel's clock in a second, as Linux counts for programs.
        const TICKS: f64 = 100.0;
        let stat = self.figures("stat");
        let fields: Vec<&str> = stat.rsplit(')').next().expect("fields").split_whitespace().collect();
        let ticks: f64 = [11, 12].iter().map(|&field| fields[field].parse::<f64>().expect("ticks")).sum();
        (ticks / TICKS, self.megabytes("VmHWM:"))
    }

    /// The memory that it holds now, in MB.
    pub fn memory(&self) -> u64 {
        self.megabytes("VmRSS:")
    }

    fn megabytes(&self, figure: &str) -> u64 {
        let status = self.figures("status");
        let line = status.lines().find_map(|line| line.strip_prefix(figure)).expect("the figure");
        line.trim().trim_end_matches(" kB").trim().parse::<u64>().expect("kB") / 1000
    }

    /// What the kernel tells of it in one of its files.
    fn figures(&self, file: &str) -> String {
        std::fs::read_to_string(format!("/proc/{}/{file}", self.child.id())).expect("its figures")
    }

    /// Lets no file grow to more than `bytes`, as a full disk does; `None` gives the space back.
    pub fn fill_disk(&self, bytes: Option<u64>) {
        let limit = bytes.map_or("unlimited".to_owned(), |bytes| bytes.to_string());
        let arguments = ["--pid", &self.child.id().to_string(), &format!("--fsize={limit}:unlimited")];
        assert!(Command::new("prlimit").args(arguments).status().expect("prlimit").success(), "the limit is set");
    }

    /// Kills it without a word, as `kill -9` does.
    pub fn kill(mut self) {
        self.child.kill().expect("it was running");
        self.child.wait().expect("it ends");
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("its state").is_none()
    }

    /// Asks it to end, and waits until it has.
    pub fn stop(mut self) {
        self.ask_to_end();
        assert!(self.child.wait().expect("it ends").success(), "it ends well");
    }

    /// Waits until it has ended, whatever for.
    pub fn exit(mut self) -> ExitStatus {
        self.child.wait().expect("it ends")
    }

    /// Asks it to end, and goes on.
    pub fn ask_to_end(&self) {
        self.signal("TERM");
    }

    /// Sends it a signal: `TERM`, `HUP`, `STOP`, `CONT`.
    pub fn signal(&self, name: &str) {
        signal(self.child.id(), name);
    }

    /// Waits until it has ended after it was asked to.
    pub fn ended(mut self) {
        assert!(self.child.wait().expect("it ends").success(), "it ends well");
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The number of the signal `ABRT`.
pub(crate) const ABRT: i32 = 6;

fn signal(pid: u32, name: &str) {
    let asked = Command::new("kill").args([format!("-{name}"), pid.to_string()]).status().expect("kill");
    assert!(asked.success(), "it was running");
}

/// Runs a command of `tidemill` to its end.
pub fn tidemill<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Output {
    Command::new(place::command()).args(arguments).output().expect("tidemill starts")
}

/// A query's answer as lines of CSV.
pub fn query(pipeline: &Path, query: &str) -> Vec<String> {
    let pipeline = pipeline.to_string_lossy();
    let output = tidemill(["query", "--pipeline", &pipeline, "--csv", "--", query]);
    assert!(output.status.success(), "{query}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text").lines().map(str::to_owned).collect()
}

/// The pinterest pipeline with its data and components of its own in `folder`: `pin.wasm`, `geo.wasm`, `user.wasm`.
///
/// An object of the lake takes a second, so that nobody waits for longer windows to close.
pub fn pinterest_of_its_own(folder: &Path, replace: &[(&str, &str)]) -> PathBuf {
    place::copy_components(folder);
    let written = |table: &str| format!("\"{}\"", place::root().join("transforms").join(table).display());
    let own = |table: &str| format!("\"{}\"", folder.join(format!("{table}.wasm")).display());
    let paths = ["pin", "geo", "user"].map(|table| (written(table), own(table)));
    let mut all = vec![("window = \"10s\"", "window = \"1s\"")];
    all.extend(paths.iter().map(|(from, to)| (from.as_str(), to.as_str())));
    all.extend(replace);
    pinterest(folder, &all)
}

/// The pinterest pipeline with its data in `folder`, on free ports, with the given sections' text replaced.
pub fn pinterest(folder: &Path, replace: &[(&str, &str)]) -> PathBuf {
    let root = place::root();
    let mut text = std::fs::read_to_string(root.join("pipelines/pinterest.toml")).expect("the pipeline file");
    let transforms = root.join("transforms");
    let sql = root.join("pipelines/sql");
    let data = folder.join("data");
    let fixed = [
        ("127.0.0.1:8082", "127.0.0.1:0"),
        ("127.0.0.1:9082", "127.0.0.1:0"),
        ("../transforms", transforms.to_str().expect("a path")),
        ("\"sql/", &format!("\"{}/", sql.display())),
    ];
    for (from, to) in fixed.iter().chain(replace) {
        assert!(text.contains(from), "the pipeline file has {from:?}");
        text = text.replace(from, to);
    }
    let text: Vec<String> = text
        .lines()
        .map(|line| if line.starts_with("data = ") { format!("data = {:?}", data) } else { line.to_owned() })
        .collect();
    let file = folder.join("pipeline.toml");
    std::fs::write(&file, text.join("\n")).expect("the pipeline file");
    file
}
