//! The run itself: posts, windows, segments, a reload, a restart; told on in the next life wherever trouble has cut it off.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::house::{House, PARTITIONS};
use super::plan::{Plan, Trouble};
use crate::checks::{Journal, Posted};
use crate::daemon::{ABRT, Daemon};
use crate::http;
use crate::shim::{Operation, Shim};

/// Nothing that is waited for takes so long.
const WAIT_TIME_MAX: Duration = Duration::from_secs(60);
/// How often something is asked for.
const ASK_TIME: Duration = Duration::from_millis(6);
/// What fails for good fails so long before the disk is well again.
const SICK_TIME: Duration = Duration::from_millis(300);
/// More lives than this are one that does not come back.
const LIVES_MAX: usize = 8;
/// A record that fills a segment with a few others.
const LARGE_BYTES: usize = 14_000;

/// What is done, one step after another.
enum Step {
    /// These records of the journal are posted.
    Post(Vec<usize>),
    /// All is committed and uploaded.
    Settle,
    /// The table `thing` gets another version of its transform.
    Reload(&'static str),
    /// The process is asked to end, and started again.
    Restart,
}

/// How a life ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// It was asked to, and did well.
    Well,
    /// It was killed.
    Killed,
    /// By itself, with an error.
    Failed,
}

/// A process from its start to its end.
#[derive(Clone, Debug)]
pub struct Life {
    /// Its operations on files.
    pub operations: Vec<Operation>,
    /// How it ended.
    pub end: End,
    /// What it said on standard error.
    pub said: String,
    /// Whether it came so far as to listen.
    pub listened: bool,
}

/// A run to its end.
#[derive(Clone, Debug, Default)]
pub struct Story {
    /// Its lives.
    pub lives: Vec<Life>,
    /// What was sent and acknowledged.
    pub journal: Journal,
}

/// Why a step was not done.
enum Cut {
    /// The process is no more.
    Gone,
    /// It does not do what it should.
    Wrong(String),
}

/// Plays the run in a house, with the trouble that is planned, until it has ended well.
///
/// # Errors
///
/// A life ended in a way that nothing explains, or it does not go on: a sentence.
pub fn play(house: &House<'_>, plan: &Plan) -> Result<Story, String> {
    let mut story = Story::default();
    let steps = steps(&mut story.journal);
    let mut at = 0;
    while story.lives.len() < LIVES_MAX {
        let nth = story.lives.len();
        let trouble = plan.0.iter().find(|trouble| trouble.life == nth);
        let shim = house.shim(nth, trouble);
        let started = house.start(nth, &shim);
        let listened = started.is_ok();
        let status = match started {
            Ok(daemon) => {
                let journal = &mut story.journal;
                let mut life = Alive { house, shim: &shim, trouble, daemon, journal, failing_since: None };
                match life.go_on(&steps, &mut at) {
                    Ok(()) => life.daemon.ask_to_end(),
                    Err(Cut::Gone) => {}
                    Err(Cut::Wrong(why)) => return Err(format!("life {nth}: {why}\n{}", house.said(nth))),
                }
                life.daemon.exit()
            }
            Err(status) if status.signal() == Some(ABRT) => {
                return Err(format!("life {nth}: it neither listens nor ends\n{}", house.said(nth)));
            }
            Err(status) => status,
        };
        let life = Life { operations: shim.operations(), end: end_of(status), said: house.said(nth), listened };
        let struck = life.operations.iter().any(|operation| operation.struck);
        if life.end != End::Well && !struck {
            return Err(format!("life {nth}: it ended by itself\n{}", life.said));
        }
        // What it could not remove or bring away before its end, the next start does.
        let done = life.end == End::Well && !struck && at == steps.len() && !house.waits();
        story.lives.push(life);
        if done {
            return Ok(story);
        }
        if trouble.is_some_and(|trouble| struck && trouble.rule.starts_with("cut")) {
            house.power_up();
        }
    }
    Err(format!("it does not end well in {LIVES_MAX} lives\n{}", house.said(LIVES_MAX - 1)))
}

fn end_of(status: ExitStatus) -> End {
    match (status.success(), status.signal()) {
        (true, _) => End::Well,
        (_, Some(9)) => End::Killed,
        _ => End::Failed,
    }
}

/// The run. Each request has records for both partitions, so that time passes in both.
fn steps(journal: &mut Journal) -> Vec<Step> {
    let mut ind = 0;
    let mut things = |records: usize, bytes: usize, rejected: usize, journal: &mut Journal| {
        let mut planned = Vec::new();
        for nth in 0..records {
            for partition in 0..PARTITIONS {
                ind += 1;
                let pad = "x".repeat(bytes);
                planned.push(if nth < rejected {
                    journal.plan("thing", partition, format!("{{\"bad\":{ind},\"pad\":\"{pad}\"}}"), None)
                } else {
                    journal.plan("thing", partition, format!("{{\"ind\":{ind},\"pad\":\"{pad}\"}}"), Some(ind))
                });
            }
        }
        Step::Post(planned)
    };
    let mut number = 0;
    let mut geos = |journal: &mut Journal| {
        let mut planned = Vec::new();
        for nth in 0..4 {
            for partition in 0..PARTITIONS {
                number += 1;
                let (value, row) = match nth {
                    0 => (format!("{{\"ind\":{number}}}"), None),
                    _ => (format!("{{\"ind\":{number},\"country\":\"land {}\"}}", number % 3), Some(number)),
                };
                planned.push(journal.plan("geo", partition, value, row));
            }
        }
        Step::Post(planned)
    };
    vec![
        things(4, 10, 1, journal),
        geos(journal),
        things(5, LARGE_BYTES, 0, journal),
        things(3, LARGE_BYTES, 0, journal),
        Step::Settle,
        things(2, 10, 0, journal),
        Step::Reload("another"),
        things(6, 10, 1, journal),
        geos(journal),
        Step::Restart,
        things(5, LARGE_BYTES, 1, journal),
        geos(journal),
        Step::Settle,
    ]
}

/// Records in open objects of landings.
fn open_records(status: &Value) -> u64 {
    let landings = status["landings"].as_object().into_iter().flat_map(|landings| landings.values());
    let workers = landings.filter_map(|landing| landing["workers"].as_object()).flat_map(|workers| workers.values());
    workers.map(|worker| worker["open_records"].as_u64().unwrap_or(1)).sum()
}

/// A life under way.
struct Alive<'a> {
    house: &'a House<'a>,
    shim: &'a Shim,
    trouble: Option<&'a Trouble>,
    daemon: Daemon,
    journal: &'a mut Journal,
    /// Since when the step under way is held up.
    failing_since: Option<Instant>,
}

impl Alive<'_> {
    /// Goes on from step `at`, which moves on with it, to the end or a restart.
    fn go_on(&mut self, steps: &[Step], at: &mut usize) -> Result<(), Cut> {
        if *at == steps.len() {
            return self.settle();
        }
        while let Some(step) = steps.get(*at) {
            if self.trouble.is_some_and(|trouble| trouble.step == Some(*at)) {
                self.shim.armed.iter().for_each(|file| fs::write(file, "").expect("a file"));
            }
            self.failing_since = None;
            match step {
                Step::Post(records) => self.post(records)?,
                Step::Settle => self.settle()?,
                Step::Reload(behaviour) => self.reload(behaviour)?,
                Step::Restart => {
                    *at += 1;
                    return Ok(());
                }
            }
            *at += 1;
        }
        Ok(())
    }

    fn post(&mut self, records: &[usize]) -> Result<(), Cut> {
        loop {
            match self.journal.post(self.daemon.topics, records) {
                Posted::Acked => return Ok(()),
                Posted::Refused(reason) => self.held_up(&reason)?,
                Posted::Silence => self.silent("a post")?,
            }
        }
    }

    /// Waits until all is committed and uploaded, what a landing held open too.
    fn settle(&mut self) -> Result<(), Cut> {
        let mut has_ended = false;
        loop {
            let answer = http::get(self.daemon.admin, "/status");
            match serde_json::from_str::<Value>(&answer.body) {
                Ok(status) if status["settled"] == true && has_ended => return Ok(()),
                Ok(status) => {
                    // When it was settled, all had been read; what has ended then is committed when it is settled after that.
                    has_ended = status["settled"] == true && open_records(&status) == 0;
                    self.held_up(&format!("not settled: {status}"))?;
                }
                Err(_) => self.silent("the status")?,
            }
        }
    }

    fn reload(&mut self, behaviour: &str) -> Result<(), Cut> {
        self.house.put(behaviour);
        loop {
            let answer = http::request(self.daemon.admin, "POST", "/tables/thing/reload", &[], b"");
            match answer.status {
                200 => return Ok(()),
                0 => self.silent("a reload")?,
                _ => self.held_up(&answer.body)?,
            }
        }
    }

    /// Takes note that a step is not done yet. A disk that is sick for good gets well after a while.
    fn held_up(&mut self, why: &str) -> Result<(), Cut> {
        let since = *self.failing_since.get_or_insert_with(Instant::now);
        if since.elapsed() > SICK_TIME && self.trouble.is_some() {
            fs::write(&self.shim.healed, "").expect("a file");
        }
        if since.elapsed() > WAIT_TIME_MAX {
            return Err(Cut::Wrong(format!("it does not go on: {why}")));
        }
        std::thread::park_timeout(ASK_TIME);
        Ok(())
    }

    /// There was no answer: either the process is no more, or this was not to be.
    fn silent(&mut self, what: &str) -> Result<(), Cut> {
        let end = Instant::now() + WAIT_TIME_MAX;
        // Its sockets close before it can be seen to have ended.
        while self.daemon.is_running() {
            if Instant::now() > end {
                return Err(Cut::Wrong(format!("{what} was not answered")));
            }
            std::thread::park_timeout(ASK_TIME);
        }
        Err(Cut::Gone)
    }
}
