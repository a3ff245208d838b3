//! The ten answers as rollups keep them and as plain SQL has them over the cached rows: the same at every look, whatever comes.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use rand::seq::{IndexedRandom, SliceRandom};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};
use tidemill::cache::query::Reader;
use tidemill::emulate::population::Population;
use tidemill_tests::cli::done;
use tidemill_tests::daemon::{Daemon, pinterest};
use tidemill_tests::letters::number;
use tidemill_tests::place::{Folder, root};
use tidemill_tests::{fill, http};

/// Names the folder with `pin.jsonl`, `geo.jsonl` and `user.jsonl`.
const FOLDER: &str = "TIDEMILL_REAL_ROWS";

/// The ten questions.
const NAMES: [&str; 10] = [
    "popular_category_by_country",
    "category_posts_by_year",
    "popular_category_by_year",
    "top_user_by_country",
    "country_with_top_user",
    "popular_category_by_age_group",
    "median_followers_by_age_group",
    "users_joined_by_year",
    "median_followers_by_join_year",
    "median_followers_by_join_year_and_age_group",
];

/// Says that it is over when it is dropped, also by a panic.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The pinterest pipeline with short epochs, which also asks all questions as `plain_..`.
fn pipeline(folder: &Folder) -> PathBuf {
    let file = pinterest(folder.path(), &[("window = \"10s\"", "window = \"1s\"")]);
    let mut text = fs::read_to_string(&file).expect("the pipeline file") + "\n[epoch]\ntime = \"20ms\"\n";
    for name in NAMES {
        let plain = root().join(format!("pipelines/sql/plain/{name}.sql"));
        text += &format!("[queries.plain_{name}]\nsql = {plain:?}\n");
    }
    fs::write(&file, text).expect("the pipeline file");
    file
}

/// Both ways of asking agree in one state of the cache; how many rows the answers have.
fn agree(pipeline: &Path) -> usize {
    let reader = Reader::open(&pipeline.with_file_name("data").join("cache.sqlite")).expect("the cache");
    reader.hold().expect("one state of it");
    let answer = |name: &str| reader.run(name, usize::MAX).expect("an answer");
    let both = |name| {
        let (kept, plain) = (answer(name), answer(&format!("plain_{name}")));
        assert_eq!(kept.columns, plain.columns, "{name}");
        assert_eq!(kept.rows, plain.rows, "{name}");
        kept.rows.len()
    };
    NAMES.iter().copied().map(both).sum()
}

fn audited(pipeline: &Path) {
    done(pipeline.parent().expect("a folder"), &["audit", pipeline.to_str().expect("a path")], "");
}

/// A record of a table: a row of the population, which may say something else than before, or may be no row at all.
fn record(random: &mut ChaCha8Rng, population: &Population, table: usize, keys: u64) -> String {
    let mut line = Vec::new();
    (fill::TABLES[table].1)(population, random.random_range(0..keys), &mut line);
    let mut row: Value = serde_json::from_slice(&line).expect("JSON");
    let others: &[(&str, Value)] = match table {
        0 => &[("follower_count", json!("3k")), ("category", json!("art")), ("poster_name", json!("User Info Error"))],
        1 => &[("country", json!("Chad")), ("timestamp", json!("2020-02-29 12:00:00"))],
        _ => &[("age", json!(17)), ("age", json!(51)), ("date_joined", json!("2016-12-31 23:59:59"))],
    };
    match random.random_range(0..10) {
        0 => line = b"\"no row\"".to_vec(),
        1..4 => {
            let (name, value) = others.choose(random).expect("some");
            row[*name] = value.clone();
            line = row.to_string().into_bytes();
        }
        _ => {}
    }
    String::from_utf8(line).expect("text")
}

#[test]
fn the_ten_answers_agree_whatever_comes() {
    let (folder, mut random) = (Folder::new("rollups"), ChaCha8Rng::seed_from_u64(1));
    let (pipeline, population) = (pipeline(&folder), Population::new(2_000, 5));
    let (mut looks, mut rows) = (0, 0);
    for life in 0..4 {
        let daemon = Daemon::start(&pipeline);
        let end = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let looker = scope.spawn(|| {
                let (mut looks, mut rows) = (0, 0);
                while !end.load(Ordering::Relaxed) {
                    rows = agree(&pipeline);
                    looks += 1;
                }
                (looks, rows)
            });
            let ends = Ends(&end);
            for _ in 0..60 {
                let table = random.random_range(0..3);
                let records: Vec<String> =
                    (0..40).map(|_| record(&mut random, &population, table, 200 * (life + 1))).collect();
                http::post_lines(daemon.topics, fill::TABLES[table].0, records.iter().map(String::as_str), 40);
            }
            drop(ends);
            let (more, last) = looker.join().expect("they agree");
            looks += more;
            rows = last;
        });
        // What was not committed is read again.
        if life % 2 == 0 {
            daemon.kill()
        } else {
            daemon.stop()
        }
        agree(&pipeline);
    }
    let daemon = Daemon::start(&pipeline);
    daemon.settle();
    daemon.stop();
    assert!(agree(&pipeline) > 50 && rows > 0, "there are answers");
    assert!(looks > 20, "{looks} looks");
    assert!(number(&pipeline, "SELECT count(*) FROM tidemill_dead_letters") > 100, "some records are no rows");
    audited(&pipeline);
}

#[test]
fn the_ten_answers_agree_on_real_rows() {
    let Ok(folder) = std::env::var(FOLDER) else {
        println!("not asked for: {FOLDER} names no folder with real rows");
        return;
    };
    let mut random = ChaCha8Rng::seed_from_u64(2);
    let mut posts: Vec<(&str, String)> = Vec::new();
    for (table, _) in fill::TABLES {
        let text = fs::read_to_string(Path::new(&folder).join(format!("{table}.jsonl"))).expect("the rows");
        posts.extend(text.lines().map(|line| (table, line.to_owned())));
    }
    let repeats: Vec<_> = posts.sample(&mut random, posts.len() / 5).cloned().collect();
    posts.extend(repeats);
    posts.shuffle(&mut random);
    let own = Folder::new("rollups-real");
    let pipeline = pipeline(&own);
    let daemon = Daemon::start(&pipeline);
    let (mut posted, looks) = (0, Cell::new(0));
    for batch in posts.chunks(400) {
        let mut by_table: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        batch.iter().for_each(|(table, line)| by_table.entry(table).or_default().push(line));
        for (table, lines) in by_table {
            posted += lines.len() as u64;
            http::post_lines(daemon.topics, table, lines, 400);
        }
        daemon.wait("all is committed", |_| {
            looks.set(looks.get() + 1);
            agree(&pipeline);
            number(&pipeline, "SELECT coalesce(sum(next_offset), 0) FROM tidemill_positions") == posted
        });
    }
    daemon.stop();
    println!("{posted} posts, {} answers, {} looks", agree(&pipeline), looks.get());
    audited(&pipeline);
}
