//! Figures of each stage, and of the whole path: `make bench`.

mod ask;
mod crowd;
mod door;
mod languages;
mod path;
mod pause;
mod rest;
mod rollups;
mod stages;
mod steady;
mod windows;

/// As the command itself has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A bench by its name.
type Bench = (&'static str, fn());

fn main() {
    // `cargo bench -- NAME` runs the benches whose name contains it; cargo itself adds `--bench`.
    let wanted: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let runs = |name: &str| wanted.is_empty() || wanted.iter().any(|part| name.contains(part.as_str()));
    let all: [&[Bench]; 11] = [
        &stages::BENCHES,
        &windows::BENCHES,
        &languages::BENCHES,
        &path::BENCHES,
        &door::BENCHES,
        &crowd::BENCHES,
        &rest::BENCHES,
        &pause::BENCHES,
        &steady::BENCHES,
        &rollups::BENCHES,
        &ask::BENCHES,
    ];
    for (name, bench) in all.into_iter().flatten() {
        if runs(name) {
            bench();
        }
    }
}

/// One line: what, how many records and bytes in how long.
fn print(what: &str, records: u64, bytes: u64, seconds: f64) {
    let (rate, mega) = (records as f64 / seconds, bytes as f64 / seconds / 1e6);
    println!("{what:<44} {rate:>12.0} records/s {mega:>8.0} MB/s {:>8.0} ns/record", seconds * 1e9 / records as f64);
}

/// The median of five runs.
fn median(mut run: impl FnMut() -> f64) -> f64 {
    let mut seconds: Vec<f64> = (0..5).map(|_| run()).collect();
    seconds.sort_by(f64::total_cmp);
    seconds[2]
}
