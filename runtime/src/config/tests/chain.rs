//! Tables with several transforms.

use super::{Declared, Described, Descriptions, Folder, GOOD, Limits, OUTPUTS, Type, check, field, picture, shown};

const ONE: &str = "transform = \"transforms/clean\"";
const PARAMETERS: &str = "parameters = { currency = \"EUR\", rates = [1.5, 2] }\n";

/// The good file with these transforms.
fn text(transforms: &str) -> String {
    GOOD.replacen(ONE, transforms, 1).replacen(PARAMETERS, "", 1)
}

fn folder() -> Folder {
    let folder = Folder::new();
    folder.put("transforms/price/Cargo.toml", "");
    folder
}

fn chain() -> (Folder, Declared) {
    let folder = folder();
    let price = r#"{ transform = "transforms/price", parameters = { rate = 2 }, limits = { memory = "1MiB" } }"#;
    let declared = folder.declare(&text(&format!("transforms = [\"transforms/clean\", {price}]"))).unwrap();
    (folder, declared)
}

#[test]
fn a_table_names_several() {
    let (folder, declared) = chain();
    let root = folder.0.canonicalize().unwrap();
    let [clean, price] = declared.pipeline.tables[0].transforms.as_slice() else { panic!() };
    assert_eq!(clean.component, root.join("transforms/clean/clean.wasm"));
    assert_eq!(price.component, root.join("transforms/price/price.wasm"));
    assert_eq!([&*clean.parameters, &*price.parameters], ["{}", r#"{"rate":2}"#]);
    assert_eq!([&*clean.place, &*price.place], ["transforms[0]", "transforms[1]"]);
    assert_eq!(price.parameters_place(), "transforms[1].parameters");
    // The table's limits hold for each, but for what it sets itself.
    assert_eq!((clean.limits.memory_bytes_max, price.limits.memory_bytes_max), (16 << 20, 1 << 20));
    assert_eq!(price.limits, Limits { memory_bytes_max: 1 << 20, ..clean.limits.clone() });
}

#[test]
fn faults_of_a_chain() {
    let faults = |text: &str, expected: &[&str]| {
        assert_eq!(folder().declare(text).err().unwrap_or_default(), expected);
    };
    faults(
        &text("transforms = []"),
        &[r#"21:1: tables.orders.transforms: there is none; write transform = "FOLDER" of a crate, or a .wasm file"#],
    );
    faults(
        &text("transforms = [\"transforms/clean\", { transfrom = \"transforms/price\" }, 3]"),
        &[
            r#"21:35: tables.orders.transforms[1]: "transform" is missing; write transform = "FOLDER" of a crate, or a .wasm file"#,
            r#"21:37: tables.orders.transforms[1].transfrom: unknown key; did you mean "transform"?"#,
            r#"21:71: tables.orders.transforms[2]: it is a whole number, not a text or a table"#,
        ],
    );
    faults(
        &GOOD.replacen(ONE, "transform = \"transforms/clean\"\ntransforms = [\"transforms/prize\"]", 1),
        &[
            r#"21:1: tables.orders.transform: there is "transforms" too; keep one of them"#,
            r#"22:15: tables.orders.transforms[0]: "transforms/prize" does not exist; did you mean "transforms/price"?"#,
            r#"26:1: tables.orders.parameters: it does not say of which of the transforms; write { transform = "..", parameters = { .. } } in transforms"#,
        ],
    );
}

fn described(between: &[(&str, Type)]) -> Descriptions {
    let one = |name: &str, inputs: &[(&str, Type)], outputs: &[(&str, Type)]| {
        let fields = |fields: &[(&str, Type)]| fields.iter().map(|(name, kind)| field(name, *kind)).collect();
        let (version, digest) = ("0.1.0".to_owned(), "0123456789abcdef".to_owned());
        Described { name: name.to_owned(), version, digest, inputs: fields(inputs), outputs: fields(outputs) }
    };
    let reads = [("id", Type::Int64), ("amount", Type::Float64), ("@time", Type::Timestamp)];
    let chain = vec![one("clean", &[("number", Type::Int64)], between), one("price", &reads, &OUTPUTS)];
    Descriptions::from([("orders".to_owned(), chain)])
}

#[test]
fn each_reads_what_the_one_before_it_writes() {
    let (_folder, declared) = chain();
    let check = |between: &[(&str, Type)], expected: &[&str]| {
        let faults = check(&declared, &described(between));
        assert_eq!(faults.iter().map(|fault| shown(&declared, fault)).collect::<Vec<_>>(), expected);
    };
    check(&[("amount", Type::Float64), ("id", Type::Int64)], &[]);
    check(
        &[("id", Type::Text), ("sum", Type::Float64)],
        &[
            r#"21:35: tables.orders.transforms[1]: it reads "id" as int64, and the one before it writes text; make them the same type in both transforms"#,
            r#"21:35: tables.orders.transforms[1]: it reads "amount", which the transform before it does not write; written are id, sum"#,
        ],
    );
}

#[test]
fn a_picture_shows_each() {
    let (_folder, declared) = chain();
    let shown = picture(&declared.pipeline, &described(&[("id", Type::Int64), ("amount", Type::Float64)]));
    let expected = r#"
table orders
  topic       orders
  transform   clean 0.1.0 (0123456789ab) from transforms/clean
  then        price 0.1.0 (0123456789ab) from transforms/price
  parameters  {"rate":2}
  cache       the latest row of each id
  lake        windows of 10s, up to 1080 objects an hour, more from 4MiB an epoch on
  reads            ->  writes
    number  int64        id      int64
                         amount  float64
  reads                ->  writes
    id      int64            id       int64      key
    amount  float64          total    float64    cached
    @time   timestamp        country  text
                             placed   timestamp
"#;
    assert!(shown.contains(expected), "{shown}");
}
