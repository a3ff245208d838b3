//! What a transform may use: memory, time, output, the size of its component and what compiling it costs.

use std::time::Duration;

use crate::error::{Error, Kind};

/// The limits of one table's transform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Linear memory, in bytes, all of an instance's memories together.
    pub memory_bytes_max: usize,
    /// Time for one call, of its thread on a processor; eight times as much by the clock.
    pub deadline: Duration,
    /// Time, counted so too, for all the calls that one chunk of rows takes, with those for the halves of a chunk that fails.
    pub budget: Duration,
    /// Bytes that one call may return.
    pub output_bytes_max: usize,
    /// Rows that one call may return for each row given.
    pub rows_out_per_row_max: usize,
    /// Elements in all tables of function references.
    pub table_elements_max: usize,
    /// Core instances, memories and tables, each.
    pub instances_max: usize,
    /// Size of the component's file, in bytes.
    pub component_bytes_max: usize,
    /// Bytes that one call may log.
    pub log_bytes_max: usize,
    /// Time for compiling the component.
    pub compile: Duration,
    /// Functions in the component.
    pub functions_max: usize,
    /// Weight of one function, in bytes of plain code; what branches and calls weighs more by the values that it carries.
    pub function_bytes_max: usize,
    /// Bytes of the component that are neither code nor data: types, imports, exports, elements.
    pub declarations_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_bytes_max: 64 << 20,
            deadline: Duration::from_millis(250),
            budget: Duration::from_secs(2),
            output_bytes_max: 64 << 20,
            rows_out_per_row_max: 64,
            table_elements_max: 10_000,
            instances_max: 4,
            component_bytes_max: 8 << 20,
            log_bytes_max: 64 << 10,
            compile: Duration::from_secs(10),
            functions_max: 50_000,
            function_bytes_max: 1 << 20,
            declarations_bytes_max: 256 << 10,
        }
    }
}

impl Limits {
    /// For a person's own tools: a component of any language is loaded, however large. What a call may take stays as it is.
    pub fn generous() -> Self {
        Self {
            memory_bytes_max: 1 << 30,
            table_elements_max: 1_000_000,
            instances_max: 1_000,
            component_bytes_max: 256 << 20,
            compile: Duration::from_secs(600),
            functions_max: 1_000_000,
            function_bytes_max: 16 << 20,
            declarations_bytes_max: 16 << 20,
            ..Self::default()
        }
    }
}

/// One of the limits, for a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Limit {
    Memory,
    Deadline,
    Budget,
    Output,
    RowsOutPerRow,
    TableElements,
    Instances,
    Component,
    Log,
    Compile,
    Functions,
    Function,
    Declarations,
}

impl Limits {
    /// The error of one who went over `limit`: what happened, the limit with its value, how to raise it.
    pub(super) fn exceeded(&self, limit: Limit, what: &str) -> Error {
        let key = limit.key();
        Error::new(Kind::Transform, format!("{what} (limit {key} = {})", self.value(limit))).hint(format!(
            "raise {key} in [tables.<table>.limits], or in the transform's own limits, if it is meant to need more"
        ))
    }

    /// The limit's value as a person writes it.
    pub(super) fn value(&self, limit: Limit) -> String {
        match limit {
            Limit::Memory => bytes_text(self.memory_bytes_max),
            Limit::Deadline => format!("{} ms", self.deadline.as_millis()),
            Limit::Budget => format!("{} ms", self.budget.as_millis()),
            Limit::Output => bytes_text(self.output_bytes_max),
            Limit::RowsOutPerRow => self.rows_out_per_row_max.to_string(),
            Limit::TableElements => self.table_elements_max.to_string(),
            Limit::Instances => self.instances_max.to_string(),
            Limit::Component => bytes_text(self.component_bytes_max),
            Limit::Log => bytes_text(self.log_bytes_max),
            Limit::Compile => format!("{} ms", self.compile.as_millis()),
            Limit::Functions => self.functions_max.to_string(),
            Limit::Function => bytes_text(self.function_bytes_max),
            Limit::Declarations => bytes_text(self.declarations_bytes_max),
        }
    }
}

impl Limit {
    /// The key that sets it in a pipeline file.
    fn key(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Deadline => "deadline",
            Self::Budget => "budget",
            Self::Output => "output",
            Self::RowsOutPerRow => "rows_out_per_row",
            Self::TableElements => "table_elements",
            Self::Instances => "instances",
            Self::Component => "component",
            Self::Log => "log",
            Self::Compile => "compile",
            Self::Functions => "functions",
            Self::Function => "function",
            Self::Declarations => "declarations",
        }
    }
}

fn bytes_text(bytes: usize) -> String {
    match bytes {
        _ if bytes >= 1 << 20 && bytes.is_multiple_of(1 << 20) => format!("{} MiB", bytes >> 20),
        _ if bytes >= 1 << 10 && bytes.is_multiple_of(1 << 10) => format!("{} KiB", bytes >> 10),
        _ => format!("{bytes} bytes"),
    }
}
