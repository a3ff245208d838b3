//! The fields of rows: their names and types as transforms declare them, and the Arrow types that carry them.

use std::sync::Arc;

use arrow_schema::{DataType, TimeUnit};
use serde::Serialize;

/// A field that a transform reads or writes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Field {
    /// Its name; on input it may be one of [`INPUTS`].
    pub name: String,
    /// Other names under which an input may carry it, tried in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// What its values are.
    #[serde(rename = "type")]
    pub kind: Type,
    /// Whether it may be null (or, on input, absent).
    pub nullable: bool,
}

/// The names that stand for parts of the record itself, with the type that each has.
pub const INPUTS: [(&str, Type); 6] = [
    ("@value", Type::Bytes),
    ("@key", Type::Bytes),
    ("@headers", Type::Json),
    ("@time", Type::Timestamp),
    ("@partition", Type::Int64),
    ("@offset", Type::Int64),
];

/// The type of a field's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Type {
    /// True or false.
    Boolean,
    /// A whole number of 64 bits.
    Int64,
    /// A floating point number of 64 bits.
    Float64,
    /// UTF-8 text.
    Text,
    /// Any bytes.
    Bytes,
    /// Microseconds since 1970 in UTC.
    Timestamp,
    /// A JSON value as text.
    Json,
    /// A list of floating point numbers, none of them null.
    Float64List,
    /// A list of texts, none of them null.
    TextList,
}

impl Type {
    /// The Arrow type that holds it in memory and in Parquet.
    pub fn arrow(self) -> DataType {
        let list_of = |item| DataType::List(Arc::new(arrow_schema::Field::new("item", item, false)));
        match self {
            Self::Boolean => DataType::Boolean,
            Self::Int64 => DataType::Int64,
            Self::Float64 => DataType::Float64,
            Self::Text | Self::Json => DataType::Utf8,
            Self::Bytes => DataType::Binary,
            Self::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            Self::Float64List => list_of(DataType::Float64),
            Self::TextList => list_of(DataType::Utf8),
        }
    }

    /// The word for it in a message.
    pub fn word(self) -> &'static str {
        match self {
            Self::Boolean => "boolean",
            Self::Int64 => "int64",
            Self::Float64 => "float64",
            Self::Text => "text",
            Self::Bytes => "bytes",
            Self::Timestamp => "timestamp",
            Self::Json => "json",
            Self::Float64List => "list of float64",
            Self::TextList => "list of text",
        }
    }
}

impl Field {
    /// The Arrow field; `json` is marked as such in its metadata.
    pub fn arrow(&self) -> arrow_schema::Field {
        let field = arrow_schema::Field::new(&self.name, self.kind.arrow(), self.nullable);
        match self.kind {
            Type::Json => {
                field.with_metadata(std::collections::HashMap::from([("tidemill:type".to_owned(), "json".to_owned())]))
            }
            _ => field,
        }
    }
}

/// The Arrow schema of a list of fields.
pub fn arrow_schema(fields: &[Field]) -> arrow_schema::SchemaRef {
    Arc::new(arrow_schema::Schema::new(fields.iter().map(Field::arrow).collect::<Vec<_>>()))
}
