//! Rollups of a file.

use super::{Descriptions, Folder, GOOD, OUTPUTS, check, described, picture, shown};
use crate::schema::Type;

const CLICKS: &str = "
[tables.clicks]
topic = \"clicks\"
transform = \"transforms/clean\"
key = [\"id\"]
cache = [\"id\", \"total\", \"country\"]

[tables.keyless]
topic = \"clicks\"
transform = \"transforms/clean\"

[tables.double]
topic = \"clicks\"
transform = \"transforms/clean\"
key = [\"id\", \"total\"]
cache = [\"id\", \"total\"]
";

fn text(rollup: &str) -> String {
    format!("{GOOD}{CLICKS}[rollups.it]\n{rollup}\n")
}

/// With this rollup, whose first line is line 56 of the file, the faults are `expected`.
fn faults(rollup: &str, expected: &[&str]) {
    let found = Folder::new().declare(&text(rollup)).err().unwrap_or_default();
    assert_eq!(found, expected, "{rollup}");
}

#[test]
fn a_good_rollup_is_drawn() {
    let rollup = "from = \"orders\"\njoin = [\"clicks\"]\nmeasures = { rows = \"count()\", half = \"median(orders.total)\" }\n\
         by = [\"country\", { name = \"size\", ranges = \"clicks.total\", labels = { small = [0, 9] } }]";
    let folder = Folder::new();
    let declared = folder.declare(&text(rollup)).unwrap();
    let drawn = picture(&declared.pipeline, &Descriptions::default());
    let drawn = drawn.split("\n\n").find(|part| part.starts_with("rollup")).unwrap().to_owned();
    assert_eq!(
        drawn,
        "rollup it\n  of    the latest rows of each id that is in orders and clicks\n  \
         by    country, size = label(clicks.total: small)\n  rows  count()\n  half  median(orders.total)"
    );
}

#[test]
fn faults_of_rollups() {
    let measures = "measures = { rows = \"count()\" }";
    faults(
        "",
        &[
            "55:10: rollups.it: \"from\" is missing; write from = \"TABLE\"",
            "55:10: rollups.it: \"measures\" is missing; write measures = { rows = \"count()\" }",
        ],
    );
    faults(
        &format!("from = \"ordrs\"\njoin = [\"keyless\", \"clicks\", \"clicks\", \"double\"]\n{measures}"),
        &[
            "56:1: rollups.it.from: the table \"ordrs\" is not declared; did you mean \"orders\"?",
            "57:9: rollups.it.join[0]: the table \"keyless\" has no key, so that no rows are kept of it; \
             write key = [\"COLUMN\"] and cache = [..] there",
            "57:30: rollups.it.join[2]: the table \"clicks\" stands here twice",
            "57:40: rollups.it.join[3]: the key of \"clicks\" is id, and that of \"double\" id, total; \
             tables are joined on their keys, which must be of as many columns",
        ],
    );
    faults(
        "from = \"orders\"\njoin = [\"clicks\"]\nby = [\"total\", \"clicks.country\", \"orders.country\"]\n\
         measures = { country = \"count()\", all = \"hll(id)\", most = \"max(placed)\" }",
        &[
            "58:7: rollups.it.by[0]: \"orders\" and \"clicks\" both keep a column \"total\"; write \"orders.total\"",
            "58:34: rollups.it.by[2]: the column \"country\" stands here twice; group by one of them; two tables' columns \
             need names of their own",
            "58:34: rollups.it.by[2]: no table of the rollup keeps a column \"orders.country\"; kept are id, total, id, total, \
             country; what else is needed goes into a table's cache",
            "59:14: rollups.it.measures.country: the rollup has another column \"country\"; rename this one",
            "59:35: rollups.it.measures.all: measure \"hll(id)\": there is no \"hll\" in a rollup: a sketch cannot take back a row \
             that is updated; write \"count_distinct(column)\", which is exact",
            "59:52: rollups.it.measures.most: no table of the rollup keeps a column \"placed\"; kept are id, total, id, total, \
             country; what else is needed goes into a table's cache",
        ],
    );
    faults(
        &format!("from = \"orders\"\n{measures}\non = \"id\"\nwhere = \"total > 3\"\nsized = 1"),
        &[
            "58:1: rollups.it.on: tables are joined on their keys; leave it out; a join on other columns belongs in a query",
            "59:1: rollups.it.where: all keys count that are in every table; group by what tells rows apart, and leave groups \
             out in a query",
            "60:1: rollups.it.sized: unknown key; known are from, join, by, measures, on, where",
        ],
    );
    faults(
        "from = \"orders\"\nmeasures = {}",
        &["57:1: rollups.it.measures: there is nothing to measure; write { rows = \"count()\" }"],
    );
    let folder = Folder::new();
    let found = folder.declare(&text(&format!("from = \"orders\"\n{measures}")).replace("rollups.it", "rollups.sales"));
    assert_eq!(
        found.err().unwrap(),
        ["55:10: rollups.sales: the name \"sales\" is already that of tables.orders.aggregates[0].name; \
          tables, aggregates, rollups and queries share one database: rename one"]
    );
}

#[test]
fn types_are_known_when_the_transforms_are() {
    let rollup = "from = \"orders\"\njoin = [\"clicks\"]\nby = [{ name = \"year\", year = \"country\" }]\n\
         measures = { sum = \"sum(orders.total)\", mean = \"mean(country)\" }";
    let folder = Folder::new();
    let declared = folder.declare(&text(rollup)).unwrap();
    let mut all = described(&OUTPUTS);
    assert!(check(&declared, &all).is_empty(), "nobody knows the types of the other table");
    let others = [("id", Type::Text), ("total", Type::Int64), ("country", Type::Text)];
    all.insert("clicks".into(), described(&others).remove("orders").unwrap());
    let found: Vec<String> = check(&declared, &all).iter().map(|fault| shown(&declared, fault)).collect();
    assert_eq!(
        found,
        [
            "57:9: rollups.it.join[0]: the keys are of other types: \"id\" of \"orders\" is int64, and \"id\" of \"clicks\" text",
            "58:7: rollups.it.by[0]: the column \"country\" is text, which does not fit here; name a column of timestamp",
            "59:41: rollups.it.measures.mean: the column \"country\" is text, which does not fit here; name a column of int64, \
             float64",
        ]
    );
}
