//! Files of lines and of CSV under bytes that nobody meant.

#![allow(clippy::unwrap_used, reason = "a body may panic: that is how it fails")]

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use super::rows::Rows;
use crate::source::options::FilesOptions;

/// More rows are not read, so that a run is short.
const ROWS_MAX: usize = 1_000;
/// What a file may be.
const NAMES: [&str; 6] = ["a.csv", "a.jsonl", "a.csv.gz", "a.jsonl.gz", "a.csv.zst", "a.jsonl.zst"];

/// A file of the kind that the switch says: an error, or rows that are none of them empty.
pub(crate) fn rows(switch: u8, file: &Path) {
    let name = NAMES.get(usize::from(switch) % NAMES.len()).unwrap();
    let options = FilesOptions {
        names: "*".to_owned(),
        watch: false,
        settle: Duration::ZERO,
        delimiter: if switch & 64 == 0 { b',' } else { b';' },
        json: vec!["n".to_owned()],
    };
    let Ok(mut rows) = Rows::read(File::open(file).unwrap(), name, &options) else { return };
    let mut value = Vec::new();
    for _ in 0..ROWS_MAX {
        match rows.next(&mut value) {
            Ok(true) => assert!(!value.trim_ascii().is_empty()),
            Ok(false) | Err(_) => return,
        }
    }
}

/// What the target begins with: the switch, and the file.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let csv = "\u{feff}a,n\r\nx,1\r\n\"y, \"\"z\"\"\nmore\",[2]\n,\"\"\n\n1,2,3\n".as_bytes();
    let lines = b"{\"a\":1}\n\r\n {\"a\":2}";
    let packed = |bytes: &[u8], gzip: bool| match gzip {
        true => {
            let mut packed = flate2::read::GzEncoder::new(bytes, flate2::Compression::fast());
            let mut to = Vec::new();
            std::io::Read::read_to_end(&mut packed, &mut to).unwrap();
            to
        }
        false => zstd::encode_all(bytes, 1).unwrap(),
    };
    let files = [
        csv.to_vec(),
        lines.to_vec(),
        packed(csv, true),
        packed(lines, true),
        packed(csv, false),
        packed(lines, false),
    ];
    files.into_iter().zip(0..).map(|(file, switch)| [&[switch], file.as_slice()].concat()).collect()
}
