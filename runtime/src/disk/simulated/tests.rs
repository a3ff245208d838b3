//! What the simulated disk keeps, and what it loses.

use std::io::Write;
use std::os::unix::fs::FileExt;

use super::*;
use crate::disk::{self, File};

fn written(disk: &Simulated, name: &str, bytes: &[u8]) -> File {
    let mut file = File::create(disk.root().join(name)).unwrap();
    file.write_all(bytes).unwrap();
    file
}

#[test]
fn a_file_survives_with_its_name_when_both_are_synced() {
    for (file_synced, folder_synced, left) in [(true, true, Some("new")), (false, true, Some("")), (true, false, None)]
    {
        let disk = Simulated::new(0);
        let file = written(&disk, "a", b"new");
        if file_synced {
            file.sync_all().unwrap();
        }
        if folder_synced {
            disk::sync_folder(disk.root()).unwrap();
        }
        disk.cut_power(Loss::All);
        let read = disk::read(disk.root().join("a")).ok();
        assert_eq!(read.as_deref(), left.map(str::as_bytes));
        assert!(file.sync_all().is_err(), "the process that had it open is gone");
    }
}

#[test]
fn any_subset_of_what_was_not_synced_may_survive() {
    let base = Simulated::new(0);
    let mut file = written(&base, "a", b"..");
    file.sync_all().unwrap();
    disk::sync_folder(base.root()).unwrap();
    assert_eq!(file.write_vectored(&[io::IoSlice::new(b"1"), io::IoSlice::new(b"2")]).unwrap(), 2);
    file.set_len(3).unwrap();
    disk::rename(base.root().join("a"), base.root().join("b")).unwrap();
    assert_eq!(base.pending(), 4);
    for (kept, name, bytes) in [
        (0b0000, "a", &b".."[..]),
        (0b0001, "a", b"..1"),
        (0b0010, "a", b"..\x002"),
        (0b0110, "a", b"..\x00"),
        (0b1011, "b", b"..12"),
        (0b1111, "b", b"..1"),
    ] {
        let disk = base.copy();
        disk.cut_power(Loss::But(kept));
        let files = disk::list(disk.root()).unwrap();
        assert_eq!(files, [disk.root().join(name)], "{kept:b}");
        assert_eq!(disk::read(&files[0]).unwrap(), bytes, "{kept:b}");
    }
    base.kill();
    assert_eq!(disk::read(base.root().join("b")).unwrap(), b"..1", "a process that ends loses nothing");
}

#[test]
fn a_failed_sync_is_not_made_good_by_the_next() {
    let base = Simulated::new(0);
    let file = written(&base, "a", b"old");
    file.sync_all().unwrap();
    disk::sync_folder(base.root()).unwrap();
    let lost = (0..20).filter(|_| {
        let disk = base.copy();
        let file = File::open_to_write(disk.root().join("a")).unwrap();
        file.write_all_at(b"new", 0).unwrap();
        disk.fail(Fault { at: disk.operations() + 1, trouble: Trouble::Error(5), lasting: false });
        assert!(file.sync_all().is_err());
        file.sync_all().unwrap();
        assert_eq!(disk.bytes(&disk.root().join("a")), b"new", "the page cache says so");
        let changed = disk.copy();
        changed.cut_power(Loss::All);
        disk.bytes(&disk.root().join("a")) != changed.bytes(&changed.root().join("a"))
    });
    // The copies share the seed, so that all lose it or none.
    assert!([0, 20].contains(&lost.count()));
}

#[test]
fn a_death_leaves_a_part_of_the_write_and_nothing_after_it() {
    let disk = Simulated::new(3);
    let mut file = written(&disk, "a", b"");
    disk.fail(Fault { at: disk.operations() + 1, trouble: Trouble::Death, lasting: false });
    assert!(file.write_all(b"0123456789").is_err() && disk.is_dead());
    assert!(file.write_all(b"x").is_err() && disk::remove_file(disk.root().join("a")).is_err());
    disk.kill();
    let left = disk::read(disk.root().join("a")).unwrap();
    assert!((1..10).contains(&left.len()) && b"0123456789".starts_with(&left), "{left:?}");
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    let run = |seed| {
        let disk = Simulated::new(seed);
        for name in ["a", "b", "c"] {
            written(&disk, name, &[7; 3000]).sync_all().unwrap();
        }
        written(&disk, "a", &[8; 3000]);
        disk.cut_power(Loss::Random);
        let files = disk::list(disk.root()).unwrap();
        (disk.trace(), files.iter().map(|file| disk.bytes(file)).collect::<Vec<_>>())
    };
    for seed in 0..20 {
        assert_eq!(run(seed), run(seed));
    }
}
