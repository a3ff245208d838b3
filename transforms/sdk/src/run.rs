//! A transform's function, run over batches: what `#[transform]` exports.

use crate::input::Input;
use crate::output::Output;
use crate::parameters::Parameters;
use crate::verdict::Verdict;
use crate::wit::{self, Batch, Description, Rejection};

/// Describes the transform whose function is `clean`.
pub fn describe<'a, I, O>(_clean: impl Fn(I) -> Verdict<O>, name: &str, version: &str, summary: &str) -> Description
where
    I: Input<'a>,
    O: Output,
{
    Description {
        name: name.to_owned(),
        version: version.to_owned(),
        summary: summary.to_owned(),
        inputs: I::fields(),
        outputs: O::fields(),
        parameters: "{}".to_owned(),
    }
}

/// Describes the transform whose function is `clean` and takes parameters.
pub fn describe_with<'a, I, P, O>(
    _clean: impl Fn(I, &'a P) -> Verdict<O>,
    name: &str,
    version: &str,
    summary: &str,
) -> Description
where
    I: Input<'a>,
    P: Parameters + 'a,
    O: Output,
{
    let unused = |_: I| -> Verdict<O> { crate::drop() };
    Description { parameters: P::SCHEMA.to_owned(), ..describe(unused, name, version, summary) }
}

/// Takes the parameters of a transform that has none: `{}`.
pub fn configure(parameters: &str) -> Result<(), String> {
    let given = parameters.trim();
    let inner = given.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
    match inner.map(str::trim) {
        Some("") => Ok(()),
        _ => Err(format!("the transform takes no parameters, only {{}}, but was given {given}")),
    }
}

/// Cleans a batch with `clean`; an error stands for a batch that is not as described.
pub fn apply<'a, I, O>(clean: impl Fn(I) -> Verdict<O>, batch: &'a Batch) -> Result<wit::Output, String>
where
    I: Input<'a>,
    O: Output,
{
    let columns = I::open(batch)?;
    let rows = batch.rows as usize;
    let mut builders = O::builders(rows, &batch.columns);
    let mut sources = Vec::with_capacity(rows);
    let mut rejected = Vec::new();
    for row in 0..batch.rows {
        match clean(I::read(&columns, row as usize)) {
            Verdict::Emit(made) => {
                made.write(&mut builders);
                sources.push(row);
            }
            Verdict::EmitAll(several) => {
                for made in several {
                    made.write(&mut builders);
                    sources.push(row);
                }
            }
            Verdict::Drop => {}
            Verdict::Reject(reason) => rejected.push(Rejection { row, reason: reason.into_owned() }),
        }
    }
    let rows = u32::try_from(sources.len()).map_err(|_| "more than 4 Gi rows came out".to_owned())?;
    Ok(wit::Output { rows: Batch { rows, columns: O::finish(builders)? }, sources, rejected })
}

#[cfg(test)]
mod tests;
