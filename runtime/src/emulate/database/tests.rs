//! A SQLite file as the source of rows; servers stand in for it in the whole-system tests.

use std::path::PathBuf;

use super::*;
use crate::emulate::population::Population;

const NAMES: [&str; 3] = ["pinterest_data", "geolocation_data", "user_data"];

fn names() -> [String; 3] {
    NAMES.map(str::to_owned)
}

/// A file's place, where no file is.
fn fresh(name: &str) -> PathBuf {
    let file = std::env::temp_dir().join(format!("tidemill-database-{}-{name}.db", std::process::id()));
    _ = std::fs::remove_file(&file);
    file
}

#[tokio::test]
async fn what_was_loaded_is_read_as_it_was_generated() {
    let (file, population) = (fresh("loaded"), Population::new(1_203, 7));
    let address = || Address::Sqlite(file.clone());
    let loaded = load(&address(), &names(), false, &population, |_| {}).await.unwrap();
    assert_eq!(loaded, 3 * 1_203);
    let database = Database::open(address(), &names()).await.unwrap();
    assert_eq!(database.rows(), 1_203);
    for (table, index) in (0..TABLES).flat_map(|table| (0..1_203).map(move |index| (table, index))) {
        let (mut read, mut generated) = (Vec::new(), Vec::new());
        database.row(table, index, Dates::T, &mut read).await.unwrap();
        population.row(table, index, &mut generated);
        assert_eq!(String::from_utf8(read).unwrap(), String::from_utf8(generated).unwrap());
    }
    let mut beyond = Vec::new();
    database.row(0, 1_203, Dates::T, &mut beyond).await.unwrap();
    assert_eq!(beyond, b"");
    std::fs::remove_file(file).unwrap();
}

#[tokio::test]
async fn tables_with_rows_are_replaced_on_request_alone() {
    let file = fresh("replaced");
    let address = || Address::Sqlite(file.clone());
    let fill = async |rows, replace| load(&address(), &names(), replace, &Population::new(rows, 1), |_| {}).await;
    fill(20, false).await.unwrap();
    let refused = fill(10, false).await.unwrap_err();
    assert_eq!((refused.kind(), refused.next_step().is_some()), (Kind::Conflict, true));
    assert!(refused.message().contains("\"user_data\" has 20 rows"), "{refused}");
    assert_eq!(Database::open(address(), &names()).await.unwrap().rows(), 20);
    fill(10, true).await.unwrap();
    assert_eq!(Database::open(address(), &names()).await.unwrap().rows(), 10);
    std::fs::remove_file(file).unwrap();
}

#[tokio::test]
async fn says_what_is_not_there() {
    let file = fresh("missing");
    let address = || Address::Sqlite(file.clone());
    let said = async |names: &[String]| Database::open(address(), names).await.err().unwrap();
    assert_eq!(said(&names()).await.kind(), Kind::Missing);
    load(&address(), &names(), false, &Population::new(1, 1), |_| {}).await.unwrap();
    let error = said(&["pins".to_owned(), "geo".to_owned(), "user".to_owned()]).await;
    assert!(error.kind() == Kind::Missing && error.message().contains("no such table: pins"), "{error}");
    assert_eq!(said(&names()[1..]).await.kind(), Kind::Input);
    std::fs::remove_file(file).unwrap();
}

#[tokio::test]
async fn names_that_need_quotes_work() {
    let file = fresh("quoted");
    let names = ["the \"pins\"", "select", "main.user"].map(str::to_owned);
    let address = || Address::Sqlite(file.clone());
    load(&address(), &names, false, &Population::new(2, 1), |_| {}).await.unwrap();
    assert_eq!(Database::open(address(), &names).await.unwrap().rows(), 2);
    std::fs::remove_file(file).unwrap();
}
