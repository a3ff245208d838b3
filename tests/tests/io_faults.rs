//! A disk that fails at any operation on a file, once or for good: nothing acknowledged is lost, and what can heal heals.

use std::collections::BTreeMap;

use rand::seq::{IndexedRandom, SliceRandom};
use tidemill_tests::shim::Operation;
use tidemill_tests::torture::{End, Life, Plan, Points, Story, all, drawn_for, lanes, number, reference, seed};

/// Faults where the environment asks for no other number.
const FAULTS: usize = 80;
/// How a disk fails.
const WAYS: [&str; 4] = ["EIO", "ENOSPC", "EINTR", "short"];

/// Whether an operation can fail in a way; `shim/faults.c` knows the same.
fn can_fail(operation: &Operation, way: &str) -> bool {
    let function = operation.function.as_str();
    let is_one_of = |words: &[&str]| words.iter().any(|word| function.contains(word));
    match way {
        "short" => operation.is_write(),
        "EINTR" => is_one_of(&["open", "write", "truncate", "fallocate", "sync"]),
        "ENOSPC" => !is_one_of(&["unlink", "rmdir", "truncate"]),
        _ => true,
    }
}

/// Commits that fail for good from the start of a second life on: it listens all the same.
const STARTS: [&str; 4] =
    ["EIO pwrite64 wal 2+", "EIO pwrite64 wal 5+", "ENOSPC pwrite64 wal 8+", "EIO pwrite64 wal 14+"];

fn plans(points: &mut Points, count: usize) -> Vec<Plan> {
    let each = count.div_ceil(WAYS.len());
    let mut plans: Vec<Plan> = STARTS.iter().map(|rule| Plan::of(1, None, *rule)).collect();
    for way in WAYS {
        for (life, place) in points.drawn(|operation| can_fail(operation, way), each) {
            let on = ["", "+"].choose(points.random()).expect("one of two");
            plans.push(Plan::of(life, None, format!("{way} {place}{on}")));
        }
    }
    plans
}

/// What must hold besides that nothing is lost.
fn judge(plan: &Plan, story: &Story) -> Vec<String> {
    let rule = plan.0.first().map_or("", |trouble| &trouble.rule);
    let way = rule.split(' ').next().unwrap_or_default();
    story
        .lives
        .iter()
        .enumerate()
        .flat_map(|(nth, life)| wrong(way, life).map(|why| format!("life {nth}: {why}")))
        .collect()
}

fn wrong(way: &str, life: &Life) -> Option<String> {
    let struck = |operation: &&Operation| operation.struck;
    life.operations.iter().find(struck)?;
    // What is interrupted is tried again, but SQLite takes it for a failure of its sync.
    let passes =
        |operation: &Operation| way == "short" || way == "EINTR" && !(operation.is_sync() && is_of_sqlite(operation));
    if life.operations.iter().filter(struck).all(passes) {
        return (life.end != End::Well).then(|| format!("{way} is none of its business, and it ended\n{}", life.said));
    }
    let ended_with_error = life.end == End::Failed && life.said.contains("error: ");
    if way == "EINTR" {
        let ended = life.end != End::Well && !ended_with_error;
        return ended.then(|| format!("it was interrupted, and did not end with an error\n{}", life.said));
    }
    // SQLite syncs the folder of its log, and does not heed what comes of that: a start has made sure of it.
    let unheeded = |at: usize| {
        let before = at.checked_sub(1).map(|before| &life.operations[before]);
        life.operations[at].path.is_empty() && before.is_some_and(is_of_sqlite)
    };
    let mut syncs = (0..).zip(&life.operations).filter(|(_, o)| o.struck && o.is_sync() && !passes(o));
    let failed_sync = syncs.find(|(at, _)| !unheeded(*at)).map(|(at, _)| at);
    if let Some(at) = failed_sync {
        let (failed, later) = (&life.operations[at], &life.operations[at + 1..]);
        // A start that fails closes SQLite's file, which writes and syncs it once more; nothing was promised yet.
        let closes = is_of_sqlite(failed) && !life.listened;
        if !closes && later.iter().any(|operation| operation.is_sync() && operation.path == failed.path) {
            return Some(format!("the sync of {} failed and was tried again", failed.path));
        }
        // Having folded back its log, SQLite removes it; should that not last, the next start folds back the same once more.
        let before = at.checked_sub(1).map(|before| &life.operations[before]);
        if before.is_some_and(|before| before.function == "unlink" && is_of_sqlite(before)) {
            return None;
        }
        if !ended_with_error {
            return Some(format!(
                "the sync of {} failed, and it did not end with an error\n{}",
                failed.path, life.said
            ));
        }
        return None;
    }
    // A full disk refuses, and goes on; only a start may end on it.
    let ended = life.listened && way == "ENOSPC" && life.end != End::Well;
    ended.then(|| format!("it ended on a full disk\n{}", life.said))
}

/// The life in which the fault struck; none where it was not come to.
fn strikes(story: &Story) -> Option<&Life> {
    story.lives.iter().find(|life| life.operations.iter().any(|operation| operation.struck))
}

fn is_of_sqlite(operation: &Operation) -> bool {
    matches!(operation.kind.as_str(), "cache" | "wal" | "journal")
}

#[test]
fn nothing_is_lost_or_doubled_whatever_fails() {
    let (seed, faults) = (seed(), number("TIDEMILL_IO_FAULTS", FAULTS));
    let mut points = Points::of(&reference("io_faults"), seed);
    let mut plans = plans(&mut points, drawn_for(faults));
    // Each way in turn, however many strike.
    plans.get_mut(STARTS.len()..).into_iter().for_each(|drawn| drawn.shuffle(points.random()));
    let stories = all("io_faults", (&plans, faults), &lanes(), |_, story| strikes(story).is_some(), judge);
    let mut ends: BTreeMap<String, [usize; 4]> = BTreeMap::new();
    for (plan, story) in &stories {
        let rule = &plan.0[0].rule;
        let on = if rule.ends_with('+') { " for good" } else { "" };
        let what = format!("{}{on}", rule.split(' ').next().unwrap_or_default());
        let column = match strikes(story).map(|life| &life.end) {
            Some(End::Well) => 0,
            Some(End::Failed) => 1,
            Some(End::Killed) => 2,
            None => 3,
        };
        ends.entry(what).or_default()[column] += 1;
    }
    if !stories.is_empty() {
        let struck = stories.iter().filter(|(_, story)| strikes(story).is_some()).count();
        println!("{struck} faults survived; seed {seed}");
    }
    for (what, [well, failed, _, missed]) in &ends {
        println!("  {what}: {well} went on, {failed} ended with an error and came back, {missed} not come to");
    }
    assert!(ends.values().all(|[_, _, killed, _]| *killed == 0), "nobody kills here");
}
