//! The emulator: a generated population of pins, places, users, posted over HTTP as the original emulators did.

pub mod client;
pub mod database;
mod dice;
pub mod population;
pub mod post;
pub mod rows;
mod shuffle;
mod twister;
