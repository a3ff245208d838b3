//! Rollups over tables that share keys: what a row takes from groups and adds to them, and what of that is to be kept.

use hashbrown::HashMap;
use hashbrown::hash_map::EntryRef;

use crate::error::{Kind, Result};
use crate::expression::Expression;
use crate::packed::{Reader, put};
use crate::rolled::{Keep, Row};
use crate::schema::Field;
use crate::value::Value;

use super::cell::{Cell, Scratch, count};
use super::encode::{astray, put_key};
use super::plan::{By, Plan, Resolved, Shown, Slot, Source, resolve};
use super::spec::Rollup;
use super::stretches::At;

/// Bytes in memory beyond which a scan writes what it has.
const HEAVY_BYTES: usize = 64 << 20;
/// What a group weighs beside its key and its values.
const GROUP_WEIGHT: usize = 400;

/// Rollups whose tables are joined with one another. Between commits it holds nothing: all is in what keeps it.
#[derive(Debug)]
pub struct Family {
    tables: Vec<String>,
    slots: Vec<Slot>,
    computed: Vec<(usize, Expression)>,
    plans: Vec<Plan>,
    /// The groups of each rollup that have changed since the last commit.
    groups: Vec<HashMap<Vec<u8>, Group>>,
    scratch: Scratch,
    key: Vec<u8>,
    weight: usize,
}

#[derive(Debug)]
struct Group {
    number: Option<i64>,
    /// The values of the columns that it is grouped by, where nobody has kept it yet.
    by: Option<Vec<Value>>,
    rows: u64,
    cells: Vec<Cell>,
}

/// The rollups of a pipeline in families that share no table with one another.
///
/// Errors with kind `Input` where one does not fit its tables.
pub fn families(rollups: &[Rollup], sources: &[Source]) -> Result<Vec<Family>> {
    let family = |resolved: Resolved| {
        let Resolved { tables, slots, computed, plans } = resolved;
        let groups = plans.iter().map(|_| HashMap::new()).collect();
        let (scratch, key) = (Scratch::default(), Vec::new());
        Family { tables, slots, computed, plans, groups, scratch, key, weight: 0 }
    };
    Ok(resolve(rollups, sources)?.into_iter().map(family).collect())
}

impl Family {
    /// Its tables, in the order of their bits in a row.
    pub fn tables(&self) -> &[String] {
        &self.tables
    }

    /// The columns of one of its tables that a row has, in their order.
    pub fn columns(&self, table: usize) -> impl Iterator<Item = &str> {
        self.slots.iter().filter(move |slot| slot.table == table).map(|slot| slot.column.as_str())
    }

    /// Its rollups: the name, the tables that must have a row, the columns that it shows, how many of them it is grouped by.
    pub fn rollups(&self) -> impl Iterator<Item = (&str, u64, &[Field], usize)> {
        self.plans.iter().map(|plan| (plan.name.as_str(), plan.tables, plan.fields.as_slice(), plan.by.len()))
    }

    /// A key's row has become another: what the old one said is taken out, and what the new one says is added.
    ///
    /// Errors with [`Kind::Corrupt`] where the old one was never in; all is then to be computed anew.
    pub fn change(&mut self, keep: &dyn Keep, old: &Row<'_>, new: &Row<'_>) -> Result<()> {
        let (mut computed_old, mut computed_new) = (None, None);
        for nth in 0..self.plans.len() {
            let Some(plan) = self.plans.get(nth) else { continue };
            let has = |row: &Row<'_>| row.tables & plan.tables == plan.tables;
            let (was, is) = (has(old), has(new));
            let same = |slot: &usize| old.values.get(*slot) == new.values.get(*slot);
            if (!was && !is) || (was && is && plan.reads.iter().all(same)) {
                continue;
            }
            if was {
                let computed = computed_old.get_or_insert_with(|| self.computed(old));
                self.apply(nth, keep, old, computed, false)?;
            }
            if is {
                let computed = computed_new.get_or_insert_with(|| self.computed(new));
                self.apply(nth, keep, new, computed, true)?;
            }
        }
        Ok(())
    }

    /// Adds a row of a scan over exactly these tables to those of their rollups that are `wanted`.
    pub fn add(&mut self, keep: &dyn Keep, row: &Row<'_>, wanted: impl Fn(&str) -> bool) -> Result<()> {
        let computed = self.computed(row);
        for nth in 0..self.plans.len() {
            if self.plans.get(nth).is_some_and(|plan| plan.tables == row.tables && wanted(&plan.name)) {
                self.apply(nth, keep, row, &computed, true)?;
            }
        }
        Ok(())
    }

    /// Whether so much waits in memory that a scan should write it.
    pub fn is_heavy(&self) -> bool {
        self.weight > HEAVY_BYTES
    }

    /// Forgets what was not written.
    pub fn clear(&mut self) {
        self.groups.iter_mut().for_each(HashMap::clear);
        self.weight = 0;
    }

    /// Writes all groups that have changed, but for those of which too much was taken out: for them rows are needed, those of these
    /// joins of tables, by [`Family::make_up`]; then it is called again.
    ///
    /// Errors with [`Kind::Corrupt`] where what is kept does not go together.
    pub fn write(&mut self, keep: &dyn Keep) -> Result<Vec<u64>> {
        let mut joins = Vec::new();
        for (plan, groups) in self.plans.iter().zip(&mut self.groups) {
            let mut changed: Vec<(Vec<u8>, Group)> = groups.drain().collect();
            changed.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
            for (key, mut group) in changed {
                let used_up = group.cells.iter_mut().filter_map(|cell| cell.is_used_up().then_some(())).count();
                if used_up > 0 {
                    joins.push(plan.tables);
                    groups.insert(key, group);
                } else {
                    group.write(plan, keep, &key)?;
                }
            }
        }
        self.weight = 0;
        joins.sort_unstable();
        joins.dedup();
        Ok(joins)
    }

    /// Takes a row of a scan for the groups of which too much was taken out.
    pub fn make_up(&mut self, row: &Row<'_>) -> Result<()> {
        let computed = self.computed(row);
        let Self { plans, groups, scratch, key, .. } = self;
        for (plan, groups) in plans.iter().zip(groups) {
            if groups.is_empty() || plan.tables != row.tables {
                continue;
            }
            plan.key(key, row, &computed);
            let Some(group) = groups.get_mut(key.as_slice()) else { continue };
            for (cell, of) in group.cells.iter_mut().zip(&plan.cells) {
                cell.make_up(of, row, scratch)?;
            }
        }
        Ok(())
    }

    fn computed(&self, row: &Row<'_>) -> Vec<Value> {
        let value = |(slot, expression): &(usize, Expression)| {
            row.values.get(*slot).map_or(Value::Null, |value| expression.value(&value.owned()))
        };
        self.computed.iter().map(value).collect()
    }

    fn apply(&mut self, nth: usize, keep: &dyn Keep, row: &Row<'_>, computed: &[Value], add: bool) -> Result<()> {
        let Self { plans, groups, scratch, key, weight, .. } = self;
        let (Some(plan), Some(groups)) = (plans.get(nth), groups.get_mut(nth)) else { return Ok(()) };
        plan.key(key, row, computed);
        let group = match groups.entry_ref(key.as_slice()) {
            EntryRef::Occupied(known) => known.into_mut(),
            EntryRef::Vacant(new) => {
                *weight += key.len() + GROUP_WEIGHT;
                new.insert(Group::load(plan, keep, key, row, computed)?)
            }
        };
        let rows = group.rows.checked_add_signed(if add { 1 } else { -1 });
        group.rows = rows.ok_or_else(|| astray(&plan.name))?;
        for (nth, (cell, of)) in group.cells.iter_mut().zip(&plan.cells).enumerate() {
            let number = group.number;
            let at = || number.map(|group| At { keep, rollup: &plan.name, group, cell: nth });
            let before = cell.weight();
            cell.change(of, row, add, scratch, at)?.ok_or_else(|| astray(&plan.name))?;
            *weight = (*weight + cell.weight()).saturating_sub(before);
        }
        Ok(())
    }
}

impl Plan {
    /// The key of the group that a row is in.
    fn key(&self, to: &mut Vec<u8>, row: &Row<'_>, computed: &[Value]) {
        to.clear();
        for by in &self.by {
            match by {
                By::Value(slot) => row.values.get(*slot).iter().for_each(|value| put_key(to, **value)),
                By::Computed(nth) => computed.get(*nth).iter().for_each(|value| put_key(to, value.borrowed())),
            }
        }
    }

    fn by_values(&self, row: &Row<'_>, computed: &[Value]) -> Vec<Value> {
        let value = |by: &By| match by {
            By::Value(slot) => row.values.get(*slot).map_or(Value::Null, |value| value.owned()),
            By::Computed(nth) => computed.get(*nth).cloned().unwrap_or(Value::Null),
        };
        self.by.iter().map(value).collect()
    }
}

impl Group {
    /// A group as it is kept, or a new one.
    fn load(plan: &Plan, keep: &dyn Keep, key: &[u8], row: &Row<'_>, computed: &[Value]) -> Result<Self> {
        let Some((number, state)) = keep.group(&plan.name, key)? else {
            let cells = plan.cells.iter().map(Cell::empty).collect();
            return Ok(Self { number: None, by: Some(plan.by_values(row, computed)), rows: 0, cells });
        };
        let mut from = Reader(&state);
        let rows = from.number();
        let cells: Option<Vec<_>> = plan.cells.iter().map(|cell| Cell::decode(&mut from, cell)).collect();
        match (rows, cells) {
            (Some(rows), Some(cells)) if from.0.is_empty() => Ok(Self { number: Some(number), by: None, rows, cells }),
            _ => Err(astray(&plan.name)),
        }
    }

    fn write(&mut self, plan: &Plan, keep: &dyn Keep, key: &[u8]) -> Result<()> {
        let astray = || astray(&plan.name);
        if self.rows == 0 {
            return self.number.map_or(Ok(()), |number| keep.remove(&plan.name, key, number));
        }
        let group = match self.number {
            Some(number) => number,
            None => keep.number(&plan.name)?,
        };
        let at = |cell| At { keep, rollup: &plan.name, group, cell };
        for (nth, cell) in self.cells.iter_mut().enumerate() {
            cell.write(at(nth))?.ok_or_else(astray)?;
        }
        let mut measures = Vec::with_capacity(plan.measures.len());
        for how in &plan.measures {
            let nth = match *how {
                Shown::Rows => {
                    measures.push(count(self.rows));
                    continue;
                }
                Shown::Count(nth) | Shown::Sum(nth) | Shown::Mean(nth) | Shown::Distinct(nth) => nth,
                Shown::First(nth, _) | Shown::Top(nth, _) | Shown::Quantile(nth, ..) => nth,
            };
            let cell = self.cells.get_mut(nth).zip(plan.cells.get(nth)).ok_or_else(astray)?;
            measures.push(cell.0.shown(cell.1, *how, at(nth))?);
        }
        let mut state = Vec::new();
        put(&mut state, self.rows);
        self.cells.iter().for_each(|cell| cell.encode(&mut state));
        keep.put(&plan.name, key, group, &state, self.by.as_deref(), &measures)
    }
}

/// Whether an error says that what is kept was made of other rows than those that are there, so that it is to be computed anew.
pub fn is_astray(error: &crate::error::Error) -> bool {
    error.kind() == Kind::Corrupt
}
