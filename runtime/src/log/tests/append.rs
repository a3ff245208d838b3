//! Appends and what readers see of them.

use std::thread;
use std::time::Duration;

use super::*;
use crate::record::{Record, push_header};

type Plain<'a> = (Option<&'a [u8]>, Option<&'a [u8]>, &'a [u8]);

fn check(options: &Options, records: &[Plain<'_>]) {
    let folder = Folder::new();
    let topic = folder.open(options).unwrap();
    let mut append = topic.begin();
    for (key, value, headers) in records {
        append.push(*key, *value, headers).unwrap();
    }
    let appended = topic.append(0, append).unwrap().wait_blocking().unwrap();
    assert_eq!(appended.first_offset, 0);
    for reopened in [false, true] {
        let again = reopened.then(|| {
            topic.close().unwrap();
            folder.open(options).unwrap()
        });
        let mut batch = Batch::default();
        again.as_ref().unwrap_or(&topic).reader(0, 0).unwrap().read(&mut batch, usize::MAX).unwrap();
        let expected = records.iter().zip(0..).map(|(&(key, value, headers), offset)| Record {
            offset,
            time: appended.time,
            key,
            value,
            headers,
        });
        assert_eq!(batch.iter().collect::<Vec<_>>(), expected.collect::<Vec<_>>());
    }
}

#[test]
fn gives_back_what_was_appended() {
    let mut headers = Vec::new();
    push_header(&mut headers, b"trace", Some(b"7"));
    push_header(&mut headers, b"empty", None);
    let large = vec![b'x'; 1 << 20];
    let noise: Vec<u8> = (0..1u32 << 16).flat_map(|i| i.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    for compression in [Compression::None, Compression::Lz4] {
        let options = Options { compression, ..Options::default() };
        check(&options, &[(None, Some(b"v"), b"")]);
        check(&options, &[(None, None, b""), (Some(b""), Some(b""), b""), (Some(b"k"), None, &headers)]);
        check(&options, &[(None, Some(&large), b""), (Some(b"k"), Some(&noise), b"")]);
        check(&options, &vec![(Some(&b"key"[..]), Some(&b"value"[..]), &headers[..]); 10_000]);
    }
}

#[test]
fn holds_a_record_to_its_limit() {
    let folder = Folder::new();
    let topic = folder.open(&Options { record_bytes_max: 10, ..one_segment() }).unwrap();
    let mut append = topic.begin();
    append.push(Some(b"key"), Some(b"value"), b"he").unwrap();
    let over = append.push(Some(b"key"), Some(b"value"), b"hea").unwrap_err();
    assert_eq!((over.kind(), append.len()), (Kind::Input, 1));
    assert_eq!(over.message(), "record: its 11 bytes are over the limit of 10");
}

#[test]
fn says_what_it_does_not_take() {
    let folder = Folder::new();
    let topic = folder.open(&one_segment()).unwrap();
    let refused = |partition, append| topic.append(partition, append).map(|_| ()).unwrap_err();
    let missing = refused(1, of(&topic, &["v"]));
    assert_eq!((missing.kind(), missing.message()), (Kind::Missing, "topic \"pin\": partition 1 does not exist"));
    assert_eq!(refused(0, topic.begin()).kind(), Kind::Input);
    topic.close().unwrap();
    assert_eq!(refused(0, of(&topic, &["v"])).kind(), Kind::Unavailable);
    for wrong in [Options { partitions: 0, ..one_segment() }, Options { record_bytes_max: 1 << 30, ..one_segment() }] {
        assert_eq!(folder.open(&wrong).unwrap_err().kind(), Kind::Input);
    }
    assert!(Topic::open(&folder.0, "../pin", &one_segment(), Arc::new(Clock::System)).is_err());
}

#[test]
fn partitions_grow_and_never_shrink() {
    let folder = Folder::new();
    put(&folder.open(&one_segment()).unwrap(), &["a"]).unwrap();
    let wider = Options { partitions: 3, ..one_segment() };
    let topic = folder.open(&wider).unwrap();
    assert_eq!((topic.partitions(), topic.end(0), topic.end(2)), (3, 1, 0));
    topic.append(2, of(&topic, &["b"])).unwrap().wait_blocking().unwrap();
    drop(topic);
    assert_eq!(folder.open(&one_segment()).unwrap_err().kind(), Kind::Input);
    assert_eq!(folder.open(&wider).unwrap().end(2), 1);
}

#[test]
fn seeks_into_a_frame_and_across_segments() {
    let folder = Folder::new();
    let topic = folder.open(&tiny_segments()).unwrap();
    for values in [["a", "b"], ["c", "d"], ["e", "f"]] {
        put(&topic, &values).unwrap();
    }
    let all = rows(0, &["a", "b", "c", "d", "e", "f"]);
    for from in 0..8 {
        assert_eq!(read(&topic, from), (all.iter().skip(from as usize).cloned().collect(), None), "from {from}");
    }
    let mut reader = topic.reader(0, 5).unwrap();
    let mut batch = Batch::default();
    reader.read(&mut batch, usize::MAX).unwrap();
    reader.seek(1, Timestamp::MIN).unwrap();
    reader.read(&mut batch, 1).unwrap();
    reader.read(&mut batch, usize::MAX).unwrap();
    assert_eq!(batch.iter().map(|record| record.offset).collect::<Vec<_>>(), [5, 1, 2, 3, 4, 5]);
}

#[test]
fn appends_of_many_threads_lie_dense_and_whole() {
    let folder = Folder::new();
    let topic = folder.open(&Options { segment_bytes: 20_000, ..Options::default() }).unwrap();
    let append = |thread: usize| -> Vec<(u64, String)> {
        let mut kept = Vec::new();
        for round in 0..40 {
            let values: Vec<String> = (0..=round % 7).map(|i| format!("{thread} {round} {i}")).collect();
            let values: Vec<&str> = values.iter().map(String::as_str).collect();
            kept.extend(rows(put(&topic, &values).unwrap().first_offset, &values));
        }
        kept
    };
    let mut kept: Vec<(u64, String)> = thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|thread| scope.spawn(move || append(thread))).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    kept.sort();
    assert_eq!(kept.iter().map(|(offset, _)| *offset).collect::<Vec<_>>(), (0..topic.end(0)).collect::<Vec<_>>());
    assert_eq!(read(&topic, 0), (kept, None));
}

#[test]
fn unparks_those_who_wait() {
    let folder = Folder::new();
    let topic = folder.open(&one_segment()).unwrap();
    let mut reader = topic.reader(0, 0).unwrap();
    let waits = thread::spawn(move || {
        reader.wake(thread::current());
        let mut batch = Batch::default();
        while batch.len() < 3 {
            reader.read(&mut batch, 1).unwrap();
            if batch.len() < 3 && reader.end() == Some(batch.len() as u64) {
                thread::park_timeout(Duration::from_secs(3600));
            }
        }
        batch.len()
    });
    for value in ["a", "b", "c"] {
        put(&topic, &[value]).unwrap();
    }
    assert_eq!(waits.join().unwrap(), 3);
}

#[test]
fn time_never_falls() {
    let folder = Folder::new();
    let clock = Arc::new(Clock::manual(at(100)));
    let open = || Topic::open(&folder.0, "pin", &one_segment(), Arc::clone(&clock)).unwrap();
    let topic = open();
    assert_eq!(put(&topic, &["a"]).unwrap().time, at(100));
    clock.set(at(50));
    assert_eq!(put(&topic, &["b"]).unwrap().time, at(100));
    let crashed = folder.copy();
    drop(topic);
    assert_eq!(put(&open(), &["c"]).unwrap().time, at(100));
    let after = Topic::open(&crashed.0, "pin", &one_segment(), Arc::clone(&clock)).unwrap();
    assert_eq!(put(&after, &["c"]).unwrap().time, at(100));
    after.resume(0, 0, at(300)).unwrap();
    assert_eq!(put(&after, &["d"]).unwrap().time, at(300));
}

#[test]
fn what_is_settled_stays_so() {
    let folder = Folder::new();
    let clock = Arc::new(Clock::manual(at(100)));
    let open = || Topic::open(&folder.0, "pin", &one_segment(), Arc::clone(&clock)).unwrap();
    let topic = open();
    put(&topic, &["a"]).unwrap();
    let mut reader = topic.reader(0, 0).unwrap();
    assert_eq!(reader.settled(0, at(200)), None);
    assert_eq!(reader.settled(1, at(200)), Some(at(200)));
    assert_eq!(reader.settled(1, at(150)), Some(at(200)));
    assert_eq!(put(&topic, &["b"]).unwrap().time, at(200));
    assert_eq!(reader.settled(2, at(250)), Some(at(250)));
    drop((reader, topic));
    assert_eq!(put(&open(), &["c"]).unwrap().time, at(250));
}
