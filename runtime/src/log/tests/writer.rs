//! The writer by hand: what it does when the disk does not.

use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::process::Command;
use std::sync::atomic::AtomicBool;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::sync::oneshot;

use super::*;
use crate::log::partition::{Partition, Waiting};
use crate::log::payload;
use crate::log::place::Place;
use crate::log::recover::recover;
use crate::log::segment::{self, Before};
use crate::log::turn::Producers;
use crate::log::writer::Writer;

/// A partition and its writer, which runs when it is told to.
pub(super) fn by_hand(folder: &Folder) -> (Arc<Partition>, Writer) {
    let place =
        Place { topic: "pin".to_owned(), id: 7, partition: 0, folder: folder.0.join("0"), skips: Arc::default() };
    fs::create_dir(&place.folder).unwrap();
    segment::create(&place.folder, place.home(0), &Before::nothing()).unwrap();
    let mut recovered = recover(&place).unwrap();
    recovered.file.seek(SeekFrom::Start(recovered.tail.position)).unwrap();
    let partition = Arc::new(Partition::new(place, recovered.segments, None));
    let writer = Writer {
        partition: Arc::clone(&partition),
        clock: Arc::new(Clock::manual(at(100))),
        buffers: Arc::default(),
        producers: Arc::new(Producers::new()),
        poisoned: Arc::new(AtomicBool::new(false)),
        segment_bytes: 1 << 20,
        file: recovered.file,
        tail: recovered.tail,
    };
    (partition, writer)
}

pub(super) fn enqueue(partition: &Partition, value: &str) -> oneshot::Receiver<Result<Appended>> {
    let (waiting, answer) = waiting(value.as_bytes());
    partition.enqueue(waiting).unwrap();
    answer
}

fn waiting(value: &[u8]) -> (Waiting, oneshot::Receiver<Result<Appended>>) {
    let (reply, answer) = oneshot::channel();
    let mut bytes = Vec::new();
    payload::push(&mut bytes, None, Some(value), b"");
    (Waiting { raw_bytes: bytes.len(), payload: bytes, lz4: false, count: 1, turn: None, reply }, answer)
}

#[test]
fn refuses_more_than_may_wait() {
    let (partition, _writer) = by_hand(&Folder::new());
    let mut answers = Vec::new();
    let refused = loop {
        let (append, answer) = waiting(&[0; 1 << 20]);
        answers.push(answer);
        if let Err(refused) = partition.enqueue(append) {
            break refused;
        }
    };
    assert_eq!((refused.kind(), answers.len()), (Kind::Busy, 32));
}

#[test]
fn a_failed_sync_poisons() {
    for (device, what) in [("/dev/null", "its sync failed"), ("/dev/full", "a write could not be taken back")] {
        let folder = Folder::new();
        let (partition, mut writer) = by_hand(&folder);
        writer.file = File::options().write(true).open(device).unwrap();
        let poisoned = Arc::clone(&writer.poisoned);
        let mut answer = enqueue(&partition, "a");
        writer.run();
        let failed = answer.try_recv().unwrap().unwrap_err();
        assert_eq!(failed.kind(), Kind::Storage);
        assert!(failed.message().contains(what), "{failed}");
        assert!(poisoned.load(Ordering::SeqCst) && partition.end() == 0, "{device}");
        assert_eq!(partition.settled(0, at(200)), Some(at(100)), "the next start may find the record");
        let (append, _) = waiting(b"b");
        assert_eq!(partition.enqueue(append).unwrap_err().kind(), Kind::Storage);
    }
}

/// A limit on the size of files stands in for a full disk. It holds for a whole process and a signal goes with it, so
/// the test runs again as a process that ignores the signal.
#[test]
fn a_full_disk_heals() {
    const INSIDE: &str = "TIDEMILL_TEST_FULL_DISK";
    if std::env::var_os(INSIDE).is_none() {
        let mut shell = Command::new("sh");
        shell.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""]).arg(std::env::current_exe().unwrap());
        let child = shell.args(["--exact", "log::tests::writer::a_full_disk_heals"]).env(INSIDE, "1").output().unwrap();
        let said = String::from_utf8_lossy(&child.stdout);
        assert!(child.status.success() && said.contains("1 passed"), "{said}");
        return;
    }
    let folder = Folder::new();
    let topic = folder.open(&one_segment()).unwrap();
    let unlimited = getrlimit(Resource::Fsize);
    let value = "x".repeat(1000);
    let mut kept = Vec::new();
    for round in 1..4 {
        setrlimit(Resource::Fsize, Rlimit { current: Some(round * 10_500), ..unlimited }).unwrap();
        let refused = loop {
            match put(&topic, &[&value]) {
                Ok(appended) => kept.push((appended.first_offset, value.clone())),
                Err(refused) => break refused,
            }
        };
        assert_eq!(refused.kind(), Kind::Storage);
        assert!(refused.message().contains("nothing was kept") && !topic.poisoned(), "{refused}");
    }
    setrlimit(Resource::Fsize, unlimited).unwrap();
    kept.push((put(&topic, &[&value]).unwrap().first_offset, value));
    assert_eq!(read(&topic, 0), (kept.clone(), None));
    drop(topic);
    assert_eq!(read(&folder.open(&one_segment()).unwrap(), 0), (kept, None));
}
