//! Anything in any order, against a list in memory.

use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;

type Row = (u64, Timestamp, Option<Vec<u8>>, Option<Vec<u8>>, Vec<u8>);

struct Model {
    folder: Folder,
    options: Options,
    topic: Topic,
    clock: Arc<Clock>,
    rows: Vec<Row>,
    next: u64,
}

impl Model {
    fn new(random: &mut ChaCha8Rng) -> Self {
        let folder = Folder::new();
        let compression = if random.random() { Compression::Lz4 } else { Compression::None };
        let segment_bytes = [1, 1000, 10_000, 1 << 20][random.random_range(0..4)];
        let options = Options { segment_bytes, compression, retention_bytes: Some(20_000), ..Options::default() };
        let clock = Arc::new(Clock::manual(at(0)));
        let topic = Topic::open(&folder.0, "pin", &options, Arc::clone(&clock)).unwrap();
        Self { folder, options, topic, clock, rows: Vec::new(), next: 0 }
    }

    fn step(&mut self, random: &mut ChaCha8Rng) {
        self.clock.set(at(random.random_range(0..1000)));
        match random.random_range(0..20) {
            0 => self.reopen(None),
            1 => self.reopen(Some(self.folder.copy())),
            2 => {
                self.topic.retain(at(0), &[random.random_range(0..=self.next)]).unwrap();
                let earliest = self.topic.earliest(0);
                self.rows.retain(|row| row.0 >= earliest);
            }
            3 => {
                self.next += random.random_range(0..3);
                self.topic.resume(0, self.next, at(0)).unwrap();
            }
            4..8 => self.read(random),
            _ => self.append(random),
        }
        assert_eq!(self.topic.end(0), self.next);
    }

    fn append(&mut self, random: &mut ChaCha8Rng) {
        let mut append = self.topic.begin();
        let mut rows = Vec::new();
        for _ in 0..random.random_range(1..20) {
            let (key, value) = (bytes(random, 10), bytes(random, 300));
            let headers = bytes(random, 20).unwrap_or_default();
            append.push(key.as_deref(), value.as_deref(), &headers).unwrap();
            rows.push((key, value, headers));
        }
        let appended = self.topic.append(0, append).unwrap().wait_blocking().unwrap();
        assert_eq!(appended.first_offset, self.next);
        assert!(self.rows.last().is_none_or(|last| last.1 <= appended.time));
        for (key, value, headers) in rows {
            self.rows.push((self.next, appended.time, key, value, headers));
            self.next += 1;
        }
    }

    fn read(&mut self, random: &mut ChaCha8Rng) {
        let from = random.random_range(0..=self.next);
        let mut reader = self.topic.reader(0, from).unwrap();
        let mut expected = self.rows.iter().filter(|row| row.0 >= from);
        let mut batch = Batch::default();
        loop {
            batch.clear();
            reader.read(&mut batch, random.random_range(0..10_000)).unwrap();
            for got in batch.iter() {
                let owned = |bytes: Option<&[u8]>| bytes.map(<[u8]>::to_vec);
                let row = (got.offset, got.time, owned(got.key), owned(got.value), got.headers.to_vec());
                assert_eq!(Some(&row), expected.next());
            }
            if batch.is_empty() {
                break;
            }
        }
        assert_eq!(expected.next(), None);
    }

    fn reopen(&mut self, crashed: Option<Folder>) {
        self.topic.close().unwrap();
        self.folder = match crashed {
            Some(copy) => copy,
            None => self.folder.copy(),
        };
        self.topic = Topic::open(&self.folder.0, "pin", &self.options, Arc::clone(&self.clock)).unwrap();
    }
}

fn bytes(random: &mut ChaCha8Rng, len_max: usize) -> Option<Vec<u8>> {
    let mut bytes = vec![0; random.random_range(0..=len_max)];
    random.fill_bytes(&mut bytes);
    (random.random_range(0..5) > 0).then_some(bytes)
}

#[test]
fn behaves_as_a_list() {
    for seed in 0..12 {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut model = Model::new(&mut random);
        for _ in 0..150 {
            model.step(&mut random);
        }
    }
}
