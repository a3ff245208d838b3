//! `tidemill check`: every fault of a pipeline file at once, or a picture of the plan.

use std::path::PathBuf;

use clap::Args;

use super::Ended;
use crate::component::{Component, Host};
use crate::config::plan::{Table, Transform};
use crate::config::{self, Declared, Described, Descriptions, Fault};
use crate::error::Result;
use crate::pipeline::generation::{load_component, read_component};

/// Check a pipeline file: every fault at once, or a picture of the plan.
#[derive(Debug, Args)]
pub(super) struct Check {
    /// The pipeline file.
    pipeline: PathBuf,
    /// Take addresses that let other machines in without TLS or keys, as `run --insecure-bind` does.
    #[arg(long)]
    insecure_bind: bool,
}

impl Check {
    pub(super) fn run(self) -> Result<Ended> {
        let declared = match config::read(&self.pipeline) {
            Ok(declared) => declared,
            Err(faults) => return Ok(show(&faults)),
        };
        let host = super::host()?.trusting(&declared.pipeline.trust);
        let mut descriptions = Descriptions::default();
        let mut faults = Vec::new();
        for table in &declared.pipeline.tables {
            let loaded: Vec<_> = table.transforms.iter().map(|one| describe(&host, &declared, table, one)).collect();
            let mut all = Vec::new();
            for result in loaded {
                match result {
                    Ok((described, unfit)) => {
                        faults.extend(unfit);
                        all.push(described);
                    }
                    Err(fault) => faults.push(fault),
                }
            }
            if all.len() == table.transforms.len() {
                descriptions.insert(table.name.clone(), all);
            }
        }
        faults.extend(config::check(&declared, &descriptions));
        faults.extend(config::exposed(&declared, self.insecure_bind));
        faults.sort_by_key(|fault| (fault.line, fault.column));
        if !faults.is_empty() {
            return Ok(show(&faults));
        }
        print!("{}", config::picture(&declared.pipeline, &descriptions));
        Ok(Ended::Well)
    }
}

fn show(faults: &[Fault]) -> Ended {
    for fault in faults {
        eprintln!("{fault}");
    }
    eprintln!("{} fault{}", faults.len(), if faults.len() == 1 { "" } else { "s" });
    Ended::NotWell
}

/// What a transform says of itself, with the faults of its parameters; a fault where it cannot be loaded.
fn describe(
    host: &Host,
    declared: &Declared,
    table: &Table,
    transform: &Transform,
) -> Result<(Described, Vec<Fault>), Fault> {
    let fault = |place: &str, error| declared.places.fault(&format!("tables.{}.{place}", table.name), &error);
    let component = read_component(transform).and_then(|bytes| load_component(host, transform, &bytes));
    let component = component.map_err(|error| fault(&transform.place, error))?;
    let mut unfit = config::check_parameters(declared, &table.name, transform, &component.description().parameters);
    // What the schema does not say, the transform does when it is configured.
    if unfit.is_empty()
        && let Err(error) = component.instantiate(&transform.parameters)
    {
        let silent = transform.parameters == "{}";
        unfit.push(fault(&if silent { transform.place.clone() } else { transform.parameters_place() }, error));
    }
    Ok((described(&component), unfit))
}

fn described(component: &Component) -> Described {
    let description = component.description();
    Described {
        name: description.name.clone(),
        version: description.version.clone(),
        digest: component.digest().to_owned(),
        inputs: description.inputs.clone(),
        outputs: description.outputs.clone(),
    }
}
