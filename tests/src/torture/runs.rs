//! Many runs at a time, each in a house of its own, each with its verdict.

use std::env;
use std::fmt::Write;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use super::disk::Disk;
use super::house::{House, keep_compiled};
use super::plan::Plan;
use super::player::{Story, play};

/// Formats of the lake, in turn.
const FORMATS: [&str; 2] = ["parquet", "json"];

/// After so many runs that went wrong, no more are played.
const FAULTS_MAX: usize = 5;

/// Where runs take place, one after another.
pub enum Lane {
    /// In memory, where no disk is waited for.
    Memory,
    /// On a disk that can lose its power.
    Disk(Disk),
}

/// As many lanes in memory as there are processors, and one more: a run waits now and then.
pub fn lanes() -> Vec<Lane> {
    (0..=std::thread::available_parallelism().map_or(1, usize::from)).map(|_| Lane::Memory).collect()
}

/// The run that nothing disturbs, which the others are held against.
pub fn reference(test: &str) -> Story {
    // The first compiles; the second is what the others are like.
    let run = || verdict(test, &Plan::default(), FORMATS[0], &Lane::Memory, |_| Vec::new());
    drop(run());
    run().unwrap_or_else(|fault| panic!("{fault}"))
}

/// Of so many plans one is not come to, at most: the run is not like its reference where there are more.
const MISSED_MAX: usize = 5;

/// How many plans to draw so that trouble strikes so often.
pub fn drawn_for(wanted: usize) -> usize {
    wanted + wanted.div_ceil(MISSED_MAX)
}

/// Plays plans in their order, one a lane at a time, until trouble has struck in so many as are wanted, which `has_struck` tells; gives
/// the stories with their plans. `judge` may find more that is wrong.
///
/// `TIDEMILL_PLAN` has one plan played instead, and gives nothing. Panics with what is wrong, and the line that reproduces it.
pub fn all(
    test: &str,
    (plans, wanted): (&[Plan], usize),
    lanes: &[Lane],
    has_struck: impl Fn(&Plan, &Story) -> bool + Sync,
    judge: impl Fn(&Plan, &Story) -> Vec<String> + Sync,
) -> Vec<(Plan, Story)> {
    if let Ok(one) = env::var("TIDEMILL_PLAN") {
        again(test, &one.parse().expect("a plan"), lanes, judge);
        return Vec::new();
    }
    let begun = Instant::now();
    let (next, told, failed) = (AtomicUsize::new(0), Mutex::new(Vec::new()), Mutex::new(Vec::new()));
    let struck = AtomicUsize::new(0);
    let work = |lane: &Lane| {
        while failed.lock().expect("no panic").len() < FAULTS_MAX && struck.load(Ordering::SeqCst) < wanted {
            let nth = next.fetch_add(1, Ordering::SeqCst);
            let Some(plan) = plans.get(nth) else { return };
            match verdict(test, plan, FORMATS[nth % FORMATS.len()], lane, |story| judge(plan, story)) {
                Ok(story) => {
                    struck.fetch_add(usize::from(has_struck(plan, &story)), Ordering::SeqCst);
                    told.lock().expect("no panic").push((plan.clone(), story));
                }
                Err(fault) => failed.lock().expect("no panic").push(fault),
            }
        }
    };
    std::thread::scope(|scope| lanes.iter().for_each(|lane| drop(scope.spawn(|| work(lane)))));
    let failed = failed.into_inner().expect("no panic");
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
    let (told, struck) = (told.into_inner().expect("no panic"), struck.into_inner());
    println!("{} runs in {:.1} s, {} at a time", told.len(), begun.elapsed().as_secs_f64(), lanes.len());
    assert!(
        struck >= wanted,
        "trouble struck in {struck} of {} runs only: they are not like their reference",
        told.len()
    );
    told
}

/// One run once more, as `TIDEMILL_FORMAT` and `TIDEMILL_DISK` say.
fn again(test: &str, plan: &Plan, lanes: &[Lane], judge: impl Fn(&Plan, &Story) -> Vec<String>) {
    let format = env::var("TIDEMILL_FORMAT").unwrap_or_else(|_| FORMATS[0].to_owned());
    let kind = env::var("TIDEMILL_DISK").unwrap_or_default();
    let here = |lane: &&Lane| kind.is_empty() || matches!(lane, Lane::Disk(disk) if disk.kind() == kind);
    let lane = lanes.iter().find(here).expect("a disk of that kind");
    let told = verdict(test, plan, &format, lane, |story| judge(plan, story));
    let story = told.unwrap_or_else(|fault| panic!("{fault}"));
    let ends: Vec<_> = story.lives.iter().map(|life| &life.end).collect();
    println!("{plan}: nothing is wrong; its lives ended so: {ends:?}");
}

fn verdict(
    test: &str,
    plan: &Plan,
    format: &str,
    lane: &Lane,
    judge: impl Fn(&Story) -> Vec<String>,
) -> Result<Story, String> {
    let disk = match lane {
        Lane::Memory => None,
        Lane::Disk(disk) => Some(disk),
    };
    let house = House::new(test, format, disk);
    let told = play(&house, plan).map_err(|fault| vec![fault]).and_then(|story| {
        let mut faults = house.faults(&story.journal);
        faults.extend(judge(&story));
        if faults.is_empty() { Ok(story) } else { Err(faults) }
    });
    if plan.0.is_empty() && told.is_ok() {
        keep_compiled(&house);
    }
    told.map_err(|faults| {
        let mut line = format!("reproduce: TIDEMILL_PLAN='{plan}' TIDEMILL_FORMAT={format}");
        if let Some(disk) = disk {
            let _ = write!(line, " TIDEMILL_DISK={}", disk.kind());
        }
        let kept = house.keep();
        format!("{}\nkept in {}\n{line} cargo test -p tidemill-tests --test {test}", faults.join("\n"), kept.display())
    })
}
