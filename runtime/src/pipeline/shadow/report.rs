//! What a shadow has found so far.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::compare::Compared;

/// Examples that are kept of each kind of difference.
const EXAMPLES_MAX: usize = 3;

/// What a candidate makes of the records that the live chain cleans.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Report {
    /// The digest of the candidate's chain.
    pub digest: String,
    /// Its names and versions.
    pub version: String,
    /// Since when it runs.
    pub since: String,
    /// The number of the generation that it is compared with; what is counted begins anew when another is in service.
    pub live_generation: u64,
    /// The digest of that one's chain.
    pub live_chain: String,
    /// What the table's fields would become, a sentence each.
    pub changes: Vec<String>,
    /// Records that the live chain had meanwhile.
    pub records_seen: u64,
    /// Records that both have cleaned.
    pub records: u64,
    /// Rows that are the same, field by field.
    pub rows_equal: u64,
    /// Rows of which a field differs.
    pub rows_changed: u64,
    /// Rows that only the candidate makes.
    pub rows_added: u64,
    /// Rows that only the live chain makes.
    pub rows_lost: u64,
    /// Records that only the candidate rejects.
    pub newly_rejected: u64,
    /// Records that only the live chain rejects.
    pub no_longer_rejected: u64,
    /// Records on which the candidate failed: it trapped, ran out of a limit, or broke the contract.
    pub failed: u64,
    /// Fields that differ, by name.
    pub fields: BTreeMap<String, FieldReport>,
    /// Some of the records that only the candidate rejects.
    pub rejected: Vec<Rejected>,
    /// The live chain's time for a record, decoding included.
    pub live_ns_per_record: u64,
    /// The candidate's.
    pub ns_per_record: u64,
    /// Why it has ended, where it has.
    pub trouble: Option<String>,
    /// The live chain's time for all of them.
    pub live_ns: u64,
    /// The candidate's.
    pub ns: u64,
}

/// A field that differs.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct FieldReport {
    /// In how many rows.
    pub changed: u64,
    /// Some of them.
    pub examples: Vec<Example>,
}

/// A value that differs.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Example {
    /// The partition of the record.
    pub partition: u32,
    /// Its offset.
    pub offset: u64,
    /// The live chain's value.
    pub live: Json,
    /// The candidate's.
    pub candidate: Json,
}

/// A record that only the candidate rejects.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Rejected {
    /// The partition of the record.
    pub partition: u32,
    /// Its offset.
    pub offset: u64,
    /// Why.
    pub reason: String,
}

impl Report {
    /// What differs: rows that changed, that were added or lost. A record that only one of them rejects has its rows there, or
    /// counts by itself where it has none.
    pub fn differences(&self) -> u64 {
        self.rows_changed + self.rows_added.max(self.no_longer_rejected) + self.rows_lost.max(self.newly_rejected)
    }

    /// Of what was compared, the part that differs; none while nothing was compared.
    pub fn changed_share(&self) -> Option<f64> {
        let differ = self.differences();
        let all = (differ + self.rows_equal).max(1);
        (self.records > 0).then(|| differ as f64 / all as f64)
    }

    /// Counts from nothing: another generation is live.
    pub(super) fn begin_anew(&mut self, (live_generation, live_chain): &(u64, String)) {
        let (live_generation, live_chain) = (*live_generation, live_chain.clone());
        let Self { digest, version, since, changes, .. } = std::mem::take(self);
        *self = Self { digest, version, since, changes, live_generation, live_chain, ..Self::default() };
    }

    pub(super) fn add(&mut self, compared: Compared) {
        self.records += compared.records;
        self.rows_equal += compared.rows_equal;
        self.rows_changed += compared.rows_changed;
        self.rows_added += compared.rows_added;
        self.rows_lost += compared.rows_lost;
        self.newly_rejected += compared.newly_rejected;
        self.no_longer_rejected += compared.no_longer_rejected;
        self.failed += compared.failed;
        for (name, found) in compared.fields {
            let field = self.fields.entry(name).or_default();
            field.changed += found.changed;
            let free = EXAMPLES_MAX.saturating_sub(field.examples.len());
            field.examples.extend(found.examples.into_iter().take(free));
        }
        let free = EXAMPLES_MAX.saturating_sub(self.rejected.len());
        self.rejected.extend(compared.rejected.into_iter().take(free));
        let nanos = |spent: Duration| u64::try_from(spent.as_nanos()).unwrap_or(u64::MAX);
        self.live_ns = self.live_ns.saturating_add(nanos(compared.live_spent));
        self.ns = self.ns.saturating_add(nanos(compared.spent));
        let each = |ns: u64| ns / self.records.max(1);
        (self.live_ns_per_record, self.ns_per_record) = (each(self.live_ns), each(self.ns));
    }
}

/// Whether one more example is wanted of what has so many.
pub(super) fn wants_more(examples: usize) -> bool {
    examples < EXAMPLES_MAX
}
