//! The order of posts: which index when, which ones a second time.

use std::collections::VecDeque;
use std::time::Duration;

use super::{Order, Plan};
use crate::emulate::dice::Dice;
use crate::emulate::shuffle::Shuffle;
use crate::emulate::twister::Twister;

/// How many posts later a post is sent again, at the most.
const RESEND_POSTS_MAX: u32 = 50;
/// The streams of random numbers of what is drawn and of how indexes are shuffled.
const STREAM_DRAWS: u64 = u64::MAX - 100;
const STREAM_ORDER: u64 = u64::MAX - 101;

/// Indexes in the order in which they are sent.
pub(super) struct Schedule {
    posts: u64,
    rows: u64,
    order: Order,
    shuffle: Shuffle,
    twister: Twister,
    dice: Dice,
    /// Of 2³².
    resend: u64,
    /// Posts so far, without those again.
    nth: u64,
    /// What is to be sent again, and from which post on.
    again: VecDeque<(u64, u64)>,
}

/// One index at its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Turn {
    pub(super) index: u64,
    /// Whether it was sent before.
    pub(super) again: bool,
    /// How long to wait before it.
    pub(super) pause: Duration,
}

/// Posts whose rows travel together.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) indexes: Vec<u64>,
    /// How many of them are sent for the first time.
    pub(super) posts: u64,
    /// The count of posts before this group.
    pub(super) first_nth: u64,
    /// How long to wait before it.
    pub(super) pause: Duration,
}

impl Schedule {
    /// The turns of a plan over `rows` indexes, at least one.
    pub(super) fn new(plan: &Plan, rows: u64) -> Self {
        Self {
            posts: plan.posts,
            rows,
            order: plan.order,
            shuffle: Shuffle::new(rows, Dice::new(plan.seed, STREAM_ORDER)),
            twister: Twister::new(plan.seed),
            dice: Dice::new(plan.seed, STREAM_DRAWS),
            resend: (plan.resend * f64::from(u32::MAX)).round() as u64 + u64::from(plan.resend >= 1.0),
            nth: 0,
            again: VecDeque::new(),
        }
    }

    /// The turns in groups of `size`; only the last may be smaller.
    pub(super) fn groups(mut self, size: usize) -> impl Iterator<Item = Group> {
        std::iter::from_fn(move || {
            let first_nth = self.nth;
            let turns: Vec<Turn> = self.by_ref().take(size).collect();
            let indexes = turns.iter().map(|turn| turn.index).collect();
            let pause = turns.iter().map(|turn| turn.pause).sum();
            (!turns.is_empty()).then(|| Group { indexes, posts: self.nth - first_nth, first_nth, pause })
        })
    }
}

impl Iterator for Schedule {
    type Item = Turn;

    fn next(&mut self) -> Option<Turn> {
        let over = self.nth == self.posts;
        if let Some(&(due, index)) = self.again.front()
            && (over || due <= self.nth)
        {
            self.again.pop_front();
            return Some(Turn { index, again: true, pause: Duration::ZERO });
        }
        if over {
            return None;
        }
        let (index, pause) = match self.order {
            Order::Shuffled => (self.shuffle.at(self.nth % self.rows), Duration::ZERO),
            Order::Draws => (self.dice.below_wide(self.rows), Duration::ZERO),
            Order::Original { second } => {
                let drawn = self.twister.draw();
                (drawn.index, second * drawn.pause_seconds)
            }
        };
        self.nth += 1;
        if self.dice.bits() >> 32 < self.resend {
            let later = 1 + u64::from(self.dice.below(RESEND_POSTS_MAX));
            let due = self.again.back().map_or(0, |(due, _)| *due).max(self.nth + later);
            self.again.push_back((due, index));
        }
        Some(Turn { index, again: false, pause })
    }
}
