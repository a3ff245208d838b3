//! Answers while a pipeline runs: connections that read, so many questions at one time, each within its time.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use super::{Runtime, lock};
use crate::cache::LOG_BYTES;
use crate::cache::query::{Reader, log_bytes};
use crate::cache::question::{Page, Question};
use crate::error::{Error, Kind, OrFail, Result};

/// The most rows of one page.
pub const ROWS_MAX: usize = 10_000;
/// Questions that are worked on at one time.
const QUESTIONS_MAX: usize = 8;
/// How long a question waits for its turn.
const TURN_TIME_MAX: Duration = Duration::from_secs(5);
/// How long a question may take. What it reads stays in the write-ahead log so long.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(10);
/// How large the write-ahead log may become before questions make room for folding it back.
const LOG_BYTES_MAX: u64 = 4 * LOG_BYTES;

/// Who asks a pipeline's cache, and within which bounds.
pub(super) struct Answers {
    pub(super) cache: PathBuf,
    idle: Mutex<Vec<Reader>>,
    turns: Arc<Semaphore>,
    log_bytes_max: u64,
    /// Since when the log is larger than that.
    large: Mutex<Option<Instant>>,
}

impl Answers {
    pub(super) fn new(cache: &Path) -> Self {
        Self {
            cache: cache.to_owned(),
            idle: Mutex::default(),
            turns: Arc::new(Semaphore::new(QUESTIONS_MAX)),
            log_bytes_max: LOG_BYTES_MAX,
            large: Mutex::default(),
        }
    }

    /// Answers a question on a connection of the pool. Blocks.
    fn ask(&self, question: &Question) -> Result<Page> {
        self.with_reader(|reader| reader.ask(question, ANSWER_TIME_MAX))
    }

    /// Runs what reads on a connection of the pool; one that failed by no fault of the question is not used again.
    pub(super) fn with_reader<T>(&self, run: impl FnOnce(&Reader) -> Result<T>) -> Result<T> {
        self.make_room(Instant::now())?;
        let idle = lock(&self.idle).pop();
        let reader = match idle {
            Some(reader) => reader,
            None => self.open()?,
        };
        let answer = run(&reader);
        let sound =
            answer.as_ref().err().is_none_or(|error| matches!(error.kind(), Kind::Input | Kind::Missing | Kind::Busy));
        let mut idle = lock(&self.idle);
        if sound && idle.len() < QUESTIONS_MAX {
            idle.push(reader);
        }
        answer
    }

    /// A connection of its own.
    pub(super) fn open(&self) -> Result<Reader> {
        Reader::open(&self.cache)
    }

    /// Refuses while the log is to be folded back: it can begin anew only in a moment in which nobody reads from it, and questions that
    /// overlap leave none. All that were under way have ended after their time; if it is large still, another program keeps it.
    pub(super) fn make_room(&self, now: Instant) -> Result<()> {
        let mut large = lock(&self.large);
        if log_bytes(&self.cache) <= self.log_bytes_max {
            *large = None;
            return Ok(());
        }
        let since = *large.get_or_insert(now);
        if now.duration_since(since) > 2 * ANSWER_TIME_MAX {
            return Ok(());
        }
        let error = Error::new(Kind::Busy, "query: the cache's log is being folded back");
        Err(error.hint("ask again in a few seconds"))
    }
}

impl Runtime {
    /// Answers a question to a named query: at most [`ROWS_MAX`] rows, in at most ten seconds. It never holds up a commit.
    ///
    /// Errors are those of [`Reader::ask`], and `Kind::Busy` where too many questions wait.
    pub async fn ask(&self, question: Question) -> Result<Page> {
        let turns = Arc::clone(&self.answers.turns);
        let turn = match tokio::time::timeout(TURN_TIME_MAX, turns.acquire_owned()).await {
            Ok(turn) => turn.or_fail(Kind::Internal, || "query")?,
            Err(_) => return Err(Error::new(Kind::Busy, format!("query: {QUESTIONS_MAX} others are being answered"))),
        };
        let answers = Arc::clone(&self.answers);
        let asked = tokio::task::spawn_blocking(move || {
            // Its turn ends with it, also where nobody waits for the answer any more.
            let _turn = turn;
            answers.ask(&Question { limit: question.limit.min(ROWS_MAX), ..question })
        });
        asked.await.or_fail(Kind::Internal, || "query")?
    }

    /// The columns of a named query.
    pub fn columns(&self, query: &str) -> Result<Vec<String>> {
        self.answers.with_reader(|reader| reader.columns(query))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::{Layout, Store};

    #[test]
    fn questions_make_room_for_the_log_until_it_is_known_to_be_kept_by_another() {
        let folder = std::env::temp_dir().join(format!("tidemill-answers-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let cache = folder.join("cache.sqlite");
        let queries = vec![("one".to_owned(), "SELECT 1 AS n".to_owned())];
        let store = Store::open(&cache, &Layout { pipeline: "p".to_owned(), queries, ..Layout::default() }).unwrap();
        let mut answers = Answers::new(&cache);
        let one = Question::whole("one", 9);
        assert_eq!(answers.ask(&one).unwrap().table.rows.len(), 1);
        answers.log_bytes_max = 0;
        assert!(log_bytes(&cache) > 0, "it is there while the store is open");
        assert_eq!(answers.ask(&one).unwrap_err().kind(), Kind::Busy);
        let begun = lock(&answers.large).unwrap();
        assert!(answers.make_room(begun + 2 * ANSWER_TIME_MAX).is_err());
        assert!(answers.make_room(begun + 3 * ANSWER_TIME_MAX).is_ok());
        answers.log_bytes_max = u64::MAX;
        assert_eq!(answers.ask(&one).unwrap().table.rows.len(), 1);
        assert!(lock(&answers.large).is_none());
        drop(store);
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
