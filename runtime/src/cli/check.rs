//! `tidemill check`: every fault of a pipeline file at once, or a picture of the plan.

use std::path::PathBuf;

use clap::Args;

use super::Ended;
use crate::component::{Component, Host};
use crate::config::plan::Table;
use crate::config::{self, Described, Descriptions};
use crate::error::Result;
use crate::pipeline::table::read_component;

/// Check a pipeline file: every fault at once, or a picture of the plan.
#[derive(Debug, Args)]
pub(super) struct Check {
    /// The pipeline file.
    pipeline: PathBuf,
}

impl Check {
    pub(super) fn run(self) -> Result<Ended> {
        let declared = match config::read(&self.pipeline) {
            Ok(declared) => declared,
            Err(faults) => return Ok(show(&faults)),
        };
        let host = super::host()?;
        let mut descriptions = Descriptions::default();
        let mut faults = Vec::new();
        for table in &declared.pipeline.tables {
            let fault = |key, error| declared.places.fault(&format!("tables.{}.{key}", table.name), &error);
            let component = match load(&host, table) {
                Ok(component) => component,
                Err(error) => {
                    faults.push(fault("transform", error));
                    continue;
                }
            };
            let description = component.description();
            let unfit = config::check_parameters(&declared, table, &description.parameters);
            // What the schema does not say, the transform does when it is configured.
            if unfit.is_empty()
                && let Err(error) = component.instantiate(&table.parameters)
            {
                faults.push(fault(if table.parameters == "{}" { "transform" } else { "parameters" }, error));
            }
            faults.extend(unfit);
            descriptions.insert(table.name.clone(), described(&component));
        }
        faults.extend(config::check(&declared, &descriptions));
        faults.sort_by_key(|fault| (fault.line, fault.column));
        if !faults.is_empty() {
            return Ok(show(&faults));
        }
        print!("{}", config::picture(&declared.pipeline, &descriptions));
        Ok(Ended::Well)
    }
}

fn show(faults: &[config::Fault]) -> Ended {
    for fault in faults {
        eprintln!("{fault}");
    }
    eprintln!("{} fault{}", faults.len(), if faults.len() == 1 { "" } else { "s" });
    Ended::NotWell
}

fn load(host: &Host, table: &Table) -> Result<Component> {
    let bytes = read_component(table)?;
    host.load(&bytes, &table.limits)
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
