//! A follower beside the topic's own writer.

use super::{Folder, one_segment, put, tiny_segments};
use crate::error::Kind;
use crate::log::follow::{Follower, partitions};
use crate::log::options::Options;
use crate::record::Batch;

fn read(follower: &mut Follower) -> Vec<(u64, String)> {
    let mut batch = Batch::default();
    while follower.read(&mut batch).unwrap() {}
    let row = |value: Option<&[u8]>| String::from_utf8(value.unwrap().to_vec()).unwrap();
    batch.iter().map(|record| (record.offset, row(record.value))).collect()
}

fn check(options: &Options) {
    let folder = Folder::new();
    let topic = folder.open(options).unwrap();
    assert_eq!(partitions(&folder.0, "pin").unwrap(), 1);
    let mut all = Follower::open(&folder.0, "pin", 0, 0).unwrap();
    let mut late = Follower::open(&folder.0, "pin", 0, 4).unwrap();
    assert!(read(&mut all).is_empty());
    for nth in 0..4_u64 {
        put(&topic, &["a", "b"]).unwrap();
        let both = [(2 * nth, "a".to_owned()), (2 * nth + 1, "b".to_owned())];
        assert_eq!(read(&mut all), both);
        assert_eq!(read(&mut late), if nth < 2 { Vec::new() } else { both.to_vec() });
    }
    assert_eq!(read(&mut Follower::open(&folder.0, "pin", 0, 7).unwrap()), [(7, "b".to_owned())]);
    drop(topic);
    assert!(read(&mut all).is_empty());
    assert_eq!(all.next(), 8);
}

#[test]
fn it_sees_what_is_appended_over_segments() {
    check(&one_segment());
    check(&tiny_segments());
}

#[test]
fn what_is_not_there_is_said() {
    let folder = Folder::new();
    assert_eq!(Follower::open(&folder.0, "none", 0, 0).unwrap_err().kind(), Kind::Missing);
    assert_eq!(partitions(&folder.0, "none").unwrap_err().kind(), Kind::Missing);
}
