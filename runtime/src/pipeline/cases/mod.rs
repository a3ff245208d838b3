//! Test cases of a table: records played through its transform, and what has to come of them; and of what is answered about several.
//!
//! A case is a folder. [`Case::read`] reads it; [`play`] takes its records through the real decoder, the component and
//! the windows, apart from any pipeline that runs: no file is written, no clock is asked. What came of it is compared with
//! what the case expects by [`Played::differences`].

mod align;
mod answers;
mod case;
mod difference;
mod input;
mod mask;
mod play;
mod tap;

pub use answers::{Question, folder as of_answers};
pub use case::{Case, list};
pub use difference::{Change, Difference, What, compared};
pub use play::{Played, play};
pub use tap::{Tapped, save, tap};
