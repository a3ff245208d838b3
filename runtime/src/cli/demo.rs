//! `tidemill demo`: the whole pipeline on emulated posts, from the first request to the ten answers.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;

use super::run::Running;
use super::{Ended, emulate, table};
use crate::cache::query::Reader;
use crate::config::plan::{Listen, Pipeline};
use crate::emulate::client::Client;
use crate::emulate::database::Dates;
use crate::emulate::population::Population;
use crate::emulate::post::{Order, Plan, Rows, Via};
use crate::error::{Error, Kind, OrFail, Result};
use crate::pipeline::places::Places;
use crate::process;
use crate::runtime::Options;
use crate::trouble::Trouble;

/// How long the windows and the outbox may take to empty after the last post.
const SETTLE_TIME_MAX: Duration = Duration::from_secs(60);
/// How often it is looked whether they have.
const LOOK_TIME: Duration = Duration::from_millis(100);
/// Rows of an answer that are shown.
const ROWS_SHOWN: usize = 8;

/// The ledger, summed up.
const LEDGER: &str = "SELECT table_name AS \"table\", sum(records_in) AS \"in\", sum(records_out) AS \"out\", \
    sum(dropped) AS dropped, sum(rejected) AS rejected, count(*) AS epochs FROM tidemill_ledger GROUP BY 1 ORDER BY 1";
/// The objects, by their keys.
const OBJECTS: &str = "SELECT key, rows, bytes FROM tidemill_objects ORDER BY key";

/// Watch the whole pipeline at work on emulated posts, with the ten answers at the end.
#[derive(Debug, Args)]
pub(super) struct Demo {
    /// The pipeline file.
    #[arg(default_value = "pipelines/pinterest.toml")]
    pipeline: PathBuf,
    /// How many posts: a pin, a geo and a user each.
    #[arg(long, default_value_t = 2_000)]
    posts: u64,
    /// Keep everything in this folder, which is emptied first; a demo leaves the pipeline's own data alone.
    #[arg(long, default_value = "data/demo")]
    data: PathBuf,
}

impl Demo {
    pub(super) fn run(self) -> Result<Ended> {
        super::log_to_stderr("warn");
        process::harden()?;
        if self.data.exists() {
            if !Places::of(&self.data).cache.exists()
                && self.data.read_dir().is_ok_and(|mut inside| inside.next().is_some())
            {
                let error =
                    Error::new(Kind::Conflict, format!("data folder {}: it is not a demo's", self.data.display()));
                return Err(error.hint("name an empty folder with --data"));
            }
            std::fs::remove_dir_all(&self.data).or_fail(Kind::Storage, || format!("data folder {:?}", self.data))?;
        }
        let mut pipeline = super::pipeline(&self.pipeline, Some(self.data.clone()))?;
        // Any free ports on loopback, for itself alone: a pipeline that runs already is not disturbed.
        let here = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        pipeline.listen =
            Listen { topics: here, admin: here, hosts: Vec::new(), keys: None, tls: None, ..pipeline.listen };
        (pipeline.gateway, pipeline.kinesis) = (None, None);
        super::tokio_runtime()?.block_on(self.show(pipeline))
    }

    async fn show(&self, pipeline: Pipeline) -> Result<Ended> {
        let begun = Instant::now();
        println!("1. start {:?}: its topics, its transforms, its lake, its cache", pipeline.name);
        let running = Running::start(pipeline, Options::default()).await?;
        println!("   posts go to http://{}/topics/pin, geo and user\n", running.topics);

        println!("2. post: {} times a pin, a geo and a user over HTTP", self.posts);
        let rows = Rows::Population(Population::new(11_154, 100));
        let plan = Plan {
            to: format!("http://{}", running.topics),
            via: Via::Rest,
            topics: ["pin", "geo", "user"].map(str::to_owned).to_vec(),
            posts: self.posts,
            rate: None,
            seed: 100,
            order: Order::Shuffled,
            resend: 0.02,
            dates: Dates::T,
            batch: 1,
            lanes: 16,
        };
        let sent = emulate::send(&Client::new(None, None)?, &plan, &rows).await?;
        println!("   {} records acknowledged in {:.1} s, each synced to the disk first\n", sent.records, sent.seconds);

        println!("3. wait: the windows close, their rows become objects, the objects are uploaded");
        self.settle(&running).await?;
        let cache = Places::of(&running.runtime.pipeline().data).cache;
        answers(&running, &Reader::open(&cache)?)?;
        self.places(&running);
        running.end().await;
        println!("\nThe demo took {:.1} s.", begun.elapsed().as_secs_f64());
        Ok(Ended::Well)
    }

    /// Until every record is committed and everything in closed windows is in the bucket.
    async fn settle(&self, running: &Running) -> Result<()> {
        let end = Instant::now() + SETTLE_TIME_MAX;
        while !running.runtime.settled() {
            let trouble = running.runtime.trouble();
            if Instant::now() > end || !trouble.is_empty() {
                let trouble: Vec<String> = trouble.iter().map(Trouble::line).collect();
                let message = format!("demo: the pipeline did not settle: {}", trouble.join("; "));
                return Err(Error::new(Kind::Unavailable, message));
            }
            tokio::time::sleep(LOOK_TIME).await;
        }
        println!("   done\n");
        Ok(())
    }

    fn places(&self, running: &Running) {
        let data = self.data.display();
        let command = std::env::args_os().next().map_or_else(|| PathBuf::from("tidemill"), PathBuf::from);
        let command = command.display();
        let file = self.pipeline.display();
        let bucket = &running.runtime.pipeline().lake.bucket;
        println!("Where it lies\n");
        println!("   topics  {data}/topics            the posts as they came");
        println!("   lake    {data}/lake/{bucket}   the objects; any S3 tool can read them while a pipeline runs");
        println!("   cache   {data}/cache.sqlite      any SQLite tool\n");
        println!("What to try next\n");
        println!("   {command} query --data {data} median_followers_by_age_group");
        println!("   {command} query --data {data} \"SELECT category, count(*) FROM pin GROUP BY 1\"");
        println!("   {command} run {file}        for good; and in another terminal");
        println!("   {command} emulate --rate 100          posts that go on");
        println!(
            "   change transforms/pin/src/lib.rs, then {command} transform build transforms/pin: swapped while they flow"
        );
    }
}

/// The ten answers, the ledger, the objects.
fn answers(running: &Running, reader: &Reader) -> Result<()> {
    println!("4. the ten answers\n");
    for query in &running.runtime.pipeline().queries {
        let answer = reader.run(&query.name, ROWS_SHOWN)?;
        println!("{}\n{}", query.name, table::table(&answer));
        if answer.more {
            println!("... and more");
        }
        println!();
    }
    println!("5. the ledger: in = out + dropped + rejected\n");
    println!("{}\n", table::table(&reader.run(LEDGER, usize::MAX)?));
    println!("6. the objects in the lake\n");
    println!("{}\n", table::table(&reader.run(OBJECTS, ROWS_SHOWN)?));
    Ok(())
}
