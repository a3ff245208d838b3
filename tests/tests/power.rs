//! Loss of power on a real file system, which drops what was not synced: whatever was acknowledged is there exactly once.

use rand::RngExt;
use tidemill_tests::torture::{Disk, End, Lane, Plan, Points, Story, all, drawn_for, number, reference, seed};

/// Power cuts where the environment asks for no other number.
const CUTS: usize = 40;

/// Moments at which something was made durable, or should have been.
const NAMED: [&str; 7] = [
    "cut fdatasync log 3",
    "cut * log-draft 6",
    "cut fsync wal 6",
    "cut linkat lake-object 3",
    "cut unlink lake-temp 3",
    "cut unlink object 2",
    "cut unlink log 1",
];

/// Cuts at drawn operations; every third hits a start after a kill, whose tail nothing has synced yet.
fn plans(points: &mut Points, count: usize) -> Vec<Plan> {
    let named = NAMED.iter().map(|rule| Plan::of(usize::from(rule.contains("unlink log")), None, *rule));
    let mut plans: Vec<Plan> = named.take(count).collect();
    for (life, place) in points.drawn(|_| true, count - plans.len()) {
        let plan = match points.random().random_range(0..3) {
            0 => Plan::of(life, None, format!("kill {place}")).then(format!("cut * * {}", points.early())),
            _ => Plan::of(life, None, format!("cut {place}")),
        };
        plans.push(plan);
    }
    plans
}

/// Whether the power went in a run, rather than that its moment was not come to.
fn was_cut(plan: &Plan, story: &Story) -> bool {
    let mut cuts = plan.0.iter().filter(|trouble| trouble.rule.starts_with("cut"));
    cuts.any(|trouble| story.lives.get(trouble.life).is_some_and(|life| life.end == End::Killed))
}

#[test]
fn nothing_is_lost_or_doubled_when_the_power_goes() {
    let (seed, cuts) = (seed(), number("TIDEMILL_POWER_CUTS", CUTS));
    let mut lanes = Vec::new();
    for kind in ["ext4", "xfs"] {
        match Disk::mount(kind) {
            Ok(disk) => lanes.push(Lane::Disk(disk)),
            Err(why) => {
                println!("skipped: no power is cut on {kind}, which needs root, loop devices and its tools: {why}")
            }
        }
    }
    if lanes.is_empty() {
        return;
    }
    let mut points = Points::of(&reference("power"), seed);
    let plans = plans(&mut points, drawn_for(cuts));
    let stories = all("power", (&plans, cuts), &lanes, was_cut, |_, _| Vec::new());
    let cut = || stories.iter().filter(|(plan, story)| was_cut(plan, story));
    if !stories.is_empty() {
        let after_kill = cut().filter(|(plan, _)| plan.0.len() > 1).count();
        println!("{} power cuts survived, {after_kill} of them right after a kill; seed {seed}", cut().count());
    }
}
