//! Whose file it is, who else has it open, and what becomes of it.

use rusqlite::Connection;
use sha2::{Digest, Sha256};

use super::*;
use crate::error::Kind;

fn refused(file: &Path, layout: &Layout, kind: Kind, words: &str) {
    let error = Store::open(file, layout).err().unwrap();
    assert!(error.kind() == kind && error.message().contains(words), "{error:?}");
}

#[test]
fn only_its_own_pipelines_file_is_opened() {
    let folder = Folder::new();
    let file = folder.file();
    let first = Store::open(&file, &layout()).unwrap().instance_id().to_owned();
    assert_eq!(Store::open(&file, &layout()).unwrap().instance_id(), first);
    assert!(first.len() == 36 && first.split('-').map(str::len).eq([8, 4, 4, 4, 12]), "{first}");
    refused(&file, &Layout { pipeline: "other".into(), ..layout() }, Kind::Conflict, "it is pipeline \"pinterest\"'s");

    Connection::open(&file).unwrap().pragma_update(None, "user_version", 99).unwrap();
    refused(&file, &layout(), Kind::Conflict, "its format is 99");
    assert_eq!(Reader::open(&file).err().unwrap().kind(), Kind::Conflict);

    let other = folder.0.join("other.db");
    Connection::open(&other).unwrap().execute_batch("CREATE TABLE t (a)").unwrap();
    refused(&other, &layout(), Kind::Conflict, "not a cache of tidemill");
    let text = folder.0.join("text.db");
    std::fs::write(&text, "not a database, but long enough to be taken for one").unwrap();
    refused(&text, &layout(), Kind::Conflict, "not a cache of tidemill");
    assert_eq!(Reader::open(&text).err().unwrap().kind(), Kind::Conflict);
    assert_eq!(Reader::open(&folder.0.join("absent.db")).err().unwrap().kind(), Kind::Missing);
    assert!(Store::open(&folder.0.join("no/such/folder.db"), &layout()).err().unwrap().kind() == Kind::Storage);
}

/// What the format of the file stands for: all that is declared in it, but for what a pipeline adds.
#[test]
fn the_format_is_what_its_number_says() {
    let folder = Folder::new();
    drop(Store::open(&folder.file(), &layout()).unwrap());
    let connection = Connection::open(folder.file()).unwrap();
    let text = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, String>(0)).unwrap();
    let format = text("SELECT CAST(user_version AS TEXT) FROM pragma_user_version");
    let schema = text("SELECT group_concat(sql, ';' ORDER BY name) FROM sqlite_schema WHERE sql IS NOT NULL");
    let sum: String = Sha256::digest(schema).iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    assert_eq!((&*format, &*sum), ("7", "23f1408b75b34712"), "another schema needs a format of its own");
}

#[test]
fn a_failed_first_open_leaves_a_file_that_opens() {
    let folder = Folder::new();
    let broken = Layout { queries: vec![("q".into(), "SELEC".into())], ..layout() };
    assert!(Store::open(&folder.file(), &broken).is_err());
    assert!(Store::open(&folder.file(), &Layout { pipeline: "other".into(), ..layout() }).is_ok());
}

#[test]
fn readers_read_beside_the_writer_and_without_it() {
    let folder = Folder::new();
    let file = folder.file();
    let mut store = Store::open(&file, &layout()).unwrap();
    let reader = Reader::open(&file).unwrap();
    let count = || reader.run("SELECT count(*) FROM pin", 1).unwrap().rows[0][0].clone();
    assert_eq!(count(), Value::Int64(0));
    let mut open = store.begin().unwrap();
    open.upsert("pin", &latest(&[(1, "a", (1, 0, 0))])).unwrap();
    assert_eq!(count(), Value::Int64(0), "what is not committed is not seen");
    open.finish().unwrap();
    assert_eq!(count(), Value::Int64(1));
    drop(store);
    assert_eq!(count(), Value::Int64(1));
    drop(reader);
    assert_eq!(ask(&file, "categories"), ["a|1"]);
    // The writer goes last: its log is folded back and gone, and the file alone is read.
    drop(Store::open(&file, &layout()).unwrap());
    assert_eq!(ask(&file, "categories"), ["a|1"]);
}

#[test]
fn a_file_is_read_where_no_log_can_be_made() {
    let folder = Folder::new();
    let file = folder.file();
    let mut store = Store::open(&file, &layout()).unwrap();
    commit(&mut store, |to| to.upsert("pin", &latest(&[(1, "a", (1, 0, 0))])).map(drop)).unwrap();
    drop(store);
    // A folder in its place keeps the log's index from being made, as a folder without write permission would.
    std::fs::create_dir(folder.0.join("cache.db-shm")).unwrap();
    assert_eq!(ask(&file, "categories"), ["a|1"]);
}

#[test]
fn another_programs_lock_is_told_apart() {
    let folder = Folder::new();
    let mut store = Store::open(&folder.file(), &layout()).unwrap();
    store.connection.busy_timeout(std::time::Duration::ZERO).unwrap();
    let other = Connection::open(folder.file()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = store.begin().err().unwrap();
    assert!(error.kind() == Kind::Busy && error.next_step().is_some(), "{error:?}");
    other.execute_batch("ROLLBACK").unwrap();
    assert!(store.begin().is_ok());
}

#[test]
fn a_file_that_was_replaced_takes_no_commit() {
    let folder = Folder::new();
    let file = folder.file();
    let mut store = Store::open(&file, &layout()).unwrap();
    assert!(store.begin().is_ok());
    std::fs::rename(&file, folder.0.join("away.db")).unwrap();
    assert_eq!(store.begin().err().unwrap().kind(), Kind::Conflict);
    std::fs::write(&file, "").unwrap();
    assert_eq!(store.begin().err().unwrap().kind(), Kind::Conflict);
}

#[test]
fn a_full_disk_is_a_fault_of_storage() {
    let folder = Folder::new();
    let mut store = Store::open(&folder.file(), &layout()).unwrap();
    let pages: i64 = store.connection.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
    store.connection.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(())).unwrap();
    let many: Vec<Pin> = (0..5000).map(|ind| (ind, "a category", (1, 0, ind))).collect();
    let error = commit(&mut store, |to| to.upsert("pin", &latest(&many)).map(drop)).unwrap_err();
    assert_eq!(error.kind(), Kind::Storage, "{error}");
    assert!(ask(&folder.file(), "pin").is_empty());
    commit(&mut store, |to| to.upsert("pin", &latest(&many[..1])).map(drop)).unwrap();
}

#[test]
fn the_writer_waits_for_the_disk_and_trusts_no_schema() {
    let folder = Folder::new();
    let store = Store::open(&folder.file(), &layout()).unwrap();
    let pragma = |name: &str| store.connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!((pragma("synchronous"), pragma("trusted_schema"), pragma("page_size")), (2, 0, 16384));
    assert!(store.connection.execute_batch("PRAGMA writable_schema = ON; DELETE FROM sqlite_schema").is_err());
}
