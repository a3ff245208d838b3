//! Posts: the pin, the geo and the user of one index, sent in this order over and over.

mod lanes;
mod schedule;
#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::Value;

use self::lanes::Lanes;
use self::schedule::Schedule;
use super::client::Client;
use super::database::{Database, Dates};
use super::population::Population;
use super::rows::{Files, TABLES};
use crate::error::{Error, Kind, Result};

/// What to send, where to, how fast.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The address of the door, such as `http://127.0.0.1:8082`.
    pub to: String,
    /// Which door it is.
    pub via: Via,
    /// The topics of pin, geo and user; the streams, where they are streams.
    pub topics: Vec<String>,
    /// How many posts, not counting those that are sent again; `u64::MAX` is for ever.
    pub posts: u64,
    /// Posts a second; `None` is as fast as they are taken.
    pub rate: Option<f64>,
    /// The seed of the order and of what is sent again.
    pub seed: u64,
    /// In which order the indexes come.
    pub order: Order,
    /// The share of posts that are sent a second time, some posts later: from 0 to 1.
    pub resend: f64,
    /// How the times of rows are written that are not read from files.
    pub dates: Dates,
    /// Records in a request: the original sent one, and a stream takes no more.
    pub batch: usize,
    /// Requests under way at a time.
    pub lanes: usize,
}

/// Which door the posts go to; a gateway's has the stage in its path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Via {
    /// A REST proxy: `POST /topics/NAME`.
    Rest,
    /// A REST proxy behind an API gateway: `POST /STAGE/topics/NAME`.
    Gateway(String),
    /// Kinesis behind an API gateway: `PUT /STAGE/streams/NAME/record`. It does not know repeats, so that a record may
    /// arrive twice after a connection broke.
    Kinesis(String),
}

/// In which order indexes come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Each index once in a random order, then again in the same one.
    Shuffled,
    /// Any index at any time: some come again soon, some never.
    Draws,
    /// The very indexes that the original drew, each after a pause of none or one second.
    Original {
        /// How long a second is.
        second: Duration,
    },
}

/// Where the rows come from.
pub enum Rows {
    /// They are generated.
    Population(Population),
    /// They were read.
    Files(Files),
    /// They are read one by one.
    Database(Database),
}

/// What was sent.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sent {
    /// Posts, not counting those that were sent again.
    pub posts: u64,
    /// Records that were acknowledged.
    pub records: u64,
    /// Requests that were tried again.
    pub retries: u64,
    /// How long it took.
    pub seconds: f64,
}

/// Sends what `plan` says by `client` and calls `progress` with the posts done so far. The first error that does not pass ends it.
pub async fn run(client: &Client, plan: &Plan, rows: &Rows, progress: impl Fn(u64) + Sync) -> Result<Sent> {
    let (urls, begun) = (plan.urls()?, Instant::now());
    let (posts, records, retries) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    let lanes = Lanes::new(urls.len());
    let groups = stream::iter(Schedule::new(plan, rows.len()).groups(plan.batch.max(1)));
    let sent = groups.map(|group| {
        let (urls, lanes, progress) = (&urls, &lanes, &progress);
        let (posts, records, retries) = (&posts, &records, &retries);
        async move {
            if let Some(rate) = plan.rate {
                let due =
                    begun + Duration::try_from_secs_f64(group.first_nth as f64 / rate).unwrap_or(Duration::MAX / 4);
                tokio::time::sleep_until(due.into()).await;
            }
            if !group.pause.is_zero() {
                tokio::time::sleep(group.pause).await;
            }
            let mut lane = lanes.take();
            for (table, (url, producer)) in urls.iter().zip(&mut lane).enumerate() {
                let Some(body) = rows.body(plan, table, &group.indexes).await? else { continue };
                let posted = match plan.via {
                    Via::Rest | Via::Gateway(_) => client.post(producer, url, body).await?,
                    Via::Kinesis(_) => client.put(url, body).await?,
                };
                records.fetch_add(posted.records, Ordering::Relaxed);
                retries.fetch_add(posted.retries, Ordering::Relaxed);
            }
            lanes.give(lane);
            progress(posts.fetch_add(group.posts, Ordering::Relaxed) + group.posts);
            Ok::<_, Error>(())
        }
    });
    sent.buffer_unordered(plan.lanes.max(1)).try_for_each(|()| async { Ok(()) }).await?;
    Ok(Sent {
        posts: posts.into_inner(),
        records: records.into_inner(),
        retries: retries.into_inner(),
        seconds: begun.elapsed().as_secs_f64(),
    })
}

impl Plan {
    /// The addresses of the three topics, once all of the plan is seen to make sense.
    fn urls(&self) -> Result<Vec<String>> {
        let wrong = |what: String| Err(Error::new(Kind::Input, what));
        if self.topics.len() != TABLES {
            return wrong(format!("topics: {} are named, not those of pin, geo and user", self.topics.len()));
        }
        if self.rate.is_some_and(|rate| !rate.is_finite() || rate <= 0.0) {
            return wrong(format!("rate {}: it has to be above 0", self.rate.unwrap_or_default()));
        }
        if !(0.0..=1.0).contains(&self.resend) {
            return wrong(format!("resend {}: it has to be from 0 to 1", self.resend));
        }
        let base = self.to.trim_end_matches('/');
        if !base.starts_with("http://") && !base.starts_with("https://") {
            let error =
                Error::new(Kind::Input, format!("address {:?}: it does not begin with http:// or https://", self.to));
            return Err(error.hint("write it as http://127.0.0.1:8082"));
        }
        if matches!(self.via, Via::Kinesis(_)) && self.batch > 1 {
            return wrong(format!("batch {}: a stream takes one record a request", self.batch));
        }
        let url = |name: &String| match &self.via {
            Via::Rest => format!("{base}/topics/{name}"),
            Via::Gateway(stage) => format!("{base}/{stage}/topics/{name}"),
            Via::Kinesis(stage) => format!("{base}/{stage}/streams/{name}/record"),
        };
        Ok(self.topics.iter().map(url).collect())
    }
}

impl Rows {
    /// How many indexes there are.
    fn len(&self) -> u64 {
        match self {
            Self::Population(population) => population.rows(),
            Self::Files(files) => files.rows(),
            Self::Database(database) => database.rows(),
        }
    }

    /// The body of a request with a table's rows of these indexes; nothing where it has none.
    async fn body(&self, plan: &Plan, table: usize, indexes: &[u64]) -> Result<Option<Vec<u8>>> {
        let stream = plan.topics.get(table).filter(|_| matches!(plan.via, Via::Kinesis(_)));
        let (head, tail) = match stream {
            Some(name) => (format!("{{\"StreamName\":{},\"Data\":", Value::from(name.as_str())), ""),
            None => ("{\"records\":[{\"value\":".to_owned(), "}]}"),
        };
        let mut body = head.into_bytes();
        let start = body.len();
        for &index in indexes {
            let end = body.len();
            if end > start {
                body.extend_from_slice(b"},{\"value\":");
            }
            let before = body.len();
            self.row(plan, table, index, &mut body).await?;
            if body.len() == before {
                body.truncate(end);
            } else if stream.is_some() {
                body.extend_from_slice(format!(",\"PartitionKey\":\"{index}\"}}").as_bytes());
            }
        }
        let any = body.len() > start;
        body.extend_from_slice(tail.as_bytes());
        Ok(any.then_some(body))
    }

    /// Appends one row, if there is one.
    async fn row(&self, plan: &Plan, table: usize, index: u64, into: &mut Vec<u8>) -> Result<()> {
        let start = into.len();
        match self {
            Self::Population(population) => {
                population.row(table, index, into);
                plan.dates.part(into.get_mut(start..).unwrap_or_default());
            }
            Self::Files(files) => into.extend_from_slice(files.row(index, table).unwrap_or_default().as_bytes()),
            Self::Database(database) => database.row(table, index, plan.dates, into).await?,
        }
        Ok(())
    }
}
