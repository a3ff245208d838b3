//! `tidemill explain`: a row of the lake, its record, and what each component makes of it.

use std::path::PathBuf;

use clap::Args;

use super::Ended;
use crate::error::Result;
use crate::pipeline::explain::{self, Bytes, Explained};
use crate::pipeline::places::Places;

/// Show where a row of the lake came from, step by step.
#[derive(Debug, Args)]
pub(super) struct Explain {
    /// The pipeline file.
    pipeline: PathBuf,
    /// The object's key in the bucket.
    object: String,
    /// The row in it, counted from 1.
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    row: u64,
    /// The data folder, where it is not the one that the file names.
    #[arg(long)]
    data: Option<PathBuf>,
    /// Print it as JSON.
    #[arg(long)]
    json: bool,
}

impl Explain {
    pub(super) fn run(self) -> Result<Ended> {
        super::log_to_stderr("warn");
        let pipeline = super::pipeline(&self.pipeline, self.data)?;
        let (places, tokio) = (Places::of(&pipeline.data), super::tokio_runtime()?);
        let host = super::host()?.trusting(&pipeline.trust);
        let explain = explain::Explain { pipeline: &pipeline, places: &places, host: &host, tokio: tokio.handle() };
        let explained = explain.run(&self.object, self.row)?;
        if self.json {
            println!("{}", serde_json::json!(explained));
        } else {
            show(&explained);
        }
        Ok(if explained.same && explained.object_intact { Ended::Well } else { Ended::NotWell })
    }
}

fn show(of: &Explained) {
    println!("object    {}, row {}", of.object, of.row);
    if !of.object_intact {
        println!("          its bytes are not those that the outbox sent");
    }
    if let Some(revision) = of.replaced_by {
        println!("          revision {revision} stands in the place of what its record had here");
    }
    println!(
        "came from table {:?}, partition {}, offset {}, row {} of its record",
        of.table, of.partition, of.offset, of.nth
    );
    println!("epoch     {}, generation {}", of.epoch, of.generation);
    println!(
        "record    {} {}",
        of.record.time,
        of.record.value.as_ref().map_or_else(|| "without a value".to_owned(), text)
    );
    if let Some(key) = &of.record.key {
        println!("  key     {}", text(key));
    }
    for (name, value) in &of.record.headers {
        println!("  header  {name}: {}", value.as_ref().map_or_else(String::new, text));
    }
    println!("decoded   {}", of.decoded.as_ref().map_or("not at all", |decoded| decoded.get()));
    for step in &of.steps {
        println!("component {} {}", step.transform, step.digest);
        match &step.rejected {
            Some(reason) => println!("  rejects it: {reason}"),
            None if step.rows.is_empty() => println!("  drops it"),
            None => step.rows.iter().for_each(|row| println!("  {}", row.get())),
        }
    }
    println!("made now  {}", of.made.as_ref().map_or("no such row", |made| made.get()));
    println!("written   {}", of.written.get());
    match of.same {
        true => println!("the same"),
        false if of.made.is_none() => println!("not the same: its record no longer makes it"),
        false => {
            println!("not the same: {} differ{}", of.differs.join(", "), if of.differs.len() == 1 { "s" } else { "" })
        }
    }
}

fn text(bytes: &Bytes) -> String {
    match bytes {
        Bytes::Text(text) => text.clone(),
        Bytes::Base64 { base64 } => format!("base64:{base64}"),
    }
}
