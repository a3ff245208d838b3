//! `tidemill repair`: what is rotten in a pipeline's topics, and leaving it out.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use super::Ended;
use crate::cache::query::Reader;
use crate::error::Result;
use crate::log::lock::DataLock;
use crate::log::repair::{self, Fault};
use crate::pipeline::places::Places;

/// Read the topics of a stopped pipeline through, and name what is rotten in them; the exit code is 1 where something is.
#[derive(Debug, Args)]
pub(super) struct Repair {
    /// The pipeline file.
    #[arg(default_value = "pipelines/pinterest.toml")]
    pipeline: PathBuf,
    /// This topic alone.
    #[arg(long)]
    topic: Option<String>,
    /// Leave out what is rotten from now on: its records are lost, and those behind it can be read.
    #[arg(long)]
    skip: bool,
    /// Print what was found as JSON.
    #[arg(long)]
    json: bool,
}

impl Repair {
    pub(super) fn run(self) -> Result<Ended> {
        let pipeline = super::pipeline(&self.pipeline, None)?;
        let _lock = DataLock::take(&pipeline.data)?;
        let Places { topics: folder, cache, .. } = Places::of(&pipeline.data);
        let reader = cache.exists().then(|| Reader::open(&cache)).transpose()?;
        // Who reads a topic wants what it has not read yet.
        let wanted = |topic: &str, partition: u32| {
            let Some(reader) = &reader else { return Ok(0) };
            let positions = pipeline.readers(topic).map(|table| reader.position(table, partition));
            let read = positions.filter_map(Result::transpose).collect::<Result<Vec<_>>>()?;
            // Who has read nothing misses nothing.
            Ok(read.iter().map(|position| position.next).min().unwrap_or(0))
        };
        let mut found = Vec::new();
        let asked = |topic: &&str| self.topic.as_deref().is_none_or(|asked| asked == *topic);
        // What is not there has nothing that could be rotten: a topic of another system, or one that nobody has written to.
        let kept = pipeline.topics.iter().map(|topic| topic.name.as_str()).filter(|topic| folder.join(topic).is_dir());
        for topic in kept.filter(asked) {
            let faults = repair::faults(&folder, topic, |partition| wanted(topic, partition))?;
            if self.skip {
                repair::skip(&folder, topic, &faults)?;
            }
            found.extend(faults.iter().map(|fault| shown(topic, fault, self.skip)));
        }
        match self.json {
            true => println!("{}", Value::from(found.clone())),
            false => found.iter().for_each(|fault| println!("{}", line(fault))),
        }
        if found.is_empty() && !self.json {
            println!("every record of every topic is as it was written");
        }
        Ok(if found.is_empty() || self.skip { Ended::Well } else { Ended::NotWell })
    }
}

fn shown(topic: &str, fault: &Fault, skipped: bool) -> Value {
    let Fault { partition, skip, why } = fault;
    json!({ "topic": topic, "partition": partition, "from": skip.from, "to": skip.to, "why": why, "skipped": skipped })
}

fn line(fault: &Value) -> String {
    let end = if fault["skipped"] == true { "left out from now on" } else { "`--skip` leaves them out" };
    let [partition, from, to] = ["partition", "from", "to"].map(|key| fault[key].to_string());
    let (topic, why) = (&fault["topic"], fault["why"].as_str().unwrap_or_default());
    format!("topic {topic}: partition {partition}: offsets {from} to {to} cannot be read: {why}; {end}")
}
