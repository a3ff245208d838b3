//! Hostile HTTP: whatever is sent, the process lives, good clients are answered, nothing is kept that should not be.

mod bodies;
mod corpus;
mod flood;
mod fuzz;
mod requests;
mod slow;
mod talk;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::json;
use tidemill_tests::daemon::Daemon;
use tidemill_tests::http::{self, Answer};
use tidemill_tests::place::{changeling, root};
use tidemill_tests::things::House;

use corpus::{Case, GOOD};

/// The most that a group of inputs may add to the memory that the process has held, in MB.
const MEMORY_MB_MAX: u64 = 64;

/// A pipeline under siege: bodies of 64 KiB, 50 records in each, no key.
pub(crate) struct Siege {
    house: House,
    pub(crate) daemon: Daemon,
    files: BTreeSet<PathBuf>,
    memory_mb: u64,
}

impl Siege {
    /// One with these lines in `[listen.limits]`.
    pub(crate) fn begin(name: &str, limits: &str) -> Self {
        Self::with(name, limits, "")
    }

    /// The same, with more sections in its file.
    pub(crate) fn with(name: &str, limits: &str, sections: &str) -> Self {
        Self::started(name, limits, sections, Daemon::start_with_log)
    }

    /// One that may not have more than so many files open.
    pub(crate) fn of_few_files(name: &str, files: u32) -> Self {
        Self::started(name, "", "", |pipeline| Daemon::start_with_files(pipeline, files))
    }

    fn started(name: &str, limits: &str, sections: &str, start: impl FnOnce(&Path) -> Daemon) -> Self {
        let ingest = "[ingest]\nbody = \"64KiB\"\nrecords = 50\n";
        let more = format!("[listen.limits]\n{limits}\n{ingest}{sections}[epoch]\n");
        let house = House::with(name, &changeling("good"), &[("[epoch]\n", &more)]);
        let daemon = start(&house.pipeline);
        // What is first used takes its memory then: that is not the inputs'.
        for _ in 0..20 {
            assert_eq!(http::post(daemon.topics, "thing", GOOD).status, 200);
        }
        daemon.settle();
        let (files, memory_mb) = (outside(house.pipeline.parent().expect("a folder")), daemon.used().1);
        Self { house, daemon, files, memory_mb }
    }

    /// How many records the topic has.
    pub(crate) fn kept(&self) -> u64 {
        let status = self.daemon.status();
        let partitions = status["topics"]["thing"].as_array().expect("its partitions");
        partitions.iter().map(|partition| partition["end"].as_u64().expect("an offset")).sum()
    }

    /// What must hold after anything.
    pub(crate) fn holds(&mut self, after: &str) {
        assert!(self.daemon.is_running(), "after {after}: the process lives");
        let kept = self.kept();
        let good = http::post(self.daemon.topics, "thing", GOOD);
        assert_eq!((good.status, self.kept()), (200, kept + 1), "after {after}: a good client is served: {good:?}");
        assert_eq!(self.daemon.status()["trouble"], json!([]), "after {after}");
        let folder = self.house.pipeline.parent().expect("a folder").to_owned();
        assert_eq!(outside(&folder), self.files, "after {after}: no file beside the data");
        let topics: Vec<_> = names(&folder.join("data/topics"));
        assert_eq!(topics, ["thing"], "after {after}: no topic more");
        let memory_mb = self.daemon.used().1;
        assert!(
            memory_mb <= self.memory_mb + MEMORY_MB_MAX,
            "after {after}: {memory_mb} MB, before {}",
            self.memory_mb
        );
    }

    /// All that was kept is committed, and the process ends well.
    pub(crate) fn end(self) {
        let kept = self.kept();
        self.daemon.settle();
        self.daemon.stop();
        let counted =
            tidemill_tests::daemon::query(&self.house.pipeline, "SELECT sum(records_in) FROM tidemill_ledger");
        assert_eq!(counted[1], kept.to_string());
    }
}

fn names(folder: &Path) -> Vec<String> {
    let entries = folder.read_dir().unwrap_or_else(|cause| panic!("{}: {cause}", folder.display()));
    let mut names: Vec<String> =
        entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// The files of a pipeline's folder and of the process's own, but for its data.
fn outside(folder: &Path) -> BTreeSet<PathBuf> {
    let mut found: BTreeSet<PathBuf> = names(folder).into_iter().map(|name| folder.join(name)).collect();
    let own = root().join("tests");
    found.extend(names(&own).into_iter().map(|name| own.join(name)));
    found.extend(["/tmp/x", "/etc/thing"].map(PathBuf::from).into_iter().filter(|path| path.exists()));
    found
}

/// How many answers came.
fn count(answer: &Answer) -> usize {
    answer.headers.matches("HTTP/1.1 ").count() + answer.body.matches("HTTP/1.1 ").count()
}

fn send(siege: &Siege, case: &Case) -> Answer {
    match case.cut {
        true => http::cut(siege.daemon.topics, &case.bytes),
        false => http::raw(siege.daemon.topics, &case.bytes),
    }
}

#[test]
fn named_inputs() {
    let mut siege = Siege::begin("hostile-named", "idle_time = \"5s\"\nhead_time = \"5s\"");
    let (mut inputs, mut wrong) = (0, Vec::new());
    for (group, cases) in corpus::groups() {
        for case in &cases {
            let before = siege.kept();
            let answer = send(&siege, case);
            let kept = siege.kept() - before;
            let taken = answer.status == 200 || answer.status == 100;
            let fits = case.expected.contains(&answer.status)
                && kept == if taken { case.kept } else { 0 }
                // One request, one answer: none was smuggled in another's body.
                && (group == "expectations and pipelines" || count(&answer) <= 1);
            if !fits {
                let said: String = answer.body.chars().take(200).collect();
                let (status, answers) = (answer.status, count(&answer));
                let name: String = case.name.chars().take(120).collect();
                wrong.push(format!("{group}: {name}: {status} in {answers} answers, {kept} kept: {said}"));
            }
        }
        siege.holds(group);
        inputs += cases.len();
        println!("{group}: {} inputs", cases.len());
    }
    assert!(wrong.is_empty(), "{} of {inputs} inputs:\n{}", wrong.len(), wrong.join("\n"));
    assert!(inputs >= 300, "{inputs} inputs");
    siege.end();
    println!("{inputs} named inputs: each answered as it has to be, memory flat");
}

#[test]
fn a_hundred_requests_in_one_piece_get_a_hundred_answers() {
    let siege = Siege::begin("hostile-pipeline", "");
    let one = "GET /topics HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let last = "GET /topics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    let answer = http::raw(siege.daemon.topics, (one.repeat(99) + last).as_bytes());
    assert_eq!((answer.status, count(&answer)), (200, 100));
    siege.end();
}

#[test]
fn a_request_that_breaks_off_at_any_byte_keeps_nothing() {
    let mut siege = Siege::begin("hostile-cut", "");
    let whole = String::from_utf8(corpus::post(&[], GOOD.as_bytes())).expect("text");
    let chunked = whole.replace(&format!("content-length: {}\r\n", GOOD.len()), "transfer-encoding: chunked\r\n");
    let chunked = chunked.replace(GOOD, &format!("{:x}\r\n{GOOD}\r\n0\r\n\r\n", GOOD.len()));
    let kept = siege.kept();
    for request in [&whole, &chunked] {
        for end in 0..request.len() {
            let answer = http::cut(siege.daemon.topics, &request.as_bytes()[..end]);
            assert!(matches!(answer.status, 0 | 400), "cut at {end}: {answer:?}");
        }
    }
    assert_eq!(siege.kept(), kept);
    siege.holds("requests that broke off");
    println!("{} places", whole.len() + chunked.len());
    siege.end();
}

#[test]
fn no_expectation_is_met_for_what_is_refused() {
    let siege = Siege::begin("hostile-expect", "");
    for (group, cases) in corpus::groups() {
        for case in
            cases.iter().filter(|case| group == "expectations and pipelines" && case.name.contains("not asked for"))
        {
            let answer = send(&siege, case);
            assert!(!answer.headers.contains("100 Continue"), "{}: {answer:?}", case.name);
        }
    }
    siege.end();
}

#[test]
fn names_that_clients_make_up_get_no_figures_of_their_own() {
    let siege = Siege::begin("hostile-figures", "");
    let figures = || {
        let metrics = http::get(siege.daemon.admin, "/metrics");
        metrics
            .body
            .lines()
            .filter(|line| !line.starts_with('#'))
            .map(|line| line.split(' ').next().expect("a name").to_owned())
            .collect::<BTreeSet<_>>()
    };
    assert_eq!(http::post(siege.daemon.topics, "none", GOOD).status, 404);
    assert_eq!(http::get(siege.daemon.admin, "/tables/none/generations").status, 404);
    let before = figures();
    for nth in 0..1_000 {
        assert_eq!(http::post(siege.daemon.topics, &format!("topic-{nth}"), GOOD).status, 404);
        assert_eq!(http::get(siege.daemon.admin, &format!("/tables/table-{nth}/generations")).status, 404);
    }
    assert_eq!(figures(), before);
    siege.end();
}

#[test]
fn the_operators_side_stands_the_same() {
    let mut siege = Siege::begin("hostile-admin", "");
    let admin = siege.daemon.admin;
    for table in [
        "..",
        "%2e%2e%2fthing",
        "thing%00",
        "THING",
        "thing'--",
        "%22;DROP%20TABLE%20thing;--",
        "thing%2f..%2fthing",
        "%ff",
        "sqlite_schema",
        "tidemill_ledger",
        "thing%20UNION%20SELECT%201",
        "..%5c..",
        "%c0%ae%c0%ae",
    ] {
        for (method, route) in [
            ("GET", "generations"),
            ("GET", "tap"),
            ("GET", "shadow"),
            ("POST", "reload"),
            ("POST", "rollback"),
            ("POST", "promote"),
            ("POST", "discard"),
            ("POST", "shadow"),
        ] {
            let answer = http::request(admin, method, &format!("/tables/{table}/{route}"), &[], b"x");
            assert!(matches!(answer.status, 400 | 404), "{method} {table}/{route}: {answer:?}");
        }
    }
    for query in ["n=-1", "n=99999999999999999999", "n=x", "n=1&n=2", "mask=%ff", "mask=%00", "n=1;2", "%", "n=%00"] {
        let answer = http::get(admin, &format!("/tables/thing/tap?{query}"));
        assert!(matches!(answer.status, 200 | 400), "{query}: {answer:?}");
    }
    for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"] {
        let answer = http::request(admin, "POST", "/tables/thing/reload", &[("content-type", kind)], b"x=1");
        assert_eq!(answer.status, 415, "{kind}: {answer:?}");
    }
    for headers in
        [[("origin", "http://evil.example"), ("x", "")], [("origin", "null"), ("sec-fetch-site", "cross-site")]]
    {
        for (method, path) in [
            ("POST", "/tables/thing/rollback"),
            ("POST", "/tables/thing/reload"),
            ("GET", "/status"),
            ("GET", "/health"),
        ] {
            assert_eq!(http::request(admin, method, path, &headers, b"").status, 403, "{method} {path}");
        }
    }
    siege.holds("the operator's side");
    siege.end();
}
