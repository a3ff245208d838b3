//! kill -9 at every operation on a file: whatever was acknowledged is there exactly once when the pipeline has come back.

use std::collections::{BTreeMap, BTreeSet};

use rand::RngExt;
use tidemill_tests::torture::{End, Plan, Points, Story, all, drawn_for, lanes, number, reference, seed};

/// Kill points where the environment asks for no other number.
const KILLS: usize = 150;
/// Steps of the run from which on named points count: the first post, the reload.
const FIRST_POST: Option<usize> = Some(0);
const RELOAD: Option<usize> = Some(6);

/// Moments that have a name, each as a plan.
fn named(points: &mut Points) -> Vec<(&'static str, Plan)> {
    let soon = |points: &mut Points| points.random().random_range(1..8);
    let (one, two, three) = (soon(points), soon(points), soon(points));
    vec![
        ("an append is written, not synced", Plan::of(0, None, "after writev log 1")),
        ("an append is synced, not answered", Plan::of(0, None, "after fdatasync log 2")),
        ("a post was answered", Plan::of(0, Some(1), format!("kill * * {one}"))),
        ("an epoch's segment is synced, nothing names it", Plan::of(0, FIRST_POST, "after fsync spool 1")),
        ("a commit is written, not synced", Plan::of(0, FIRST_POST, format!("kill fsync wal {two}"))),
        ("a commit is synced, nothing was told", Plan::of(0, FIRST_POST, format!("after fsync wal {two}"))),
        ("an object is linked, its folder not synced", Plan::of(0, None, format!("after linkat lake-object {one}"))),
        ("an object is in the bucket, no commit says so", Plan::of(0, None, format!("kill unlink lake-temp {two}"))),
        ("a delivery is committed, its file is still spooled", Plan::of(0, None, format!("kill unlink object {one}"))),
        ("a reload is under way", Plan::of(0, RELOAD, format!("kill * * {three}"))),
        ("a reload's component is kept, nothing names it", Plan::of(0, RELOAD, "after fsync component 2")),
        ("a start after a clean stop", Plan::of(1, None, format!("kill * * {three}"))),
        ("a sealed segment is removed, its folder not synced", Plan::of(1, None, "after unlink log 1")),
    ]
}

/// A word for how it is struck: a write may also be torn.
fn action(points: &mut Points) -> &'static str {
    ["kill", "kill", "tear"][points.random().random_range(0..3)]
}

fn struck(story: &Story) -> BTreeSet<String> {
    let operations = story.lives.iter().flat_map(|life| &life.operations);
    operations.filter(|operation| operation.struck).map(|operation| operation.what()).collect()
}

#[test]
fn nothing_is_lost_or_doubled_wherever_it_is_killed() {
    let (seed, kills) = (seed(), number("TIDEMILL_KILLS", KILLS));
    let mut points = Points::of(&reference("kills"), seed);
    let kinds = points.kinds();
    assert!(!kinds.iter().any(|kind| kind.ends_with(" other")), "a file that no kind is known for: {kinds:?}");

    let named = named(&mut points);
    let mut plans: Vec<Plan> = named.iter().map(|(_, plan)| plan.clone()).collect();
    for (life, place) in points.drawn(|_| true, drawn_for(kills).saturating_sub(plans.len())) {
        let plan = Plan::of(life, None, format!("{} {place}", action(&mut points)));
        // Every fourth is killed again while it recovers.
        let again = points.random().random_range(0..4) == 0;
        plans.push(if again { plan.then(format!("{} * * {}", action(&mut points), points.early())) } else { plan });
    }
    let was_killed = |_: &Plan, story: &Story| story.lives.iter().any(|life| life.end == End::Killed);
    let stories = all("kills", (&plans, kills), &lanes(), was_killed, |_, _| Vec::new());
    if stories.is_empty() {
        return;
    }
    report(&stories, &kinds, points.count(), seed);
}

/// Prints what was done; every kind of operation must have been hit where there were points enough.
fn report(stories: &[(Plan, Story)], kinds: &BTreeSet<String>, operations: usize, seed: u64) {
    let mut hit: BTreeMap<String, usize> = BTreeMap::new();
    let (mut killed, mut twice, mut missed) = (0, 0, 0);
    for (_, story) in stories {
        struck(story).into_iter().for_each(|what| *hit.entry(what).or_default() += 1);
        let kills = story.lives.iter().filter(|life| life.end == End::Killed).count();
        killed += usize::from(kills > 0);
        twice += usize::from(kills > 1);
        missed += usize::from(kills == 0);
    }
    println!(
        "{killed} kill points survived ({twice} of them killed again while recovering), {missed} not come to; \
         {operations} operations in the reference run, {} of its {} kinds hit; seed {seed}",
        hit.keys().filter(|kind| kinds.contains(*kind)).count(),
        kinds.len()
    );
    hit.iter().for_each(|(what, times)| println!("  {what}: {times}"));
    let left: Vec<&String> = kinds.iter().filter(|kind| !hit.contains_key(*kind)).collect();
    assert!(stories.len() < 2 * kinds.len() || left.is_empty(), "not hit: {left:?}");
}
