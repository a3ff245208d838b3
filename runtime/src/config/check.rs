//! What a pipeline asks of its transforms, held against what they write.

use crate::error::Error;
use crate::rollup;
use crate::schema::{self, Field, Type};
use crate::window::spec::{Aggregate, Time};

use super::fault::{Fault, join, wrong};
use super::plan::Table;
use super::{Declared, Descriptions, names};

/// Types whose values are equal or not, without doubt.
const KEYS: [Type; 5] = [Type::Boolean, Type::Int64, Type::Text, Type::Bytes, Type::Timestamp];

/// Checks that the columns which a pipeline names are written by its transforms, with types that fit.
///
/// Of several transforms, each has to read what the one before it writes. A table without descriptions is passed over:
/// why it has none was told where its components were loaded.
/// The faults come by their places.
pub fn check(declared: &Declared, described: &Descriptions) -> Vec<Fault> {
    let mut faults = Vec::new();
    for table in &declared.pipeline.tables {
        let Some(described) = described.get(&table.name) else { continue };
        let path = join("tables", &table.name);
        for (transform, pair) in table.transforms.iter().skip(1).zip(described.windows(2)) {
            let [before, after] = pair else { continue };
            let misfits = schema::links(&before.outputs, &after.inputs).err().unwrap_or_default();
            let place = format!("{path}.{}", transform.place);
            faults.extend(misfits.iter().map(|misfit| declared.places.fault(&place, misfit)));
        }
        if let Some(last) = described.last() {
            let unfit = unfit(table, &last.outputs).into_iter();
            faults.extend(unfit.map(|(place, wrong)| declared.places.fault(&format!("{path}.{place}"), &wrong)));
        }
    }
    faults.extend(rollups(declared, described));
    faults.sort_by_key(|fault| (fault.line, fault.column));
    faults
}

/// What rollups name that is not of a type that fits; without a table's description, nobody knows.
fn rollups(declared: &Declared, described: &Descriptions) -> Vec<Fault> {
    let source = |table: &Table| {
        let outputs = described.get(&table.name).and_then(|described| described.last()).map(|last| &last.outputs);
        let kind = |name: &String| outputs.and_then(|fields| fields.iter().find(|field| field.name == *name));
        let columns = table.cache.iter().map(|name| (name.clone(), kind(name).map(|field| field.kind))).collect();
        rollup::Source { name: table.name.clone(), key: table.key.clone(), columns }
    };
    let sources: Vec<rollup::Source> = declared.pipeline.tables.iter().map(source).collect();
    let unfit = declared.pipeline.rollups.iter().flat_map(|rollup| {
        let path = join("rollups", &rollup.name);
        let unfit = rollup::unfit(rollup, &sources).into_iter();
        unfit.map(move |(place, wrong)| declared.places.fault(&format!("{path}.{place}"), &wrong))
    });
    unfit.collect()
}

/// What a table names that is not among `outputs`, what its last transform writes, or not of a type that fits: the entry as
/// seen from the table, and what is wrong.
pub fn unfit(table: &Table, outputs: &[Field]) -> Vec<(String, Error)> {
    let mut columns = Columns { outputs, unfit: Vec::new() };
    columns.table(table);
    columns.unfit
}

/// The columns that a table has, and what was found wrong with how they are used.
struct Columns<'a> {
    outputs: &'a [Field],
    unfit: Vec<(String, Error)>,
}

impl Columns<'_> {
    fn table(&mut self, table: &Table) {
        for (index, column) in table.key.iter().enumerate() {
            self.need(&format!("key[{index}]"), column, &KEYS);
        }
        for (index, column) in table.cache.iter().enumerate() {
            self.need(&format!("cache[{index}]"), column, &Type::ALL);
        }
        for (index, aggregate) in table.aggregates.iter().enumerate() {
            self.aggregate(&format!("aggregates[{index}]"), aggregate);
        }
    }

    fn aggregate(&mut self, path: &str, aggregate: &Aggregate) {
        for (index, by) in aggregate.by.iter().enumerate() {
            self.need(&format!("{path}.by[{index}]"), by.expression.column(), by.expression.takes());
        }
        if let Time::Column(column) = &aggregate.window.time {
            self.need(&format!("{path}.window.time"), column, &[Type::Timestamp]);
        }
        for (name, measure) in &aggregate.measures {
            for (column, takes) in measure.reads() {
                self.need(&format!("{path}.measures.{name}"), column, takes);
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
        self.unfit.push((path.to_owned(), wrong));
    }
}
