//! A panic, which is a fault of this program: what stands still, what goes on, and that nothing is lost.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::simulation::plan::guest;
use super::{Options, Runtime};
use crate::cache::query::Reader;
use crate::config;
use crate::error::Result;
use crate::sabotage::{Place, arm};
use crate::time::Clock;

/// Nothing that is waited for takes so long.
const WAIT_TIME_MAX: Duration = Duration::from_secs(60);
const ASK_TIME: Duration = Duration::from_millis(5);

/// A pipeline of two tables; `bad_NAME` is where a panic comes, `good_NAME` is beside it.
struct House {
    name: String,
    folder: PathBuf,
    sent: u64,
}

impl House {
    fn new(place: Place) -> Self {
        let name = format!("{place:?}").to_lowercase();
        let folder = std::env::temp_dir().join(format!("tidemill-panics-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("guest.wasm"), guest().bytes()).unwrap();
        let mut text = format!(
            "[pipeline]\nname = {name:?}\ndata = \"data\"\n[listen]\ntopics = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"\n\
             [epoch]\ntime = \"20ms\"\n[lake]\nbucket = \"lake\"\nendpoint = \"embedded\"\nformat = \"json\"\n"
        );
        for table in ["good", "bad"].map(|table| format!("{table}_{name}")) {
            text += &format!(
                "[topics.{table}]\npartitions = 1\n[tables.{table}]\ntopic = {table:?}\ntransform = \"guest.wasm\"\n\
                 key = [\"id\"]\ncache = [\"id\", \"n\"]\nwindow = \"1s\"\n"
            );
        }
        fs::write(folder.join("panics.toml"), text).unwrap();
        Self { name, folder, sent: 0 }
    }

    fn table(&self, which: &str) -> String {
        format!("{which}_{}", self.name)
    }

    async fn start(&self) -> Arc<Runtime> {
        let pipeline = config::read(&self.folder.join("panics.toml")).unwrap_or_else(|faults| panic!("{faults:?}"));
        Runtime::start(pipeline.pipeline, Options::default(), Arc::new(Clock::System)).await.unwrap()
    }

    /// Appends a record to a topic and waits until it is synced.
    async fn append(&mut self, runtime: &Runtime, which: &str) -> Result<()> {
        let topic = runtime.topic(&self.table(which)).unwrap();
        let mut append = topic.begin();
        let value = format!("{{\"id\":\"{}\",\"class\":\"a\",\"n\":1}}", self.sent);
        append.push(None, Some(value.as_bytes()), b"")?;
        topic.append(0, append)?.wait().await?;
        self.sent += 1;
        Ok(())
    }

    fn count(&self, sql: &str) -> u64 {
        let answer = Reader::open(&self.folder.join("data/cache.sqlite")).unwrap().run(sql, 1).unwrap();
        answer.rows[0][0].to_string().parse().unwrap()
    }

    /// All that was acknowledged has become one row each, in cache, ledger and lake.
    fn has_all(&self) {
        let (good, bad) = (self.table("good"), self.table("bad"));
        let rows = self.count(&format!("SELECT (SELECT count(*) FROM \"{good}\") + (SELECT count(*) FROM \"{bad}\")"));
        assert_eq!(rows, self.sent, "rows after a panic in {}", self.name);
        for sql in [
            "SELECT sum(records_in) FROM tidemill_ledger",
            "SELECT sum(rows) FROM tidemill_ledger",
            "SELECT sum(rows) FROM tidemill_objects WHERE delivered IS NOT NULL",
        ] {
            assert_eq!(self.count(sql), self.sent, "{sql} after a panic in {}", self.name);
        }
    }
}

impl Drop for House {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

async fn until(what: &str, there: impl Fn() -> bool) {
    let mut ask = tokio::time::interval(ASK_TIME);
    let wait = async {
        while !there() {
            ask.tick().await;
        }
    };
    assert!(tokio::time::timeout(WAIT_TIME_MAX, wait).await.is_ok(), "{what}");
}

/// Starts again and finds all that was acknowledged, each record once.
async fn comes_back(house: &mut House) {
    let runtime = house.start().await;
    for which in ["good", "bad"] {
        house.append(&runtime, which).await.unwrap();
    }
    until("all is committed and uploaded", || runtime.settled()).await;
    assert!(runtime.fatal().is_none() && runtime.trouble().is_empty(), "{:?}", runtime.trouble());
    runtime.stop().await;
    house.has_all();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_panics_stands_still_alone() {
    let mut house = House::new(Place::Worker);
    let runtime = house.start().await;
    house.append(&runtime, "bad").await.unwrap();
    until("the first is committed", || runtime.health.committed(&house.table("bad"), 0) == 1).await;
    arm(Place::Worker, &house.table("bad"));
    house.append(&runtime, "bad").await.unwrap();
    until("it is told", || !runtime.trouble().is_empty()).await;
    let trouble = runtime.trouble().remove(0);
    assert_eq!(trouble.what, format!("table {:?}, partition 0", house.table("bad")));
    assert!(trouble.why.starts_with("a fault of this program: on purpose, in Worker of"), "{trouble:?}");
    assert_eq!(trouble.hint.as_deref(), Some("start the pipeline again: it goes on from the last commit"));
    for nth in 1..=20 {
        house.append(&runtime, "good").await.unwrap();
        house.append(&runtime, "bad").await.unwrap();
        until("the other goes on", || runtime.health.committed(&house.table("good"), 0) == nth).await;
    }
    assert!(runtime.fatal().is_none(), "the process goes on");
    assert_eq!(runtime.health.committed(&house.table("bad"), 0), 1, "what stands still stands still");
    runtime.stop().await;
    comes_back(&mut house).await;
}

/// Where the whole pipeline depends on it, the process has to end; what was acknowledged until then is there after the next start.
#[tokio::test(flavor = "multi_thread")]
async fn a_panic_in_what_all_depend_on_ends_the_process() {
    for place in [Place::Commit, Place::Committed, Place::Lander, Place::Uploader, Place::Writer] {
        let mut house = House::new(place);
        let runtime = house.start().await;
        for _ in 0..10 {
            house.append(&runtime, "good").await.unwrap();
            house.append(&runtime, "bad").await.unwrap();
        }
        let name =
            if matches!(place, Place::Commit | Place::Committed) { house.name.clone() } else { house.table("bad") };
        arm(place, &name);
        let refused = house.append(&runtime, "bad").await;
        assert_eq!(refused.is_err(), place == Place::Writer, "{place:?}: {refused:?}");
        until("the process is to end", || runtime.fatal().is_some()).await;
        let why = runtime.fatal().unwrap();
        let said = if place == Place::Writer { "what its disk holds is not known" } else { "a fault of this program" };
        assert!(why.message().contains(said), "{place:?}: {why}");
        // Until it has ended, the other topic still takes records.
        house.append(&runtime, "good").await.unwrap();
        runtime.stop().await;
        comes_back(&mut house).await;
    }
}
