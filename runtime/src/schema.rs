//! The fields of rows: their names and types as transforms declare them, and the Arrow types that carry them.

use std::sync::Arc;

use arrow_schema::{DataType, TimeUnit};
use serde::Serialize;

use crate::error::{Error, Kind};

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
    /// All types.
    pub const ALL: [Self; 9] = [
        Self::Boolean,
        Self::Int64,
        Self::Float64,
        Self::Text,
        Self::Bytes,
        Self::Timestamp,
        Self::Json,
        Self::Float64List,
        Self::TextList,
    ];

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

/// Where a transform gets a field from that it reads, after another transform.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// The field of this place among those that the transform before it writes.
    Written(usize),
    /// The part of the record itself that it names, one of [`INPUTS`].
    Part,
}

/// Where each of the fields that a transform reads comes from, after one that writes `written`. A field that it reads
/// must be written, under its name or one of its aliases, with the same type, and never null where it does not take null.
///
/// Errors with all that do not fit, each a sentence about the transform that reads.
pub fn links(written: &[Field], read: &[Field]) -> Result<Vec<Link>, Vec<Error>> {
    let (mut links, mut misfits) = (Vec::new(), Vec::new());
    for field in read {
        match link(written, field) {
            Ok(link) => links.push(link),
            Err(misfit) => misfits.push(misfit),
        }
    }
    if misfits.is_empty() { Ok(links) } else { Err(misfits) }
}

fn link(written: &[Field], read: &Field) -> Result<Link, Error> {
    if INPUTS.iter().any(|(name, _)| *name == read.name) {
        return Ok(Link::Part);
    }
    let misfit = |what: String| Error::new(Kind::Input, what);
    let names = || std::iter::once(&read.name).chain(&read.aliases);
    let place = names().find_map(|name| written.iter().position(|field| &field.name == name));
    let Some((place, field)) = place.and_then(|place| Some((place, written.get(place)?))) else {
        let known: Vec<&str> = written.iter().map(|field| field.name.as_str()).collect();
        let absent = misfit(format!("it reads {:?}, which the transform before it does not write", read.name));
        return Err(absent.hint(format!("written are {}", known.join(", "))));
    };
    if field.kind != read.kind {
        let (as_read, as_written) = (read.kind.word(), field.kind.word());
        let other = misfit(format!("it reads {:?} as {as_read}, and the one before it writes {as_written}", read.name));
        return Err(other.hint("make them the same type in both transforms"));
    }
    if field.nullable && !read.nullable {
        let null = misfit(format!("it reads {:?} and takes no null, which the one before it may write", read.name));
        return Err(null.hint("make it an Option where it is read, or write it without Option"));
    }
    Ok(Link::Written(place))
}

/// The Arrow schema of a list of fields.
pub fn arrow_schema(fields: &[Field]) -> arrow_schema::SchemaRef {
    Arc::new(arrow_schema::Schema::new(fields.iter().map(Field::arrow).collect::<Vec<_>>()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(name: &str, kind: Type, nullable: bool) -> Field {
        Field { name: name.to_owned(), aliases: Vec::new(), kind, nullable }
    }

    #[test]
    fn what_one_reads_the_one_before_it_writes() {
        let written = [field("sku", Type::Text, false), field("price", Type::Float64, true)];
        let check = |read: Field, expected: Result<Link, &str>| {
            let linked = links(&written, &[read]).map(|links| links[0]);
            assert_eq!(linked.map_err(|misfits| misfits[0].to_string()), expected.map_err(str::to_owned));
        };
        check(field("sku", Type::Text, true), Ok(Link::Written(0)));
        check(field("price", Type::Float64, true), Ok(Link::Written(1)));
        check(Field { aliases: vec!["price".into()], ..field("cost", Type::Float64, true) }, Ok(Link::Written(1)));
        check(field("@offset", Type::Int64, false), Ok(Link::Part));
        check(field("Sku", Type::Text, true), Err("it reads \"Sku\", which the transform before it does not write"));
        check(field("sku", Type::Bytes, true), Err("it reads \"sku\" as bytes, and the one before it writes text"));
        check(
            field("price", Type::Float64, false),
            Err("it reads \"price\" and takes no null, which the one before it may write"),
        );
        assert_eq!(
            links(&written, &[field("a", Type::Text, true), field("b", Type::Text, true)]).unwrap_err().len(),
            2
        );
    }
}
