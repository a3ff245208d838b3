//! The same transform in each language: what a record costs, and what loading the component does.

use std::fs;
use std::hint::black_box;
use std::path::PathBuf;
use std::time::Instant;

use tidemill::component::Host;
use tidemill::component::limits::Limits;
use tidemill::decode::Decoder;
use tidemill::emulate::population::Population;
use tidemill::record::{Batch, Record};
use tidemill::time::Timestamp;
use tidemill_tests::place::{component, root};

use crate::{median, print};

/// The benches of this file.
pub(crate) const BENCHES: [(&str, fn()); 1] = [("languages", languages)];

/// Rows of a chunk, as a worker takes them.
const CHUNK: usize = 512;
/// Chunks of one pass.
const CHUNKS: usize = 4;
/// How much one run costs at least, so that the clock is exact: passes of a component in Rust, and of another.
const PASSES: (usize, usize) = (100, 5);

fn languages() {
    of("Rust", component("geo"), PASSES.0);
    for (language, name) in [("JavaScript", "geo-js"), ("Python", "geo-python")] {
        let file = root().join("transforms/examples").join(name).join(format!("{name}.wasm"));
        match file.is_file() {
            true => of(language, file, PASSES.1),
            false => println!("geo in {language}: not built: `make languages` says why"),
        }
    }
}

fn of(language: &str, file: PathBuf, passes: usize) {
    let bytes = fs::read(file).expect("the component");
    let host = Host::new(None).expect("a host");
    let begun = Instant::now();
    let component = host.load(&bytes, &Limits::generous()).expect("it loads");
    let compiled = begun.elapsed();
    let mut instance = component.instantiate("{}").expect("it starts");
    let mut decoder = Decoder::new(&component.description().inputs, 0).expect("a decoder");
    let population = Population::new(1_000_000, 3);
    let (mut batch, mut line, mut size) = (Batch::default(), Vec::new(), 0);
    for index in 0..(CHUNKS * CHUNK) as u64 {
        line.clear();
        population.geo(index * 19, &mut line);
        size += line.len();
        batch.push(Record { offset: index, time: Timestamp(0), key: None, value: Some(&line), headers: &[] });
    }
    let starts = (0..CHUNKS).map(|nth| nth * CHUNK);
    let chunks: Vec<_> =
        starts.map(|start| decoder.decode(&batch, start..start + CHUNK).expect("it decodes").rows).collect();
    let seconds = median(|| {
        let begun = Instant::now();
        for chunk in chunks.iter().cycle().take(passes * CHUNKS) {
            black_box(instance.apply(chunk).unwrap_or_else(|failure| panic!("{}", failure.error())));
        }
        begun.elapsed().as_secs_f64()
    });
    print(
        &format!("geo in {language}, {CHUNK} rows a call"),
        (passes * CHUNKS * CHUNK) as u64,
        (passes * size) as u64,
        seconds,
    );
    println!(
        "    {:.2} MB, compiled in {:.1} s, {:.0} MB of memory",
        bytes.len() as f64 / 1e6,
        compiled.as_secs_f64(),
        instance.memory() as f64 / 1e6
    );
}
