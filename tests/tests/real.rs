//! The ten answers on real rows, against what a Spark notebook answered: asked for by naming the rows' folder.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde_json::Value;
use tidemill_tests::daemon::{Daemon, pinterest, query};
use tidemill_tests::place::Folder;
use tidemill_tests::{fill, http};

/// Names the folder with `pin.jsonl`, `geo.jsonl`, `user.jsonl` and `notebook-case-224.json`.
const FOLDER: &str = "TIDEMILL_REAL_ROWS";
/// The notebook's results, by their place, that ours have to equal, and what ours are called.
const EQUAL: [(usize, &str); 6] = [
    (1, "category_posts_by_year"),
    (4, "popular_category_by_age_group"),
    (5, "median_followers_by_age_group"),
    (6, "users_joined_by_year"),
    (7, "median_followers_by_join_year"),
    (8, "median_followers_by_join_year_and_age_group"),
];

/// The rows of a table by their number, as lines.
fn rows(folder: &Path, table: &str) -> BTreeMap<i64, String> {
    let text = fs::read_to_string(folder.join(format!("{table}.jsonl"))).expect("the rows");
    let numbered = text.lines().map(|line| {
        let row: Value = serde_json::from_str(line).expect("JSON");
        (row.get("ind").or(row.get("index")).and_then(Value::as_i64).expect("a number"), line.to_owned())
    });
    numbered.collect()
}

/// The cells of a result of the notebook, as our CSV writes them, in an order of their own.
fn theirs(case: &Value, place: usize, columns: &[usize]) -> Vec<String> {
    let rows = case["results"][place]["rows"].as_array().expect("rows").iter();
    let cell = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    sorted(rows.map(|row| columns.iter().map(|&column| cell(&row[column])).collect::<Vec<_>>().join(",")).collect())
}

fn ours(pipeline: &Path, sql: &str) -> Vec<String> {
    sorted(query(pipeline, sql)[1..].iter().map(|line| line.replace('"', "")).collect())
}

fn sorted(mut lines: Vec<String>) -> Vec<String> {
    lines.sort();
    lines
}

#[test]
fn the_notebook_is_answered() {
    let Ok(folder) = std::env::var(FOLDER) else {
        println!("not asked for: {FOLDER} names no folder with real rows");
        return;
    };
    let folder = Path::new(&folder);
    let case = fs::read_to_string(folder.join("notebook-case-224.json")).expect("the notebook's case");
    let case: Value = serde_json::from_str(&case).expect("JSON");
    let mut posts: Vec<(&str, String)> = Vec::new();
    for (table, _) in fill::TABLES {
        let rows = rows(folder, table);
        let wanted = case["tables"][table].as_array().expect("numbers").iter().filter_map(Value::as_i64);
        posts.extend(wanted.map(|number| (table, rows[&number].clone())));
    }
    let own = Folder::new("real");
    let pipeline = pinterest(own.path(), &[]);
    let daemon = Daemon::start(&pipeline);
    for seed in 0..2 {
        posts.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
        posts.iter().for_each(|(table, row)| http::post_lines(daemon.topics, table, [row.as_str()], 1));
        daemon.settle();
        for (place, name) in EQUAL {
            let all: Vec<usize> = (0..case["results"][place]["columns"].as_array().map_or(0, Vec::len)).collect();
            assert_eq!(ours(&pipeline, name), theirs(&case, place, &all), "{name}");
        }
        assert_eq!(ours(&pipeline, "country_with_top_user"), theirs(&case, 3, &[0, 2]));
        let counts = "SELECT country, category, count(*) FROM pin JOIN geo USING (ind) GROUP BY 1, 2";
        assert_eq!(ours(&pipeline, counts), theirs(&case, 0, &[0, 1, 2]));
        let top = "SELECT DISTINCT country, follower_count FROM top_user_by_country";
        assert_eq!(ours(&pipeline, top), theirs(&case, 2, &[0, 2]));
    }
    daemon.stop();
}
