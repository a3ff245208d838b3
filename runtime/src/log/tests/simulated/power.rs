//! Loss of power and the end of a process at every operation, with every outcome that the disk allows.

use super::*;
use crate::disk::simulated::Loss;

/// Short lives: two groups, a clean stop, a group that rolls, a group of several frames.
const LIFE: &[&[&[&str]]] =
    &[&[&["one"]], &[&["two", "three"], &["four"]], &[&["five"], &["six"], &["seven", "eight"]], &[&["nine"]]];
const CHANGES_MAX: usize = 8;

/// Lives until the disk says that it has died; whether it came to its end.
fn live(log: &mut Log) -> bool {
    for (nth, group) in LIFE.iter().enumerate() {
        if log.open.is_none() && log.open().is_err() {
            return false;
        }
        if !log.append(group) {
            return false;
        }
        if nth == 1 {
            log.close();
        }
    }
    !log.disk.is_dead()
}

/// What a start after a crash has to do: give back what is bound, and go on.
fn go_on(log: &mut Log, what: &str) {
    log.open().unwrap_or_else(|error| panic!("{what}: {error}"));
    log.check(what);
    assert!(log.append(&[&["new"], &["and", "newer"]]), "{what}");
    log.check(what);
}

#[test]
fn power_may_be_lost_at_any_operation_with_any_of_the_pending_changes() {
    let (mut futures, mut changes) = (0, 0);
    for nth in 1.. {
        let mut log = Log::new(nth, small_segments());
        log.disk.fail(fault(&log, nth, Trouble::Death, false));
        if live(&mut log) {
            break;
        }
        log.open = None;
        // Where it only read, there is nothing new to be lost.
        if std::mem::replace(&mut changes, log.disk.changes()) == log.disk.changes() {
            continue;
        }
        let pending = log.disk.pending();
        let all = (0..1 << pending.min(CHANGES_MAX)).map(Loss::But);
        for loss in all.chain([Loss::All]).chain([Loss::Random; 20]) {
            let what = format!("operation {nth}, {pending} pending, {loss:?}, future {futures}");
            let mut future = log.fork();
            future.disk.reseed(futures);
            future.disk.cut_power(loss);
            go_on(&mut future, &what);
            future.open = None;
            future.disk.cut_power(Loss::All);
            go_on(&mut future, &format!("{what}, and again"));
            futures += 1;
        }
    }
    assert!(futures > 1000, "{futures}");
}

/// After `kill -9` the page cache still has what was never synced, so that it looks recovered.
#[test]
fn what_was_read_after_a_kill_survives_a_loss_of_power_right_after() {
    for nth in 1.. {
        let mut log = Log::new(nth, small_segments());
        log.disk.fail(fault(&log, nth, Trouble::Death, false));
        if live(&mut log) {
            break;
        }
        log.open = None;
        log.disk.kill();
        let what = format!("killed at operation {nth}");
        log.open().unwrap();
        log.check(&what);
        for loss in [Loss::All].into_iter().chain((0..8).map(Loss::But)) {
            let mut future = log.fork();
            future.disk.cut_power(loss);
            go_on(&mut future, &format!("{what}, then {loss:?}"));
        }
    }
}

/// A crash while the crash before is being recovered from.
#[test]
fn a_recovery_may_be_cut_short_at_any_operation() {
    for nth in (1..).step_by(3) {
        let mut log = Log::new(nth, small_segments());
        log.disk.fail(fault(&log, nth, Trouble::Death, false));
        if live(&mut log) {
            break;
        }
        log.open = None;
        for again in 1.. {
            let mut future = log.fork();
            let what = format!("killed at operation {nth} and at operation {again} of the recovery");
            match again % 2 {
                0 => future.disk.kill(),
                _ => future.disk.cut_power(Loss::Random),
            }
            future.disk.fail(fault(&future, again, Trouble::Death, false));
            if future.open().is_ok() && !future.disk.is_dead() {
                break;
            }
            future.open = None;
            future.disk.cut_power(Loss::Random);
            go_on(&mut future, &what);
        }
    }
}

/// The last three frames were never acknowledged; what lies behind them may be anything.
#[test]
fn a_tail_may_be_cut_at_any_byte_and_filled_with_anything() {
    let mut log = Log::new(1, one_segment());
    log.open().unwrap();
    assert!(log.append(&[&["one"]]) && log.append(&[&["two"]]));
    let from = log.disk.bytes(&log.segment(0)).len();
    let before = log.disk.operations();
    let mut trial = log.fork();
    trial.open().unwrap();
    let opened = trial.disk.operations() - before;
    // Opened again, then the write of the group, then its sync, at which it dies.
    trial = log.fork();
    trial.disk.fail(fault(&trial, opened + 2, Trouble::Death, false));
    trial.open().unwrap();
    assert!(!trial.append(&[&["three"], &["four"], &["five"]]) && trial.disk.is_dead());
    trial.open = None;
    trial.disk.kill();
    let whole = trial.disk.bytes(&trial.segment(0));
    assert!(whole.len() > from + 250);
    for cut in from..=whole.len() {
        for fill in [None, Some(0x00), Some(0xff), Some(b'T')] {
            let mut future = trial.fork();
            let mut torn = whole[..cut].to_vec();
            if let Some(fill) = fill {
                torn.resize(whole.len() + 100, fill);
            }
            future.disk.put(&future.segment(0), &torn);
            go_on(&mut future, &format!("cut at {cut}, filled with {fill:?}"));
        }
    }
}

/// Long lives: groups of any size, clean stops, kills and losses of power in any order.
#[test]
fn any_life_keeps_what_it_promised() {
    use rand::{RngExt, SeedableRng};
    for seed in seeds(100) {
        let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
        let compression = if random.random() { Compression::Lz4 } else { Compression::None };
        let segment_bytes = [1, 500, 3000, 1 << 20][random.random_range(0..4)];
        let mut log = Log::new(seed, Options { segment_bytes, compression, ..Options::default() });
        let mut made = 0;
        for step in 0..40 {
            let what = format!("TIDEMILL_SEED={seed}, step {step}");
            if log.open.is_none() {
                match log.open() {
                    Ok(()) => assert!(log.look(&what).is_none() || log.disk.is_dead(), "{what}"),
                    Err(error) if log.disk.is_dead() => drop(error),
                    Err(error) => panic!("{what}: {error}"),
                }
            }
            match random.random_range(0..10) {
                0 => log.close(),
                1 => log.disk.fail(fault(&log, random.random_range(1..30), Trouble::Death, false)),
                2 => {
                    log.open = None;
                    log.disk.kill();
                }
                3 => {
                    log.open = None;
                    log.disk.cut_power(Loss::Random);
                }
                _ => {
                    let group: Vec<Vec<String>> = (0..random.random_range(1..5))
                        .map(|_| {
                            let values = (0..random.random_range(1..4)).map(|_| {
                                made += 1;
                                format!("{made} {}", "x".repeat(random.random_range(0..700)))
                            });
                            values.collect()
                        })
                        .collect();
                    let group: Vec<Vec<&str>> =
                        group.iter().map(|values| values.iter().map(String::as_str).collect()).collect();
                    log.append(&group.iter().map(Vec::as_slice).collect::<Vec<_>>());
                }
            }
            if log.disk.is_dead() {
                log.open = None;
                log.disk.heal();
                if random.random() { log.disk.kill() } else { log.disk.cut_power(Loss::Random) }
            }
        }
        log.disk.heal();
        if log.open.is_none() {
            log.open().unwrap();
        }
        go_on(&mut log, &format!("TIDEMILL_SEED={seed}, at the end"));
    }
}
