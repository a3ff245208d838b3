//! Shadows: a candidate beside a table's live chain, promoted or dropped by what it was seen to do.

use std::sync::Arc;

use super::offers::{prepared, would_be};
use super::{By, Offer, Offered, Running, Runtime, lock, spawn};
use crate::error::{Error, Kind, Result};
use crate::pipeline::change::changes;
use crate::pipeline::shadow::{self, Feed, Report, Shown, report};
use crate::pipeline::worker::Command;

/// The part of one processor's time that a shadow may use, where nobody says.
pub const SHARE: f64 = 0.5;
/// The least and the most that it may be given.
const SHARES: std::ops::RangeInclusive<f64> = 0.01..=1.0;

/// A candidate at work.
pub(super) struct Shadowed {
    offered: Vec<Offered<'static>>,
    shown: Shown,
    _feed: Arc<Feed>,
}

impl Shadowed {
    /// What it was seen to do.
    pub(super) fn seen(&self) -> Report {
        report(&self.shown).clone()
    }
}

/// What a candidate has to be for it to be promoted.
#[derive(Clone, Copy, Debug)]
pub struct Gate {
    /// The most that may differ of what was compared.
    pub changed_max: f64,
    /// Whether fields may go or become others, where the pipeline file does not name them.
    pub accept_breaking: bool,
}

impl Runtime {
    /// Starts a candidate beside a table's live chain, in place of one that may be there; its rows are compared, not kept.
    ///
    /// Errors where it does not load, does not fit into the chain, or does not start.
    pub fn shadow(&self, table: &str, offered: Vec<Offered<'static>>, share: Option<f64>) -> Result<Report> {
        let running = self.running(table)?;
        let _one_at_a_time = lock(&running.shadowing);
        let share = share.unwrap_or(SHARE);
        if !SHARES.contains(&share) {
            let (least, most) = (SHARES.start(), SHARES.end());
            return Err(Error::new(Kind::Input, format!("share {share}: it is not between {least} and {most}")));
        }
        let live = Arc::clone(&lock(&running.generation).generation);
        let chain = prepared(&self.host, &running.plan, &live.chain, &offered)?;
        let first = Report {
            digest: chain.digest().to_owned(),
            version: chain.version(),
            since: self.clock.now().to_string(),
            live_generation: live.number,
            live_chain: live.chain.digest().to_owned(),
            // Nothing of it is kept: what would be refused is shown as well.
            changes: changes(&running.plan, &self.pipeline.queries, &live.table.fields, chain.outputs(), true)
                .unwrap_or_else(|refusal| vec![refusal.message().to_owned()]),
            ..Report::default()
        };
        let (shadow, feed, shown) = shadow::shadow(chain, share, first.clone())?;
        spawn::thread(&format!("{table}-shadow"), move || {
            crate::process::step_back();
            shadow.run();
        })?;
        self.lend(running, Some(&feed));
        *lock(&running.shadow) = Some(Arc::new(Shadowed { offered, shown, _feed: feed }));
        tracing::info!(table, digest = first.digest, share, "shadow begun");
        Ok(first)
    }

    /// What a table's candidate has been seen to do.
    pub fn shadow_report(&self, table: &str) -> Result<Report> {
        self.running(table)?.candidate(table).map(|shadow| shadow.seen())
    }

    /// Drops a table's candidate; gives what it was seen to do.
    pub fn discard(&self, table: &str) -> Result<Report> {
        let running = self.running(table)?;
        let _one_at_a_time = lock(&running.shadowing);
        let shadow = running.candidate(table)?;
        self.end(running);
        tracing::info!(table, "shadow dropped");
        Ok(shadow.seen())
    }

    /// Offers a table's candidate to it, if what it was seen to do holds to the gate. It is then taken as any component is: checked,
    /// tried, put in service from an offset on that the ledger records; the shadow ends.
    pub fn promote(&self, table: &str, gate: Gate) -> Result<Offer> {
        let running = self.running(table)?;
        let _one_at_a_time = lock(&running.shadowing);
        let shadow = running.candidate(table)?;
        let live = Arc::clone(&lock(&running.generation).generation);
        let seen = shadow.seen();
        check(table, &seen, live.chain.digest(), gate)?;
        if would_be(live.chain.digest(), &shadow.offered) != seen.digest {
            return Err(not_promoted(table, "another of the table's transforms was replaced since it began")
                .hint(format!("begin it again: tidemill shadow {table} FILE")));
        }
        let offer = self.offer(table, &shadow.offered, By::Hand { accept_breaking: gate.accept_breaking })?;
        if offer.refused.is_none() {
            self.end(running);
        }
        Ok(offer)
    }

    fn end(&self, running: &Running) {
        self.lend(running, None);
        *lock(&running.shadow) = None;
    }

    fn lend(&self, running: &Running, feed: Option<&Arc<Feed>>) {
        for worker in &running.workers {
            worker.tell(Command::Shadow(feed.map(Arc::clone)));
        }
    }
}

fn none(table: &str) -> Error {
    Error::new(Kind::Missing, format!("table {table:?}: no shadow runs beside it"))
        .hint(format!("begin one: tidemill shadow {table} FILE"))
}

impl Running {
    fn candidate(&self, table: &str) -> Result<Arc<Shadowed>> {
        lock(&self.shadow).clone().ok_or_else(|| none(table))
    }
}

fn not_promoted(table: &str, what: &str) -> Error {
    Error::new(Kind::Conflict, format!("table {table:?}: the shadow is not promoted: {what}"))
}

/// Whether what was seen of a candidate holds to a gate; `live` is the digest of the chain in service.
fn check(table: &str, seen: &Report, live: &str, gate: Gate) -> Result<()> {
    let Gate { changed_max, .. } = gate;
    if !(0.0..=1.0).contains(&changed_max) {
        return Err(Error::new(Kind::Input, format!("gate {changed_max}: it is not between 0 and 1")));
    }
    let refused = |what: String| {
        let look = format!("`tidemill shadow {table}` shows examples; `tidemill discard {table}` ends it");
        Err(not_promoted(table, &what).hint(look))
    };
    if let Some(trouble) = &seen.trouble {
        return refused(format!("it has ended: {trouble}"));
    }
    let Some(share) = seen.changed_share().filter(|_| seen.live_chain == live) else {
        return refused("nothing was compared with what is in service yet".to_owned());
    };
    if seen.failed > 0 {
        return refused(format!("it failed on {} of {} records", seen.failed, seen.records));
    }
    if share > changed_max {
        let differ = seen.differences();
        let rows = differ + seen.rows_equal;
        let (found, max) = (share * 100.0, changed_max * 100.0);
        return refused(format!("{differ} of {rows} rows differ, {found:.3} % (at most {max} %)"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gate_holds_or_says_why_not() {
        let check = |seen: Report, changed_max: f64, expected: Option<&str>| {
            let refused = super::check("pin", &seen, "live", Gate { changed_max, accept_breaking: false }).err();
            let why = refused.map(|error| error.message().to_owned());
            assert_eq!(why.as_deref().map(|why| why.rsplit("promoted: ").next().unwrap()), expected);
        };
        let live_chain = "live".to_owned();
        let seen = Report { live_chain, records: 1_000, rows_equal: 999, rows_changed: 1, ..Report::default() };
        check(seen.clone(), 0.001, None);
        check(seen.clone(), 0.0, Some("1 of 1000 rows differ, 0.100 % (at most 0 %)"));
        check(Report { rows_changed: 0, ..seen.clone() }, 0.0, None);
        check(Report { failed: 3, ..seen.clone() }, 1.0, Some("it failed on 3 of 1000 records"));
        check(
            Report { newly_rejected: 9, ..seen.clone() },
            0.005,
            Some("10 of 1009 rows differ, 0.991 % (at most 0.5 %)"),
        );
        let nothing = Some("nothing was compared with what is in service yet");
        check(Report { live_chain: "other".into(), ..seen.clone() }, 1.0, nothing);
        check(
            Report { no_longer_rejected: 3, rows_changed: 0, ..seen.clone() },
            0.0,
            Some("3 of 1002 rows differ, 0.299 % (at most 0 %)"),
        );
        check(seen.clone(), f64::NAN, Some("gate NaN: it is not between 0 and 1"));
        check(Report { records: 0, ..seen.clone() }, 1.0, nothing);
        check(Report { trouble: Some("out of time".into()), ..seen }, 1.0, Some("it has ended: out of time"));
    }
}
