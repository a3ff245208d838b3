//! `tidemill key new`, `list`: the keys of which a request must carry one.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::json;

use super::{Ended, table};
use crate::access::{self, Scope, Secret};
use crate::cache::query::Table as Answer;
use crate::config::{keys, units};
use crate::error::Result;
use crate::time::Clock;
use crate::value::Value;

#[derive(Debug, Subcommand)]
pub(super) enum Key {
    /// Make a key: it is shown once, and the file gets its digest.
    New(New),
    /// List what a file's keys are good for.
    List(List),
}

#[derive(Debug, Args)]
pub(super) struct New {
    /// What it is good for: produce:PREFIX (topics whose names begin so; produce: for all), consume, query or admin; may be given again.
    #[arg(long, required = true, value_parser = |text: &str| text.parse::<Scope>().map_err(|error| error.line()))]
    scope: Vec<Scope>,
    /// For how long, such as 90d; for good when it is left out.
    #[arg(long, value_parser = |text: &str| units::duration(text).map_err(|error| error.line()))]
    expires: Option<Duration>,
    /// The file of keys, which the pipeline file names as listen.keys.
    #[arg(long, default_value = "keys.toml")]
    file: PathBuf,
    /// Print the answer as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct List {
    /// The file of keys.
    #[arg(long, default_value = "keys.toml")]
    file: PathBuf,
    /// Print a list of JSON objects.
    #[arg(long)]
    json: bool,
}

impl Key {
    pub(super) fn run(self) -> Result<Ended> {
        match self {
            Self::New(new) => new.run(),
            Self::List(list) => list.run(),
        }
    }
}

impl New {
    fn run(self) -> Result<Ended> {
        let now = Clock::System.now();
        let secret = Secret::generate()?;
        let expires = self.expires.map(|span| now.plus(span));
        let key = access::Key { scopes: self.scope, digest: secret.digest(), expires };
        keys::add(&self.file, &key, now)?;
        if self.json {
            println!("{}", json!({ "id": key.id(), "key": secret.expose(), "file": self.file }));
            return Ok(Ended::Well);
        }
        println!("{}", secret.expose());
        // On standard error, so that the key alone can be sent to a file.
        eprintln!("this is key {}, shown only now; {} has its digest", key.id(), self.file.display());
        eprintln!(
            "send it as `Authorization: Bearer KEY`; commands of tidemill read it from TIDEMILL_KEY or the file TIDEMILL_KEY_FILE"
        );
        Ok(Ended::Well)
    }
}

impl List {
    fn run(self) -> Result<Ended> {
        let (known, now) = (keys::read(&self.file)?, Clock::System.now());
        let text = |text: String| Value::Text(text);
        let row = |key: &access::Key| {
            let scopes: Vec<String> = key.scopes.iter().map(ToString::to_string).collect();
            let expires = key.expires.map_or(Value::Null, |expires| text(expires.to_string()));
            let state = if key.expired(now) { "expired" } else { "good" };
            vec![text(key.id()), text(scopes.join(" ")), expires, text(state.to_owned())]
        };
        let columns = ["id", "scopes", "expires", "state"].map(str::to_owned).to_vec();
        let answer = Answer { columns, rows: known.iter().map(row).collect(), more: false };
        match self.json {
            true => println!("{}", answer.json()),
            false => println!("{}", table::table(&answer)),
        }
        Ok(Ended::Well)
    }
}
