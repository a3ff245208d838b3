//! A pipeline at work: workers that read, decode, transform and window, and the commit that makes it count.

pub mod aggregates;
pub mod audit;
pub mod cases;
pub mod change;
pub mod committer;
mod epoch;
pub mod explain;
pub mod generation;
pub mod hold;
pub mod kept;
pub mod landed;
pub mod lander;
pub mod landing;
pub mod layout;
pub mod places;
pub mod redrive;
pub mod replay;
mod segments;
pub mod shadow;
pub mod shelf;
pub mod source;
pub mod table;
pub mod transform;
pub mod trial;
pub mod uploader;
pub mod worker;
pub mod written;
