//! `tidemill test`: the cases of a pipeline's tables, and what comes otherwise than they expect.

mod show;

use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use super::Ended;
use crate::config::plan::{self, Pipeline};
use crate::error::{Error, Kind, Result};
use crate::pipeline::cases::{self, Case, Difference};
use crate::pipeline::generation::Chain;

/// Play the test cases of a pipeline's tables through their transforms.
#[derive(Debug, Args)]
pub(super) struct Test {
    /// The pipeline file.
    #[arg(default_value = "pipelines/pinterest.toml")]
    pipeline: PathBuf,
    /// Only the cases of this table.
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
        let mut all = Vec::new();
        for (table, folders) in self.chosen(&pipeline)? {
            let chain = Chain::read(&host, table)?;
            for folder in folders {
                let tested = self.test(table, &chain, &folder);
                if !self.json {
                    print!("{}", show::case(&tested));
                }
                all.push(tested);
            }
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

    /// The tables that have cases to be played, with the cases' folders; not one is an error.
    fn chosen<'a>(&self, pipeline: &'a Pipeline) -> Result<Vec<(&'a plan::Table, Vec<PathBuf>)>> {
        if let Some(name) = &self.table
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
        if chosen.is_empty() {
            others.sort();
            others.dedup();
            return Err(self.no_case(pipeline, &others));
        }
        Ok(chosen)
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
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut tested = Tested {
            table: table.name.clone(),
            case: name,
            folder: folder.to_owned(),
            records: 0,
            result: Verdict::Passed,
        };
        let result = Case::read(folder).and_then(|case| {
            tested.records = case.records();
            self.judge(table, chain, &case)
        });
        tested.result = result.unwrap_or_else(|error| Verdict::Failed {
            error: error.message().to_owned(),
            hint: error.next_step().map(str::to_owned),
        });
        tested
    }

    fn judge(&self, table: &plan::Table, chain: &Chain, case: &Case) -> Result<Verdict> {
        let played = cases::play(table, chain, case)?;
        // Of a transform that remembers, no rows are the expected ones.
        if self.update && played.unsteady.is_empty() {
            let files = played.update(case)?;
            return Ok(if files.is_empty() { Verdict::Passed } else { Verdict::Written { files } });
        }
        let mut differences = played.unsteady.clone();
        if !self.update {
            differences.extend(played.differences(case)?);
        }
        let count = differences.len();
        Ok(if count == 0 { Verdict::Passed } else { Verdict::Differs { count, differences } })
    }
}
