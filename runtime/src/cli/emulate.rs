//! `tidemill emulate`: posts as the original emulators sent them.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::progress::Progress;
use super::{Ended, operator};
use crate::emulate::client::Client;
use crate::emulate::database::{self, Address, Database};
use crate::emulate::post::{self, Order, Plan, Rows, Sent, Via};
use crate::emulate::{population::Population, rows::Files};
use crate::error::{Error, Kind, OrFail as _, Result};

/// The environment's variable that holds the database's password, and the one that names a file which does.
const PASSWORD: &str = "TIDEMILL_DATABASE_PASSWORD";
const PASSWORD_FILE: &str = "TIDEMILL_DATABASE_PASSWORD_FILE";
/// The share of posts that are sent a second time, where none is named.
const RESEND: f64 = 0.02;
/// Requests under way at a time, where no count is named.
const LANES: usize = 8;

/// Post generated or given rows to a pipeline, as the original emulators did.
#[derive(Debug, Args)]
pub(super) struct Emulate {
    /// Where to post; by default port 8082 of this machine, or 8084 of it where there is a gateway.
    #[arg(long)]
    to: Option<String>,
    /// The door: a REST proxy, one behind an API gateway, or Kinesis behind one.
    #[arg(long, value_enum, default_value = "rest")]
    via: Door,
    /// The gateway's stage.
    #[arg(long, default_value = "dev")]
    stage: String,
    /// The topics of pin, geo and user, or the streams.
    #[arg(long, visible_alias = "streams", num_args = 3, value_names = ["PIN", "GEO", "USER"])]
    topics: Option<Vec<String>>,
    /// Name them as the original did: ID.pin, or streaming-ID-pin where they are streams.
    #[arg(long, value_name = "ID", conflicts_with = "topics")]
    user_id: Option<String>,
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
    #[arg(long, default_value_t = 11_154, conflicts_with_all = ["rows", "from"])]
    population: u64,
    /// Send the rows of these JSON-lines files instead: pin, geo, user.
    #[arg(long, num_args = 3, value_names = ["PIN", "GEO", "USER"], conflicts_with_all = ["from", "dates"])]
    rows: Option<Vec<PathBuf>>,
    /// Send the rows of this database, one by one as the original read them: mysql://USER:PASSWORD@HOST:PORT/DATABASE,
    /// postgres://.. or sqlite:PATH. The password may be in the environment instead, in TIDEMILL_DATABASE_PASSWORD or in
    /// the file that TIDEMILL_DATABASE_PASSWORD_FILE names.
    #[arg(long, value_name = "DATABASE")]
    from: Option<String>,
    /// Fill the tables of this database with the population, instead of posting anything.
    #[arg(long, value_name = "DATABASE", conflicts_with_all = ["from", "rows", "posts", "to"])]
    load: Option<String>,
    /// Drop tables that have rows, and make them anew.
    #[arg(long, requires = "load")]
    replace: bool,
    /// The tables of pin, geo and user in the database.
    #[arg(long, num_args = 3, value_names = ["PIN", "GEO", "USER"],
        default_values = ["pinterest_data", "geolocation_data", "user_data"])]
    tables: Vec<String>,
    /// The order of indexes: each once at random, any at any time, or the very ones that the original drew.
    #[arg(long, value_enum, default_value = "shuffled")]
    order: Sequence,
    /// How much faster than the original, which pauses for 0 or 1 second before each post; 0 is without pauses.
    #[arg(long, default_value_t = 1.0)]
    speed: f64,
    /// The share of posts that are sent a second time; 0.02 by default, none in the original order.
    #[arg(long)]
    resend: Option<f64>,
    /// How dates are parted from times: 2017-10-19T15:13:42, or with a blank.
    #[arg(long, value_enum, default_value = "T")]
    dates: Dates,
    /// Records in a request; the original sent one.
    #[arg(long, default_value_t = 1)]
    batch: usize,
    /// Requests under way at a time; 8 by default, one in the original order.
    #[arg(long)]
    lanes: Option<usize>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Door {
    Rest,
    Gateway,
    Kinesis,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Sequence {
    Shuffled,
    Draws,
    Original,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Dates {
    #[value(name = "T")]
    T,
    Blank,
}

impl Emulate {
    pub(super) fn run(self) -> Result<Ended> {
        super::log_to_stderr("warn");
        let runtime = super::tokio_runtime()?;
        if let Some(address) = &self.load {
            return runtime.block_on(self.fill(address));
        }
        let plan = self.plan()?;
        let sent = runtime.block_on(async {
            let client = Client::new(operator::key()?.as_ref(), None)?;
            send(&client, &plan, &self.source().await?).await
        })?;
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

    /// Fills a database.
    async fn fill(&self, address: &str) -> Result<Ended> {
        let (address, population) = (read(address)?, Population::new(self.population, self.seed));
        let progress = Progress::new("rows", 3 * population.rows());
        let rows = database::load(&address, &self.tables, self.replace, &population, |done| progress.at(done)).await;
        progress.end();
        println!("{} rows in {} of {address}", rows?, self.tables.join(", "));
        Ok(Ended::Well)
    }

    async fn source(&self) -> Result<Rows> {
        Ok(match (&self.rows, &self.from) {
            (Some(files), _) => Rows::Files(Files::read(files)?),
            (None, Some(address)) => Rows::Database(Database::open(read(address)?, &self.tables).await?),
            (None, None) => Rows::Population(Population::new(self.population, self.seed)),
        })
    }

    fn plan(&self) -> Result<Plan> {
        let original = self.order == Sequence::Original;
        if original && self.lanes.is_some_and(|lanes| lanes > 1) {
            return Err(Error::new(Kind::Input, "lanes: in the original order, requests go one after the other"));
        }
        let stage = || self.stage.clone();
        let (via, port, name) = match self.via {
            Door::Rest => (Via::Rest, 8082, ["", "."]),
            Door::Gateway => (Via::Gateway(stage()), 8084, ["", "."]),
            Door::Kinesis => (Via::Kinesis(stage()), 8084, ["streaming-", "-"]),
        };
        let named = |table: &str| match &self.user_id {
            Some(id) => format!("{}{id}{}{table}", name[0], name[1]),
            None => table.to_owned(),
        };
        Ok(Plan {
            to: self.to.clone().unwrap_or_else(|| format!("http://127.0.0.1:{port}")),
            via,
            topics: self.topics.clone().unwrap_or_else(|| ["pin", "geo", "user"].map(named).to_vec()),
            posts: self.posts.unwrap_or(u64::MAX),
            rate: self.rate,
            seed: self.seed,
            order: match self.order {
                Sequence::Shuffled => Order::Shuffled,
                Sequence::Draws => Order::Draws,
                Sequence::Original => Order::Original { second: second(self.speed)? },
            },
            resend: self.resend.unwrap_or(if original { 0.0 } else { RESEND }),
            dates: match self.dates {
                Dates::T => database::Dates::T,
                Dates::Blank => database::Dates::Blank,
            },
            batch: self.batch,
            lanes: self.lanes.unwrap_or(if original { 1 } else { LANES }),
        })
    }
}

/// How long a second is at this speed.
fn second(speed: f64) -> Result<Duration> {
    let seconds = if speed == 0.0 { 0.0 } else { 1.0 / speed };
    Duration::try_from_secs_f64(seconds).or_fail(Kind::Input, || format!("speed {speed}"))
}

fn read(address: &str) -> Result<Address> {
    Address::read(address, operator::secret("password", PASSWORD, PASSWORD_FILE)?)
}

/// Sends all posts and shows how far they have come.
pub(super) async fn send(client: &Client, plan: &Plan, rows: &Rows) -> Result<Sent> {
    let progress = Progress::new("posts", plan.posts);
    let sent = post::run(client, plan, rows, |done| progress.at(done)).await;
    progress.end();
    sent
}
