//! An aggregate resolved against the columns that it reads.

use super::spec::{self, Aggregate, Measure, Time, Window};
use crate::error::{Error, Kind, Result};
use crate::expression::Expression;
use crate::schema::{Field, Type};

/// What an aggregate reads, and where it finds it.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) name: String,
    pub(super) window: Window,
    /// The column that holds the time; none for append time.
    pub(super) time: Option<Input>,
    pub(super) by: Vec<By>,
    pub(super) measures: Vec<Measured>,
}

/// A measure with the columns that it reads.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Measured {
    pub(super) measure: Measure,
    pub(super) input: Option<Input>,
    /// What the values of a `top_k` are ranked by.
    pub(super) ranked_by: Option<Box<Measured>>,
}

/// What rows are grouped by.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct By {
    pub(super) expression: Expression,
    /// The column that it reads.
    pub(super) input: Input,
    /// The type of its values.
    pub(super) kind: Type,
}

/// A column by its place, with its type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Input {
    pub(super) index: usize,
    pub(super) kind: Type,
}

impl Plan {
    /// Errors with kind `Input` where a column does not exist, or is of a type that its use does not allow.
    pub(super) fn new(aggregate: &Aggregate, fields: &[Field]) -> Result<Self> {
        resolve(aggregate, fields).map_err(|error| error.within(format_args!("aggregate {:?}", aggregate.name)))
    }

    /// Whether both compute the same from columns of the same types, so that their groups can be merged.
    pub(super) fn agrees(&self, other: &Self) -> bool {
        fn kinds(plan: &Plan) -> impl Iterator<Item = Option<Type>> + '_ {
            let measures = plan.measures.iter().flat_map(Measured::kinds);
            plan.by.iter().map(|by| Some(by.input.kind)).chain(measures)
        }
        let measures = self.measures.iter().map(|measured| &measured.measure);
        self.window == other.window
            && self.by.iter().map(|by| &by.expression).eq(other.by.iter().map(|by| &by.expression))
            && measures.eq(other.measures.iter().map(|measured| &measured.measure))
            && kinds(self).eq(kinds(other))
    }
}

fn resolve(aggregate: &Aggregate, fields: &[Field]) -> Result<Plan> {
    let time = match &aggregate.window.time {
        Time::Append => None,
        Time::Column(column) => {
            let found = find(fields, column).and_then(|input| allow(column, input, &[Type::Timestamp]));
            Some(found.map_err(|error| error.within("window time"))?)
        }
    };
    let mut by = Vec::with_capacity(aggregate.by.len());
    for grouping in &aggregate.by {
        let (expression, column) = (grouping.expression.clone(), grouping.expression.column());
        let input = find(fields, column).and_then(|input| allow(column, input, expression.takes()));
        let input = input.map_err(|error| error.within("by"))?;
        by.push(By { kind: expression.gives(input.kind), expression, input });
    }
    let mut measures = Vec::with_capacity(aggregate.measures.len());
    for (name, measure) in &aggregate.measures {
        let subject = format!("measure {name:?}: {measure}");
        measures.push(measured(measure, fields).map_err(|error| error.within(subject))?);
    }
    Ok(Plan { name: aggregate.name.clone(), window: aggregate.window.clone(), time, by, measures })
}

fn measured(measure: &Measure, fields: &[Field]) -> Result<Measured> {
    let input = match measure.column() {
        Some(column) => Some(allow(column, find(fields, column)?, measure.takes())?),
        None => None,
    };
    let ranked_by = measure.ranked_by().map(|by| measured(by, fields).map(Box::new)).transpose()?;
    Ok(Measured { measure: measure.clone(), input, ranked_by })
}

impl Measured {
    /// The types of the columns that it reads.
    fn kinds(&self) -> impl Iterator<Item = Option<Type>> + '_ {
        let kind = |measured: &Self| measured.input.map(|input| input.kind);
        [Some(self), self.ranked_by.as_deref()].into_iter().flatten().map(kind)
    }

    /// The type of what it shows.
    pub(super) fn kind(&self) -> Type {
        self.measure.gives(self.input.map(|input| input.kind))
    }
}

fn find(fields: &[Field], column: &str) -> Result<Input> {
    if let Some((index, field)) = fields.iter().enumerate().find(|(_, field)| field.name == column) {
        return Ok(Input { index, kind: field.kind });
    }
    let names: Vec<&str> = fields.iter().map(|field| field.name.as_str()).collect();
    let hint = match spec::closest(column, names.iter().copied()) {
        Some(name) => format!("did you mean {name:?}?"),
        None => format!("the columns are {}", names.join(", ")),
    };
    Err(Error::new(Kind::Input, format!("there is no column {column:?}")).hint(hint))
}

fn allow(column: &str, input: Input, kinds: &[Type]) -> Result<Input> {
    if kinds.contains(&input.kind) {
        return Ok(input);
    }
    let words: Vec<_> = kinds.iter().map(|kind| kind.word()).collect();
    let message = format!("column {column:?} is {}", input.kind.word());
    Err(Error::new(Kind::Input, message).hint(format!("it takes a column of {}", words.join(", "))))
}
