//! `tidemill emulate`: posts as the original emulators sent them.

use std::path::PathBuf;

use clap::Args;

use super::progress::Progress;
use super::{Ended, operator};
use crate::emulate::client::Client;
use crate::emulate::post::{self, Order, Plan, Rows, Sent};
use crate::emulate::{population::Population, rows::Files};
use crate::error::Result;

/// Post generated or given rows to a pipeline, as the original emulators did.
#[derive(Debug, Args)]
pub(super) struct Emulate {
    /// The REST proxy to post to.
    #[arg(long, default_value = "http://127.0.0.1:8082")]
    to: String,
    /// How many posts: a pin, a geo and a user of one index each; for ever when it is left out.
    #[arg(long)]
    posts: Option<u64>,
    /// Posts a second; as fast as they are taken when it is left out.
    #[arg(long)]
    rate: Option<f64>,
    /// The seed of the population and of the order.
    #[arg(long, default_value_t = 100)]
    seed: u64,
    /// How many rows the population has.
    #[arg(long, default_value_t = 11_154, conflicts_with = "rows")]
    population: u64,
    /// Send the rows of these JSON-lines files instead: pin, geo, user.
    #[arg(long, num_args = 3, value_names = ["PIN", "GEO", "USER"])]
    rows: Option<Vec<PathBuf>>,
    /// The topics of pin, geo and user.
    #[arg(long, num_args = 3, default_values = ["pin", "geo", "user"])]
    topics: Vec<String>,
    /// The share of posts that are sent a second time.
    #[arg(long, default_value_t = 0.02)]
    resend: f64,
    /// Draw indexes at random, with repeats, instead of each once.
    #[arg(long)]
    draws: bool,
    /// Records in a request; the original sent one.
    #[arg(long, default_value_t = 1)]
    batch: usize,
    /// Requests under way at a time.
    #[arg(long, default_value_t = 8)]
    lanes: usize,
}

impl Emulate {
    pub(super) fn run(self) -> Result<Ended> {
        super::log_to_stderr("warn");
        let rows = match &self.rows {
            Some(files) => Rows::Files(Files::read(files)?),
            None => Rows::Population(Population::new(self.population, self.seed)),
        };
        let order = if self.draws { Order::Draws } else { Order::Shuffled };
        let plan = Plan {
            to: self.to,
            topics: self.topics,
            posts: self.posts.unwrap_or(u64::MAX),
            rate: self.rate,
            seed: self.seed,
            order,
            resend: self.resend,
            batch: self.batch,
            lanes: self.lanes,
        };
        let sent =
            super::tokio_runtime()?.block_on(send(&Client::new(operator::key()?.as_ref(), None)?, &plan, &rows))?;
        println!(
            "{} posts, {} records acknowledged in {:.1} s ({:.0} records a second), {} requests tried again",
            sent.posts,
            sent.records,
            sent.seconds,
            sent.records as f64 / sent.seconds.max(f64::MIN_POSITIVE),
            sent.retries
        );
        Ok(Ended::Well)
    }
}

/// Sends all posts and shows how far they have come.
pub(super) async fn send(client: &Client, plan: &Plan, rows: &Rows) -> Result<Sent> {
    let progress = Progress::new("posts", plan.posts);
    let sent = post::run(client, plan, rows, |done| progress.at(done)).await;
    progress.end();
    sent
}
