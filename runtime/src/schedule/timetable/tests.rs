//! Times, runs and their ends, on a clock in the hand.

use std::time::Duration;

use super::*;
use crate::config::plan::Job;
use crate::time::{Cron, Zone};

fn plan(catch_up: bool, overlap: Overlap, retries: u32) -> Schedule {
    Schedule {
        name: "hourly".to_owned(),
        cron: Cron::parse("0 * * * *").unwrap(),
        zone: Zone::UTC,
        catch_up,
        retries,
        retry_delay: Duration::from_secs(60),
        overlap,
        job: Job::Audit { quick: true },
    }
}

/// A time of one day, such as `10:30`.
fn at(clock: &str) -> Timestamp {
    Timestamp::parse(&format!("2022-11-22T{clock}:00Z")).unwrap()
}

fn begun(plan: &Schedule, now: &str) -> Timetable {
    Timetable::restore(std::slice::from_ref(plan), StoredRuns::default(), at(now)).0
}

/// Runs as `number time state`, the hour and minute of the time alone.
fn shown(runs: &[Run]) -> Vec<String> {
    let shown = |run: &Run| format!("{} {} {}", run.id, &run.time.to_string()[11..16], run.state.word());
    runs.iter().map(shown).collect()
}

fn failure() -> Result<String> {
    Err(Error::new(Kind::Unavailable, "it failed"))
}

#[test]
fn each_time_is_one_run() {
    let mut table = begun(&plan(false, Overlap::Skip, 0), "09:30");
    assert!(table.pass(at("09:59")).is_empty());
    let changes = table.pass(at("10:00"));
    assert_eq!(shown(&changes.runs), ["1 10:00 waits"]);
    assert_eq!(changes.upto, [("hourly".to_owned(), at("10:00"))]);
    assert!(table.pass(at("10:00")).is_empty());
    assert!(table.pass(at("09:00")).is_empty(), "the clock was put back");
    let run = table.begin(9, at("10:00")).remove(0);
    assert_eq!((run.state, run.attempt, run.started), (RunState::Runs, 1, Some(at("10:00"))));
    assert!(table.begin(9, at("10:01")).is_empty());
    let ended = table.end(run, Ok("all is well".to_owned()), at("10:02"));
    assert_eq!((ended.state, ended.ended, ended.log.as_str()), (RunState::Done, Some(at("10:02")), "all is well\n"));
    assert_eq!(shown(&table.pass(at("11:00")).runs), ["2 11:00 waits"]);
}

#[test]
fn a_time_while_a_run_is_under_way() {
    let check = |overlap, expected: &[&str]| {
        let mut table = begun(&plan(false, overlap, 0), "09:30");
        table.pass(at("10:00"));
        let first = table.begin(9, at("10:00")).remove(0);
        let second = shown(&table.pass(at("11:00")).runs);
        table.end(first, Ok(String::new()), at("11:30"));
        let begun = shown(&table.begin(9, at("11:30")));
        assert_eq!([second, begun].concat(), expected, "{overlap:?}");
    };
    check(Overlap::Skip, &["2 11:00 skipped"]);
    check(Overlap::Queue, &["2 11:00 waits", "2 11:00 runs"]);
}

#[test]
fn what_was_missed() {
    let check = |catch_up, while_running: bool, expected: &[&str]| {
        let plan = plan(catch_up, Overlap::Skip, 0);
        let changes = if while_running {
            begun(&plan, "09:30").pass(at("12:10"))
        } else {
            let upto = vec![("hourly".to_owned(), at("09:30"))];
            let stored = StoredRuns { upto, last: 7, ..StoredRuns::default() };
            Timetable::restore(&[plan], stored, at("12:10")).1
        };
        assert_eq!(shown(&changes.runs), expected, "{catch_up} {while_running}");
        assert_eq!(changes.upto, [("hourly".to_owned(), at("12:10"))]);
    };
    check(false, false, &[]);
    check(true, false, &["8 10:00 waits", "9 11:00 waits", "10 12:00 waits"]);
    check(false, true, &["1 12:00 waits"]);
    check(true, true, &["1 10:00 waits", "2 11:00 waits", "3 12:00 waits"]);
    // A year is made up for to a bound.
    let upto = vec![("hourly".to_owned(), Timestamp::parse("2021-01-01T00:00:00Z").unwrap())];
    let stored = StoredRuns { upto, ..StoredRuns::default() };
    let (_, changes) = Timetable::restore(&[plan(true, Overlap::Skip, 0)], stored, at("12:10"));
    assert_eq!(changes.runs.len(), WAITING_MAX);
    assert_eq!(changes.runs.last().map(|run| run.time), Some(at("12:00")));
}

#[test]
fn what_fails_is_tried_again_with_longer_pauses() {
    let mut table = begun(&plan(false, Overlap::Queue, 2), "09:30");
    table.pass(at("10:00"));
    let mut seen = Vec::new();
    let mut now = at("10:00");
    loop {
        let run = table.begin(9, now).remove(0);
        let ended = table.end(run, failure(), now);
        seen.push((ended.state, ended.attempt, ended.due.since(now).as_secs()));
        if ended.state == RunState::Failed {
            assert_eq!(ended.log, "attempt 1: it failed\nattempt 2: it failed\nattempt 3: it failed\n");
            break;
        }
        assert!(table.begin(9, Timestamp(ended.due.0 - 1)).is_empty());
        now = ended.due;
    }
    assert_eq!(seen[..2], [(RunState::Waits, 1, 60), (RunState::Waits, 2, 120)]);
    assert_eq!((seen.len(), seen[2].0, seen[2].1), (3, RunState::Failed, 3));
    assert!(table.begin(9, at("23:00")).is_empty());
}

#[test]
fn what_was_cut_off_begins_again_and_counts_once() {
    let plan = plan(false, Overlap::Skip, 0);
    let mut table = begun(&plan, "09:30");
    let upto = table.pass(at("10:00")).upto;
    let run = table.begin(9, at("10:00")).remove(0);
    let gone = Run { id: 2, schedule: "gone".to_owned(), ..run.clone() };
    let stored = StoredRuns { open: vec![run, gone], upto, last: 2, ..StoredRuns::default() };
    let (mut table, changes) = Timetable::restore(&[plan], stored, at("10:20"));
    assert_eq!(shown(&changes.runs), ["1 10:00 waits", "2 10:00 failed"]);
    assert!(changes.runs[1].log.contains("its schedule is no longer declared"), "{changes:?}");
    let again = table.begin(9, at("10:20")).remove(0);
    assert_eq!((again.attempt, again.id), (1, 1));
    assert!(again.log.contains("it was cut off"), "{}", again.log);
    assert_eq!(table.end(again, failure(), at("10:21")).state, RunState::Failed);
}

#[test]
fn who_asks_gets_a_run_for_that_time_once() {
    let mut table = begun(&plan(false, Overlap::Skip, 0), "09:30");
    let (run, new) = table.ask("hourly", at("09:00"), None, at("09:31")).unwrap();
    assert!(new && run.asked && run.id == 1);
    assert_eq!(table.ask("hourly", at("09:00"), None, at("09:32")).unwrap(), (run.clone(), false));
    let run = table.begin(9, at("09:32")).remove(0);
    let done = table.end(run.clone(), Ok(String::new()), at("09:33"));
    assert_eq!(table.ask("hourly", at("09:00"), Some(done.clone()), at("09:34")).unwrap(), (done, false));
    let failed = Run { state: RunState::Failed, ..run };
    let (again, new) = table.ask("hourly", at("09:00"), Some(failed), at("09:35")).unwrap();
    assert!(new && again.state == RunState::Waits && again.attempt == 0);
    let unknown = table.ask("daily", at("09:00"), None, at("09:36")).unwrap_err();
    assert_eq!((unknown.kind(), unknown.next_step()), (Kind::Missing, Some("there are hourly")));
    for minute in 0..WAITING_MAX as i64 - 1 {
        table.ask("hourly", Timestamp(minute), None, at("09:37")).unwrap();
    }
    assert_eq!(table.ask("hourly", at("09:20"), None, at("09:38")).unwrap_err().kind(), Kind::Busy);
}

#[test]
fn a_time_that_was_asked_for_before_it_came_is_one_run() {
    let plan = plan(true, Overlap::Queue, 0);
    let mut table = begun(&plan, "09:30");
    for (time, run) in [("10:00", 1), ("09:45", 2), ("12:00", 3)] {
        assert_eq!(table.ask("hourly", at(time), None, at("09:59")).unwrap().0.id, run);
    }
    let changes = table.pass(at("10:00"));
    assert_eq!((shown(&changes.runs), changes.upto), (Vec::new(), vec![("hourly".to_owned(), at("10:00"))]));
    assert_eq!(shown(&table.pass(at("13:00")).runs), ["4 11:00 waits", "5 13:00 waits"]);
    let stored = StoredRuns {
        upto: vec![("hourly".to_owned(), at("09:30"))],
        early: vec![("hourly".to_owned(), at("10:00")), ("hourly".to_owned(), at("12:00"))],
        last: 3,
        ..StoredRuns::default()
    };
    let (mut table, changes) = Timetable::restore(std::slice::from_ref(&plan), stored, at("11:10"));
    assert_eq!(shown(&changes.runs), ["4 11:00 waits"]);
    assert_eq!(shown(&table.pass(at("12:00")).runs), [""; 0]);
    assert_eq!(shown(&table.pass(at("13:00")).runs), ["5 13:00 waits"]);
}

#[test]
fn a_clock_that_was_put_back_takes_no_time_back() {
    let stored = StoredRuns { upto: vec![("hourly".to_owned(), at("12:00"))], ..StoredRuns::default() };
    let (_, changes) = Timetable::restore(&[plan(true, Overlap::Queue, 0)], stored, at("10:30"));
    assert_eq!((changes.runs.len(), changes.upto), (0, vec![("hourly".to_owned(), at("12:00"))]));
}

#[test]
fn logs_have_a_bound() {
    let mut table = begun(&plan(false, Overlap::Skip, 0), "09:30");
    let (run, _) = table.ask("hourly", at("09:00"), None, at("09:31")).unwrap();
    let ended = table.end(run, Ok("é".repeat(LOG_BYTES_MAX)), at("09:32"));
    assert!(ended.log.len() <= LOG_BYTES_MAX && ended.log.ends_with("é\n"));
}
