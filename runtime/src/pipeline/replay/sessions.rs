//! Sessions made anew: which of a group's are others than those that are shown, and what that makes of windows of the lake.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::windows::Anew;
use crate::cache::query::Reader;
use crate::cache::{GroupStray, shown_time};
use crate::commit::{Group, Segment, Standing};
use crate::error::Result;
use crate::pipeline::table::Table;
use crate::time::Timestamp;
use crate::value::Value;
use crate::window::spec::{Kind, Span};

/// What differs of an aggregate's sessions.
#[derive(Default)]
pub(super) struct Sessions {
    /// Those that are shown, and are none any more.
    pub(super) gone: Vec<Group>,
    /// Those in their stead.
    pub(super) come: Vec<Group>,
    /// Times that were asked for whose sessions reach into what was pruned: these stay as they are.
    pruned: BTreeSet<i64>,
}

/// A session that is shown, or one that came again.
#[derive(Clone, Copy)]
enum One<'a> {
    Shown(&'a Group),
    Anew(&'a Group),
}

impl Sessions {
    /// Compares the sessions of all keys that are concerned: each stretch of time in which those that are shown and those that came
    /// again lie across each other, and which has one of the times that are asked for. What differs is told too.
    pub(super) fn compare(reader: &Reader, anew: &Anew) -> Result<(Self, Vec<GroupStray>)> {
        let mut shown = Vec::new();
        reader.shown_groups(&anew.layout, None, |group| {
            if anew.keys.contains(&group.key) {
                shown.push(group);
            }
            Ok(())
        })?;
        let mut keys: BTreeMap<&[Value], Vec<One<'_>>> = BTreeMap::new();
        for one in shown.iter().map(One::Shown).chain(anew.groups.iter().map(One::Anew)) {
            keys.entry(&one.group().key).or_default().push(one);
        }
        let pruned = reader.pruned(&anew.layout.name)?;
        let (mut sessions, mut strays) = (Self::default(), Vec::new());
        for mut ones in keys.into_values() {
            ones.sort_by_key(|one| one.group().window);
            for (time, stretch) in stretches(&ones) {
                let asked = anew.windows.range(time.start.0..time.end.0);
                if asked.clone().next().is_none() || is_same(stretch) {
                    continue;
                }
                if reaches_into(stretch, anew, pruned) {
                    sessions.pruned.extend(asked);
                } else {
                    sessions.take(stretch);
                    tell(stretch, &mut strays);
                }
            }
        }
        strays.sort_by(|one, other| one.key.cmp(&other.key));
        Ok((sessions, strays))
    }

    /// Says what was left out of an aggregate.
    pub(super) fn left_out(&self, aggregate: &str) -> Option<String> {
        let count = self.pruned.len();
        (count > 0).then(|| {
            format!(
                "aggregate {aggregate:?}: rows of {count} times are of sessions of which some were pruned, and stay out"
            )
        })
    }

    /// Writes each of the lake's windows whose closed sessions change as a segment, with all that it has now.
    pub(super) fn segments(&self, reader: &Reader, anew: &Anew, to: &Table, revision: u64) -> Result<Vec<Segment>> {
        let lands = |group: &Group| anew.aggregate.window.lands(Span { start: group.window, end: group.end });
        let mut landed: BTreeMap<Timestamp, Vec<Group>> = BTreeMap::new();
        let closed = |group: &&Group| group.standing == Standing::Closed;
        for group in self.come.iter().filter(closed) {
            landed.entry(lands(group)).or_default().push(group.clone());
        }
        for group in self.gone.iter().filter(closed) {
            landed.entry(lands(group)).or_default();
        }
        let ends = |window: Option<&Timestamp>| window.and_then(|window| anew.aggregate.window.landing_ends(*window));
        let (Some(first), Some(last)) = (ends(landed.keys().next()), ends(landed.keys().next_back())) else {
            return Ok(Vec::new());
        };
        let gone: BTreeSet<i64> = self.gone.iter().map(|group| group.number).collect();
        let mut segments = Vec::new();
        // They come by their ends, and so by where they land: one window of the lake is in memory at a time.
        let mut write = |landed: &mut BTreeMap<Timestamp, Vec<Group>>, upto: Option<Timestamp>| -> Result<()> {
            while let Some(first) = landed.first_entry().filter(|first| upto.is_none_or(|upto| *first.key() < upto)) {
                let (window, mut groups) = first.remove_entry();
                groups.sort_by(|one, other| (one.window, &one.key).cmp(&(other.window, &other.key)));
                segments.push(anew.segment(window, &groups, to, revision)?);
            }
            Ok(())
        };
        reader.shown_groups(&anew.layout, Some(first.start..last.end), |group| {
            let lands = lands(&group);
            write(&mut landed, Some(lands))?;
            if let Some(groups) = landed.get_mut(&lands).filter(|_| !gone.contains(&group.number)) {
                groups.push(group);
            }
            Ok(())
        })?;
        write(&mut landed, None)?;
        Ok(segments)
    }

    fn take(&mut self, stretch: &[One<'_>]) {
        for one in stretch {
            // What comes may have been there before, and goes on with its revisions then.
            let group = Group { revised: true, ..one.group().clone() };
            match one {
                One::Shown(_) => self.gone.push(group),
                One::Anew(_) => self.come.push(group),
            }
        }
    }
}

impl<'a> One<'a> {
    fn group(self) -> &'a Group {
        match self {
            Self::Shown(group) | Self::Anew(group) => group,
        }
    }

    /// The measures as they are shown.
    fn measures(self) -> Vec<Value> {
        let shown = |value: &Value| match value {
            Value::Float64(value) if value.is_nan() => Value::Null,
            // What is nothing has no sign there.
            Value::Float64(value) if *value == 0.0 => Value::Float64(0.0),
            value => value.clone(),
        };
        self.group().measures.iter().map(shown).collect()
    }
}

/// Sessions of one key, by rising start, in stretches of such as lie across each other; each with the time that they take up.
fn stretches<'s, 'a>(ones: &'s [One<'a>]) -> impl Iterator<Item = (Range<Timestamp>, &'s [One<'a>])> {
    let mut rest = ones;
    std::iter::from_fn(move || {
        let first = rest.first()?.group();
        let (mut end, mut count) = (first.end, 1);
        while let Some(next) = rest.get(count).map(|one| one.group()).filter(|next| next.window < end) {
            end = end.max(next.end);
            count += 1;
        }
        let (stretch, after) = rest.split_at_checked(count)?;
        rest = after;
        Some((first.window..end, stretch))
    })
}

/// Whether what came again in a stretch is what is shown.
fn is_same(stretch: &[One<'_>]) -> bool {
    let ([shown @ One::Shown(_), anew @ One::Anew(_)] | [anew @ One::Anew(_), shown @ One::Shown(_)]) = stretch else {
        return false;
    };
    let of = |one: &One<'_>| (one.group().window, one.group().end, one.measures());
    of(shown) == of(anew)
}

/// Whether a stretch has a session that was pruned, or lands where one may have landed that was.
fn reaches_into(stretch: &[One<'_>], anew: &Anew, pruned: Option<Timestamp>) -> bool {
    let (Kind::Session { gap }, Some(before)) = (&anew.aggregate.window.kind, pruned) else { return false };
    // What is pruned ended earlier; of a stretch that begins with a session that is shown, it is no part.
    let begins = |group: &Group| stretch.iter().all(|one| group.window <= one.group().window);
    let is_whole = stretch.iter().any(|one| matches!(one, One::Shown(group) if begins(group)));
    let begins_before = stretch.iter().any(|one| one.group().window < before);
    let lands = |group: &Group| group.standing == Standing::Closed && group.end <= before.plus(*gap);
    begins_before && !is_whole || stretch.iter().any(|one| lands(one.group()))
}

fn tell(stretch: &[One<'_>], strays: &mut Vec<GroupStray>) {
    let mut by_start: BTreeMap<Timestamp, GroupStray> = BTreeMap::new();
    for one in stretch {
        let Group { window, key, .. } = one.group();
        let stray = by_start.entry(*window).or_insert_with(|| GroupStray {
            key: std::iter::once(Value::Text(shown_time(*window))).chain(key.iter().cloned()).collect(),
            was: None,
            now: None,
        });
        match one {
            One::Shown(_) => stray.was = Some(one.measures()),
            One::Anew(_) => stray.now = Some(one.measures()),
        }
    }
    strays.extend(by_start.into_values());
}
