//! What compiling a component would cost, weighed by its sections before any of it is compiled.
//!
//! Compiling is not linear in the size of a file: a few kilobytes can ask for minutes or gigabytes. Here are bounded
//! the shapes that do so; what passes is linear enough for the limit on time to hold.

use wasmparser::{BinaryReaderError, ComponentInstance, FunctionBody, Operator, Parser, Payload};

use super::failure::plain;
use super::limits::{Limit, Limits};
use crate::error::{Error, Kind, Result};

/// Instances of components inside the component. Each is compiled where it stands, so they multiply.
const INNER_INSTANCES_MAX: usize = 8;
/// Components and modules within one another.
const DEPTH_MAX: usize = 8;
/// Blocks within one another.
const BLOCKS_DEPTH_MAX: usize = 1_000;

/// The time for a function grows with the square of its branches, and 256 such pairs take as long as a byte of code.
const BRANCHES_WEIGHT: usize = 256;

/// What was met so far.
#[derive(Default)]
struct Shape {
    /// Bytes of all sections but code, data and custom ones.
    declarations: usize,
    functions: usize,
    depth: usize,
    inner_instances: usize,
    /// The most parameters with results of a function or block in this or an earlier module.
    widest: usize,
}

/// Refuses what would cost too much to compile, and what cannot be read.
pub(super) fn check(bytes: &[u8], limits: &Limits) -> Result<()> {
    let mut shape = Shape::default();
    for payload in Parser::new(0).parse_all(bytes) {
        shape.add(payload.map_err(|cause| unreadable(&cause))?, limits)?;
    }
    Ok(())
}

/// The error of bytes that are no component.
pub(super) fn unreadable(cause: &dyn std::fmt::Display) -> Error {
    let why = plain(&format!("{cause:#}"), 1_000);
    Error::new(Kind::Input, format!("component: it is not valid: {why}")).hint("build it again")
}

impl Shape {
    fn add(&mut self, payload: Payload<'_>, limits: &Limits) -> Result<()> {
        match payload {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => {
                self.depth += 1;
                if self.depth > DEPTH_MAX {
                    return Err(crooked("its modules and components are nested too deeply", DEPTH_MAX));
                }
            }
            Payload::End(_) => self.depth = self.depth.saturating_sub(1),
            Payload::CodeSectionStart { count, .. } => {
                self.functions += count as usize;
                if self.functions > limits.functions_max {
                    let what = format!("component: it has {} functions", self.functions);
                    return Err(limits.exceeded(Limit::Functions, &what));
                }
            }
            Payload::CodeSectionEntry(body) => self.check_function(&body, limits)?,
            Payload::DataSection(_) | Payload::CustomSection(_) => {}
            declaration => self.declare(declaration, limits)?,
        }
        Ok(())
    }

    fn declare(&mut self, payload: Payload<'_>, limits: &Limits) -> Result<()> {
        let size = payload.as_section().map_or(0, |(_, range)| range.end.saturating_sub(range.start));
        self.declarations += size;
        if self.declarations > limits.declarations_bytes_max {
            let what = format!("component: its declarations have {} bytes or more", self.declarations);
            return Err(limits.exceeded(Limit::Declarations, &what));
        }
        match payload {
            Payload::TypeSection(types) => {
                for kind in types.into_iter_err_on_gc_types() {
                    let kind = kind.map_err(|cause| unreadable(&cause))?;
                    self.widest = self.widest.max(kind.params().len() + kind.results().len());
                }
            }
            Payload::ComponentInstanceSection(instances) => {
                for instance in instances {
                    let instance = instance.map_err(|cause| unreadable(&cause))?;
                    self.inner_instances += usize::from(matches!(instance, ComponentInstance::Instantiate { .. }));
                }
                if self.inner_instances > INNER_INSTANCES_MAX {
                    return Err(crooked("it starts too many components of its own", INNER_INSTANCES_MAX));
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn check_function(&self, body: &FunctionBody<'_>, limits: &Limits) -> Result<()> {
        let weight = self.weigh(body).map_err(|cause| unreadable(&cause))??;
        if weight > limits.function_bytes_max {
            let what = format!("component: a function weighs as much as {weight} bytes of plain code");
            return Err(limits.exceeded(Limit::Function, &what));
        }
        Ok(())
    }

    /// A function's bytes; for all that branches or calls, as many as there are values that it may carry; and the
    /// square of its branches.
    fn weigh(&self, body: &FunctionBody<'_>) -> Result<Result<usize>, BinaryReaderError> {
        let mut locals = self.widest;
        for local in body.get_locals_reader()? {
            locals = locals.saturating_add(local?.0 as usize);
        }
        let range = body.range();
        let mut weight = range.end.saturating_sub(range.start);
        let (mut depth, mut branches) = (0_usize, 0_usize);
        for operator in body.get_operators_reader()? {
            let operator = operator?;
            match operator {
                Operator::Block { .. } | Operator::Loop { .. } | Operator::If { .. } => depth += 1,
                Operator::End => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth > BLOCKS_DEPTH_MAX {
                return Ok(Err(crooked("the blocks of a function are nested too deeply", BLOCKS_DEPTH_MAX)));
            }
            let (branching, carried) = self.cost(&operator, locals);
            branches += branching;
            weight = weight.saturating_add(carried);
        }
        Ok(Ok(weight.saturating_add(branches.saturating_mul(branches) / BRANCHES_WEIGHT)))
    }

    /// How many branches an operator is compiled to, as measured, and how many values they carry.
    fn cost(&self, operator: &Operator<'_>, locals: usize) -> (usize, usize) {
        match operator {
            // With a look at the clock in each turn.
            Operator::Loop { .. } => (4, locals),
            Operator::Block { .. } | Operator::If { .. } | Operator::BrIf { .. } => (1, locals),
            Operator::Br { .. } => (0, locals),
            Operator::BrTable { targets } => (1, locals.saturating_mul(targets.len() as usize)),
            Operator::Call { .. } => (0, self.widest),
            Operator::CallIndirect { .. } => (2, self.widest),
            Operator::MemoryFill { .. }
            | Operator::MemoryCopy { .. }
            | Operator::MemoryInit { .. }
            | Operator::MemoryGrow { .. }
            | Operator::TableGet { .. }
            | Operator::TableSet { .. } => (2, 0),
            Operator::TableFill { .. }
            | Operator::TableCopy { .. }
            | Operator::TableInit { .. }
            | Operator::TableGrow { .. } => (4, 0),
            _ => (0, 0),
        }
    }
}

fn crooked(what: &str, most: usize) -> Error {
    let message = format!("component: {what}: more than {most}");
    Error::new(Kind::Input, message)
        .hint("no compiler for transforms makes such a file: build it again from its source")
}
