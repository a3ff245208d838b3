//! Producers that send, send again and lose answers, over stops, crashes, rolls and lost snapshots, from a seed.

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::producers::two;
use super::*;
use crate::log::{Producer, REQUESTS_KEPT};

const PRODUCERS: usize = 3;
const STEPS: u32 = 2000;

/// A topic and those who send to it.
struct World {
    folder: Folder,
    topic: Topic,
    /// How many requests each producer has sent.
    sent: [u32; PRODUCERS],
    random: ChaCha8Rng,
}

fn options() -> Options {
    two(Options { segment_bytes: 600, ..one_segment() })
}

fn producer(who: usize, sequence: u32) -> Producer {
    Producer::counting(&who.to_string(), 0, sequence)
}

/// The partitions that a request writes to: both, or one.
fn partitions(sequence: u32) -> impl Iterator<Item = u32> {
    (0..2).filter(move |partition| sequence % 3 != *partition)
}

fn value(who: usize, sequence: u32, partition: u32) -> String {
    format!("{who} {sequence} {partition}")
}

impl World {
    fn new(seed: u64) -> Self {
        let folder = Folder::new();
        let topic = folder.open(&options()).unwrap();
        Self { folder, topic, sent: [0; PRODUCERS], random: ChaCha8Rng::seed_from_u64(seed) }
    }

    /// Sends a request, and waits for its answers or goes away; whether each part of it has to be there or to be new.
    async fn send(&self, who: usize, sequence: u32, waits: bool, repeat: bool) {
        let part = |partition| (partition, of(&self.topic, &[&value(who, sequence, partition)]));
        let appends = partitions(sequence).map(part).collect();
        for (_, ticket) in self.topic.append_once(producer(who, sequence), appends).await.unwrap() {
            let ticket = ticket.unwrap();
            assert_eq!(ticket.is_repeat(), repeat, "{who} {sequence}");
            if waits {
                ticket.wait().await.unwrap();
            }
        }
    }

    async fn step(&mut self) {
        let who = self.random.random_range(0..PRODUCERS);
        let sent = self.sent[who];
        match self.random.random_range(0..100) {
            0..60 => {
                let waits = self.random.random();
                self.send(who, sent, waits, false).await;
                self.sent[who] += 1;
            }
            60..90 if sent > 0 => {
                let sequence = self.random.random_range(sent.saturating_sub(REQUESTS_KEPT)..sent);
                self.send(who, sequence, true, true).await;
            }
            90..93 => self.reopen(),
            93..96 => self.crash().await,
            96.. => {
                self.topic.close().unwrap();
                self.lose_snapshots();
                self.reopen();
            }
            _ => {}
        }
    }

    fn reopen(&mut self) {
        self.topic.close().unwrap();
        self.topic = self.folder.open(&options()).unwrap();
    }

    async fn crash(&mut self) {
        // What is under way is settled first, so that the copy is of one moment.
        for (who, &sent) in self.sent.iter().enumerate().filter(|(_, sent)| **sent > 0) {
            self.send(who, sent - 1, true, true).await;
        }
        let crashed = self.folder.copy();
        self.topic = crashed.open(&options()).unwrap();
        self.folder = crashed;
    }

    fn lose_snapshots(&mut self) {
        for partition in 0..2 {
            for file in fs::read_dir(self.folder.0.join(format!("pin/{partition}"))).unwrap() {
                let path = file.unwrap().path();
                if path.extension().is_some_and(|extension| extension == "producers") && self.random.random() {
                    fs::remove_file(path).unwrap();
                }
            }
        }
    }

    fn values(&self, partition: u32) -> Vec<String> {
        let mut reader = self.topic.reader(partition, 0).unwrap();
        let (mut batch, mut values) = (Batch::default(), Vec::new());
        while values.len() < self.topic.end(partition) as usize {
            batch.clear();
            reader.read(&mut batch, usize::MAX).unwrap();
            values.extend(batch.iter().map(|record| String::from_utf8(record.value.unwrap().to_vec()).unwrap()));
        }
        values.sort_unstable();
        values
    }
}

async fn check(seed: u64) {
    let mut world = World::new(seed);
    for _ in 0..STEPS {
        world.step().await;
    }
    world.reopen();
    for partition in 0..2 {
        let sent = (0..PRODUCERS).flat_map(|who| (0..world.sent[who]).map(move |sequence| (who, sequence)));
        let taken = sent.filter(|(_, sequence)| partitions(*sequence).any(|to| to == partition));
        let mut expected: Vec<String> = taken.map(|(who, sequence)| value(who, sequence, partition)).collect();
        expected.sort_unstable();
        assert_eq!(world.values(partition), expected, "seed {seed}, partition {partition}");
    }
}

#[tokio::test]
async fn however_it_goes_each_request_is_there_once() {
    for seed in 0..4 {
        println!("seed {seed}");
        check(seed).await;
    }
}
