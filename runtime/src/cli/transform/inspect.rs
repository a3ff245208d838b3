//! `tidemill transform inspect`: what a component says of itself, and who signed it.

use std::path::PathBuf;

use clap::Args;
use serde_json::Value as Json;

use super::{Ended, host, load, table};
use crate::cache::query::Table as Answer;
use crate::component::signers;
use crate::error::Result;
use crate::schema::Field;
use crate::value::Value;

/// Show what a component is: name, digest, signers, fields in and out, parameters, size.
#[derive(Debug, Args)]
pub(in crate::cli) struct Inspect {
    /// The component's file, or the folder that it is built from.
    file: PathBuf,
}

impl Inspect {
    pub(in crate::cli) fn run(self) -> Result<Ended> {
        let (component, bytes) = load(&host()?, &self.file)?;
        let description = component.description();
        println!("{} {}: {}", description.name, description.version, description.summary);
        println!("digest {}, {} bytes", component.digest(), bytes.len());
        println!("{}", signed(&bytes));
        println!("in\n{}", table::table(&fields(&description.inputs)));
        println!("out\n{}", table::table(&fields(&description.outputs)));
        match parameters(&description.parameters) {
            Some(parameters) => println!("parameters\n{}", table::table(&parameters)),
            None => println!("parameters {}", description.parameters),
        }
        Ok(Ended::Well)
    }
}

/// Who signed it. A signature that a pipeline would refuse is told of, and no reason not to look into the component.
fn signed(bytes: &[u8]) -> String {
    match signers(bytes) {
        Ok(signers) if signers.is_empty() => "not signed".to_owned(),
        Ok(signers) => {
            let signers: Vec<String> = signers.iter().map(ToString::to_string).collect();
            format!("signed by {}", signers.join(", "))
        }
        Err(fault) => format!("not signed in order: {fault}"),
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

/// The properties of a schema, a row each; none where it has no properties.
fn parameters(schema: &str) -> Option<Answer> {
    let schema: Json = serde_json::from_str(schema).ok()?;
    let required = schema.get("required").and_then(Json::as_array).cloned().unwrap_or_default();
    let mut rows = Vec::new();
    for (name, property) in schema.get("properties")?.as_object()? {
        let default = match property.get("default") {
            Some(default) => default.to_string(),
            None if required.contains(&Json::from(name.as_str())) => "required".to_owned(),
            None => "none".to_owned(),
        };
        let about = property.get("description").and_then(Json::as_str).unwrap_or_default().to_owned();
        rows.push([name.clone(), kind(property), default, allowed(property), about].map(Value::Text).to_vec());
    }
    let columns = ["name", "type", "default", "allowed", "what it does"].map(str::to_owned).to_vec();
    Some(Answer { columns, rows, more: false })
}

fn kind(property: &Json) -> String {
    let word = |schema: &Json| match schema.get("type") {
        Some(Json::String(kind)) => kind.clone(),
        Some(kinds) => kinds.to_string(),
        None => "any".to_owned(),
    };
    match property.get("items") {
        Some(items) => format!("list of {}", word(items)),
        None => word(property),
    }
}

/// The values that a property, or each item of a list, may have.
fn allowed(property: &Json) -> String {
    let one = property.get("items").unwrap_or(property);
    let bound = |key: &str, word: &str| one.get(key).map(|bound| format!("{word} {bound}"));
    let known = one.get("enum").and_then(Json::as_array).map(|known| {
        let known: Vec<_> = known.iter().map(Json::to_string).collect();
        known.join(", ")
    });
    let all: Vec<_> = [bound("minimum", "from"), bound("maximum", "to"), known].into_iter().flatten().collect();
    all.join(" ")
}
