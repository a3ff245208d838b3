//! Feeds: the rows of named queries as they change, evaluated once for all who follow a query.

mod history;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use self::history::{History, Told};
use super::answers::{Answers, ROWS_MAX};
use super::{Runtime, lock};
use crate::cache::query::{Changes, Reader, Table};
use crate::cache::question::Question;
use crate::error::{Error, Kind, OrFail, Result};
use crate::pipeline::committer::Health;
use crate::time::Timestamp;

/// Who may follow queries at one time.
const FOLLOWERS_MAX: usize = 64;
/// The longest that an evaluation may take.
const EVALUATION_TIME_MAX: Duration = Duration::from_secs(10);
/// The shortest pause between two evaluations of a query, and how many times as long as the one before it takes.
const PAUSE: (Duration, u32) = (Duration::from_millis(200), 4);
/// After so long it is looked whether the file has changed although nothing was committed: a replay writes it too.
const LOOK_TIME: Duration = Duration::from_secs(1);

/// All feeds of a pipeline.
pub(super) struct Feeds {
    feeds: Mutex<HashMap<String, Arc<Feed>>>,
    places: Arc<Semaphore>,
}

/// One query's answer over time.
struct Feed {
    query: String,
    /// Tells its states from those of another process.
    life: i64,
    state: Mutex<State>,
    /// Grows with each state and each failure.
    changed: watch::Sender<u64>,
}

#[derive(Default)]
struct State {
    history: History,
    followers: usize,
    /// Whether somebody evaluates it.
    runs: bool,
    /// Whether it has been evaluated since.
    fresh: bool,
    /// How often it has failed, and why the last time.
    failures: u64,
    failed: Option<Error>,
}

/// Somebody who follows a query.
pub struct Follower {
    feed: Arc<Feed>,
    columns: Vec<String>,
    known: Option<u64>,
    failures: u64,
    changed: watch::Receiver<u64>,
    _place: OwnedSemaphorePermit,
}

/// What a follower is told of one state.
#[derive(Clone, Debug)]
pub struct News {
    /// The state's name, from which a follower can go on later.
    pub id: String,
    /// What there is to tell.
    pub what: What,
}

/// All of a state, or what has changed since the one that is known.
#[derive(Clone, Debug)]
pub enum What {
    /// All its rows.
    Whole(Arc<Table>),
    /// What made it of the one before.
    Changed(Arc<Changes>),
}

impl Default for Feeds {
    fn default() -> Self {
        Self { feeds: Mutex::default(), places: Arc::new(Semaphore::new(FOLLOWERS_MAX)) }
    }
}

impl Runtime {
    /// Follows a named query's answer: its rows, then what changes with each commit. `last` is the id of the state that is known; where
    /// it is still remembered, only what has changed since is told.
    ///
    /// Errors with `Kind::Missing` where there is no such query, with `Kind::Busy` where too many follow or it takes too long, with
    /// `Kind::Input` where the answer has too many rows.
    pub async fn follow(&self, query: &str, last: Option<&str>) -> Result<Follower> {
        let place = Arc::clone(&self.feeds.places).try_acquire_owned().map_err(|_| {
            let error = Error::new(Kind::Busy, format!("query {query:?}: {FOLLOWERS_MAX} feeds are followed"));
            error.hint("end one of them, or follow fewer queries")
        })?;
        let (answers, name) = (Arc::clone(&self.answers), query.to_owned());
        let columns = tokio::task::spawn_blocking(move || answers.with_reader(|reader| reader.columns(&name)));
        let columns = columns.await.or_fail(Kind::Internal, || "query")??;
        let feed = self.feeds.of(query, self.started);
        let failures = feed.enter(&self.answers, &self.health);
        let known = last.and_then(|last| feed.number_of(last));
        let changed = feed.changed.subscribe();
        let mut follower = Follower { feed, columns, known, failures, changed, _place: place };
        follower.begun().await?;
        Ok(follower)
    }
}

impl Feeds {
    fn of(&self, query: &str, life: Timestamp) -> Arc<Feed> {
        let feed = || {
            let (state, changed) = (Mutex::default(), watch::Sender::default());
            Arc::new(Feed { query: query.to_owned(), life: life.0, state, changed })
        };
        Arc::clone(lock(&self.feeds).entry(query.to_owned()).or_insert_with(feed))
    }
}

impl Feed {
    /// One more follows; somebody evaluates it from now on. How often it has failed.
    fn enter(self: &Arc<Self>, answers: &Arc<Answers>, health: &Arc<Health>) -> u64 {
        let mut state = lock(&self.state);
        state.followers += 1;
        if !state.runs {
            (state.runs, state.fresh) = (true, false);
            tokio::spawn(evaluate(Arc::clone(self), Arc::clone(answers), health.commits()));
        }
        state.failures
    }

    fn id(&self, number: u64) -> String {
        format!("{:x}-{number}", self.life)
    }

    /// The number of a state of this process.
    fn number_of(&self, id: &str) -> Option<u64> {
        let (life, number) = id.split_once('-')?;
        (i64::from_str_radix(life, 16) == Ok(self.life)).then(|| number.parse().ok()).flatten()
    }

    /// Notes what an evaluation came to; false where nobody is left who would be told, or it failed.
    fn note(&self, answer: Result<Option<Table>>) -> bool {
        let mut state = lock(&self.state);
        let news = match answer {
            Ok(None) => false,
            Ok(Some(answer)) => {
                let first = !std::mem::replace(&mut state.fresh, true);
                state.history.take(answer) || first
            }
            Err(error) => {
                state.failures += 1;
                state.failed = Some(error);
                state.runs = false;
                true
            }
        };
        // Under the lock: who enters after this begins another evaluation.
        state.runs &= state.followers > 0;
        let goes_on = state.runs;
        drop(state);
        if news {
            self.changed.send_modify(|count| *count += 1);
        }
        goes_on
    }
}

/// Evaluates a query after commits, as long as somebody follows it and it does not fail.
async fn evaluate(feed: Arc<Feed>, answers: Arc<Answers>, mut commits: watch::Receiver<u64>) {
    let mut looker = Looker { answers, query: feed.query.clone(), reader: None };
    loop {
        commits.mark_unchanged();
        let begun = Instant::now();
        let looked = tokio::task::spawn_blocking(move || {
            let answer = looker.look();
            (looker, answer)
        });
        let answer = match looked.await.or_fail(Kind::Internal, || "query") {
            Ok((again, answer)) => {
                looker = again;
                answer
            }
            Err(error) => {
                feed.note(Err(error));
                return;
            }
        };
        if !feed.note(answer) {
            return;
        }
        tokio::time::sleep(PAUSE.0.max(begun.elapsed() * PAUSE.1)).await;
        // Should the committer have ended, nothing changes any more.
        let _ = tokio::time::timeout(LOOK_TIME, commits.changed()).await;
    }
}

/// Who looks whether an answer is another: on one connection, whose versions of the file can be compared.
struct Looker {
    answers: Arc<Answers>,
    query: String,
    reader: Option<(Reader, i64)>,
}

impl Looker {
    /// The answer, unless the file is as it was, or the write-ahead log is to be folded back first.
    fn look(&mut self) -> Result<Option<Table>> {
        if self.answers.make_room(Instant::now()).is_err() {
            return Ok(None);
        }
        let (reader, seen) = match self.reader.take() {
            Some((reader, seen)) => (reader, Some(seen)),
            None => (self.answers.open()?, None),
        };
        let version = reader.version()?;
        let page = match seen {
            Some(seen) if seen == version => None,
            _ => Some(reader.ask(&Question::whole(&self.query, ROWS_MAX), EVALUATION_TIME_MAX)?),
        };
        self.reader = Some((reader, version));
        if page.as_ref().is_some_and(|page| page.table.more) {
            let error = Error::new(Kind::Input, format!("query {:?}: it has more than {ROWS_MAX} rows", self.query));
            return Err(error.hint("follow a query with a LIMIT, or ask for pages"));
        }
        Ok(page.map(|page| page.table))
    }
}

impl Follower {
    /// The names of the query's columns.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// The next that there is to tell; waits until there is something. After an error it is at its end.
    ///
    /// It may be called again after it was left early: nothing is lost.
    pub async fn next(&mut self) -> Result<News> {
        loop {
            self.changed.mark_unchanged();
            if let Some(news) = self.news()? {
                return Ok(news);
            }
            self.changed.changed().await.or_fail(Kind::Internal, || "feed")?;
        }
    }

    /// Waits until there is a state.
    async fn begun(&mut self) -> Result<()> {
        loop {
            self.changed.mark_unchanged();
            {
                let state = lock(&self.feed.state);
                failed(&state, self.failures)?;
                if state.fresh {
                    return Ok(());
                }
            }
            self.changed.changed().await.or_fail(Kind::Internal, || "feed")?;
        }
    }

    fn news(&mut self) -> Result<Option<News>> {
        let state = lock(&self.feed.state);
        failed(&state, self.failures)?;
        let (number, what) = match state.history.after(self.known) {
            Told::Nothing => return Ok(None),
            Told::Whole(number, table) => (number, What::Whole(table)),
            Told::Changed(number, changes) => (number, What::Changed(changes)),
        };
        drop(state);
        self.known = Some(number);
        Ok(Some(News { id: self.feed.id(number), what }))
    }
}

/// The error of a feed that has failed since.
fn failed(state: &State, failures: u64) -> Result<()> {
    match &state.failed {
        Some(error) if state.failures > failures => Err(error.clone()),
        _ => Ok(()),
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        lock(&self.feed.state).followers -= 1;
    }
}
