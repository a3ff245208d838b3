//! A generation: the components that clean a table's records, one for each of its transforms.

use std::fs;
use std::sync::Arc;

use super::table::Table;
use super::transform::Transform;
use crate::cache;
use crate::component::{Component, Host};
use crate::config::plan;
use crate::decode::{Decoder, Unwrap};
use crate::error::{Error, Kind, Result};
use crate::schema::{self, Field, Link};
use crate::time::Timestamp;

/// Between the digests of a chain's components, and between their names.
const BETWEEN: &str = "+";
/// Before the steps of unwrapping, which lead the digests of a chain that has some.
const UNWRAP: &str = "unwrap:";
/// Between those steps.
const BETWEEN_STEPS: &str = ",";
/// What stands in a digest for marks of its own in the name of a field; the mark of the others is put in first, and taken out last.
const ESCAPES: [(&str, &str); 3] = [("+", "%2B"), (",", "%2C"), ("%", "%25")];

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

/// Components that records pass one after another, each with its parameters, each reading what the one before it writes; before them,
/// what is taken off the records' values.
#[derive(Clone, Debug)]
pub struct Chain {
    unwrap: Unwrap,
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

impl Generation {
    /// What a restart goes on with, from this time on.
    pub fn noted(&self, since: Timestamp, withdrawn: bool) -> cache::Generation {
        cache::Generation {
            table: self.table.plan.name.clone(),
            number: self.number,
            digest: self.chain.digest().to_owned(),
            version: self.chain.version(),
            since,
            pinned: self.pinned,
            withdrawn,
            parameters: self.chain.parameters(),
        }
    }
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
        let digest = chain_digest("", &steps.iter().map(|step| step.component.digest()).collect::<Vec<_>>());
        Ok(Self { unwrap: Unwrap::default(), steps, inputs, digest })
    }

    /// The same, of values from which something is taken off first; the digest tells it apart.
    pub fn unwrapping(mut self, unwrap: &Unwrap) -> Self {
        let digests: Vec<&str> = digests(&self.digest);
        self.digest = chain_digest(&head(unwrap), &digests);
        self.unwrap = unwrap.clone();
        self
    }

    /// The chain of the components that a table's files hold now.
    pub fn read(host: &Host, plan: &plan::Table) -> Result<Self> {
        let read = |transform: &plan::Transform| {
            let component = load_component(host, transform, &read_component(transform)?)?;
            Ok((component, transform.parameters.clone()))
        };
        let chain = plan.transforms.iter().map(read).collect::<Result<_>>().and_then(Self::new);
        let chain = chain.map(|chain| chain.unwrapping(&plan.unwrap));
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
        Ok(Self::new(components)?.unwrapping(&self.unwrap))
    }

    /// Fresh instances of all of them.
    ///
    /// Errors when one traps, takes too long, or refuses its parameters.
    pub fn start(&self) -> Result<Transform> {
        Transform::start(&self.steps)
    }

    /// What decodes the records of a partition for them: whoever runs records through a chain decodes them with this.
    pub fn decoder(&self, partition: u32) -> Result<Decoder> {
        Ok(Decoder::new(&self.inputs, partition)?.unwrapping(&self.unwrap))
    }

    /// What is taken off the records' values first.
    pub fn unwrap(&self) -> &Unwrap {
        &self.unwrap
    }

    /// The components in their order.
    pub fn components(&self) -> impl Iterator<Item = &Component> {
        self.steps.iter().map(|step| &step.component)
    }

    /// The sha256 of the component in hexadecimal; of several components all of them in their order, with `+` between. Where
    /// something is taken off values, its steps come first: `unwrap:json-text,base64+9f2c..`.
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
        let first = self.steps.iter().take(count).map(|s| (s.component.clone(), s.parameters.clone())).collect();
        Ok(Self::new(first)?.unwrapping(&self.unwrap))
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
    let (_, components) = halves(of_chain);
    components.split(BETWEEN).collect()
}

/// What a chain takes off values first, out of its digest.
pub fn unwrap(of_chain: &str) -> Result<Unwrap> {
    let mut unwrap = Unwrap::default();
    let (head, _) = halves(of_chain);
    for step in head.strip_prefix(UNWRAP).into_iter().flat_map(|steps| steps.split(BETWEEN_STEPS)) {
        unwrap.push(&ESCAPES.iter().fold(step.to_owned(), |step, (mark, escape)| step.replace(escape, mark)))?;
    }
    Ok(unwrap)
}

/// The digest of a chain as `of_chain` is, of other components.
pub fn with_digests(of_chain: &str, digests: &[&str]) -> String {
    chain_digest(halves(of_chain).0, digests)
}

/// What stands in a digest before those of components, which may be nothing, and those.
fn halves(of_chain: &str) -> (&str, &str) {
    of_chain.split_once(BETWEEN).filter(|(head, _)| head.starts_with(UNWRAP)).unwrap_or(("", of_chain))
}

fn head(unwrap: &Unwrap) -> String {
    let escaped = |step: String| ESCAPES.iter().rev().fold(step, |step, (mark, escape)| step.replace(mark, escape));
    let steps: Vec<String> = unwrap.steps().into_iter().map(escaped).collect();
    if steps.is_empty() { String::new() } else { format!("{UNWRAP}{}", steps.join(BETWEEN_STEPS)) }
}

fn chain_digest(head: &str, digests: &[&str]) -> String {
    let components = digests.join(BETWEEN);
    if head.is_empty() { components } else { format!("{head}{BETWEEN}{components}") }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_tells_what_is_taken_off() {
        let check = |steps: &[&str], expected: &str| {
            let mut given = Unwrap::default();
            steps.iter().for_each(|step| given.push(step).unwrap());
            let digest = chain_digest(&head(&given), &["aa", "bb"]);
            assert_eq!(digest, expected, "{steps:?}");
            assert_eq!((unwrap(&digest).unwrap(), digests(&digest)), (given, vec!["aa", "bb"]), "{steps:?}");
            assert_eq!(with_digests(&digest, &["cc", "bb"]), expected.replace("aa", "cc"), "{steps:?}");
        };
        check(&[], "aa+bb");
        check(&["base64"], "unwrap:base64+aa+bb");
        check(&["json-text", "base64", "field:value"], "unwrap:json-text,base64,field:value+aa+bb");
        check(&["field:a+b,c%2B", "field::"], "unwrap:field:a%2Bb%2Cc%252B,field::+aa+bb");
    }
}
