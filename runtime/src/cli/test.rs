//! `tidemill test`: the cases of a pipeline's tables, and what comes otherwise than they expect.

mod show;

use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use super::Ended;
use crate::config::plan::{self, Pipeline};
use crate::error::{Error, Kind, Result};
use crate::pipeline::cases::{self, Case, Difference, Question};
use crate::pipeline::generation::Chain;
use crate::schedule;

/// What stands in a table's place where a case is of the schedules.
const SCHEDULES: &str = "schedules";
/// What stands there where a case is of answers.
const ANSWERS: &str = "answers";

/// Play the test cases of a pipeline: of its tables, its answers, its schedules.
#[derive(Debug, Args)]
pub(super) struct Test {
    /// The pipeline file.
    #[arg(default_value = "pipelines/pinterest.toml")]
    pipeline: PathBuf,
    /// Only the cases of this table; or `answers`, or `schedules`.
    #[arg(long)]
    table: Option<String>,
    /// Only the cases of this name.
    #[arg(long)]
    case: Option<String>,
    /// Write what comes into the files of the cases where it is not what they expect.
    #[arg(long)]
    update: bool,
    /// Print a list of JSON objects, one a case.
    #[arg(long)]
    json: bool,
}

/// A case and what came of it.
#[derive(Serialize)]
struct Tested {
    table: String,
    case: String,
    /// Where it lies.
    folder: PathBuf,
    records: usize,
    #[serde(flatten)]
    result: Verdict,
}

#[derive(Serialize)]
#[serde(tag = "result", rename_all = "kebab-case")]
enum Verdict {
    /// All came as expected.
    Passed,
    /// What came is not what was expected, or (where it has a batch size) not the same in each size of batches.
    Differs { count: usize, differences: Vec<Difference> },
    /// It could not be played.
    Failed {
        error: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        hint: Option<String>,
    },
    /// What came is expected from now on, as these files say.
    Written { files: Vec<PathBuf> },
}

impl Test {
    pub(super) fn run(self) -> Result<Ended> {
        super::log_to_stderr("warn");
        let pipeline = super::pipeline(&self.pipeline, None)?;
        let host = super::host()?.trusting(&pipeline.trust);
        let of_schedules = self.beside(&pipeline, SCHEDULES, &schedule::cases::folder(&pipeline))?;
        let of_answers = self.beside(&pipeline, ANSWERS, &cases::of_answers(&pipeline))?;
        let chosen = self.chosen(&pipeline, !(of_schedules.is_empty() && of_answers.is_empty()))?;
        let mut all = Vec::new();
        let mut tell = |tested: Tested| {
            if !self.json {
                print!("{}", show::case(&tested));
            }
            all.push(tested);
        };
        for folder in of_schedules {
            tell(self.test_schedules(&pipeline, &folder));
        }
        for (table, folders) in chosen {
            let chain = Chain::read(&host, table)?;
            folders.iter().for_each(|folder| tell(self.test(table, &chain, folder)));
        }
        if !of_answers.is_empty() {
            let chains = pipeline.tables.iter().map(|table| Chain::read(&host, table)).collect::<Result<Vec<_>>>()?;
            of_answers.iter().for_each(|folder| tell(self.test_answers(&pipeline, &chains, folder)));
        }
        if self.json {
            all.iter_mut().for_each(|tested| tested.result.shorten());
            println!("{}", serde_json::json!(all));
        } else {
            println!("{}", show::summary(&all));
        }
        let well = |tested: &Tested| matches!(tested.result, Verdict::Passed | Verdict::Written { .. });
        Ok(if all.iter().all(well) { Ended::Well } else { Ended::NotWell })
    }

    /// The tables that have cases to be played, with the cases' folders; not one is an error, unless there is `enough` without.
    fn chosen<'a>(&self, pipeline: &'a Pipeline, enough: bool) -> Result<Vec<(&'a plan::Table, Vec<PathBuf>)>> {
        if let Some(name) = &self.table
            && !enough
            && !pipeline.tables.iter().any(|table| &table.name == name)
        {
            let names: Vec<&str> = pipeline.tables.iter().map(|table| table.name.as_str()).collect();
            let error = Error::new(Kind::Missing, format!("table {name:?}: there is none"));
            return Err(error.hint(format!("the tables are {}", names.join(", "))));
        }
        let asked = |table: &&plan::Table| self.table.as_ref().is_none_or(|name| &table.name == name);
        let (mut chosen, mut others) = (Vec::new(), Vec::new());
        for table in pipeline.tables.iter().filter(asked) {
            let (mine, rest): (Vec<PathBuf>, _) = cases::list(&table.cases)?
                .into_iter()
                .partition(|folder| self.case.as_ref().is_none_or(|name| folder.ends_with(name)));
            others.extend(rest.iter().filter_map(|folder| folder.file_name()).map(|name| name.display().to_string()));
            if !mine.is_empty() {
                chosen.push((table, mine));
            }
        }
        if chosen.is_empty() && !enough {
            others.sort();
            others.dedup();
            return Err(self.no_case(pipeline, &others));
        }
        Ok(chosen)
    }

    /// The folders of cases that are of no one table and are to be played. A table of that name has its own there.
    fn beside(&self, pipeline: &Pipeline, what: &str, folder: &Path) -> Result<Vec<PathBuf>> {
        let is_a_tables = pipeline.tables.iter().any(|table| table.cases == folder);
        let asked = self.table.as_ref().is_none_or(|name| name == what);
        if is_a_tables || !asked {
            return Ok(Vec::new());
        }
        let mut folders = cases::list(folder)?;
        folders.retain(|folder| self.case.as_ref().is_none_or(|name| folder.ends_with(name)));
        Ok(folders)
    }

    fn test_schedules(&self, pipeline: &Pipeline, folder: &Path) -> Tested {
        let mut tested = Tested::of(SCHEDULES, folder);
        tested.take(schedule::cases::play(&pipeline.schedules, folder).and_then(|played| {
            let verdict = match self.update {
                true => Verdict::written(played.update()?),
                false => Verdict::differs(played.differences()?),
            };
            // It has no records.
            Ok((0, verdict))
        }));
        tested
    }

    fn test_answers(&self, pipeline: &Pipeline, chains: &[Chain], folder: &Path) -> Tested {
        let mut tested = Tested::of(ANSWERS, folder);
        tested.take(Question::read(pipeline, folder).and_then(|case| {
            let answered = case.play(pipeline, chains)?;
            let verdict = match self.update {
                true => Verdict::written(answered.update(&case)?),
                false => Verdict::differs(answered.differences(&case)?),
            };
            Ok((case.records(), verdict))
        }));
        tested
    }

    fn no_case(&self, pipeline: &Pipeline, others: &[String]) -> Error {
        match &self.case {
            Some(name) if !others.is_empty() => Error::new(Kind::Missing, format!("case {name:?}: there is none"))
                .hint(format!("the cases are {}", others.join(", "))),
            _ => {
                let of = self.table.as_ref().map_or_else(|| "TABLE".to_owned(), Clone::clone);
                let folder = pipeline.tables.iter().find(|table| table.name == of).map(|table| table.cases.clone());
                let folder = folder.unwrap_or_else(|| pipeline.file.with_file_name("cases").join(of));
                let error = Error::new(Kind::Missing, format!("pipeline {:?}: it has no test cases", pipeline.name));
                let line = "with the value of a record a line";
                error.hint(format!(
                    "write {}, {line}, and run this with --update",
                    folder.join("NAME/input.jsonl").display()
                ))
            }
        }
    }

    fn test(&self, table: &plan::Table, chain: &Chain, folder: &Path) -> Tested {
        let mut tested = Tested::of(&table.name, folder);
        let case = Case::read(folder);
        tested.records = case.as_ref().map_or(0, Case::records);
        tested.take(case.and_then(|case| Ok((case.records(), self.judge(table, chain, &case)?))));
        tested
    }

    fn judge(&self, table: &plan::Table, chain: &Chain, case: &Case) -> Result<Verdict> {
        let played = cases::play(table, chain, case)?;
        // Of a transform that remembers, no rows are the expected ones.
        if self.update && played.unsteady.is_empty() {
            return Ok(Verdict::written(played.update(case)?));
        }
        let mut differences = played.unsteady.clone();
        if !self.update {
            differences.extend(played.differences(case)?);
        }
        Ok(Verdict::differs(differences))
    }
}

impl Tested {
    fn of(table: &str, folder: &Path) -> Self {
        let case = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Self { table: table.to_owned(), case, folder: folder.to_owned(), records: 0, result: Verdict::Passed }
    }

    fn take(&mut self, result: Result<(usize, Verdict)>) {
        match result {
            Ok((records, verdict)) => (self.records, self.result) = (records, verdict),
            Err(error) => {
                let (error, hint) = (error.message().to_owned(), error.next_step().map(str::to_owned));
                self.result = Verdict::Failed { error, hint };
            }
        }
    }
}

impl Verdict {
    fn written(files: Vec<PathBuf>) -> Self {
        if files.is_empty() { Self::Passed } else { Self::Written { files } }
    }

    fn differs(differences: Vec<Difference>) -> Self {
        let count = differences.len();
        if count == 0 { Self::Passed } else { Self::Differs { count, differences } }
    }
}
