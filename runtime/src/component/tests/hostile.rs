//! Components that load and then misbehave.

use std::sync::Arc;
use std::time::Duration;

use arrow_array::{RecordBatch, StringArray};

use super::guest::{ANSWER, Answer, Column, Guest, IDENTITY, batch, field, i64s, limits, u32s};
use crate::component::Failure;
use crate::component::limits::Limits;
use crate::schema::Type;

fn two_rows() -> RecordBatch {
    batch(&[field("title", Type::Text, true)], vec![Arc::new(StringArray::from(vec!["a", "b"]))])
}

fn kind(failure: &Failure) -> &'static str {
    match failure {
        Failure::Trap(_) => "trap",
        Failure::Deadline(_) => "deadline",
        Failure::Refused(_) => "refused",
        Failure::Invalid(_) => "invalid",
        Failure::Input(_) => "input",
        Failure::Quarantined(_) => "quarantined",
    }
}

/// Applies the guest to two rows, twice, since a failure must leave the instance able to go on.
fn check(guest: &Guest, limits: &Limits, expected: (&str, &str)) {
    let mut instance = guest.load(limits).unwrap().instantiate("{}").unwrap();
    for _ in 0..2 {
        let failure = instance.apply(&two_rows()).unwrap_err();
        assert_eq!(kind(&failure), expected.0, "{failure:?}");
        assert!(failure.error().message().starts_with("transform \"guest\": "), "{failure:?}");
        assert!(failure.error().message().contains(expected.1), "{failure:?}, not {expected:?}");
    }
}

fn check_code(apply: &str, expected: (&str, &str)) {
    check(&Guest { apply: apply.into(), ..Guest::honest() }, &limits(), expected);
}

#[test]
fn code_that_traps() {
    check_code("unreachable", ("trap", "wasm `unreachable` instruction executed"));
    check_code("(i32.div_u (local.get $rows) (i32.const 0))", ("trap", "divide by zero"));
    check_code("(i32.load (i32.const -4))", ("trap", "out of bounds memory access"));
    let deep = "(func $deep (param i32) (result i32) (i32.add (i32.const 1) (call $deep (i32.add (local.get 0) (i32.const 1)))))";
    let guest = Guest { apply: "(call $deep (i32.const 0))".into(), more: deep.into(), ..Guest::honest() };
    check(&guest, &limits(), ("trap", "call stack exhausted"));
}

#[test]
fn code_that_takes_too_long() {
    let short = Limits { deadline: Duration::from_millis(30), ..limits() };
    let out_of_time = ("deadline", "out of time (limit deadline = 30 ms)");
    let endless = Guest { apply: "(loop $l (br $l)) unreachable".into(), ..Guest::honest() };
    check(&endless, &short, out_of_time);
    let fill = "(loop $l (memory.fill (i32.const 131072) (i32.const 1) (i32.const 500000)) (br $l)) unreachable";
    check(&Guest { apply: fill.into(), ..Guest::honest() }, &short, out_of_time);
    let realloc = "(loop $l (br $l)) unreachable".into();
    let slow = Guest { realloc, ..Guest::honest() };
    let component = slow.load(&short).unwrap();
    assert!(component.instantiate("{}").unwrap_err().message().contains(out_of_time.1));
    let configure = "(loop $l (br $l)) unreachable".into();
    let component = Guest { configure, ..Guest::honest() }.load(&short).unwrap();
    assert!(component.instantiate("{}").unwrap_err().message().contains(out_of_time.1));
}

#[test]
fn code_that_wants_too_much() {
    // What a Rust guest does: its allocator gives up when memory does not grow.
    let grow = "(loop $l (br_if $l (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))) unreachable";
    check_code(grow, ("trap", "out of memory: it asked for 68157440 bytes (limit memory = 64 MiB)"));
    let table = Guest {
        apply: "(drop (table.grow (ref.null func) (i32.const 20000))) unreachable".into(),
        more: "(table 1 funcref)".into(),
        ..Guest::honest()
    };
    check(&table, &limits(), ("trap", "limit table_elements = 10000"));
    // A million reasons that are the same 100,000 bytes: small in the guest, large in the host.
    let reasons = Guest {
        apply: format!(
            "(local $i i32)
            (drop (memory.grow (i32.const 200)))
            (loop $l
              (i32.store (i32.add (i32.const 1048576) (i32.mul (local.get $i) (i32.const 12))) (local.get $i))
              (i32.store offset=4 (i32.add (i32.const 1048576) (i32.mul (local.get $i) (i32.const 12))) (i32.const 13900000))
              (i32.store offset=8 (i32.add (i32.const 1048576) (i32.mul (local.get $i) (i32.const 12))) (i32.const 100000))
              (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 1000000))))
            (i32.store offset=24 (global.get $answer) (i32.const 1048576))
            (i32.store offset=28 (global.get $answer) (i32.const 1000000))
            {ANSWER}"
        ),
        ..Guest::answering(vec![field("title", Type::Text, true)], texts(&[0, 1, 2], b"ab"))
    };
    check(&reasons, &limits(), ("invalid", "returned too much (limit output = 64 MiB)"));
}

#[test]
fn a_panic_says_in_the_log_what_it_was() {
    let apply = "(call $log (i32.const 3) (global.get $refusal) (i32.const 25)) unreachable";
    check_code(apply, ("trap", "trapped: no such parameter: colour"));
}

#[test]
fn a_flood_of_logs_is_cut() {
    let apply = format!(
        "(local $i i32)
        (loop $l (call $log (i32.const 0) (global.get $refusal) (i32.const 25))
          (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 100000))))
        {IDENTITY}"
    );
    let mut instance = Guest { apply, ..Guest::honest() }.load(&limits()).unwrap().instantiate("{}").unwrap();
    assert_eq!(instance.apply(&two_rows()).unwrap().rows, two_rows());
}

#[test]
fn a_refusal_leaves_the_instance_as_it_is() {
    let answer = Answer { refusal: Some("the table is closed"), ..texts(&[0], b"") };
    let guest = Guest::answering(vec![field("title", Type::Text, true)], answer);
    check(&guest, &limits(), ("refused", "refused the batch: the table is closed"));
}

#[test]
fn an_instance_works_again_after_a_trap() {
    // Traps on a batch of two rows, returns any other.
    let apply = format!("(if (i32.eq (local.get $rows) (i32.const 2)) (then unreachable)) {IDENTITY}");
    let mut instance = Guest { apply, ..Guest::honest() }.load(&limits()).unwrap().instantiate("{}").unwrap();
    for _ in 0..3 {
        assert!(matches!(instance.apply(&two_rows()), Err(Failure::Trap(_))));
        let one = two_rows().slice(1, 1);
        assert_eq!(instance.apply(&one).unwrap().rows, one);
    }
}

/// Two rows of a text, from the two rows given.
fn texts(offsets: &[u32], bytes: &[u8]) -> Answer {
    let columns = vec![Column::texts(offsets, bytes)];
    Answer { rows: 2, columns, sources: vec![0, 1], rejected: Vec::new(), refusal: None }
}

fn check_answer(kind: Type, nullable: bool, answer: Answer, message: &str) {
    check(&Guest::answering(vec![field("title", kind, nullable)], answer), &limits(), ("invalid", message));
}

fn check_column(kind: Type, column: Column, message: &str) {
    check_answer(
        kind,
        false,
        Answer { columns: vec![column], ..texts(&[], b"") },
        &format!("field \"title\": {message}"),
    );
}

#[test]
fn columns_that_break_the_contract() {
    let text =
        |offsets: &[u32], bytes: &[u8], message| check_column(Type::Text, Column::texts(offsets, bytes), message);
    text(&[0, 1, 2], b"a\xff", "text column: row 1 is not UTF-8");
    text(&[0, 1, 3], "aé→".as_bytes(), "text column: its offsets do not span its bytes");
    text(&[0, 2, 3], "aé".as_bytes(), "text column: row 1 begins inside a character");
    text(&[0, 3, 2], b"ab", "text column: its offsets fall");
    text(&[1, 1, 2], b"ab", "text column: its offsets do not span its bytes");
    text(&[0, u32::MAX, 2], b"ab", "text column: its offsets fall");
    text(&[0, 2], b"ab", "returned 2 offsets where 3 are due");
    text(&[], b"", "returned 0 offsets where 3 are due");
    check_column(Type::Int64, Column::texts(&[0, 1, 2], b"ab"), "returned text, not int64");
    check_column(Type::Text, Column::of(1, vec![i64s(&[1, 2])]), "returned int64, not text");
    check_column(Type::Int64, Column::of(1, vec![i64s(&[1])]), "returned 1 values where 2 are due");
    check_column(Type::Boolean, Column::of(0, vec![(vec![1, 2], 2)]), "row 1 is neither 0 nor 1");
    check_column(Type::Timestamp, Column::of(1, vec![i64s(&[1, 2])]), "returned int64, not timestamp");
    let bytes = |offsets: &[u32]| Column::of(5, vec![u32s(offsets), (vec![7; 4], 4)]);
    check_column(Type::Bytes, bytes(&[0, 3, 5]), "its offsets do not span its 4 values");
    check_column(Type::Bytes, bytes(&[0, 5, 4]), "its offsets fall after row 1");
    let json = |offsets: &[u32], bytes: &[u8]| Column::of(6, Column::texts(offsets, bytes).lists);
    check_column(
        Type::Json,
        json(&[0, 2, 4], b"{}[]]"[..4].as_ref()).valid(&[1]),
        "row 1 is null, and the field may not be",
    );
    check_column(Type::Json, json(&[0, 2, 5], b"{}[]]"), "row 1 is not JSON");
    check_column(Type::Json, json(&[0, 2, 2], b"{}"), "row 1 is not JSON");
    let numbers = |offsets: &[u32]| Column::of(7, vec![u32s(offsets), i64s(&[0, 0, 0])]);
    check_column(Type::Float64List, numbers(&[0, 1, 2]), "its offsets do not span its 3 values");
    let lists = |offsets: &[u32], items: &[u32]| Column::of(8, vec![u32s(offsets), u32s(items), (b"abc".to_vec(), 3)]);
    check_column(
        Type::TextList,
        lists(&[0, 1, 2], &[0, 2, 4]),
        "items: text column: its offsets do not span its bytes",
    );
    check_column(Type::TextList, lists(&[0, 1, 1], &[0, 2, 3]), "its offsets do not span its 2 values");
    check_column(Type::TextList, lists(&[0, 0, 0], &[]), "items: there are no offsets");
}

#[test]
fn validity_that_breaks_the_contract() {
    let given = |bits: &[u8]| Answer { columns: vec![Column::texts(&[0, 1, 2], b"ab").valid(bits)], ..texts(&[], b"") };
    check_answer(Type::Text, false, given(&[0b01]), "field \"title\": row 1 is null, and the field may not be");
    check_answer(Type::Text, true, given(&[]), "field \"title\": returned 0 bytes of validity where 1 are due");
    check_answer(Type::Text, true, given(&[3, 0]), "field \"title\": returned 2 bytes of validity where 1 are due");
}

#[test]
fn answers_that_break_the_contract() {
    let good = || texts(&[0, 1, 2], b"ab");
    let text = |answer, message| check_answer(Type::Text, true, answer, message);
    text(Answer { sources: vec![0, 2], ..good() }, "sources: row 1 comes from 2, of 2 given");
    text(Answer { sources: vec![1, 0], ..good() }, "sources: they fall at row 1");
    text(Answer { sources: vec![0], ..good() }, "sources: 1 of them for 2 rows");
    text(Answer { rows: 129, ..good() }, "returned 129 rows for 2 (limit rows_out_per_row = 64)");
    text(Answer { columns: Vec::new(), ..good() }, "returned 0 columns for 1 outputs");
    let rejected = |rows: &[u32]| Answer {
        rows: 1,
        columns: vec![Column::texts(&[0, 1], b"a")],
        sources: vec![0],
        rejected: rows.iter().map(|row| (*row, b"bad".to_vec())).collect(),
        refusal: None,
    };
    text(rejected(&[0]), "rejected: row 0 came out as well");
    text(rejected(&[2]), "rejected: row 2, of 2 given");
    text(rejected(&[1, 1]), "rejected: row 1 does not come after the one before it");
    text(Answer { rejected: vec![(1, vec![0xff])], ..rejected(&[]) }, "what it returned cannot be read");
    text(Answer { columns: vec![Column::of(77, Vec::new())], ..good() }, "what it returned cannot be read");
}

#[test]
fn addresses_outside_of_memory() {
    let place =
        |at: &str, value: &str| format!("(i32.store offset={at} (global.get $answer) (i32.const {value})) {ANSWER}");
    let cases = [
        "(i32.const -16)".to_owned(),
        "(i32.const 2)".to_owned(),
        place("8", "-16"),
        place("12", "2147483647"),
        place("16", "-16"),
        place("16", "3"),
        place("20", "1073741823"),
    ];
    for apply in cases {
        let guest =
            Guest { apply, ..Guest::answering(vec![field("title", Type::Text, true)], texts(&[0, 1, 2], b"ab")) };
        check(&guest, &limits(), ("invalid", "what it returned cannot be read"));
    }
    for realloc in ["(i32.const -16)", "(i32.const 1048570)"] {
        // Only for the batch, so that the parameters still arrive.
        let realloc = format!(
            "(if (result i32) (i32.eq (local.get $align) (i32.const 4)) (then {realloc}) (else (i32.const 200000)))"
        );
        let guest = Guest { realloc, ..Guest::honest() };
        check(&guest, &limits(), ("invalid", "realloc"));
    }
}
