//! Windows and aggregates: pure functions of rows and times, without I/O or a clock.

pub mod spec;
