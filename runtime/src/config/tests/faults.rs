//! Each kind of fault, where it is shown, in which words.

use std::fs;

use super::{Folder, GOOD, read};

/// The faults of a whole file are `expected`, without the file's name.
fn faults(text: &str, expected: &[&str]) {
    let found = Folder::new().declare(text).err().unwrap_or_default();
    assert_eq!(found, expected);
}

/// With `from` replaced by `to`, the good file has the faults `expected`.
fn swap(from: &str, to: &str, expected: &[&str]) {
    assert!(GOOD.contains(from), "{from}");
    faults(&GOOD.replacen(from, to, 1), expected);
}

#[test]
fn wrong_toml() {
    let open = "a list or an inline table before this line is not closed; write ] or } after its last item";
    swap("key = [\"id\"]", "key = [\"id\"", &[&format!("23:1: TOML: {open}")]);
    swap("deadline = \"1s\" }", "deadline = \"1s\"", &[&format!("28:1: TOML: {open}")]);
    swap("bucket = \"orders-lake\"", "bucket = ", &["5:10: TOML: the value is missing"]);
    swap("partitions = 3", "partitions = 3\npartitions = 4", &["12:1: TOML: duplicate key"]);
    swap("[lake]", "[lake", &["4:6: TOML: unclosed table"]);
    swap("\"7d\"", "7d", &[r#"12:13: TOML: string values must be quoted; write "7d""#]);
}

#[test]
fn unknown_and_missing_keys() {
    let wants_name = "write a section [pipeline] with a name";
    let wants_topics = "write a section [topics.NAME] for each topic";
    let wants_lake = "write a section [lake] with a bucket";
    faults(
        "",
        &[
            &format!("1:1: pipeline: the section is missing; {wants_name}"),
            &format!("1:1: topics: the section is missing; {wants_topics}"),
            &format!("1:1: lake: the section is missing; {wants_lake}"),
        ],
    );
    swap(r#"name = "orders""#, "", &[r#"1:2: pipeline: "name" is missing; write name = "NAME""#]);
    swap("window = \"10s\"", "windw = \"10s\"", &[r#"24:1: tables.orders.windw: unknown key; did you mean "window"?"#]);
    swap(
        "[pipeline]",
        "[colour]\n[pipeline]",
        &[
            "1:2: colour: unknown key; known are pipeline, listen, ingest, epoch, lake, gateway, kinesis, topics, tables, landings, rollups, queries, calls, schedules, trust",
        ],
    );
    swap("size = \"1m\", ", "", &[r#"31:1: tables.orders.aggregates[0].window: "size" is missing; write size = "1m""#]);
    swap(
        "topic = \"orders\"\n",
        "",
        &[r#"19:9: tables.orders: "topic" is missing; write topic = "NAME" of the topic that it reads"#],
    );
}

#[test]
fn wrong_unwrapping() {
    let unwrap = |list: &str, expected: &[&str]| {
        swap("partitions = 3", &format!("partitions = 3\nunwrap = {list}"), expected);
    };
    unwrap(r#"["json-text", "base64", "field:a b", "json-text"]"#, &[]);
    unwrap(
        r#"["json", "base64", "field:"]"#,
        &[
            r#"12:11: topics.orders.unwrap[0]: "json" is not known; known are json-text, base64, field:NAME"#,
            r#"12:29: topics.orders.unwrap[2]: the field has no name; write "field:NAME" with the field that holds the value"#,
        ],
    );
    unwrap("\"base64\"", &["12:1: topics.orders.unwrap: it is a text, not a list of texts"]);
    unwrap("[7]", &["12:11: topics.orders.unwrap[0]: it is a whole number, not a text"]);
    swap("partitions = 3", "unwarp = []", &[r#"11:1: topics.orders.unwarp: unknown key; did you mean "unwrap"?"#]);
}

#[test]
fn wrong_types() {
    swap(
        "[topics.orders]",
        "[topics.orders]\ncompression = 4",
        &["11:1: topics.orders.compression: it is a whole number, not a text"],
    );
    swap("partitions = 3", "partitions = \"3\"", &["11:1: topics.orders.partitions: it is a text, not a whole number"]);
    swap("[\"id\", \"total\"]", "[\"id\", 7]", &["23:16: tables.orders.cache[1]: it is a whole number, not a text"]);
    swap(
        "{ memory = \"16MiB\", deadline = \"1s\" }",
        "3",
        &["26:1: tables.orders.limits: it is a whole number, not a table"],
    );
    swap("partitions = 3", "partitions = 0", &["11:1: topics.orders.partitions: 0 is not within 1 and 256"]);
    swap("2] }", "inf] }", &["25:34: tables.orders.parameters.rates: JSON has no number for inf"]);
}

#[test]
fn wrong_units() {
    swap("\"10s\"", "\"10\"", &[r#"24:1: tables.orders.window: "10" has no unit; write "10s""#]);
    swap("\"10s\"", "10", &[r#"24:1: tables.orders.window: "10" has no unit; write "10s""#]);
    swap(
        "\"10s\"",
        "\"1500ms\"",
        &["24:1: tables.orders.window: a lake window is of whole seconds, since its start names its objects"],
    );
    swap("\"1m\"", "\"0s\"", &["31:31: tables.orders.aggregates[0].window.size: 0s is less than 1ms"]);
    swap(
        "\"1h\"",
        "\"-1h\"",
        &[r#"31:61: tables.orders.aggregates[0].window.lateness: "-1h" is negative; write "1h""#],
    );
    swap(
        "\"10GiB\"",
        "\"10gib\"",
        &[r#"13:1: topics.orders.retention_size: "10gib" has the unknown unit "gib"; write "10GiB""#],
    );
    swap(
        "partitions = 3",
        "segment = \"1MiB\"\nrecord = \"2MiB\"",
        &["11:1: topics.orders.segment: a segment is smaller than the largest record"],
    );
    swap(
        "[lake]",
        "[ingest]\nbody = \"8MiB\"\ninflight = \"1MiB\"\n[lake]",
        &["6:1: ingest.inflight: ingest.inflight is less than ingest.body, so the largest body would never be taken"],
    );
}

#[test]
fn wrong_names() {
    swap(
        "[queries.best]",
        "[queries.sales]",
        &[
            r#"34:10: queries.sales: the name "sales" is already that of tables.orders.aggregates[0].name; tables, aggregates, rollups and queries share one database: rename one"#,
        ],
    );
    swap(
        "[queries.best]",
        "[queries.tidemill_best]",
        &[
            r#"34:10: queries.tidemill_best: the name "tidemill_best" is not lowercase letters, digits and _, from a letter on, other than sqlite_.. and tidemill_..; write "best""#,
        ],
    );
    swap(
        "cache = [\"id\"",
        "cache = [\"ID\", \"id\"",
        &[r#"23:16: tables.orders.cache[1]: the column "id" stands here twice"#],
    );
    swap(
        "\"country\"",
        "\"_country\"",
        &[
            r#"30:7: tables.orders.aggregates[0].by[0]: the name "_country" is not letters, digits and _, from a letter on"#,
        ],
    );
    let rule = r#"is not lowercase letters, digits and _, from a letter on, other than sqlite_.. and tidemill_.."#;
    swap(
        "[queries.best]",
        "[queries.Best-One]",
        &[&format!(r#"34:10: queries.Best-One: the name "Best-One" {rule}; write "best_one""#)],
    );
    swap(
        "[queries.best]",
        "[queries._best]",
        &[&format!(r#"34:10: queries._best: the name "_best" {rule}; write "best""#)],
    );
    swap(
        "\"country\"",
        "\"window_end\"",
        &[r#"30:7: tables.orders.aggregates[0].by[0]: every aggregate has its own column "window_end""#],
    );
    swap(
        "rows =",
        "country =",
        &[
            r#"32:14: tables.orders.aggregates[0].measures.country: the aggregate has another column "country"; rename this one"#,
        ],
    );
    swap(
        "[topics.clicks]",
        "[topics.\"a b\"]",
        &[r#"15:9: topics."a b": the name "a b" is not 1 to 249 letters, digits, dots, _ and -"#],
    );
    swap(
        "\"orders-lake\"",
        "\"Orders\"",
        &[
            r#"5:1: lake.bucket: "Orders" is not 3 to 63 lowercase letters, digits, dots and - that begin and end with a letter or a digit"#,
        ],
    );
    swap("raw/eu", "/raw/eu/", &[r#"6:1: lake.prefix: "/raw/eu/" begins or ends with a slash; write "raw/eu""#]);
    swap(
        "name = \"orders\"",
        "name = \"Orders 1\"",
        &[r#"2:1: pipeline.name: "Orders 1" is not 1 to 63 lowercase letters, digits, _ and -"#],
    );
}

#[test]
fn dangling_references() {
    swap(
        "topic = \"orders\"",
        "topic = \"order\"",
        &[r#"20:1: tables.orders.topic: the topic "order" is not declared; did you mean "orders"?"#],
    );
    swap(
        "transforms/clean",
        "transforms/claen",
        &[r#"21:1: tables.orders.transform: "transforms/claen" does not exist; did you mean "transforms/clean"?"#],
    );
    swap(
        "transforms/clean",
        "transforms",
        &[
            r#"21:1: tables.orders.transform: "transforms" is neither a transform's folder (it has no Cargo.toml, package.json or pyproject.toml) nor a .wasm file"#,
        ],
    );
    let cases = |written: &str| format!("window = \"10s\"\ncases = \"{written}\"");
    let absent = r#"25:1: tables.orders.cases: "transform" does not exist; did you mean "transforms"?"#;
    swap("window = \"10s\"", &cases("transform"), &[absent]);
    let file = r#"25:1: tables.orders.cases: "best.sql" is not a folder"#;
    swap("window = \"10s\"", &cases("best.sql"), &[file]);
    swap("best.sql", "bset.sql", &[r#"35:1: queries.best.sql: "bset.sql" does not exist; did you mean "best.sql"?"#]);
    swap("best.sql", "empty.sql", &["35:1: queries.best.sql: the SQL is empty"]);
    swap(
        "key = [\"id\"]",
        "key = [\"id\", \"day\", \"id\"]",
        &[
            r#"22:14: tables.orders.key[1]: the key column "day" is not cached; add "day" to cache"#,
            r#"22:21: tables.orders.key[2]: the column "id" stands here twice"#,
        ],
    );
    swap(
        "key = [\"id\"]",
        "",
        &[
            r#"23:1: tables.orders.cache: columns are cached by key, and there is no key; write key = ["COLUMN"], the columns that tell rows apart"#,
        ],
    );
    swap(
        "query = ",
        "sql = \"best.sql\"\nquery = ",
        &[r#"39:1: queries.all_orders.query: there is "sql" too; keep one of them"#],
    );
}

#[test]
fn wrong_addresses() {
    let listen = |keys: &str, expected: &[&str]| swap("[lake]", &format!("[listen]\n{keys}\n[lake]"), expected);
    listen(
        "admin = \"127.0.0.1:8082\"",
        &["5:1: listen.admin: listen.topics and listen.admin both listen on port 8082; give each its own port"],
    );
    listen(
        "admin = \"127.0.0.1:9000\"",
        &["10:1: lake.port: listen.admin already listens on port 9000; write port = 0 to take a free one"],
    );
    listen(
        "admin = \"localhost:8000\"",
        &[r#"5:1: listen.admin: "localhost:8000" is not an IP address with a port; write "127.0.0.1:8000""#],
    );
    // Only a pipeline that is to run has to be safe: others may ask one that was let run without.
    listen("admin = \"0.0.0.0:8000\"", &[]);
    listen(
        "insecure = true",
        &["5:1: listen.insecure: unknown key; known are topics, admin, hosts, keys, tls, limits"],
    );
    listen(
        "hosts = [\"a b\"]",
        &[
            r#"5:10: listen.hosts[0]: "a b" is not a host's name: lowercase letters, digits, dots and -, without a port"#,
        ],
    );
    listen(
        "tls = { certificate = \"a.pem\" }",
        &[r#"5:1: listen.tls: "key" is missing; write key = "FILE.pem", the certificate's private key"#],
    );
    listen("limits = { head = \"1KiB\" }", &["5:12: listen.limits.head: 1KiB is not within 8KiB and 1MiB"]);
    listen("limits = { idle_time = \"1ms\" }", &["5:12: listen.limits.idle_time: 1ms is less than 10ms"]);
    listen("admin = \"127.0.0.1:0\"\ntopics = \"127.0.0.1:0\"", &[]);
    swap(
        "\"embedded\"\nport = 9000",
        "\"minio\"",
        &[
            r#"7:1: lake.endpoint: "minio" is not an S3 endpoint; write "embedded", "aws" or a URL such as "http://127.0.0.1:9000""#,
        ],
    );
    swap(
        "\"embedded\"",
        "\"aws\"",
        &["8:1: lake.port: unknown key; known are bucket, prefix, endpoint, region, format, timeout, retry, spool"],
    );
    swap(
        "127.0.0.1:9003",
        "fluvio",
        &[r#"17:1: topics.clicks.address: "fluvio" has no host and port; write "HOST:9003""#],
    );
}

#[test]
fn wrong_measures() {
    let cause = crate::window::spec::parse("sum total").unwrap_err();
    let shown = format!("{cause}; {}", cause.next_step().unwrap());
    swap("sum(total)", "sum total", &[&format!("32:32: tables.orders.aggregates[0].measures.total: {shown}")]);
    swap(
        "{ rows = \"count()\", total = \"sum(total)\" }",
        "{}",
        &[r#"32:1: tables.orders.aggregates[0].measures: there is nothing to measure; write { rows = "count()" }"#],
    );
    swap(
        "\"tumbling\"",
        "\"sliding\"",
        &[
            r#"31:12: tables.orders.aggregates[0].window.kind: "sliding" is not known; known are tumbling, hopping, session, calendar"#,
        ],
    );
}

#[test]
fn all_faults_at_once_by_place() {
    let text = GOOD
        .replace("\"orders-lake\"", "\"x\"")
        .replace("\"embedded\"", "\"embeded\"")
        .replace("partitions = 3", "partitons = 3")
        .replace("\"7d\"", "\"7 days\"")
        .replace("\"fluvio\"", "\"fluvo\"")
        .replace("topic = \"orders\"", "topic = \"oders\"")
        .replace("\"16MiB\"", "\"16\\u004dib\"")
        .replace("\"1m\"", "\"0ms\"")
        .replace("count()", "cuont()")
        .replace("best.sql", "worst.sql");
    let found = Folder::new().declare(&text).unwrap_err();
    let places: Vec<_> = found.iter().map(|fault| fault.split(": ").take(2).collect::<Vec<_>>().join(": ")).collect();
    let expected = [
        "5:1: lake.bucket",
        "7:1: lake.endpoint",
        "11:1: topics.orders.partitons",
        "12:1: topics.orders.retention",
        "16:1: topics.clicks.backend",
        "20:1: tables.orders.topic",
        "26:12: tables.orders.limits.memory",
        "31:31: tables.orders.aggregates[0].window.size",
        "32:14: tables.orders.aggregates[0].measures.rows",
        "35:1: queries.best.sql",
    ];
    assert_eq!(places, expected);
}

#[test]
fn a_file_that_cannot_be_read() {
    let folder = Folder::new();
    let absent = read(&folder.0.join("absent.toml")).unwrap_err();
    assert!(absent[0].to_string().contains("absent.toml:1:1: the file cannot be read: "), "{absent:?}");
    let path = folder.0.join("binary.toml");
    fs::write(&path, b"[lake]\nx = \xff").unwrap();
    let binary = read(&path).unwrap_err();
    assert!(binary[0].to_string().ends_with("binary.toml:2:5: the file is not UTF-8"), "{binary:?}");
}
