//! `tidemill transform`: build a transform's crate into a component, look into a component.

use std::path::PathBuf;

use clap::Subcommand;

use super::{Ended, table};
use crate::cache::query::Table as Answer;
use crate::component::limits::Limits;
use crate::component::{Host, build};
use crate::error::{Kind, OrFail, Result};
use crate::schema::Field;
use crate::value::Value;

/// Build or inspect a transform.
#[derive(Debug, Subcommand)]
pub(super) enum Transform {
    /// Build crates into components, each written beside its crate.
    Build {
        /// The crates' folders.
        #[arg(default_value = ".")]
        crates: Vec<PathBuf>,
    },
    /// Show what a component is: name, digest, fields in and out, size.
    Inspect {
        /// The component's file.
        file: PathBuf,
    },
}

impl Transform {
    pub(super) fn run(self) -> Result<Ended> {
        match self {
            Self::Build { crates } => {
                for folder in crates {
                    let component = build::build(&folder, |line| println!("{line}"))?;
                    println!("built {}", component.display());
                }
                Ok(Ended::Well)
            }
            Self::Inspect { file } => {
                let bytes = std::fs::read(&file).or_fail(Kind::Missing, || format!("component {}", file.display()))?;
                let component = Host::new(None)?.load(&bytes, &Limits::default())?;
                let description = component.description();
                println!("{} {}: {}", description.name, description.version, description.summary);
                println!("digest {}, {} bytes", component.digest(), bytes.len());
                println!("in\n{}", table::table(&fields(&description.inputs)));
                println!("out\n{}", table::table(&fields(&description.outputs)));
                println!("parameters {}", description.parameters);
                Ok(Ended::Well)
            }
        }
    }
}

fn fields(fields: &[Field]) -> Answer {
    let row = |field: &Field| {
        vec![
            Value::Text(field.name.clone()),
            Value::Text(field.kind.word().to_owned()),
            Value::Boolean(field.nullable),
            Value::Text(field.aliases.join(", ")),
        ]
    };
    Answer {
        columns: ["name", "type", "nullable", "also called"].map(str::to_owned).to_vec(),
        rows: fields.iter().map(row).collect(),
        more: false,
    }
}
