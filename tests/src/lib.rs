//! Whole-system tests of Tidemill.
