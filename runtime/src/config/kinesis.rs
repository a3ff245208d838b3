//! `[kinesis]` of a pipeline file.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use super::fault::wrong;
use super::listen::address;
use super::paths;
use super::plan::Kinesis;
use super::section::Section;

/// Where it listens unless told: where emulators of Kinesis do.
pub(super) const PORT: u16 = 4568;

/// Reads it; files are seen from `folder`.
pub(super) fn read(section: &Section<'_>, folder: &Path) -> Kinesis {
    let kinesis = Kinesis {
        listen: address(section, "listen", PORT).unwrap_or(SocketAddr::from((Ipv4Addr::LOCALHOST, PORT))),
        keys: section.text("keys").map(|written| paths::absolute(folder, &written)),
        region: section.text("region").unwrap_or_else(|| "us-east-1".to_owned()),
        shard_limits: section.choice("shard_limits", &[("none", false), ("aws", true)]).unwrap_or(false),
    };
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if kinesis.region.is_empty() || !kinesis.region.bytes().all(plain) {
        section.wrong("region", &wrong(format!("{:?} is not a region", kinesis.region)).hint("write \"us-east-1\""));
    }
    section.finish();
    kinesis
}
