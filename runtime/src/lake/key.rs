//! Names of objects in the bucket.

use super::options::Options;
use crate::time::Timestamp;

/// `{prefix}/{table}/window=2026-11-22T21-05-00Z/{topic}+{partition}+{first offset, 10 digits}+{epoch}.parquet`.
///
/// Table, topic and offset make it unique; the epoch is that of the first segment in the object.
pub fn object_key(
    options: &Options,
    table: &str,
    window: Timestamp,
    topic: &str,
    partition: u32,
    first_offset: u64,
    epoch: u64,
) -> String {
    let prefix = match options.prefix.trim_matches('/') {
        "" => String::new(),
        prefix => format!("{prefix}/"),
    };
    let window = window.for_key();
    let extension = options.format.extension();
    format!("{prefix}{table}/window={window}/{topic}+{partition}+{first_offset:010}+{epoch}.{extension}")
}

#[cfg(test)]
mod tests {
    use super::super::options::{Endpoint, Format, Patience, SPOOL_BYTES};
    use super::*;

    fn check(prefix: &str, format: Format, offset: u64, expected: &str) {
        let options = Options {
            bucket: "b".to_owned(),
            prefix: prefix.to_owned(),
            endpoint: Endpoint::Aws,
            region: None,
            format,
            patience: Patience::default(),
            spool_bytes_max: SPOOL_BYTES,
        };
        let window = Timestamp::parse("2026-11-22T21:05:00Z").unwrap();
        assert_eq!(object_key(&options, "pin", window, "user.pin", 3, offset, 17), expected);
    }

    #[test]
    fn names_say_where_rows_came_from() {
        check("", Format::Parquet, 42, "pin/window=2026-11-22T21-05-00Z/user.pin+3+0000000042+17.parquet");
        check("lake", Format::Json, 0, "lake/pin/window=2026-11-22T21-05-00Z/user.pin+3+0000000000+17.json");
        check("a/b/", Format::Json, 0, "a/b/pin/window=2026-11-22T21-05-00Z/user.pin+3+0000000000+17.json");
        check("", Format::Json, 98_765_432_109, "pin/window=2026-11-22T21-05-00Z/user.pin+3+98765432109+17.json");
    }
}
