//! What a pipeline asks of its transforms, held against what they write.

use crate::schema::{Field, Type};
use crate::window::spec::{Aggregate, Measure, Time};

use super::fault::{Fault, Places, join, wrong};
use super::plan::Table;
use super::{Declared, Descriptions, names};

/// Types whose values are equal or not, without doubt.
const KEYS: [Type; 5] = [Type::Boolean, Type::Int64, Type::Text, Type::Bytes, Type::Timestamp];
/// Types whose values have an order that means something.
const ORDERED: [Type; 6] = [Type::Boolean, Type::Int64, Type::Float64, Type::Text, Type::Bytes, Type::Timestamp];
/// Types of single values.
const SINGLE: [Type; 7] =
    [Type::Boolean, Type::Int64, Type::Float64, Type::Text, Type::Bytes, Type::Timestamp, Type::Json];
/// All types.
const ALL: [Type; 9] = [
    Type::Boolean,
    Type::Int64,
    Type::Float64,
    Type::Text,
    Type::Bytes,
    Type::Timestamp,
    Type::Json,
    Type::Float64List,
    Type::TextList,
];

/// Checks that the columns which a pipeline names are written by its transforms, with types that fit.
///
/// A table without a description is passed over: why it has none was told where its component was loaded.
/// The faults come by their places.
pub fn check(declared: &Declared, described: &Descriptions) -> Vec<Fault> {
    let mut faults = Vec::new();
    for table in &declared.pipeline.tables {
        if let Some(described) = described.get(&table.name) {
            let path = join("tables", &table.name);
            let mut columns =
                Columns { outputs: &described.outputs, places: &declared.places, path, faults: &mut faults };
            columns.table(table);
        }
    }
    faults.sort_by_key(|fault| (fault.line, fault.column));
    faults
}

/// The columns of one table, and what was found wrong with how they are used.
struct Columns<'a> {
    outputs: &'a [Field],
    places: &'a Places,
    path: String,
    faults: &'a mut Vec<Fault>,
}

impl Columns<'_> {
    fn table(&mut self, table: &Table) {
        for (index, column) in table.key.iter().enumerate() {
            self.need(&format!("key[{index}]"), column, &KEYS);
        }
        for (index, column) in table.cache.iter().enumerate() {
            self.need(&format!("cache[{index}]"), column, &ALL);
        }
        for (index, aggregate) in table.aggregates.iter().enumerate() {
            self.aggregate(&format!("aggregates[{index}]"), aggregate);
        }
    }

    fn aggregate(&mut self, path: &str, aggregate: &Aggregate) {
        for (index, column) in aggregate.by.iter().enumerate() {
            self.need(&format!("{path}.by[{index}]"), column, &SINGLE);
        }
        if let Time::Column(column) = &aggregate.window.time {
            self.need(&format!("{path}.window.time"), column, &[Type::Timestamp]);
        }
        for (name, measure) in &aggregate.measures {
            if let Some(column) = measure.column() {
                self.need(&format!("{path}.measures.{name}"), column, takes(measure));
            }
        }
    }

    /// The transform writes `column`, as one of `types`.
    fn need(&mut self, path: &str, column: &str, types: &[Type]) {
        let wrong = match self.outputs.iter().find(|field| field.name == column) {
            Some(field) if types.contains(&field.kind) => return,
            Some(field) => {
                let words: Vec<&str> = types.iter().map(|kind| kind.word()).collect();
                let unfit = wrong(format!("the column {column:?} is {}, which does not fit here", field.kind.word()));
                unfit.hint(format!("name a column of {}", words.join(", ")))
            }
            None => {
                let known = self.outputs.iter().map(|field| field.name.as_str());
                wrong(format!("the transform writes no column {column:?}")).hint(names::meant(column, known))
            }
        };
        self.faults.push(self.places.fault(&format!("{}.{path}", self.path), &wrong));
    }
}

fn takes(measure: &Measure) -> &'static [Type] {
    match measure {
        Measure::Count(_) => &ALL,
        Measure::Sum(_) | Measure::Mean(_) => &[Type::Int64, Type::Float64],
        Measure::Min(_) | Measure::Max(_) | Measure::Median(_) => &ORDERED,
        Measure::CountDistinct(_) => &SINGLE,
    }
}
