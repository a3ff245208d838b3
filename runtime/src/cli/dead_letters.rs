//! `tidemill dead-letters`: records that could not become rows, looked at, taken out, healed.

mod redrive;
mod show;

use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Value as Json, json};

use self::show::as_json;
pub(super) use self::show::plain;
use super::{Ended, table};
use crate::cache::letters::{Letter, Which};
use crate::cache::query::{Reader, Table as Answer};
use crate::error::{Error, Kind, OrFail, Result};
use crate::pipeline::places::Places;
use crate::time::Timestamp;
use crate::value::Value;

/// Letters that are read at a time.
const PAGE: usize = 1000;

/// See, take out or redrive the records that could not become rows.
#[derive(Debug, Subcommand)]
pub(super) enum DeadLetters {
    /// Count them by table and reason, or list each.
    List(List),
    /// Show one with its bytes.
    Show(Show),
    /// Print them as lines of JSON; what is not UTF-8 is in base64.
    Export(Export),
    /// Run them through the transform that is in service now, or through another; the pipeline has to run.
    Redrive(redrive::Redrive),
}

/// Count dead letters by table and reason, the most frequent first, or list each.
#[derive(Debug, Args)]
pub(super) struct List {
    #[command(flatten)]
    of: Of,
    #[command(flatten)]
    meant: Meant,
    /// List each letter instead of the reasons.
    #[arg(long)]
    each: bool,
    /// How many lines.
    #[arg(long, short = 'n', default_value_t = 50)]
    limit: usize,
    /// How many lines to leave out before.
    #[arg(long, default_value_t = 0, conflicts_with = "each")]
    skip: usize,
    /// Begin after this letter.
    #[arg(long, value_name = "ID", requires = "each")]
    after: Option<Id>,
    /// Print a list of JSON objects.
    #[arg(long)]
    json: bool,
}

/// Show a dead letter: the record, why it is no row, and what became of it.
#[derive(Debug, Args)]
pub(super) struct Show {
    /// The letter: `TABLE/PARTITION/OFFSET`.
    id: Id,
    #[command(flatten)]
    of: Of,
    /// Print a JSON object.
    #[arg(long)]
    json: bool,
}

/// Print dead letters as lines of JSON, by rising table, partition and offset.
#[derive(Debug, Args)]
pub(super) struct Export {
    #[command(flatten)]
    of: Of,
    #[command(flatten)]
    meant: Meant,
}

/// Whose letters; its file is only read, whether the pipeline runs or not.
#[derive(Debug, Args)]
struct Of {
    /// The pipeline file.
    #[arg(default_value = "pipelines/pinterest.toml")]
    pipeline: PathBuf,
    /// The data folder, where it is not the one that the file names.
    #[arg(long)]
    data: Option<PathBuf>,
}

/// Which letters.
#[derive(Debug, Args)]
struct Meant {
    /// Those of this table.
    #[arg(long)]
    table: Option<String>,
    /// Those with this text in their reason.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Those that a redrive has healed, instead of those that wait.
    #[arg(long)]
    healed: bool,
}

/// A letter's name.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Id {
    table: String,
    partition: u32,
    offset: u64,
}

impl std::str::FromStr for Id {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parsed = || {
            let mut parts = text.split('/');
            let id = Self {
                table: parts.next().filter(|table| !table.is_empty())?.to_owned(),
                partition: parts.next()?.parse().ok()?,
                offset: parts.next()?.parse().ok()?,
            };
            parts.next().is_none().then_some(id)
        };
        parsed().ok_or_else(|| format!("{text:?} is not TABLE/PARTITION/OFFSET"))
    }
}

impl DeadLetters {
    pub(super) fn run(self) -> Result<Ended> {
        match self {
            Self::List(list) => list.run(),
            Self::Show(show) => show.run(),
            Self::Export(export) => export.run(),
            Self::Redrive(redrive) => redrive.run(),
        }
    }
}

impl List {
    fn run(self) -> Result<Ended> {
        let reader = self.of.open()?;
        let shown = if self.each { self.each(&reader)? } else { self.reasons(&reader)? };
        if self.json {
            println!("{}", shown.json());
            return Ok(Ended::Well);
        }
        println!("{}", table::table(&shown));
        if shown.more {
            let next = match shown.rows.last().and_then(|row| row.first()) {
                Some(Value::Text(id)) if self.each => format!("--after {id}"),
                _ => format!("--skip {}", self.skip + shown.rows.len()),
            };
            println!("there are more: {next}");
        }
        Ok(Ended::Well)
    }

    fn reasons(&self, reader: &Reader) -> Result<Answer> {
        let which = self.meant.which();
        // One more than is shown says whether there are more.
        let mut reasons =
            reader.reasons(self.meant.table.as_deref(), &which, self.limit.saturating_add(1), self.skip)?;
        let more = reasons.len() > self.limit;
        reasons.truncate(self.limit);
        let row = |reason: crate::cache::letters::Reason| {
            let id = format!("{}/{}/{}", reason.table, reason.partition, reason.offset);
            let letters = i64::try_from(reason.letters).map_or(Value::Null, Value::Int64);
            let times = [reason.first, reason.last].map(|at| Value::Text(Timestamp(at).to_string()));
            let [first, last] = times;
            vec![Value::Text(reason.table), Value::Text(plain(&reason.reason)), letters, first, last, Value::Text(id)]
        };
        let columns = ["table", "reason", "letters", "first", "last", "example"].map(str::to_owned).to_vec();
        Ok(Answer { columns, rows: reasons.into_iter().map(row).collect(), more })
    }

    fn each(&self, reader: &Reader) -> Result<Answer> {
        let (mut rows, mut more) = (Vec::new(), false);
        self.meant.walk(reader, self.after.as_ref(), |letter| {
            more = rows.len() == self.limit;
            if !more {
                rows.push(row(letter));
            }
            Ok(!more)
        })?;
        let columns = ["id", "time", "epoch", "reason", "digest", "bytes", "became", "revision"];
        Ok(Answer { columns: columns.map(str::to_owned).to_vec(), rows, more })
    }
}

impl Show {
    fn run(self) -> Result<Ended> {
        let Id { table, partition, offset } = &self.id;
        let letter = self.of.open()?.letter(table, *partition, *offset)?.ok_or_else(|| {
            Error::new(Kind::Missing, format!("dead letter {table}/{partition}/{offset}: there is none"))
                .hint("`tidemill dead-letters list --each` names them")
        })?;
        if self.json {
            println!("{}", as_json(&letter));
        } else {
            print!("{}", show::told(&letter));
        }
        Ok(Ended::Well)
    }
}

impl Export {
    fn run(self) -> Result<Ended> {
        let reader = self.of.open()?;
        let mut out = io::BufWriter::new(io::stdout().lock());
        let mut written = Ok(());
        self.meant.walk(&reader, None, |letter| {
            written = writeln!(out, "{}", as_json(letter));
            Ok(written.is_ok())
        })?;
        match written.and_then(|()| out.flush()) {
            // Who reads has seen enough.
            Err(cause) if cause.kind() == io::ErrorKind::BrokenPipe => Ok(Ended::Well),
            written => written.or_fail(Kind::Storage, || "standard output").map(|()| Ended::Well),
        }
    }
}

impl Of {
    fn open(&self) -> Result<Reader> {
        let pipeline = super::pipeline(&self.pipeline, self.data.clone())?;
        Reader::open(&Places::of(&pipeline.data).cache)
    }
}

impl Meant {
    fn which(&self) -> Which {
        Which { reason: self.reason.clone(), healed: self.healed, after: None }
    }

    /// Gives each letter that is meant, by rising table, partition and offset, until `take` has enough.
    fn walk(&self, reader: &Reader, after: Option<&Id>, mut take: impl FnMut(&Letter) -> Result<bool>) -> Result<()> {
        for table in reader.letter_tables()? {
            let others = self.table.as_ref().is_some_and(|wanted| *wanted != table);
            if others || after.is_some_and(|after| table < after.table) {
                continue;
            }
            let mut which = self.which();
            which.after = after.filter(|after| after.table == table).map(|after| (after.partition, after.offset));
            loop {
                let letters = reader.letters(&table, &which, PAGE)?;
                let Some(last) = letters.last() else { break };
                which.after = Some((last.letter.partition, last.letter.offset));
                for letter in &letters {
                    if !take(letter)? {
                        return Ok(());
                    }
                }
            }
        }
        Ok(())
    }
}

fn row(letter: &Letter) -> Vec<Value> {
    let Json::Object(mut facts) = as_json(letter) else { return Vec::new() };
    let mut text =
        |name: &str| Value::Text(plain(facts.remove(name).as_ref().and_then(Json::as_str).unwrap_or_default()));
    let number = |number: u64| i64::try_from(number).map_or(Value::Null, Value::Int64);
    let healed = letter.healed.as_ref();
    vec![
        text("id"),
        text("time"),
        number(letter.letter.epoch),
        text("reason"),
        text("digest"),
        number(letter.letter.bytes() as u64),
        healed
            .map_or(Value::Null, |healed| json!(healed.became).as_str().map_or(Value::Null, |b| Value::Text(b.into()))),
        healed.map_or(Value::Null, |healed| number(healed.revision)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_is_named_by_its_place() {
        let check = |text: &str, expected: Option<(&str, u32, u64)>| {
            let id = text.parse::<Id>().ok();
            assert_eq!(id.as_ref().map(|id| (id.table.as_str(), id.partition, id.offset)), expected, "{text}");
        };
        check("pin/0/17", Some(("pin", 0, 17)));
        check("a.b-c/12/18446744073709551615", Some(("a.b-c", 12, u64::MAX)));
        for wrong in ["", "pin", "pin/0", "/0/1", "pin/0/1/2", "pin/-1/0", "pin/0/x"] {
            check(wrong, None);
        }
    }
}
