//! Rollups resolved against the tables that they read, and gathered in families of tables that share keys.

use crate::error::{Error, Kind, Result};
use crate::expression::Expression;
use crate::rolled::TABLES_MAX;
use crate::schema::{Field, Type};
use crate::share::Share;

use super::best::First;
use super::spec::{Measure, Rollup};

/// A table as rollups know it.
#[derive(Clone, Debug, PartialEq)]
pub struct Source {
    /// Its name.
    pub name: String,
    /// The columns of its key; none where no rows are kept of it.
    pub key: Vec<String>,
    /// The columns that are kept of each key's latest row, each with its type where that is known.
    pub columns: Vec<(String, Option<Type>)>,
}

/// What a rollup computes, and of what.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) name: String,
    /// The tables that must have a row, a bit each.
    pub(super) tables: u64,
    pub(super) by: Vec<By>,
    pub(super) cells: Vec<CellPlan>,
    pub(super) measures: Vec<Shown>,
    /// The values of the row that it depends on.
    pub(super) reads: Vec<usize>,
    pub(super) fields: Vec<Field>,
}

/// What a group is made by: a value of the row, or one that is computed of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    Value(usize),
    Computed(usize),
}

/// What is kept of the rows of a group; several measures may be shown from one.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum CellPlan {
    Count(usize),
    Whole(usize),
    Float(usize),
    Best { by: usize, shown: Option<usize>, first: First },
    Values { of: usize, quantiles: Vec<Share> },
}

/// How a measure is shown, of which cell.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Shown {
    Rows,
    Count(usize),
    Sum(usize),
    Mean(usize),
    First(usize, Type),
    Top(usize, Type),
    Quantile(usize, usize, Type),
    Distinct(usize),
}

/// The column of a family's row.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Slot {
    pub(super) table: usize,
    pub(super) column: String,
    pub(super) kind: Type,
}

/// Types of single values.
const SINGLE: &[Type] =
    &[Type::Boolean, Type::Int64, Type::Float64, Type::Text, Type::Bytes, Type::Timestamp, Type::Json];
/// Types whose values have an order that means something.
const ORDERED: &[Type] = &[Type::Boolean, Type::Int64, Type::Float64, Type::Text, Type::Bytes, Type::Timestamp];
const NUMBERS: &[Type] = &[Type::Int64, Type::Float64];
/// Types that a JSON list shows as they are.
const LISTED: &[Type] = &[Type::Int64, Type::Text];

/// Where a column of a rollup is: the table, and the type where it is known.
///
/// Errors where no table has it, or several have.
fn find<'a>(sources: &[&'a Source], written: &str) -> Result<(usize, &'a str, Option<Type>)> {
    let wrong = |what: String| Error::new(Kind::Input, what);
    let (table, column) = match written.split_once('.') {
        Some((table, column)) => (Some(table), column),
        None => (None, written),
    };
    if let Some(table) = table
        && !sources.iter().any(|source| source.name == table)
    {
        let known: Vec<&str> = sources.iter().map(|source| source.name.as_str()).collect();
        return Err(
            wrong(format!("the rollup does not read a table {table:?}")).hint(format!("it reads {}", known.join(", ")))
        );
    }
    let asked = sources.iter().enumerate().filter(|(_, source)| table.is_none_or(|table| source.name == table));
    let mut found = asked.filter_map(|(place, source)| {
        let (name, kind) = source.columns.iter().find(|(name, _)| name == column)?;
        Some((place, name.as_str(), *kind, source))
    });
    let Some((place, name, kind, first)) = found.next() else {
        let known: Vec<&str> =
            sources.iter().flat_map(|source| &source.columns).map(|(name, _)| name.as_str()).collect();
        return Err(wrong(format!("no table of the rollup keeps a column {written:?}"))
            .hint(format!("kept are {}; what else is needed goes into a table's cache", known.join(", "))));
    };
    match found.next() {
        // What they are joined on is the same in all.
        Some((.., other))
            if !(first.key.iter().any(|key| key == column) && other.key.iter().any(|key| key == column)) =>
        {
            let both = format!("{:?} and {:?} both keep a column {column:?}", first.name, other.name);
            Err(wrong(both).hint(format!("write {:?}", format!("{}.{column}", first.name))))
        }
        _ => Ok((place, name, kind)),
    }
}

/// What is wrong with how a rollup uses its tables: the entry as seen from the rollup, and what. Tables that are not among `sources`
/// are passed over, and so are types that are not known.
pub fn unfit(rollup: &Rollup, sources: &[Source]) -> Vec<(String, Error)> {
    let of: Vec<&Source> =
        rollup.tables().filter_map(|name| sources.iter().find(|source| source.name == name)).collect();
    if of.len() != rollup.tables().count() {
        return Vec::new();
    }
    let mut unfit = Vec::new();
    let mut check = |place: String, column: &str, takes: &[Type]| {
        let fault = match find(&of, column) {
            Ok((.., Some(kind))) if !takes.contains(&kind) => {
                let words: Vec<&str> = takes.iter().map(|kind| kind.word()).collect();
                let what = format!("the column {column:?} is {}, which does not fit here", kind.word());
                Error::new(Kind::Input, what).hint(format!("name a column of {}", words.join(", ")))
            }
            Ok(_) => return,
            Err(fault) => fault,
        };
        unfit.push((place, fault));
    };
    for (index, by) in rollup.by.iter().enumerate() {
        check(format!("by[{index}]"), by.expression.column(), by.expression.takes());
    }
    for (name, measure) in &rollup.measures {
        for (column, takes) in measure.columns().zip(takes(measure)) {
            check(format!("measures.{name}"), column, takes);
        }
    }
    let kind = |source: &Source, key: &String| source.columns.iter().find(|(name, _)| name == key).and_then(|of| of.1);
    if let Some((from, joined)) = of.split_first() {
        for (index, other) in joined.iter().enumerate() {
            for (one, two) in from.key.iter().zip(&other.key) {
                let (Some(here), Some(there)) = (kind(from, one), kind(other, two)) else { continue };
                if here != there {
                    let what = format!(
                        "the keys are of other types: {one:?} of {:?} is {}, and {two:?} of {:?} {}",
                        from.name,
                        here.word(),
                        other.name,
                        there.word()
                    );
                    unfit.push((format!("join[{index}]"), Error::new(Kind::Input, what)));
                }
            }
        }
    }
    unfit
}

/// The types that the columns of a measure may have.
fn takes(measure: &Measure) -> [&'static [Type]; 2] {
    match measure {
        Measure::Count(_) => [&Type::ALL; 2],
        Measure::Sum(_) | Measure::Mean(_) => [NUMBERS; 2],
        Measure::Min(_) | Measure::Max(_) | Measure::Quantile(..) => [ORDERED; 2],
        Measure::CountDistinct(_) => [SINGLE; 2],
        Measure::Top(..) => [LISTED, ORDERED],
    }
}

/// The rollups of a family while they are resolved.
pub(super) struct Resolved {
    pub(super) tables: Vec<String>,
    pub(super) slots: Vec<Slot>,
    pub(super) computed: Vec<(usize, Expression)>,
    pub(super) plans: Vec<Plan>,
}

/// The rollups by families: those that share a table, or are joined by others that do.
///
/// Errors with kind `Input` with all that does not fit.
pub(super) fn resolve(rollups: &[Rollup], sources: &[Source]) -> Result<Vec<Resolved>> {
    let mut families: Vec<(Vec<String>, Vec<&Rollup>)> = Vec::new();
    for rollup in rollups {
        let faults: Vec<Error> = unfit(rollup, sources).into_iter().map(|(_, fault)| fault).collect();
        if !faults.is_empty() {
            return Err(Error::all(&faults).within(format!("rollup {:?}", rollup.name)));
        }
        let (mut tables, mut members): (Vec<String>, _) = (rollup.tables().map(str::to_owned).collect(), vec![rollup]);
        families.retain_mut(|(of, theirs)| {
            let shared = of.iter().any(|table| tables.contains(table));
            if shared {
                let more: Vec<String> = tables.drain(..).filter(|table| !of.contains(table)).collect();
                tables.append(of);
                tables.extend(more);
                theirs.append(&mut members);
                members.append(theirs);
            }
            !shared
        });
        families.push((tables, members));
    }
    families.into_iter().map(|(tables, members)| family(tables, &members, sources)).collect()
}

fn family(tables: Vec<String>, members: &[&Rollup], sources: &[Source]) -> Result<Resolved> {
    if tables.len() > TABLES_MAX {
        let what = format!("rollups join {} tables with one another, and {TABLES_MAX} are the most", tables.len());
        return Err(Error::new(Kind::Input, what));
    }
    let mut resolved = Resolved { tables, slots: Vec::new(), computed: Vec::new(), plans: Vec::new() };
    let slots = members.iter().map(|rollup| Slots { rollup, sources, tables: &resolved.tables }.all());
    resolved.slots = slots.collect::<Result<Vec<_>>>()?.concat();
    resolved.slots.sort_by(|one, other| (one.table, &one.column).cmp(&(other.table, &other.column)));
    resolved.slots.dedup();
    for rollup in members {
        let plan = resolved.plan(rollup, sources)?;
        resolved.plans.push(plan);
    }
    Ok(resolved)
}

/// The columns that a rollup reads, seen from its family.
struct Slots<'a> {
    rollup: &'a Rollup,
    sources: &'a [Source],
    tables: &'a [String],
}

impl Slots<'_> {
    fn all(&self) -> Result<Vec<Slot>> {
        let by = self.rollup.by.iter().map(|by| by.expression.column());
        let measured = self.rollup.measures.iter().flat_map(|(_, measure)| measure.columns());
        by.chain(measured).map(|column| self.one(column)).collect()
    }

    fn one(&self, written: &str) -> Result<Slot> {
        let of: Vec<&Source> =
            (self.rollup.tables()).filter_map(|name| self.sources.iter().find(|source| source.name == name)).collect();
        let (place, column, kind) = find(&of, written)?;
        let name = of.get(place).map(|source| source.name.as_str()).unwrap_or_default();
        let table = self.tables.iter().position(|table| table == name);
        match (table, kind) {
            (Some(table), Some(kind)) => Ok(Slot { table, column: column.to_owned(), kind }),
            _ => Err(Error::new(Kind::Internal, format!("column {written:?}: its type is not known"))),
        }
    }
}

impl Resolved {
    fn plan(&mut self, rollup: &Rollup, sources: &[Source]) -> Result<Plan> {
        let absent = || Error::new(Kind::Internal, format!("rollup {:?}: a table is not there", rollup.name));
        let mut mask = 0;
        for table in rollup.tables() {
            mask |= 1 << self.tables.iter().position(|name| name == table).ok_or_else(absent)?;
        }
        let mut plan = Plan {
            name: rollup.name.clone(),
            tables: mask,
            by: Vec::new(),
            cells: Vec::new(),
            measures: Vec::new(),
            reads: Vec::new(),
            fields: Vec::new(),
        };
        for by in &rollup.by {
            let (slot, kind) = self.slot(&mut plan, rollup, sources, by.expression.column())?;
            plan.by.push(match &by.expression {
                Expression::Column(_) => By::Value(slot),
                expression => By::Computed(self.computed_of(slot, expression)),
            });
            plan.fields.push(shown(by.name.rsplit('.').next().unwrap_or_default(), by.expression.gives(kind)));
        }
        for (name, measure) in &rollup.measures {
            let of: Vec<(usize, Type)> = (measure.columns())
                .map(|column| self.slot(&mut plan, rollup, sources, column))
                .collect::<Result<_>>()?;
            let (measured, kind) = plan.measure(measure, &of);
            plan.measures.push(measured);
            plan.fields.push(shown(name, kind));
        }
        plan.reads.sort_unstable();
        plan.reads.dedup();
        Ok(plan)
    }

    fn slot(&self, plan: &mut Plan, rollup: &Rollup, sources: &[Source], column: &str) -> Result<(usize, Type)> {
        let slot = Slots { rollup, sources, tables: &self.tables }.one(column)?;
        let place = self.slots.iter().position(|of| *of == slot);
        let place =
            place.ok_or_else(|| Error::new(Kind::Internal, format!("column {column:?} is not among those read")))?;
        plan.reads.push(place);
        Ok((place, slot.kind))
    }

    fn computed_of(&mut self, slot: usize, expression: &Expression) -> usize {
        let same = |(of, known): &(usize, Expression)| *of == slot && known == expression;
        self.computed.iter().position(same).unwrap_or_else(|| {
            self.computed.push((slot, expression.clone()));
            self.computed.len() - 1
        })
    }
}

impl Plan {
    /// How a measure over these columns is shown, and the type of what is shown.
    fn measure(&mut self, measure: &Measure, of: &[(usize, Type)]) -> (Shown, Type) {
        let (slot, kind) = of.first().copied().unwrap_or((0, Type::Int64));
        let number = if kind == Type::Float64 { CellPlan::Float(slot) } else { CellPlan::Whole(slot) };
        let best = |first| CellPlan::Best { by: slot, shown: None, first };
        match measure {
            Measure::Count(None) => (Shown::Rows, Type::Int64),
            Measure::Count(Some(_)) => (Shown::Count(self.cell(CellPlan::Count(slot))), Type::Int64),
            Measure::Sum(_) => (Shown::Sum(self.cell(number)), kind),
            Measure::Mean(_) => (Shown::Mean(self.cell(number)), Type::Float64),
            Measure::Min(_) => (Shown::First(self.cell(best(First::Least)), kind), kind),
            Measure::Max(_) => (Shown::First(self.cell(best(First::Greatest)), kind), kind),
            Measure::Quantile(_, share) => {
                let (cell, nth) = self.values(slot, Some(*share));
                (Shown::Quantile(cell, nth, kind), kind)
            }
            Measure::CountDistinct(_) => (Shown::Distinct(self.values(slot, None).0), Type::Int64),
            Measure::Top(..) => {
                let by = of.get(1).map_or(0, |of| of.0);
                let cell = CellPlan::Best { by, shown: Some(slot), first: First::Greatest };
                (Shown::Top(self.cell(cell), kind), Type::Json)
            }
        }
    }

    fn cell(&mut self, cell: CellPlan) -> usize {
        self.cells.iter().position(|known| *known == cell).unwrap_or_else(|| {
            self.cells.push(cell);
            self.cells.len() - 1
        })
    }

    /// The cell of all values of a column, and which of its quantiles is this one.
    fn values(&mut self, slot: usize, share: Option<Share>) -> (usize, usize) {
        let found = self.cells.iter().position(|cell| matches!(cell, CellPlan::Values { of, .. } if *of == slot));
        let place = found.unwrap_or_else(|| self.cell(CellPlan::Values { of: slot, quantiles: Vec::new() }));
        let Some((CellPlan::Values { quantiles, .. }, share)) = self.cells.get_mut(place).zip(share) else {
            return (place, 0);
        };
        let nth = quantiles.iter().position(|known| *known == share).unwrap_or(quantiles.len());
        if nth == quantiles.len() {
            quantiles.push(share);
        }
        (place, nth)
    }
}

fn shown(name: &str, kind: Type) -> Field {
    Field { name: name.to_owned(), aliases: Vec::new(), kind, nullable: true }
}
