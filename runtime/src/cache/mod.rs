//! The cache: one SQLite file that holds what a pipeline alone knows, its latest rows, its aggregates and its named queries.
//!
//! Three rules hold for every SQLite tool that opens the file:
//! - tables named `tidemill_*` are the pipeline's own; all others are the cache proper, which can be rebuilt from the lake, and with them
//!   `tidemill_keys_*` and `tidemill_measures_*`, which the views of aggregates are over;
//! - a timestamp column is text, `YYYY-MM-DD HH:MM:SS` in UTC with six more digits only where there is a fraction, so
//!   that SQLite's date functions read it and its order is time's order; in `tidemill_*` and in columns that begin with
//!   `_`, times are integers: microseconds since 1970;
//! - booleans are 0 and 1; lists are JSON text; NaN, which SQLite does not keep, is null.

pub mod layout;
pub mod query;
pub mod question;

mod adopt;
mod aggregate;
mod answer;
mod audit;
mod cell;
mod commit;
mod derive;
mod fault;
mod file;
#[cfg(any(test, feature = "fuzz"))]
pub(crate) mod fuzz;
mod group;
mod group_key;
mod history;
mod joined;
mod late;
mod latest;
mod ledger;
pub mod letters;
mod percentile;
mod prune;
mod rebuild;
mod revise;
mod rolled;
mod row;
mod runs;
mod show;
mod shown;
mod states;
mod store;
#[cfg(test)]
mod tests;
mod written;

pub use audit::{Holding, Lines, Position, Unbalanced};
pub use cell::shown_time;
pub use commit::Commit;
pub use derive::{DerivedAggregate, DerivedRollups, DerivedTable, Differs, Given, GroupStray, Stray};
pub use file::LOG_BYTES;
pub use group::{Mark, Marks};
pub use history::Work;
pub use joined::Joined;
pub use late::Late;
pub use latest::Latest;
pub use layout::{AggregateLayout, Layout, RollupLayout, TableLayout, check};
pub use rebuild::{Part, Rebuild};
pub use revise::Revise;
pub use rolled::Rolled;
pub use row::Generation;
pub use runs::StoredRuns;
pub use store::Store;
pub use written::{Fate, Holdings, Replaced};

#[cfg(test)]
pub(crate) use tests::execute;
