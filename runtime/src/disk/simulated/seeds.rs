//! Which seeds a simulation goes through, by the environment.

use std::ops::Range;

/// A number from the environment.
pub(crate) fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

/// So many seeds, or those that `TIDEMILL_SIM_SEEDS` counts from `TIDEMILL_SIM_FIRST` on, or the one that `TIDEMILL_SEED` names.
pub(crate) fn seeds(otherwise: u64) -> Range<u64> {
    let (first, count) = match number("TIDEMILL_SEED") {
        Some(seed) => (seed, 1),
        None => (number("TIDEMILL_SIM_FIRST").unwrap_or(0), number("TIDEMILL_SIM_SEEDS").unwrap_or(otherwise)),
    };
    first..first + count
}
