//! What a transform says of itself, checked once when it is loaded.

use std::collections::HashSet;

use serde_json::Value;

use super::bindings::{self, FieldType};
use super::failure::{TEXT_BYTES_MAX, plain};
use crate::error::{Error, Kind, Result};
use crate::schema::{Field, INPUTS, Type};

/// The most fields on either side; SQLite takes 2,000 columns.
const FIELDS_MAX: usize = 1_000;
/// The longest name, in bytes.
const NAME_BYTES_MAX: usize = 128;
/// The largest JSON Schema of parameters.
const PARAMETERS_BYTES_MAX: usize = 64 << 10;

/// What a transform says of itself.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Description {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// What it does, in a sentence.
    pub summary: String,
    /// The fields that it reads: at least one, each name and alias once.
    pub inputs: Vec<Field>,
    /// The fields that it writes: at least one; letters, digits and underscores, beginning with a letter, each once whatever the case.
    pub outputs: Vec<Field>,
    /// The JSON Schema of its parameters, an object.
    pub parameters: String,
}

pub(super) fn checked(given: bindings::Description) -> Result<Description> {
    let inputs: Vec<_> = given.inputs.into_iter().map(field).collect();
    let outputs: Vec<_> = given.outputs.into_iter().map(field).collect();
    check_name(&given.name).map_err(|fault| fault.within("name"))?;
    check_name(&given.version).map_err(|fault| fault.within("version"))?;
    check_inputs(&inputs).map_err(|fault| fault.within("inputs"))?;
    check_outputs(&outputs).map_err(|fault| fault.within("outputs"))?;
    check_parameters(&given.parameters)?;
    let summary = plain(&given.summary, TEXT_BYTES_MAX);
    Ok(Description { name: given.name, version: given.version, summary, inputs, outputs, parameters: given.parameters })
}

fn field(given: bindings::Field) -> Field {
    let kind = match given.type_ {
        FieldType::Boolean => Type::Boolean,
        FieldType::Int64 => Type::Int64,
        FieldType::Float64 => Type::Float64,
        FieldType::Timestamp => Type::Timestamp,
        FieldType::Text => Type::Text,
        FieldType::Bytes => Type::Bytes,
        FieldType::Json => Type::Json,
        FieldType::Float64List => Type::Float64List,
        FieldType::TextList => Type::TextList,
    };
    Field { name: given.name, aliases: given.aliases, kind, nullable: given.nullable }
}

fn wrong(what: impl Into<String>) -> Error {
    Error::new(Kind::Input, what)
}

/// The name as it may be shown.
fn shown(name: &str) -> String {
    format!("\"{}\"", plain(name, NAME_BYTES_MAX))
}

fn check_name(name: &str) -> Result<()> {
    match name {
        "" => Err(wrong("it is empty")),
        _ if name.len() > NAME_BYTES_MAX => Err(wrong(format!("it is longer than {NAME_BYTES_MAX} bytes"))),
        _ if name.contains(char::is_control) => Err(wrong(format!("{} has a control character", shown(name)))),
        _ => Ok(()),
    }
}

fn check_count(fields: &[Field]) -> Result<()> {
    match fields.len() {
        0 => Err(wrong("there are none")),
        1..=FIELDS_MAX => Ok(()),
        many => Err(wrong(format!("there are {many}, more than {FIELDS_MAX}"))),
    }
}

fn check_inputs(fields: &[Field]) -> Result<()> {
    check_count(fields)?;
    let mut names = HashSet::new();
    for field in fields {
        for name in std::iter::once(&field.name).chain(&field.aliases) {
            check_name(name)?;
            if !names.insert(name) {
                return Err(wrong(format!("field {} is there twice", shown(name))));
            }
        }
        if field.aliases.iter().any(|alias| alias.starts_with('@')) {
            return Err(wrong(format!("field {} has an alias that begins with @", shown(&field.name))));
        }
        if field.name.starts_with('@') {
            check_part(field)?;
        }
    }
    Ok(())
}

/// An input that stands for a part of the record itself.
fn check_part(field: &Field) -> Result<()> {
    let Some((_, kind)) = INPUTS.iter().find(|(name, _)| *name == field.name) else {
        let known: Vec<_> = INPUTS.iter().map(|(name, _)| *name).collect();
        let fault = wrong(format!("field {} stands for nothing", shown(&field.name)));
        return Err(fault.hint(format!("what begins with @ is one of {}", known.join(", "))));
    };
    if *kind != field.kind {
        return Err(wrong(format!("field {} is {}, not {}", shown(&field.name), kind.word(), field.kind.word())));
    }
    match field.aliases.is_empty() {
        true => Ok(()),
        false => Err(wrong(format!(
            "field {} stands for a part of the record, which has no other names",
            shown(&field.name)
        ))),
    }
}

fn check_outputs(fields: &[Field]) -> Result<()> {
    check_count(fields)?;
    let mut names = HashSet::new();
    for field in fields {
        check_name(&field.name)?;
        let letters = field.name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if !letters || !field.name.starts_with(|first: char| first.is_ascii_alphabetic()) {
            let fault = wrong(format!("field {} is not a name for a column", shown(&field.name)));
            return Err(fault.hint("use letters, digits and underscores, beginning with a letter"));
        }
        // SQL tells no case apart.
        if !names.insert(field.name.to_ascii_lowercase()) {
            return Err(wrong(format!("field {} is there twice", shown(&field.name))));
        }
        if !field.aliases.is_empty() {
            return Err(wrong(format!("field {} has aliases, which only inputs have", shown(&field.name))));
        }
    }
    Ok(())
}

fn check_parameters(schema: &str) -> Result<()> {
    if schema.len() > PARAMETERS_BYTES_MAX {
        return Err(wrong(format!("parameters: their schema is longer than {PARAMETERS_BYTES_MAX} bytes")));
    }
    match serde_json::from_str::<Value>(schema) {
        Ok(schema @ Value::Object(_)) if has_control(&schema) => {
            Err(wrong("parameters: their schema has a control character"))
        }
        Ok(Value::Object(_)) => Ok(()),
        Ok(_) => Err(wrong("parameters: their schema is not a JSON object")),
        Err(cause) => Err(wrong(format!("parameters: their schema is not JSON: {cause}"))),
    }
}

/// Whether any text in it, of which people are shown some, would do more to a terminal than break a line.
fn has_control(value: &Value) -> bool {
    let odd = |text: &str| text.contains(|c: char| c.is_control() && c != '\n' && c != '\t');
    match value {
        Value::String(text) => odd(text),
        Value::Array(items) => items.iter().any(has_control),
        Value::Object(entries) => entries.iter().any(|(key, value)| odd(key) || has_control(value)),
        _ => false,
    }
}
