//! A transform's function on this machine, against the clock.

use std::hint::black_box;
use std::io::Read;
use std::time::{Duration, Instant};

use subject::{apply, configure, describe};
use tidemill_sdk::testing;

fn main() -> Result<(), String> {
    let mut arguments = std::env::args().skip(1);
    let parameters = arguments.next().ok_or("the parameters are missing")?;
    let time = arguments.next().and_then(|time| time.parse().ok());
    let time = time.map(Duration::from_millis).ok_or("the time is missing")?;
    configure(&parameters)?;
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text).map_err(|error| error.to_string())?;
    let (fields, mut batches) = (describe().inputs, Vec::new());
    for records in text.split("\n\n") {
        batches.push(testing::batch(&fields, &records.lines().collect::<Vec<_>>())?);
    }
    let (begun, mut fastest) = (Instant::now(), Duration::MAX);
    while begun.elapsed() < time {
        let start = Instant::now();
        for batch in &batches {
            black_box(apply(black_box(batch))?);
        }
        fastest = fastest.min(start.elapsed());
    }
    println!("{}", fastest.as_nanos());
    Ok(())
}
