//! Topics that are made and removed on request: there whole or not at all.

use std::path::PathBuf;
use std::sync::Arc;

use super::{Folder, put, read, rows};
use crate::disk;
use crate::disk::simulated::{Fault, Loss, Simulated, Trouble};
use crate::error::{Kind, Result};
use crate::log::options::Options;
use crate::log::{Topic, created};
use crate::time::Clock;

/// More operations than any of this takes.
const OPERATIONS_MAX: u64 = 200;

fn create(dir: &std::path::Path, name: &str) -> Result<Topic> {
    created::create(dir, name, &Options { partitions: 2, ..Options::default() }, Arc::new(Clock::System))
}

#[test]
fn what_was_made_is_found_with_its_records_and_what_was_removed_is_not() {
    let folder = Folder::new();
    // One that the pipeline file names is nobody's to find.
    drop(folder.open(&Options::default()).unwrap());
    put(&create(&folder.0, "made").unwrap(), &["a", "b"]).unwrap();
    assert_eq!(created::found(&folder.0).unwrap(), [("made".to_owned(), 2)]);
    assert_eq!(create(&folder.0, "made").unwrap_err().kind(), Kind::Conflict);
    assert_eq!(create(&folder.0, "pin").unwrap_err().kind(), Kind::Conflict);
    let options = Options { partitions: 2, ..Options::default() };
    let topic = Topic::open(&folder.0, "made", &options, Arc::new(Clock::System)).unwrap();
    assert_eq!(read(&topic, 0), (rows(0, &["a", "b"]), None));
    drop(topic);
    created::remove(&folder.0, "made").unwrap();
    assert_eq!(created::found(&folder.0).unwrap(), []);
    assert_eq!(created::remove(&folder.0, "made").unwrap_err().kind(), Kind::Missing);
    let topic = create(&folder.0, "made").unwrap();
    assert_eq!(topic.end(0), 0, "it begins anew");
}

#[test]
fn power_may_go_at_any_operation() {
    let check =
        |what: &str, prepare: &dyn Fn(&PathBuf), act: &dyn Fn(&PathBuf) -> Result<()>, after: &[(String, u32)]| {
            for at in 1..OPERATIONS_MAX {
                let disk = Simulated::new(at);
                let topics = disk.root().join("topics");
                disk::create_dir_all(&topics).unwrap();
                disk::sync_folder(disk.root()).unwrap();
                prepare(&topics);
                disk.fail(Fault { at: disk.operations() + at, trouble: Trouble::Death, lasting: false });
                let done = act(&topics);
                disk.heal();
                disk.cut_power(Loss::Random);
                let found = created::found(&topics).unwrap_or_else(|cause| panic!("{what}, operation {at}: {cause}"));
                assert!(
                    found.iter().all(|(name, partitions)| name == "made" && *partitions == 2),
                    "{what}, operation {at}"
                );
                let again = create(&topics, "made").map(drop).map_err(|cause| cause.kind());
                assert_eq!(again.is_err(), !found.is_empty(), "{what}, operation {at}: {again:?}");
                if done.is_ok() {
                    assert_eq!(found, after, "{what}, operation {at}");
                    assert!(at > 4, "{what}: it was cut short {at} times");
                    return;
                }
            }
            panic!("{what}: it takes more operations");
        };
    let made = |topics: &PathBuf| create(topics, "made").map(drop);
    check("made", &|_| (), &made, &[("made".to_owned(), 2)]);
    check("removed", &|topics| made(topics).unwrap(), &|topics| created::remove(topics, "made"), &[]);
}
