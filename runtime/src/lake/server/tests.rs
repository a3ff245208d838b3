//! The server's store and listing, without the network; and whom it lets in.

use std::fs;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::super::tests::Folder;
use super::listing::{Page, Query, page};
use super::store::{Draft, Meta, Refusal, Store};
use super::{CONNECTIONS_MAX, Credentials, Server};

fn store(folder: &Folder, keys: &[&str]) -> Store {
    let store = Store::open(&folder.0).unwrap();
    match store.create_bucket("pins") {
        Ok(()) | Err(Refusal::BucketTaken) => {}
        Err(refusal) => panic!("{refusal:?}"),
    }
    keys.iter().for_each(|key| put(&store, key, key, |_| true).unwrap());
    store
}

fn put(store: &Store, key: &str, bytes: &str, allowed: impl Fn(Option<&str>) -> bool) -> Result<(), Refusal> {
    let temp = store.temp();
    fs::write(&temp.0, bytes).unwrap();
    let meta = Meta { etag: format!("etag of {bytes}"), ..Meta::default() };
    store.put("pins", key, temp, meta, allowed).map(drop)
}

fn get(store: &Store, key: &str) -> Option<(String, String)> {
    let mut found = store.get("pins", key).ok()?;
    let bytes = std::io::read_to_string(&mut found.file).unwrap();
    assert_eq!(found.bytes, bytes.len() as u64);
    Some((bytes, found.meta.etag))
}

#[test]
fn pages_are_cut_and_rolled_up() {
    let folder = Folder::new("pages");
    let long = "x".repeat(450);
    let keys = ["a", "b/1", "b/2", "b/c/3", "b0", "c//d", "c/", "é/z", "..", long.as_str()];
    let store = store(&folder, &keys);
    let check = |prefix: &str,
                 delimiter: Option<&str>,
                 after: &str,
                 entries_max: usize,
                 expected: (&[&str], &[&str], Option<&str>)| {
        let query = Query { prefix, delimiter, after, entries_max };
        let owned = |list: &[&str]| list.iter().map(|&key| key.to_owned()).collect();
        let next = expected.2.map(str::to_owned);
        let expected = Page { keys: owned(expected.0), prefixes: owned(expected.1), next };
        assert_eq!(page(&store, "pins", &query).unwrap(), expected, "{prefix:?} {delimiter:?} {after:?} {entries_max}");
    };
    check("", None, "", 1000, (&["..", "a", "b/1", "b/2", "b/c/3", "b0", "c/", "c//d", &long, "é/z"], &[], None));
    check("b", None, "", 1000, (&["b/1", "b/2", "b/c/3", "b0"], &[], None));
    check("b/", None, "b/1", 1000, (&["b/2", "b/c/3"], &[], None));
    check("", Some("/"), "", 1000, (&["..", "a", "b0", &long], &["b/", "c/", "é/"], None));
    check("b/", Some("/"), "", 1000, (&["b/1", "b/2"], &["b/c/"], None));
    check("c/", Some("/"), "", 1000, (&["c/"], &["c//"], None));
    check("", None, "", 2, (&["..", "a"], &[], Some("a")));
    check("", Some("/"), "a", 1, (&[], &["b/"], Some("b/")));
    check("", Some("/"), "b/", 1, (&["b0"], &[], Some("b0")));
    check("", Some("/"), "b/1", 1, (&[], &["b/"], Some("b/")));
    check("xx", None, "", 1000, (&[&long], &[], None));
    check("nothing", None, "", 1000, (&[], &[], None));
    check("", None, "", 0, (&[], &[], None));
    check("", None, "zz", 1, (&["é/z"], &[], None));
}

#[test]
fn conditions_hold_for_the_object_as_it_stands() {
    let folder = Folder::new("conditions");
    let store = store(&folder, &[]);
    let absent = |etag: Option<&str>| etag.is_none();
    let check = |done: Result<(), Refusal>, there: &str| {
        let etag = format!("etag of {there}");
        assert_eq!(get(&store, "a/b"), Some((there.to_owned(), etag)));
        done.is_ok()
    };
    assert!(check(put(&store, "a/b", "one", absent), "one"));
    assert!(!check(put(&store, "a/b", "two", absent), "one"));
    assert!(!check(put(&store, "a/b", "two", |etag| etag == Some("etag of two")), "one"));
    assert!(check(put(&store, "a/b", "two", |etag| etag == Some("etag of one")), "two"));
    assert!(check(put(&store, "a/b", "six", |_| true), "six"), "of the same length, in the same instant");
    store.remove("pins", "a/b").unwrap();
    store.remove("pins", "a/b").unwrap();
    assert_eq!(get(&store, "a/b"), None);
    assert_eq!(fs::read_dir(folder.0.join("pins")).unwrap().count(), 0, "empty folders go");
}

#[test]
fn a_crash_between_metadata_and_object_leaves_the_old_one_whole() {
    let folder = Folder::new("between");
    let one = store(&folder, &["a"]);
    let meta = folder.0.join(".meta/pins/a");
    let object = folder.0.join("pins/a");
    let old = fs::read(&object).unwrap();
    let modified = fs::metadata(&object).unwrap().modified().unwrap();
    put(&one, "a", "new", |_| true).unwrap();
    // As if the rename had not happened: the old file under the new metadata.
    fs::write(&object, &old).unwrap();
    fs::File::options().write(true).open(&object).unwrap().set_modified(modified).unwrap();
    fs::write(folder.0.join(".temp/0"), "half").unwrap();
    drop(one);
    let again = store(&folder, &[]);
    assert_eq!(get(&again, "a"), Some(("a".to_owned(), "etag of a".to_owned())));
    assert_eq!(fs::read_dir(folder.0.join(".temp")).unwrap().count(), 0);
    fs::write(&meta, "not JSON").unwrap();
    assert_eq!(get(&again, "a").unwrap().0, "a", "the bytes stay");
}

#[test]
fn keys_that_cannot_be_are_refused() {
    let folder = Folder::new("refused");
    let store = store(&folder, &["a/b", "../../escape", "/root", "c/"]);
    assert!(matches!(put(&store, "a", "x", |_| true), Err(Refusal::Folder)));
    assert!(matches!(put(&store, "a/b/c", "x", |_| true), Err(Refusal::Folder)));
    assert!(matches!(store.get("pins", "a"), Err(Refusal::NoKey)));
    assert!(matches!(store.get("pins", "a/b/c"), Err(Refusal::NoKey)));
    assert!(matches!(store.get("nowhere", "a"), Err(Refusal::NoBucket)));
    assert!(matches!(store.remove_bucket("pins"), Err(Refusal::BucketNotEmpty)));
    assert_eq!(get(&store, "../../escape").unwrap().0, "../../escape");
    let mut names: Vec<_> = fs::read_dir(&folder.0).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, [".meta", ".temp", "pins"]);
    for key in ["a/b", "../../escape", "/root", "c/"] {
        store.remove("pins", key).unwrap();
    }
    store.remove_bucket("pins").unwrap();
    assert!(store.buckets().unwrap().is_empty());
}

#[test]
fn many_at_once_are_objects_beside_others_that_are_put_and_removed() {
    let folder = Folder::new("many");
    let store = store(&folder, &["pin/taken"]);
    let draft = |key: &str| Draft {
        key: key.to_owned(),
        bytes: key.as_bytes().to_vec(),
        meta: Meta { etag: format!("etag of {key}"), ..Meta::default() },
    };
    let put_new = |keys: &[String]| store.put_new("pins", keys.iter().map(|key| draft(key)).collect()).unwrap();
    let came = put_new(&["pin/a".to_owned(), "pin/taken".to_owned(), "../b/c".to_owned()]);
    let came: Vec<bool> = came.into_iter().map(|outcome| outcome.is_ok()).collect();
    assert_eq!(came, [true, false, true]);
    let below = store.put_new("pins", vec![draft("pin/b"), draft("pin/taken/x")]);
    assert!(matches!(below, Err(Refusal::Folder)) && get(&store, "pin/b").is_none());
    assert_eq!(get(&store, "pin/a"), Some(("pin/a".to_owned(), "etag of pin/a".to_owned())));
    assert_eq!(get(&store, "../b/c").unwrap().1, "etag of ../b/c");
    assert_eq!(get(&store, "pin/taken").unwrap().0, "pin/taken");
    assert_eq!(fs::read_dir(folder.0.join(".temp")).unwrap().count(), 0);
    // Folders are made and removed under each other's feet, and the same keys wanted by several.
    let keys = |nth: usize| -> Vec<String> { (0..40).map(|key| format!("f{}/g{nth}/{key}", key % 7)).collect() };
    std::thread::scope(|scope| {
        for nth in 0..4 {
            let store = &store;
            scope.spawn(move || assert!(put_new(&keys(nth)).iter().all(Result::is_ok)));
            scope.spawn(move || {
                for key in 0..40 {
                    let key = format!("h{}/{key}", key % 5);
                    let _ = put(store, &key, "x", |_| true);
                    let _ = store.remove("pins", &key);
                }
            });
        }
    });
    assert!((0..4).flat_map(keys).all(|key| get(&store, &key) == Some((key.clone(), format!("etag of {key}")))));
}

/// A connection on which something was asked.
async fn asked(server: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(server).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    stream
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_takes_no_more_connections_than_it_may() {
    let folder = Folder::new("crowd");
    let mut server = Server::start(&folder.0, 0, Credentials::default()).await.unwrap();
    let mut crowd = Vec::new();
    for _ in 0..CONNECTIONS_MAX {
        let mut stream = asked(server.addr()).await;
        assert_eq!(stream.read_u8().await.unwrap(), b'H');
        crowd.push(stream);
    }
    let mut late = asked(server.addr()).await;
    let waited = tokio::time::timeout(Duration::from_millis(100), late.read_u8()).await;
    assert!(waited.is_err(), "answered beyond the bound: {waited:?}");
    crowd.pop();
    assert_eq!(late.read_u8().await.unwrap(), b'H', "one that left makes room");
    drop(crowd);
    server.stop().await;
}
