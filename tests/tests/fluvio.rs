//! Fluvio as a source: whatever the cluster does, every record comes once and in order, or is named as missing.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::ops::Range;
use std::time::{Duration, Instant};

use fluvio::consumer::ConsumerConfigExtBuilder;
use fluvio::metadata::topic::TopicSpec;
use fluvio::{Compression, Fluvio, FluvioClusterConfig, Offset};
use futures_util::StreamExt;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tidemill::error::{Error, Kind, Result};
use tidemill::record::{Batch, Source};
use tidemill::source::fluvio::FluvioPartition;
use tidemill::source::options::{FluvioOptions, Timeouts};
use tidemill::time::Timestamp;
use tidemill_tests::fluvio::script::Script;
use tidemill_tests::fluvio::{Part, Server};

/// A test that waits longer has failed.
const PATIENCE: Duration = Duration::from_secs(60);
const START_MS: i64 = 1_700_000_000_000;

const SHORT: Timeouts = Timeouts {
    connect: Duration::from_millis(500),
    answer: Duration::from_secs(5),
    silence: Duration::from_millis(200),
    retry_min: Duration::from_millis(2),
    retry_max: Duration::from_millis(50),
};

/// What the record at an offset of a partition holds: time, key, value.
fn record(partition: u32, offset: u64) -> (i64, Option<Vec<u8>>, Vec<u8>) {
    let key = (!offset.is_multiple_of(3)).then(|| format!("k{}", offset % 3).into_bytes());
    let value =
        format!("{{\"partition\":{partition},\"offset\":{offset},\"text\":{:?}}}", "x".repeat(offset as usize % 90));
    (START_MS + offset as i64, key, value.into_bytes())
}

fn fill(server: &Server, partition: u32, offsets: Range<u64>, batch: usize, compression: Compression) {
    let offsets: Vec<u64> = offsets.collect();
    server.partition("t", partition as usize, |stored| {
        for some in offsets.chunks(batch) {
            stored.append(compression, some.iter().map(|&offset| record(partition, offset))).unwrap();
        }
    });
}

fn options(server: &Server, topic: &str, partition: u32) -> FluvioOptions {
    FluvioOptions { address: server.address(), topic: topic.to_owned(), partition }
}

fn open(server: &Server, from: u64) -> FluvioPartition {
    FluvioPartition::open(options(server, "t", 0), from, SHORT).unwrap()
}

/// Reads until `done`, or an error, or the end of patience.
fn read_until(source: &mut FluvioPartition, mut done: impl FnMut(&Batch) -> bool) -> Result<Batch> {
    let began = Instant::now();
    let mut batch = Batch::default();
    source.wake(std::thread::current());
    while !done(&batch) {
        assert!(began.elapsed() < PATIENCE, "{} records, then none: {}", batch.len(), source.status());
        let before = batch.len();
        source.read(&mut batch, 64 << 10)?;
        if batch.len() == before {
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }
    Ok(batch)
}

fn await_status(source: &FluvioPartition, part: &str) {
    let began = Instant::now();
    while !source.status().to_string().contains(part) {
        assert!(began.elapsed() < PATIENCE, "{}", source.status());
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

/// Reads as many records as there are offsets, and finds in each what was stored there.
fn expect(source: &mut FluvioPartition, partition: u32, offsets: Range<u64>) {
    let batch = read_until(source, |batch| batch.len() as u64 >= offsets.end - offsets.start).unwrap();
    assert_eq!(batch.len() as u64, offsets.end - offsets.start);
    for (found, offset) in batch.iter().zip(offsets) {
        let (time, key, value) = record(partition, offset);
        let stored = (offset, time * 1000, key.as_deref(), Some(value.as_slice()));
        assert_eq!((found.offset, found.time.0, found.key, found.value), stored);
    }
}

/// A server with a topic "t" of one partition, `records` in it by batches of 100, and faults to come.
fn serve(records: u64, compression: Compression, script: Script) -> Server {
    let server = Server::start().unwrap();
    server.create("t", 1);
    fill(&server, 0, 0..records, 100, compression);
    server.script(|faults| *faults = script);
    server
}

fn check(records: u64, compression: Compression, script: Script) {
    check_with(SHORT, records, compression, script);
}

fn check_with(timeouts: Timeouts, records: u64, compression: Compression, script: Script) {
    let server = serve(records, compression, script);
    let mut source = FluvioPartition::open(options(&server, "t", 0), 0, timeouts).unwrap();
    expect(&mut source, 0, 0..records);
    assert_eq!(source.end(), Some(records));
}

#[test]
fn reads_a_backlog_of_two_partitions() {
    let server = Server::start().unwrap();
    server.create("t", 2);
    for partition in 0..2 {
        fill(&server, partition, 0..50_000, 700, Compression::None);
    }
    for partition in 0..2 {
        let mut source = FluvioPartition::open(options(&server, "t", partition), 0, SHORT).unwrap();
        expect(&mut source, partition, 0..50_000);
    }
}

#[test]
fn loses_nothing_where_batches_are_cut() {
    for bytes_max in [15_000, 40_000, 123_457] {
        let script = Script { response_bytes_max: Some(bytes_max), ..Script::default() };
        for compression in [Compression::None, Compression::Lz4, Compression::Zstd] {
            check(10_000, compression, script.clone());
        }
    }
}

/// Not a test of ours: it shows that this cluster does what makes the client lose records when it is used plainly.
#[test]
fn the_client_alone_loses_what_is_cut() {
    let script = Script { response_bytes_max: Some(40_000), ..Script::default() };
    let server = serve(10_000, Compression::None, script);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let came = runtime.block_on(async {
        let client = Fluvio::connect_with_config(&FluvioClusterConfig::new(server.address())).await.unwrap();
        let mut config = ConsumerConfigExtBuilder::default();
        config.topic("t").partition(0).offset_start(Offset::beginning());
        let mut stream = client.consumer_with_config(config.build().unwrap()).await.unwrap();
        let mut came = 0;
        while let Ok(Some(Ok(record))) = tokio::time::timeout(PATIENCE, stream.next()).await {
            came += 1;
            if record.offset() >= 9_900 {
                break;
            }
        }
        came
    });
    assert!((1_000..9_500).contains(&came), "{came}");
}

#[test]
fn loses_nothing_where_connections_break() {
    for seed in 0..4 {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let connection_bytes = (0..40).map(|_| random.random_range(1..150_000)).collect();
        let response_bytes_max = Some(random.random_range(20_000..80_000));
        let script = Script { connection_bytes, response_bytes_max, ..Script::default() };
        // The client waits a minute for an answer over a connection that broke at the wrong moment.
        let timeouts = Timeouts { answer: Duration::from_millis(300), ..SHORT };
        check_with(timeouts, 10_000, Compression::None, script);
    }
}

#[test]
fn tries_again_where_the_cluster_refuses_or_is_silent() {
    check(500, Compression::None, Script { not_leader: 4, ..Script::default() });
    check(500, Compression::None, Script { silent_streams: 2, ..Script::default() });
    check(500, Compression::None, Script { silent_connections: 2, ..Script::default() });
}

#[test]
fn waits_for_a_cluster_that_comes_later() {
    let mut server = serve(500, Compression::None, Script::default());
    server.stop();
    let mut source = open(&server, 0);
    assert!(source.status().to_string().starts_with("retrying for 0 s"), "{}", source.status());
    let mut batch = Batch::default();
    source.read(&mut batch, 1 << 20).unwrap();
    assert!(batch.is_empty());
    server.restart().unwrap();
    expect(&mut source, 0, 0..500);
    assert_eq!(source.status().to_string(), "connected");
}

#[test]
fn goes_on_where_the_cluster_comes_back() {
    let mut server = serve(500, Compression::None, Script::default());
    let mut source = open(&server, 0);
    expect(&mut source, 0, 0..500);
    server.stop();
    fill(&server, 0, 500..900, 100, Compression::None);
    server.restart().unwrap();
    expect(&mut source, 0, 500..900);
    server.hang_up(&[Part::Control, Part::Data]);
    fill(&server, 0, 900..1000, 100, Compression::None);
    expect(&mut source, 0, 900..1000);
}

#[test]
fn leaves_an_idle_stream_alone() {
    let server = serve(10, Compression::None, Script::default());
    let mut source = open(&server, 0);
    expect(&mut source, 0, 0..10);
    let (streams, lists) = (server.streams(), server.lists());
    read_until(&mut source, |_| server.lists() >= lists + 3).unwrap();
    assert_eq!(server.streams(), streams);
    fill(&server, 0, 10..20, 5, Compression::None);
    expect(&mut source, 0, 10..20);
    assert_eq!(server.streams(), streams);
}

#[test]
fn needs_no_controller_while_a_stream_is_open() {
    let server = serve(10, Compression::None, Script::default());
    let timeouts = Timeouts { answer: Duration::from_millis(300), ..SHORT };
    let mut source = FluvioPartition::open(options(&server, "t", 0), 0, timeouts).unwrap();
    expect(&mut source, 0, 0..10);
    let streams = server.streams();
    server.script(|faults| faults.silent_connections = u32::MAX);
    server.hang_up(&[Part::Control]);
    await_status(&source, "connected, but topic \"t\": partition 0: connecting to");
    fill(&server, 0, 10..20, 10, Compression::None);
    expect(&mut source, 0, 10..20);
    assert_eq!(server.streams(), streams);
    server.script(|faults| faults.silent_connections = 0);
    fill(&server, 0, 20..30, 10, Compression::None);
    expect(&mut source, 0, 20..30);
}

#[test]
fn says_where_a_topic_is_gone_and_reads_on_when_it_is_back() {
    let server = serve(10, Compression::None, Script::default());
    let mut source = open(&server, 0);
    expect(&mut source, 0, 0..10);
    server.create("t", 0);
    server.hang_up(&[Part::Control, Part::Data]);
    await_status(&source, "there is no such partition");
    server.create("t", 1);
    fill(&server, 0, 0..20, 10, Compression::None);
    expect(&mut source, 0, 10..20);
}

#[test]
fn doubts_an_offset_beyond_the_end() {
    let server = serve(10, Compression::None, Script::default());
    let source = FluvioPartition::open(options(&server, "t", 0), 50, Timeouts::default()).unwrap();
    let status = source.status().to_string();
    assert_eq!(status, "connected, but offset 50 is wanted while the partition ends at 10");
}

#[test]
fn resumes_and_seeks_to_any_offset() {
    let server = serve(1000, Compression::Lz4, Script::default());
    let mut source = open(&server, 777);
    expect(&mut source, 0, 777..1000);
    source.seek(3, Timestamp::MIN).unwrap();
    let batch = read_until(&mut source, |batch| !batch.is_empty()).unwrap();
    assert_eq!(batch.get(0).map(|record| record.offset), Some(3));
    // In the middle of what is queued.
    source.seek(333, Timestamp::MIN).unwrap();
    expect(&mut source, 0, 333..1000);
    source.seek(1000, Timestamp::MIN).unwrap();
    fill(&server, 0, 1000..1001, 1, Compression::None);
    expect(&mut source, 0, 1000..1001);
}

#[test]
fn holds_time_where_a_producers_clock_goes_back() {
    let server = serve(0, Compression::None, Script::default());
    let timed = |ms: i64| (START_MS + ms, None, Vec::new());
    server.partition("t", 0, |stored| stored.append(Compression::None, [5, 3, 9, 8].map(timed)).unwrap());
    let batch = read_until(&mut open(&server, 0), |batch| batch.len() == 4).unwrap();
    let times: Vec<i64> = batch.iter().map(|record| record.time.0 / 1000 - START_MS).collect();
    assert_eq!(times, [5, 5, 9, 9]);
}

#[test]
fn names_what_is_not_there() {
    let check = |topic: &str, partition, message: &str| {
        let server = serve(10, Compression::None, Script::default());
        let Err(error) = FluvioPartition::open(options(&server, topic, partition), 0, Timeouts::default()) else {
            panic!("{topic} {partition}: was opened")
        };
        let shown = error.to_string().replace(&server.address(), "ADDRESS");
        assert_eq!((error.kind(), shown.as_str()), (Kind::Missing, message));
    };
    check("u", 0, "topic \"u\": partition 0: the cluster at \"ADDRESS\" has no such topic");
    check("t", 7, "topic \"t\": partition 7: there is no such partition: the topic has 1, counted from 0");
}

#[test]
fn names_the_offsets_that_retention_removed() {
    let check = |script: Script| {
        let server = serve(1000, Compression::None, script);
        server.partition("t", 0, |stored| stored.retain(550));
        let fails = |source: &mut FluvioPartition| read_until(source, |_| false).unwrap_err();
        let error: Error = match FluvioPartition::open(options(&server, "t", 0), 100, SHORT) {
            Ok(mut source) => {
                let error = fails(&mut source);
                assert_eq!(source.status().to_string(), format!("stopped: {error}"));
                source.seek(500, Timestamp::MIN).unwrap();
                expect(&mut source, 0, 500..1000);
                error
            }
            Err(error) => error,
        };
        let message =
            "topic \"t\": partition 0: offset 100 is wanted, but the earliest that the cluster still has is 500";
        assert_eq!((error.kind(), error.to_string().as_str()), (Kind::Missing, message));
    };
    check(Script::default());
    check(Script { blind_controller: true, ..Script::default() });
    check(Script { blind_controller: true, jumps: true, ..Script::default() });
}

/// Makes a topic, produces to it and reads it back.
fn round_trip(address: &str, topic: &str) {
    const RECORDS: u64 = 2_000;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let client = Fluvio::connect_with_config(&FluvioClusterConfig::new(address)).await.unwrap();
        let spec = TopicSpec::new_computed(1, 1, None);
        client.admin().await.create(topic.to_owned(), false, spec).await.unwrap();
        let producer = client.topic_producer(topic).await.unwrap();
        let mut sent = Vec::new();
        for offset in 0..RECORDS {
            let (_, _, value) = record(0, offset);
            sent.push(producer.send(format!("k{offset}"), value).await.unwrap());
        }
        producer.flush().await.unwrap();
        for output in sent {
            output.wait().await.unwrap();
        }
    });
    let options = FluvioOptions { address: address.to_owned(), topic: topic.to_owned(), partition: 0 };
    let mut source = FluvioPartition::open(options, 0, Timeouts::default()).unwrap();
    let batch = read_until(&mut source, |batch| batch.len() as u64 >= RECORDS).unwrap();
    for (found, offset) in batch.iter().zip(0..RECORDS) {
        let (key, (_, _, value)) = (format!("k{offset}"), record(0, offset));
        assert_eq!((found.offset, found.key, found.value), (offset, Some(key.as_bytes()), Some(value.as_slice())));
    }
    assert_eq!(batch.len() as u64, RECORDS);
}

#[test]
fn reads_what_the_clients_producer_wrote() {
    round_trip(&Server::start().unwrap().address(), "made");
}

#[test]
fn reads_what_a_real_cluster_keeps() {
    let Ok(address) = std::env::var("TIDEMILL_FLUVIO") else {
        println!("no real cluster was asked for: set TIDEMILL_FLUVIO to the host:port of one");
        return;
    };
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis();
    round_trip(&address, &format!("tidemill-{now}"));
}
