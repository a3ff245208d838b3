//! Names in a pipeline file that mean more than a name elsewhere: none becomes part of SQL or of a path.

use tidemill::config;
use tidemill_tests::place::Folder;

/// Names that no topic, table, query or column has.
const HOSTILE: [&str; 60] = [
    "",
    ".",
    "..",
    "/",
    "\\",
    "../x",
    "..\\x",
    "/etc/passwd",
    "a/b",
    "a\\b",
    "a b",
    " a",
    "a ",
    "a\tb",
    "a\nb",
    "a\0b",
    "\u{1b}[31m",
    "a'b",
    "a\"b",
    "a`b",
    "a;b",
    "a--b;",
    "a/*b*/",
    "[a]",
    "a]b",
    "a,b",
    "a(b)",
    "a=b",
    "a%b",
    "a%2fb",
    "%2e%2e",
    "a*",
    "a?",
    "a:b",
    "a|b",
    "a&b",
    "a$b",
    "$(id)",
    "`id`",
    "a<b",
    "a>b",
    "a#b",
    "a@b",
    "a!b",
    "a~b",
    "~root",
    "a^b",
    "a+b",
    "a{b}",
    "é",
    "ａ",
    "a\u{202e}b",
    "a\u{200b}b",
    "\u{feff}a",
    "．．",
    "‥",
    "x'; DROP TABLE thing; --",
    "x\" UNION SELECT 1 --",
    "1; ATTACH 'x' AS y",
    "💩",
];
/// Names that a topic may have, as in Kafka, and nothing in SQLite.
const NOT_IN_SQL: [&str; 24] = [
    "A",
    "Thing",
    "1a",
    "_a",
    "-a",
    "a-b",
    "a.b",
    "sqlite_schema",
    "sqlite_x",
    "tidemill_ledger",
    "tidemill_x",
    "THING",
    "a.",
    ".a",
    "...",
    "a..b",
    "SQLITE_MASTER",
    "Tidemill_Ledger",
    "0",
    "00",
    "-",
    "_",
    "a-",
    "1",
];
/// Words of SQL, which are names as good as others once they are quoted.
const WORDS: [&str; 16] = [
    "select", "table", "from", "where", "order", "group", "index", "drop", "attach", "pragma", "null", "default",
    "values", "union", "view", "trigger",
];

fn quoted(name: &str) -> String {
    serde_json::to_string(name).expect("text").replace('\u{7f}', "\\u007f")
}

/// Whether a pipeline may have a topic, a table and a query of these names.
fn taken(folder: &Folder, topic: &str, table: &str, query: &str) -> bool {
    let (topic, table, query) = (quoted(topic), quoted(table), quoted(query));
    let text = format!(
        "[pipeline]\nname = \"names\"\ndata = \"data\"\n[lake]\nbucket = \"names\"\nendpoint = \"embedded\"\n[topics.{topic}]\npartitions = 1\n\
         [tables.{table}]\ntopic = {topic}\ntransform = \"thing.wasm\"\nwindow = \"1s\"\n[queries.{query}]\nquery = \"SELECT 1\"\n"
    );
    let file = folder.write("names.toml", text);
    config::read(&file).is_ok()
}

#[test]
fn a_hundred_names() {
    let folder = Folder::new("names");
    folder.write("thing.wasm", b"");
    assert!(taken(&folder, "thing", "thing", "things"), "the file is in order otherwise");
    for name in HOSTILE {
        assert!(!taken(&folder, name, "thing", "things"), "topic {name:?}");
    }
    for name in HOSTILE.into_iter().chain(NOT_IN_SQL) {
        assert!(!taken(&folder, "thing", name, "things"), "table {name:?}");
        assert!(!taken(&folder, "thing", "thing", name), "query {name:?}");
    }
    for name in WORDS {
        assert!(taken(&folder, name, name, "things"), "{name:?} is a name");
    }
    assert!(taken(&folder, &"x".repeat(249), "thing", "things"));
    assert!(!taken(&folder, &"x".repeat(250), "thing", "things"));
    assert!(!taken(&folder, "thing", &"x".repeat(64), "things"));
    println!("{} names", HOSTILE.len() + NOT_IN_SQL.len() + WORDS.len());
}
