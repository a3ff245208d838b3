//! Operations that fail, once or for good: a record is kept as promised or refused, and a poisoned log starts again.

use super::*;
use crate::disk::simulated::Loss;

const EINTR: i32 = 4;
const EIO: i32 = 5;
const EAGAIN: i32 = 11;
const ENOSPC: i32 = 28;

/// A life in which someone starts the process again whenever it has to stop. Whether the fault was met.
fn live(log: &mut Log, restarts_by_power: bool, until: u64, what: &str) -> bool {
    for round in 0..6 {
        if log.open.is_none() {
            match log.open() {
                Ok(()) if log.topic().refusal(0).is_some() => panic!("{what}: {:?}", log.topic().refusal(0)),
                Ok(()) => assert!([None, Some(Kind::Storage)].contains(&log.look(what)), "{what}"),
                Err(_) => continue,
            }
        }
        let long = "x".repeat(300);
        log.append(&[&["a", &long], &["b"]]);
        if round % 3 == 2 && !log.topic().poisoned() {
            log.close();
        }
        if log.open.as_ref().is_some_and(|(topic, _)| topic.poisoned()) {
            log.open = None;
            if restarts_by_power { log.disk.cut_power(Loss::Random) } else { log.disk.kill() }
        }
    }
    log.disk.operations() >= until
}

#[test]
fn any_operation_may_fail_once_or_for_good() {
    let mut faults = 0;
    for trouble in [EIO, ENOSPC, EINTR, EAGAIN].map(Trouble::Error).into_iter().chain([Trouble::Short]) {
        for lasting in [false, true] {
            if lasting && trouble == Trouble::Error(EINTR) {
                // Nobody is interrupted for good.
                continue;
            }
            for power in [false, true] {
                for nth in 1.. {
                    let what = format!("{trouble:?} at operation {nth}, lasting {lasting}, power {power}");
                    let mut log = Log::new(nth, small_segments());
                    let fault = fault(&log, nth, trouble, lasting);
                    log.disk.fail(fault);
                    let met = live(&mut log, power, fault.at, &what);
                    log.disk.heal();
                    log.open = None;
                    if power {
                        log.disk.cut_power(Loss::Random)
                    } else {
                        log.disk.kill()
                    }
                    log.open().unwrap_or_else(|error| panic!("{what}: {error}"));
                    log.check(&what);
                    assert!(log.append(&[&["new"]]), "{what}");
                    log.open = None;
                    log.disk.cut_power(Loss::All);
                    log.open().unwrap_or_else(|error| panic!("{what}, without power: {error}"));
                    log.check(&format!("{what}, without power"));
                    faults += 1;
                    if !met {
                        break;
                    }
                }
            }
        }
    }
    println!("{faults} faults");
    assert!(faults > 1000, "{faults}");
}

/// After a failed sync the page cache calls clean what the disk never got: the next start has to write it again.
#[test]
fn what_a_failed_sync_left_in_the_cache_is_written_again() {
    for seed in seeds(100) {
        let what = format!("TIDEMILL_SEED={seed}");
        let mut log = Log::new(seed, one_segment());
        log.open().unwrap();
        assert!(log.append(&[&["one"]]));
        log.disk.fail(fault(&log, 2, Trouble::Error(EIO), false));
        assert!(!log.append(&[&["two"], &["three"]]) && log.topic().poisoned(), "{what}");
        assert!(!log.append(&[&["four"]]), "{what}: it takes nothing any more");
        log.open = None;
        log.disk.kill();
        log.open().unwrap();
        log.check(&what);
        assert_eq!(log.known.bound.len(), 3, "{what}: the cache has it all");
        log.disk.cut_power(Loss::All);
        log.open().unwrap();
        log.check(&format!("{what}, without power"));
    }
}

#[test]
fn a_full_disk_takes_again_when_there_is_space() {
    let mut log = Log::new(1, one_segment());
    log.open().unwrap();
    for round in 0..40 {
        assert!(log.append(&[&["before"]]), "{round}");
        log.disk.fail(fault(&log, 1, Trouble::Short, false));
        log.disk.fail(fault(&log, 2, Trouble::Error(ENOSPC), false));
        let whole = log.append(&[&["without"], &["space"], &["for it"]]);
        assert!(!log.topic().poisoned() && !whole, "{round}");
        log.disk.heal();
        log.check(&format!("{round}"));
        // Of what was refused nothing is kept, whatever the disk loses now.
        for kept in 0..64 {
            let mut future = log.fork();
            future.disk.cut_power(Loss::But(kept));
            future.open().unwrap();
            future.check(&format!("{round}, {kept:b} kept"));
        }
    }
    log.open = None;
    log.disk.cut_power(Loss::Random);
    log.open().unwrap();
    log.check("at the end");
}
