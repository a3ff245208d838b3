//! Write a Tidemill transform as a plain function over two plain structs.
//!
//! ```
//! use tidemill_sdk::{Input, Output, Timestamp, Verdict, emit, reject, transform};
//!
//! /// What is read of a record.
//! #[derive(Input)]
//! pub struct Raw<'a> {
//!     #[field(alias = "index")]
//!     ind: Option<i64>,
//!     joined: Option<&'a str>,
//! }
//!
//! /// What comes out of it.
//! #[derive(Output)]
//! pub struct User {
//!     ind: i64,
//!     joined: Option<Timestamp>,
//! }
//!
//! #[transform]
//! fn clean(raw: Raw<'_>) -> Verdict<User> {
//!     let Some(ind) = raw.ind else { return reject("the record has neither \"ind\" nor \"index\"") };
//!     emit(User { ind, joined: raw.joined.and_then(Timestamp::parse) })
//! }
//!
//! // On the host the same functions are there for tests.
//! fn main() -> Result<(), String> {
//!     let outcome = tidemill_sdk::testing::run(&describe(), apply, &[r#"{"index": 1, "joined": "2018-05-27 11:30:59"}"#])?;
//!     assert_eq!(outcome.rows[0].1["joined"], "2018-05-27T11:30:59Z");
//!     Ok(())
//! }
//! ```
//!
//! A field of an input is one of `bool`, `i64`, `f64`, `&str`, `&[u8]`, [`Timestamp`], [`Json`], `&[f64]`, `Vec<f64>`,
//! [`TextList`] and `Vec<&str>`, or an `Option` of it where it may be null or absent. A field of an output may also be
//! `String`, `Cow<str>`, [`Concat`], `Vec<u8>`, `[f64; N]` or `Vec<String>`.
//!
//! `#[field(name = "@offset")]` gives a field another name than the struct's; `#[field(alias = "..")]`, as often as
//! needed, gives an input further names, tried in order.
//!
//! What a pipeline file may set is a struct with `#[derive(Parameters)]`, taken as a second argument:
//!
//! ```
//! use tidemill_sdk::{Input, Output, Parameters, Verdict, drop, emit, transform};
//! # #[derive(Input)]
//! # pub struct Raw { price: f64 }
//! # #[derive(Output)]
//! # pub struct Price { price: f64 }
//!
//! #[derive(Parameters)]
//! pub struct Settings {
//!     /// Cheaper records are dropped.
//!     #[parameter(default = 0, minimum = 0)]
//!     price_min: f64,
//! }
//!
//! #[transform]
//! fn clean(raw: Raw, settings: &Settings) -> Verdict<Price> {
//!     if raw.price < settings.price_min { drop() } else { emit(Price { price: raw.price }) }
//! }
//! # fn main() -> Result<(), String> {
//! configure(r#"{"price_min": 2}"#)?;
//! let outcome = tidemill_sdk::testing::run(&describe(), apply, &[r#"{"price": 1.5}"#])?;
//! assert_eq!(outcome.dropped, [0]);
//! # Ok(())
//! # }
//! ```

// What the macros write names the crate from outside; its own tests use them too.
#[cfg(test)]
extern crate self as tidemill_sdk;

mod input;
mod log;
mod output;
pub mod parameters;
mod read;
pub mod run;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;
pub mod text;
mod texts;
mod time;
mod unchecked;
mod verdict;
pub mod wit;
mod write;

pub use input::{Columns, Input};
pub use log::{debug, error, info, warn};
pub use output::{Output, finish};
pub use parameters::Parameters;
pub use read::{InputField, Readable, TextList};
pub use text::{Concat, Json, present};
pub use tidemill_sdk_macros::{Input, Output, Parameters, transform};
pub use time::Timestamp;
pub use verdict::{Verdict, drop, emit, emit_all, reject};
pub use write::{OutputField, Writable};
