//! What clients have asked for: token buckets by stage and by key, quotas by key, kept over restarts.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::answer::Denial;
use crate::config::plan::{Period, Quota, Stage, Throttle, UsagePlan};
use crate::error::{Error, Kind, OrFail as _, Result, io_kind};
use crate::http::bucket::Bucket;
use crate::time::Timestamp;

/// Buckets that are held; those that are full again are forgotten for others.
const BUCKETS_MAX: usize = 100_000;
/// A day.
const DAY: Duration = Duration::from_hours(24);

/// What was asked for so far.
///
/// Quotas are written beside the data now and then and at the end: a restart goes on where they stood, a crash forgets what was
/// asked in the last moments. Buckets begin full.
#[derive(Debug)]
pub struct Usage {
    file: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    buckets: BTreeMap<String, Bucket>,
    /// By plan and key.
    quotas: BTreeMap<String, Used>,
    changed: bool,
}

/// What of a quota was used, in which of its periods.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Used {
    period: i64,
    requests: u64,
}

impl Usage {
    /// Goes on with what `file` says, if it is there and can be read.
    pub fn open(file: PathBuf) -> Self {
        let read = fs::read(&file).ok().map(|bytes| serde_json::from_slice(&bytes));
        let quotas = read.unwrap_or_else(|| Ok(BTreeMap::new())).unwrap_or_else(|cause| {
            tracing::warn!(file = %file.display(), %cause, "quotas of the gateway cannot be read, they begin anew");
            BTreeMap::new()
        });
        Self { file, state: Mutex::new(State { quotas, ..State::default() }) }
    }

    /// Writes the quotas, if they have changed since.
    pub fn keep(&self) -> Result<()> {
        let text = {
            let mut state = self.state();
            if !std::mem::take(&mut state.changed) {
                return Ok(());
            }
            serde_json::to_vec(&state.quotas).or_fail(Kind::Internal, || "quotas")?
        };
        let beside = self.file.with_extension("new");
        let kept = fs::write(&beside, text).and_then(|()| fs::rename(&beside, &self.file));
        kept.map_err(|cause| Error::new(io_kind(&cause), format!("quotas {}: {cause}", self.file.display())))
    }

    /// Takes a request into account, or says why it cannot be: first of its key, then of its stage, as AWS does; what is refused
    /// for its rate uses nothing of its quota.
    pub(super) fn take(&self, stage: &Stage, plan: Option<(&UsagePlan, &str)>, now: Timestamp) -> Result<(), Denial> {
        let mut state = self.state();
        if let Some((plan, key)) = plan {
            let name = format!("{}/{key}", plan.name);
            if let Some(quota) = plan.quota {
                state.has_left(&name, quota, now)?;
            }
            if let Some(throttle) = plan.throttle {
                state.draw(&format!("key {name} {}", stage.name), throttle, now)?;
            }
        }
        if let Some(throttle) = stage.throttle {
            state.draw(&format!("stage {}", stage.name), throttle, now)?;
        }
        if let Some((plan, key)) = plan
            && let Some(quota) = plan.quota
        {
            state.use_one(&format!("{}/{key}", plan.name), quota, now);
        }
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn draw(&mut self, name: &str, throttle: Throttle, now: Timestamp) -> Result<(), Denial> {
        if self.buckets.len() >= BUCKETS_MAX && !self.buckets.contains_key(name) {
            self.buckets.retain(|_, bucket| bucket.rested(now) < DAY);
            if self.buckets.len() >= BUCKETS_MAX {
                self.buckets.pop_first();
            }
        }
        let bucket = self.buckets.entry(name.to_owned()).or_insert_with(|| Bucket::full(throttle, now));
        if bucket.draw(throttle, 1, now) { Ok(()) } else { Err(Denial::TooManyRequests) }
    }

    fn has_left(&self, name: &str, quota: Quota, now: Timestamp) -> Result<(), Denial> {
        let period = number(quota.period, now);
        let used = self.quotas.get(name).filter(|used| used.period == period).map_or(0, |used| used.requests);
        if used >= quota.requests { Err(Denial::LimitExceeded) } else { Ok(()) }
    }

    fn use_one(&mut self, name: &str, quota: Quota, now: Timestamp) {
        let period = number(quota.period, now);
        let used = self.quotas.entry(name.to_owned()).or_insert(Used { period, requests: 0 });
        if used.period != period {
            *used = Used { period, requests: 0 };
        }
        used.requests += 1;
        self.changed = true;
    }
}

/// Which of its kind a period is, in UTC; a week begins on Sunday.
fn number(period: Period, now: Timestamp) -> i64 {
    let days = now.0.div_euclid(i64::try_from(DAY.as_micros()).unwrap_or(i64::MAX));
    match period {
        Period::Day => days,
        // The first of January 1970 was a Thursday.
        Period::Week => (days + 4).div_euclid(7),
        Period::Month => {
            let text = now.to_string();
            let digits: String = text.chars().take(7).filter(char::is_ascii_digit).collect();
            digits.parse().unwrap_or(days)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::plan::{Quoting, StatusMapping};

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    fn stage(throttle: Option<Throttle>) -> Stage {
        Stage {
            name: "dev".to_owned(),
            proxy: true,
            streams: true,
            quoting: Quoting::Sample,
            status: StatusMapping::Faithful,
            shards: 5,
            timeout: Duration::from_secs(29),
            throttle,
        }
    }

    fn plan(throttle: Option<Throttle>, quota: Option<Quota>) -> UsagePlan {
        UsagePlan { name: "basic".to_owned(), stages: vec!["dev".to_owned()], keys: Vec::new(), throttle, quota }
    }

    /// A file of a test's own.
    fn file(name: &str) -> PathBuf {
        let file = std::env::temp_dir().join(format!("tidemill-usage-{name}-{}", std::process::id()));
        drop(fs::remove_file(&file));
        file
    }

    #[test]
    fn a_bucket_gives_its_burst_and_then_its_rate() {
        let usage = Usage::open(file("bucket"));
        let stage = stage(Some(Throttle { rate: 2, burst: 3 }));
        let taken = |at: &str| (0..10).filter(|_| usage.take(&stage, None, self::at(at)).is_ok()).count();
        for (time, expected) in [
            ("2026-01-01 00:00:00", 3),
            ("2026-01-01 00:00:00.4", 0),
            ("2026-01-01 00:00:00.5", 1),
            ("2026-01-01 00:00:01.25", 1),
            ("2026-01-01 00:00:01.5", 1),
            ("2026-01-01 00:00:00", 0),
            ("2026-01-01 00:00:01.5", 0),
            ("2026-01-01 01:00:00", 3),
        ] {
            assert_eq!(taken(time), expected, "{time}");
        }
    }

    #[test]
    fn each_key_has_its_own_bucket_and_all_share_the_stage() {
        let usage = Usage::open(file("keys"));
        let stage = stage(Some(Throttle { rate: 1, burst: 3 }));
        let plan = plan(Some(Throttle { rate: 1, burst: 2 }), None);
        let now = at("2026-01-01 00:00:00");
        let taken: Vec<bool> =
            ["a", "a", "a", "b", "b"].iter().map(|key| usage.take(&stage, Some((&plan, key)), now).is_ok()).collect();
        assert_eq!(taken, [true, true, false, true, false]);
    }

    #[test]
    fn a_quota_is_used_up_until_its_period_ends() {
        let check = |period: Period, times: &[(&str, bool)]| {
            let usage = Usage::open(file("quota"));
            let plan = plan(None, Some(Quota { requests: 1, period }));
            for (time, expected) in times {
                let taken = usage.take(&stage(None), Some((&plan, "k")), at(time));
                assert_eq!(taken.is_ok(), *expected, "{period:?} {time}");
                assert!(*expected || taken == Err(Denial::LimitExceeded));
            }
        };
        check(
            Period::Day,
            &[("2026-11-26 00:00:00", true), ("2026-11-26 23:59:59.999", false), ("2026-11-27 00:00:00", true)],
        );
        // The 29th of November 2026 was a Sunday.
        check(
            Period::Week,
            &[("2026-11-22 00:00:00", true), ("2026-11-28 23:59:59", false), ("2026-11-29 00:00:00", true)],
        );
        check(
            Period::Month,
            &[("2026-02-28 00:00:00", true), ("2026-02-28 23:59:59", false), ("2026-03-01 00:00:00", true)],
        );
        check(Period::Month, &[("2026-02-28 00:00:00", true), ("2027-02-28 00:00:00", true)]);
    }

    #[test]
    fn quotas_survive_a_restart_and_what_is_too_fast_uses_none() {
        let file = file("restart");
        let plan = plan(Some(Throttle { rate: 1, burst: 2 }), Some(Quota { requests: 3, period: Period::Day }));
        let take = |usage: &Usage, time: &str| usage.take(&stage(None), Some((&plan, "k")), at(time));
        let usage = Usage::open(file.clone());
        assert!(take(&usage, "2026-01-01 00:00:00").is_ok() && take(&usage, "2026-01-01 00:00:00").is_ok());
        assert_eq!(take(&usage, "2026-01-01 00:00:00"), Err(Denial::TooManyRequests));
        usage.keep().unwrap();
        let usage = Usage::open(file.clone());
        assert!(take(&usage, "2026-01-01 00:00:10").is_ok());
        assert_eq!(take(&usage, "2026-01-01 00:00:20"), Err(Denial::LimitExceeded));
        fs::write(&file, "{").unwrap();
        assert!(take(&Usage::open(file.clone()), "2026-01-01 00:00:20").is_ok(), "what cannot be read begins anew");
        fs::remove_file(&file).unwrap();
    }
}
