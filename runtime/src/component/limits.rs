//! What a transform may use: memory, time, output, and how large its component may be.

use std::time::Duration;

/// The limits of one table's transform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Linear memory, in bytes.
    pub memory_bytes_max: usize,
    /// Time for one call.
    pub deadline: Duration,
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
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_bytes_max: 64 << 20,
            deadline: Duration::from_millis(250),
            output_bytes_max: 64 << 20,
            rows_out_per_row_max: 64,
            table_elements_max: 10_000,
            instances_max: 4,
            component_bytes_max: 8 << 20,
            log_bytes_max: 64 << 10,
        }
    }
}
