//! A pipeline that is made to suffer: a short run that does everything, trouble at a point of it, and a verdict.

mod disk;
mod house;
mod plan;
mod player;
mod points;
mod runs;

pub use self::disk::Disk;
pub use self::house::{House, TABLES};
pub use self::plan::{Plan, Trouble};
pub use self::player::{End, Life, Story, play};
pub use self::points::{Points, number, seed};
pub use self::runs::{Lane, all, drawn_for, lanes, reference};
