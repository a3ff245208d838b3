//! Names of objects in the bucket.

use super::options::Options;
use crate::commit::Segment;

/// The key of the object whose first segment is `first`:
/// `{prefix}/{table}/window=2026-11-22T21-05-00Z/{topic}+{partition}+{first offset, 10 digits}+{epoch}.parquet`,
/// with `r{revision}` in the epoch's place where a revision adds to a window. Where a revision's rows take the place of others, it
/// says of which offsets: `{first}-{offset after the last}+v{revision}`.
///
/// Table, topic, offset and revision make it unique: no two rows of one are those of one record.
pub fn object_key(options: &Options, topic: &str, first: &Segment, last: &Segment) -> String {
    let Segment { table, partition, epoch, revision, replaces, window, first_offset, .. } = first;
    let prefix = prefix(options);
    let window = window.for_key();
    let extension = options.format.extension();
    let writer = match (revision, replaces) {
        (0, _) => epoch.to_string(),
        (_, false) => format!("r{revision}"),
        (_, true) => {
            let next = last.next_offset;
            return format!(
                "{prefix}{table}/window={window}/{topic}+{partition}+{first_offset:010}-{next:010}+v{revision}.{extension}"
            );
        }
    };
    format!("{prefix}{table}/window={window}/{topic}+{partition}+{first_offset:010}+{writer}.{extension}")
}

/// The key of the object that says whose the bucket is; tools that read the lake as tables pass over names that begin with `_`.
pub fn claim_key(options: &Options) -> String {
    format!("{}_tidemill/owner.json", prefix(options))
}

/// What every key begins with: the lake's prefix and a slash, where it has one.
pub fn prefix(options: &Options) -> String {
    match options.prefix.trim_matches('/') {
        "" => String::new(),
        prefix => format!("{prefix}/"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::options::{Endpoint, Format, Patience, SPOOL_BYTES};
    use super::*;
    use crate::time::Timestamp;

    fn check(prefix: &str, format: Format, first_offset: u64, revision: u64, expected: &str) {
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
        let epoch = if revision > 0 { 0 } else { 17 };
        let table = "pin".to_owned();
        let first = Segment { table, partition: 3, epoch, revision, window, first_offset, ..Segment::default() };
        let last = Segment { next_offset: first_offset + 5, ..first.clone() };
        assert_eq!(object_key(&options, "user.pin", &first, &last), expected);
        let replacing = Segment { replaces: true, ..first };
        let offsets = format!("+3+{first_offset:010}-{:010}+v{revision}.", first_offset + 5);
        assert_eq!(object_key(&options, "user.pin", &replacing, &last).contains(&offsets), revision > 0);
    }

    #[test]
    fn names_say_where_rows_came_from() {
        check("", Format::Parquet, 42, 0, "pin/window=2026-11-22T21-05-00Z/user.pin+3+0000000042+17.parquet");
        check("lake", Format::Json, 0, 0, "lake/pin/window=2026-11-22T21-05-00Z/user.pin+3+0000000000+17.json");
        check("a/b/", Format::Json, 0, 0, "a/b/pin/window=2026-11-22T21-05-00Z/user.pin+3+0000000000+17.json");
        check("", Format::Json, 98_765_432_109, 0, "pin/window=2026-11-22T21-05-00Z/user.pin+3+98765432109+17.json");
        check("", Format::Json, 7, 12, "pin/window=2026-11-22T21-05-00Z/user.pin+3+0000000007+r12.json");
    }
}
