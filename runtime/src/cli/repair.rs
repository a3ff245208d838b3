//! `tidemill repair`: what is rotten in a pipeline's topics, and leaving it out.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use super::Ended;
use crate::cache::query::Reader;
use crate::error::Result;
use crate::log::lock::DataLock;
use crate::log::repair::{self, Fault, What};
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
    /// Leave out what is rotten from now on: its records are lost, and those behind it can be read. Nothing is lost where the header of a
    /// segment can be put back, which this does too.
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
        let mut found: Vec<Value> = Vec::new();
        let asked = |topic: &&str| self.topic.as_deref().is_none_or(|asked| asked == *topic);
        // What is not there has nothing that could be rotten: a topic of another system, or one that nobody has written to.
        let kept = pipeline.topics.iter().map(|topic| topic.name.as_str()).filter(|topic| folder.join(topic).is_dir());
        let mut look = |topic: &str| -> Result<()> {
            loop {
                let faults = repair::faults(&folder, topic, |partition| wanted(topic, partition))?;
                if self.skip {
                    repair::mend(&folder, topic, &faults)?;
                }
                found.extend(faults.iter().map(|fault| shown(topic, fault, self.skip)));
                // What was mended may show what is behind it.
                if !self.skip || faults.is_empty() {
                    return Ok(());
                }
            }
        };
        let looked = kept.filter(asked).try_for_each(&mut look);
        // What was given up is named, whatever came after it.
        match self.json {
            true => println!("{}", Value::from(found.clone())),
            false => found.iter().for_each(|fault| println!("{}", line(fault))),
        }
        looked?;
        if found.is_empty() && !self.json {
            println!("every record of every topic is as it was written");
        }
        Ok(if found.is_empty() || self.skip { Ended::Well } else { Ended::NotWell })
    }
}

fn shown(topic: &str, fault: &Fault, mended: bool) -> Value {
    let Fault { partition, what, why } = fault;
    match what {
        What::Stretch(skip) => {
            json!({ "topic": topic, "partition": partition, "from": skip.from, "to": skip.to, "why": why, "skipped": mended })
        }
        What::Header(base, _) => {
            json!({ "topic": topic, "partition": partition, "segment": base, "why": why, "put_back": mended })
        }
    }
}

fn line(fault: &Value) -> String {
    let (topic, partition, why) = (&fault["topic"], &fault["partition"], fault["why"].as_str().unwrap_or_default());
    let (what, end) = match fault["segment"].as_u64() {
        Some(base) if fault["put_back"] == true => {
            (format!("segment {base:020}"), "put back as it was, nothing is lost")
        }
        Some(base) => (format!("segment {base:020}"), "`--skip` puts it back as it was, and nothing is lost"),
        None => {
            let end = if fault["skipped"] == true { "left out from now on" } else { "`--skip` leaves them out" };
            (format!("offsets {} to {} cannot be read", fault["from"], fault["to"]), end)
        }
    };
    format!("topic {topic}: partition {partition}: {what}: {why}; {end}")
}
