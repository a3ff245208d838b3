//! Files as they come, and the offsets that their lines have for good.

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use super::*;

/// A folder of a test's own, removed at its end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("tidemill-files-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(folder.join("in")).unwrap();
        Self(folder)
    }

    fn put(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.0.join("in").join(name), bytes).unwrap();
    }

    fn options(&self) -> FilesOptions {
        let names = "*".to_owned();
        FilesOptions { names, watch: false, settle: Duration::ZERO, delimiter: b',', json: Vec::new() }
    }

    fn open(&self, options: FilesOptions, from: u64) -> FilePartition {
        self.open_at("in", options, from)
    }

    fn open_at(&self, path: &str, options: FilesOptions, from: u64) -> FilePartition {
        let place = Box::new(place::Folder::open(&self.0.join(path)).unwrap());
        let mut opened = FilePartition::open(options, place, &self.0.join("files/topic.jsonl"), from).unwrap();
        opened.seek(from, Timestamp::MIN).unwrap();
        opened
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// All that can be read now: offsets with values.
fn all(from: &mut FilePartition) -> Result<Vec<(u64, String)>> {
    let mut found = Vec::new();
    loop {
        let mut batch = Batch::default();
        from.read(&mut batch, 1)?;
        if batch.is_empty() {
            return Ok(found);
        }
        let value = |record: Record<'_>| String::from_utf8_lossy(record.value.unwrap()).into_owned();
        found.extend(batch.iter().map(|record| (record.offset, value(record))));
    }
}

fn values(from: &mut FilePartition) -> Vec<String> {
    all(from).unwrap().into_iter().map(|(_, value)| value).collect()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn what_files_hold() {
    let check = |name: &str, bytes: &[u8], expected: &[&str]| {
        let folder = Folder::new("hold");
        folder.put(name, bytes);
        let options = FilesOptions { json: vec!["n".to_owned()], ..folder.options() };
        assert_eq!(values(&mut folder.open(options, 0)), expected, "{name}: {}", String::from_utf8_lossy(bytes));
    };
    check("a.jsonl", b"{\"a\":1}\n\n  \r\n{\"a\":2}\r\n{\"a\":3}", &["{\"a\":1}", "{\"a\":2}", "{\"a\":3}"]);
    check("a.txt", b"\xef\xbb\xbfx\n", &["x"]);
    check("empty.jsonl", b"", &[]);
    check("a.jsonl.gz", &gzip(b"1\n2\n"), &["1", "2"]);
    check("a.jsonl.gz", &[gzip(b"1\n2"), gzip(b"3\n4\n")].concat(), &["1", "23", "4"]);
    check("a.jsonl.zst", &zstd::encode_all(&b"1\n2\n"[..], 1).unwrap(), &["1", "2"]);
    check("a.csv", b"a,n\nx,1\ny,-2.5e3\n", &["{\"a\":\"x\",\"n\":1}", "{\"a\":\"y\",\"n\":-2.5e3}"]);
    check("a.csv", b"a,n\n,\n\"\",\"\"\n", &["{\"a\":null,\"n\":null}", "{\"a\":\"\",\"n\":\"\"}"]);
    check("A.CSV", b"a,n\r\n\"x, \"\"y\"\"\nz\",true\r\n", &["{\"a\":\"x, \\\"y\\\"\\nz\",\"n\":true}"]);
    check("a.csv", b"a,n\n7,007\n", &["{\"a\":\"7\",\"n\":\"007\"}"]);
    check("a.csv", b"a,n\n1\n1,2,3\nx\"y,1\n\"x\"y,1\n", &["1", "1,2,3", "x\"y,1\n\"x\"y,1"]);
    check("a.csv", "ä,n\n😀,[1]\n".as_bytes(), &["{\"ä\":\"😀\",\"n\":[1]}"]);
    check("a.csv.gz", &gzip(b"n\n1\n"), &["{\"n\":1}"]);
    check("only-a-header.csv", b"a,n\n", &[]);
}

#[test]
fn what_cannot_be_read_is_said() {
    let check = |name: &str, bytes: &[u8], expected: &str| {
        let folder = Folder::new("said");
        folder.put(name, bytes);
        let fault = all(&mut folder.open(folder.options(), 0)).unwrap_err();
        assert!(fault.kind() == Kind::Corrupt && fault.message().contains(expected), "{name}: {fault}");
    };
    check("a.csv", b"a,a\n1,2\n", "its header has the column \"a\" without a name, or twice");
    check("a.csv", b"a,\n1,2\n", "its header has the column \"\"");
    check("a.gz", b"no gzip at all", "a.gz: ");
    let whole = gzip(&b"1234567890\n".repeat(1000));
    check("cut.gz", &whole[..whole.len() - 9], "cut.gz: ");
    check("a.zst", b"no zstd at all", "a.zst: ");
}

#[test]
fn the_order_is_of_names_and_stays_when_files_come_between() {
    let folder = Folder::new("order");
    for name in ["b.jsonl", "a.jsonl", ".hidden", "c.tmp", "d.part", "empty"] {
        folder.put(name, if name == "empty" { String::new() } else { format!("{name} 1\n{name} 2\n") });
    }
    let once = |from: u64| all(&mut folder.open(folder.options(), from)).unwrap();
    let of = |names: &[(u64, &str)]| names.iter().map(|(at, text)| (*at, (*text).to_owned())).collect::<Vec<_>>();
    let first = of(&[(0, "a.jsonl 1"), (1, "a.jsonl 2"), (2, "b.jsonl 1"), (3, "b.jsonl 2")]);
    assert_eq!(once(0), first);
    folder.put("aa.jsonl", "aa\n");
    assert_eq!(once(3), [&first[3..], &of(&[(4, "aa")])].concat());
    assert_eq!(once(0).len(), 5);
    assert_eq!(once(5), []);
    let mut gone = folder.open(folder.options(), 9);
    assert_eq!(all(&mut gone).unwrap(), [], "there may be more one day");
    assert_eq!(all(&mut folder.open(FilesOptions { names: "b*".to_owned(), ..folder.options() }, 4)).unwrap().len(), 1);
}

#[test]
fn an_offset_means_the_same_line_wherever_reading_begins() {
    let folder = Folder::new("offsets");
    for file in 0..5 {
        let lines: String = (0..file * 3).map(|line| format!("{file}/{line}\n")).collect();
        folder.put(&format!("{file}.jsonl.gz"), gzip(lines.as_bytes()));
    }
    let whole = all(&mut folder.open(folder.options(), 0)).unwrap();
    assert_eq!(whole.len(), 30);
    for from in 0..=30 {
        let mut reader = folder.open(folder.options(), from);
        assert_eq!(all(&mut reader).unwrap(), whole[from as usize..], "from {from}");
        assert_eq!(reader.end(), Some(30));
    }
    // Two readers of one topic, each going its own way.
    let (mut one, mut other) = (folder.open(folder.options(), 0), folder.open(folder.options(), 0));
    folder.put("9.jsonl", "late\n");
    assert_eq!(all(&mut one).unwrap().len(), 31);
    assert_eq!(all(&mut other).unwrap().len(), 31);
}

#[test]
fn a_cut_line_of_the_manifest_was_never_gone_by() {
    let folder = Folder::new("manifest");
    folder.put("a", "1\n2\n");
    assert_eq!(values(&mut folder.open(folder.options(), 0)).len(), 2);
    let path = folder.0.join("files/topic.jsonl");
    let whole = fs::read(&path).unwrap();
    let first_line = whole.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    for length in 0..whole.len() {
        fs::write(&path, &whole[..length]).unwrap();
        let from = u64::from(length >= first_line);
        assert_eq!(values(&mut folder.open(folder.options(), from)).len(), 2 - from as usize, "cut to {length}");
    }
}

#[test]
fn a_file_that_changed_is_told() {
    let folder = Folder::new("changed");
    folder.put("a", "1\n2\n3\n");
    let mut reader = folder.open(folder.options(), 0);
    let mut batch = Batch::default();
    reader.read(&mut batch, 1).unwrap();
    assert_eq!(batch.len(), 1);
    folder.put("a", "1\n2\n3\n4\n");
    for from in [1, 0] {
        let fault = all(&mut folder.open(folder.options(), from)).unwrap_err();
        assert!(fault.message().ends_with("it changed after it was taken"), "{fault}");
    }
    let fault = all(&mut reader).unwrap_err();
    assert_eq!(fault.kind(), Kind::Corrupt, "also at the end of one that was open: {fault}");
    fs::remove_file(folder.0.join("in/a")).unwrap();
    assert!(all(&mut folder.open(folder.options(), 1)).unwrap_err().message().contains("it is gone"));
}

#[test]
fn a_watched_folder_gives_what_stands_still() {
    let folder = Folder::new("watched");
    let still = |settle: Duration| FilesOptions { watch: true, settle, ..folder.options() };
    folder.put("a", "1\n");
    let mut patient = folder.open(still(Duration::from_secs(3600)), 0);
    assert_eq!(values(&mut patient), Vec::<String>::new());
    assert!(patient.settled(0, Timestamp(7)).is_some(), "it is drained");
    let mut reader = folder.open(still(Duration::ZERO), 0);
    assert_eq!(values(&mut reader), ["1"]);
    let time = reader.latest;
    let later = Timestamp(time.0 + 3_600_000_000);
    assert_eq!(reader.settled(1, later), Some(later));
    folder.put("b", "2\n");
    // It looks only so often.
    reader.looked = None;
    let mut batch = Batch::default();
    reader.read(&mut batch, 1).unwrap();
    assert_eq!(batch.get(0).map(|record| record.time), Some(later), "no record is earlier than what was settled");
}

#[test]
fn one_file_is_a_folder_of_one() {
    let folder = Folder::new("one");
    folder.put("a.csv", "a;b\n1;2\n");
    folder.put("b.csv", "x\n9\n");
    let options = FilesOptions { delimiter: b';', ..folder.options() };
    assert_eq!(values(&mut folder.open_at("in/a.csv", options, 0)), ["{\"a\":\"1\",\"b\":\"2\"}"]);
}
