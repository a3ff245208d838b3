//! A generation: the components that clean a table's records, one for each of its transforms.

use std::fs;
use std::sync::Arc;

use super::table::Table;
use super::transform::Transform;
use crate::component::{Component, Host};
use crate::config::plan;
use crate::error::{Error, Kind, Result};
use crate::schema::{self, Field, Link};

/// Between the digests of a chain's components, and between their names.
const BETWEEN: &str = "+";

/// A chain in service for one table.
#[derive(Clone)]
pub struct Generation {
    /// Its components.
    pub chain: Chain,
    /// The table, with the fields that they write.
    pub table: Arc<Table>,
    /// Counted from 1 in each table.
    pub number: u64,
    /// Whether a person chose it, so that a file that differs does not replace it.
    pub pinned: bool,
}

/// Components that records pass one after another, each with its parameters, each reading what the one before it writes.
#[derive(Clone, Debug)]
pub struct Chain {
    steps: Vec<Step>,
    inputs: Vec<Field>,
    digest: String,
}

/// One component of a chain.
#[derive(Clone, Debug)]
pub(super) struct Step {
    pub(super) component: Component,
    /// Its parameters, as a JSON object.
    pub(super) parameters: String,
    /// Where each of its inputs comes from.
    pub(super) columns: Vec<Column>,
}

/// Where an input of a later component comes from.
#[derive(Clone, Copy, Debug)]
pub(super) enum Column {
    /// The column of this place among those that the component before it writes.
    Written(usize),
    /// The column of this place among those that are decoded.
    Decoded(usize),
}

/// The bytes of a transform's component; where there are none, the hint says how to build it from its crate.
pub fn read_component(plan: &plan::Transform) -> Result<Vec<u8>> {
    fs::read(&plan.component).map_err(|cause| {
        let error = Error::new(Kind::Missing, format!("component {}: {cause}", plan.component.display()));
        match &plan.source {
            Some(source) => error.hint(format!("build it: tidemill transform build {}", source.display())),
            None => error,
        }
    })
}

/// A transform's component of these bytes, compiled and found in order.
pub fn load_component(host: &Host, plan: &plan::Transform, bytes: &[u8]) -> Result<Component> {
    host.load(bytes, &plan.limits)
}

impl Chain {
    /// A chain of components with their parameters, at least one.
    ///
    /// Errors where one reads what the one before it does not write.
    pub fn new(components: Vec<(Component, String)>) -> Result<Self> {
        let mut inputs = components.first().map(|(first, _)| first.description().inputs.clone()).unwrap_or_default();
        let mut steps: Vec<Step> = Vec::new();
        for (component, parameters) in components {
            let columns = match steps.last() {
                None => (0..inputs.len()).map(Column::Decoded).collect(),
                Some(before) => columns(&before.component, &component, &mut inputs)?,
            };
            steps.push(Step { component, parameters, columns });
        }
        let digest = chain_digest(&steps.iter().map(|step| step.component.digest()).collect::<Vec<_>>());
        Ok(Self { steps, inputs, digest })
    }

    /// The chain of the components that a table's files hold now.
    pub fn read(host: &Host, plan: &plan::Table) -> Result<Self> {
        let read = |transform: &plan::Transform| {
            let component = load_component(host, transform, &read_component(transform)?)?;
            Ok((component, transform.parameters.clone()))
        };
        let chain = plan.transforms.iter().map(read).collect::<Result<_>>().and_then(Self::new);
        chain.map_err(|error| error.within(format!("table {:?}", plan.name)))
    }

    /// The same with other components in some places, counted from 0.
    pub fn replaced(&self, others: Vec<(usize, Component)>) -> Result<Self> {
        let mut components: Vec<_> = self.steps.iter().map(|s| (s.component.clone(), s.parameters.clone())).collect();
        for (place, component) in others {
            if let Some(there) = components.get_mut(place) {
                there.0 = component;
            }
        }
        Self::new(components)
    }

    /// Fresh instances of all of them.
    ///
    /// Errors when one traps, takes too long, or refuses its parameters.
    pub fn start(&self) -> Result<Transform> {
        Transform::start(&self.steps)
    }

    /// The components in their order.
    pub fn components(&self) -> impl Iterator<Item = &Component> {
        self.steps.iter().map(|step| &step.component)
    }

    /// The sha256 of the component in hexadecimal; of several components all of them in their order, with `+` between.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// The parameters of each component, as JSON objects.
    pub fn parameters(&self) -> Vec<String> {
        self.steps.iter().map(|step| step.parameters.clone()).collect()
    }

    /// The place of a transform in the chain of a table: by its number from 1, or by its name; where there is but one, it need not be said.
    pub fn place(&self, table: &str, transform: Option<&str>) -> Result<usize> {
        let names: Vec<&str> = self.components().map(|component| component.description().name.as_str()).collect();
        let hint = format!("name one of {}, or its number from 1", names.join(", "));
        let Some(transform) = transform else {
            return match names.len() {
                1 => Ok(0),
                many => Err(Error::new(
                    Kind::Input,
                    format!("table {table:?}: it has {many} transforms, and it is not said for which this one is"),
                )
                .hint(hint)),
            };
        };
        let numbered = transform.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
        let numbered = numbered.filter(|place| *place < names.len());
        let mut named = names.iter().enumerate().filter(|(_, name)| **name == transform).map(|(place, _)| place);
        let place = numbered.or_else(|| named.next());
        if numbered.is_none() && named.next().is_some() {
            let twice = format!("table {table:?}: more than one of its transforms is called {transform:?}");
            return Err(Error::new(Kind::Input, twice).hint("say which by its number from 1"));
        }
        place
            .ok_or_else(|| Error::new(Kind::Missing, format!("table {table:?}: no transform {transform:?}")).hint(hint))
    }

    /// The first `count` of its components, at least one.
    pub fn first(&self, count: usize) -> Result<Self> {
        Self::new(self.steps.iter().take(count).map(|s| (s.component.clone(), s.parameters.clone())).collect())
    }

    /// The fields that are decoded: what the first component reads, then the parts of the record that only others read.
    pub fn inputs(&self) -> &[Field] {
        &self.inputs
    }

    /// The fields that the last component writes.
    pub fn outputs(&self) -> &[Field] {
        self.steps.last().map_or(&[], |step| &step.component.description().outputs)
    }

    /// Names and versions, for people.
    pub fn version(&self) -> String {
        let one = |component: &Component| {
            let description = component.description();
            format!("{} {}", description.name, description.version)
        };
        self.components().map(one).collect::<Vec<_>>().join(&format!(" {BETWEEN} "))
    }
}

/// The digests of a chain's components, out of the chain's.
pub fn digests(of_chain: &str) -> Vec<&str> {
    of_chain.split(BETWEEN).collect()
}

/// A chain's digest, out of its components'.
pub fn chain_digest(digests: &[&str]) -> String {
    digests.join(BETWEEN)
}

/// Where the inputs of `after` come from; the parts of the record that it reads are among `inputs` afterwards.
fn columns(before: &Component, after: &Component, inputs: &mut Vec<Field>) -> Result<Vec<Column>> {
    let (before, after) = (before.description(), after.description());
    let misfit = |misfits: Vec<Error>| Error::all(&misfits).within(format!("transform {:?}", after.name));
    let links = schema::links(&before.outputs, &after.inputs).map_err(misfit)?;
    let mut columns = Vec::new();
    for (read, link) in after.inputs.iter().zip(links) {
        columns.push(match link {
            Link::Written(place) => Column::Written(place),
            Link::Part => {
                let known = inputs.iter().position(|field| field.name == read.name);
                let place = known.unwrap_or_else(|| {
                    inputs.push(read.clone());
                    inputs.len() - 1
                });
                // A record that lacks what one of them needs is rejected by the decoder.
                inputs.get_mut(place).into_iter().for_each(|field| field.nullable &= read.nullable);
                Column::Decoded(place)
            }
        });
    }
    Ok(columns)
}
