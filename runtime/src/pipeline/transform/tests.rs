//! Poison among good rows, budgets and deadlines, one transform after another.

use std::sync::Arc;
use std::time::Duration;

use arrow_array::StringArray;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;

use super::stage::TIME_HITS_MAX;
use super::*;
use crate::component::limits::Limits;
use crate::component::tests::guest::{Answer, Column, Guest, IDENTITY, batch, field};
use crate::pipeline::generation::Chain;
use crate::schema::Type;

const ROWS: usize = 64;

/// A transform that runs `apply` on texts of one letter.
fn transform(apply: &str, limits: &Limits) -> Transform {
    let guest = Guest { apply: format!("{apply} {IDENTITY}"), ..Guest::honest() };
    Chain::new(vec![(guest.load(limits).unwrap(), "{}".to_owned())]).unwrap().start().unwrap()
}

/// Good rows, but for those given.
fn chunk(bad: &[usize]) -> RecordBatch {
    let texts: StringArray = (0..ROWS).map(|row| Some(if bad.contains(&row) { "x" } else { "a" })).collect();
    batch(&[field("title", Type::Text, true)], vec![Arc::new(texts)])
}

/// Does `then` where one of the rows is bad: the bytes of the texts stand in memory.
fn where_bad(then: &str) -> String {
    format!(
        "(local $at i32) (local $end i32)
        (local.set $at (i32.load offset=24 (local.get $columns)))
        (local.set $end (i32.add (local.get $at) (i32.load offset=28 (local.get $columns))))
        (block $done (loop $next
          (br_if $done (i32.ge_u (local.get $at) (local.get $end)))
          (if (i32.eq (i32.load8_u (local.get $at)) (i32.const 120)) (then {then}))
          (local.set $at (i32.add (local.get $at) (i32.const 1)))
          (br $next)))"
    )
}

fn rows_out(cleaned: &Cleaned) -> Vec<u32> {
    cleaned.pieces.iter().flat_map(|piece| piece.sources.iter().copied()).collect()
}

fn limits(budget: Duration) -> Limits {
    Limits { deadline: Duration::from_secs(20), budget, ..Limits::default() }
}

#[test]
fn poison_stands_alone_and_the_rest_goes_on_in_order() {
    let mut transform = transform(&where_bad("unreachable"), &limits(Duration::from_secs(60)));
    for bad in [vec![], vec![0], vec![63], vec![5, 6, 40], (0..ROWS).collect()] {
        let cleaned = transform.apply(&chunk(&bad)).unwrap();
        let rejected: Vec<_> = cleaned.rejected.iter().map(|(row, _)| *row as usize).collect();
        assert_eq!(rejected, bad);
        let good: Vec<_> = (0..ROWS).filter(|row| !bad.contains(row)).map(|row| row as u32).collect();
        assert_eq!(rows_out(&cleaned), good);
    }
}

#[test]
fn a_chunk_out_of_budget_is_halved_no_more_and_the_rest_is_tried_once() {
    // Any failing call is later than this budget, so the chunk is not halved at all; a good one is as ever.
    let mut transform = transform(&where_bad("unreachable"), &limits(Duration::ZERO));
    for _ in 0..2 {
        let cleaned = transform.apply(&chunk(&[7])).unwrap();
        assert_eq!((rows_out(&cleaned).len(), cleaned.rejected.len()), (0, ROWS));
        let reason = &cleaned.rejected[ROWS - 1].1;
        assert!(reason.starts_with("transform \"guest\": the budget of its chunk was used up"), "{reason}");
        assert!(reason.contains("(limit budget = 0 ms)") && reason.contains("unreachable"), "{reason}");
    }
    assert_eq!(rows_out(&transform.apply(&chunk(&[])).unwrap()).len(), ROWS);
    for _ in 1..TIME_HITS_MAX {
        transform.apply(&chunk(&[7])).unwrap();
    }
    let paused = transform.apply(&chunk(&[7])).err().unwrap();
    assert!(paused.message().contains("3 chunks in a row"), "{paused}");
    assert!(paused.next_step().unwrap().contains("raise budget in [tables.<table>.limits]"));
}

#[test]
fn deadline_hits_in_a_row_are_a_reason_to_pause() {
    let soon = Limits { deadline: Duration::from_millis(10), budget: Duration::from_secs(60), ..Limits::default() };
    let mut transform = transform(&where_bad("(loop $l (br $l))"), &soon);
    let paused = transform.apply(&chunk(&[0])).err().unwrap();
    assert!(paused.message().contains("out of time (limit deadline = 10 ms)"), "{paused}");
}

/// A chain of guests.
fn chain(guests: &[Guest]) -> Result<Chain> {
    let load = |guest: &Guest| (guest.load(&limits(Duration::from_secs(60))).unwrap(), "{}".to_owned());
    Chain::new(guests.iter().map(load).collect())
}

/// A guest that traps on texts with this letter, which stands for what it does with them.
fn trapping_on(letter: char) -> Guest {
    let apply = where_bad("unreachable").replace("(i32.const 120)", &format!("(i32.const {})", letter as u32));
    Guest { apply: format!("{apply} {IDENTITY}"), ..Guest::honest() }
}

#[test]
fn poison_of_each_transform_stands_alone() {
    let mut transform = chain(&[trapping_on('x'), trapping_on('y')]).unwrap().start().unwrap();
    let letter = |row| {
        if row == 7 {
            "x"
        } else if row % 20 == 9 {
            "y"
        } else {
            "a"
        }
    };
    let texts: StringArray = (0..ROWS).map(|row| Some(letter(row))).collect();
    let cleaned = transform.apply(&batch(&[field("title", Type::Text, true)], vec![Arc::new(texts)])).unwrap();
    let rejected: Vec<u32> = cleaned.rejected.iter().map(|(row, _)| *row).collect();
    assert_eq!(rejected, [7, 9, 29, 49]);
    assert_eq!(cleaned.failed, 4);
    let good: Vec<u32> = (0..ROWS as u32).filter(|row| !rejected.contains(row)).collect();
    assert_eq!(rows_out(&cleaned), good);
}

#[test]
fn a_record_of_which_a_row_is_rejected_has_none() {
    let answer = |texts: &[u8], sources: &[u32], rejected: Vec<(u32, Vec<u8>)>| Answer {
        rows: sources.len() as u32,
        columns: vec![Column::texts(&(0..=texts.len() as u32).collect::<Vec<_>>(), texts)],
        sources: sources.to_vec(),
        rejected,
        refusal: None,
    };
    let title = || vec![field("title", Type::Text, true)];
    let first = Guest::answering(title(), answer(b"abc", &[0, 0, 1], Vec::new()));
    let second = Guest::answering(title(), answer(b"ac", &[0, 2], vec![(1, b"no".to_vec())]));
    let mut transform = chain(&[first, second]).unwrap().start().unwrap();
    let texts: StringArray = ["p", "q"].into_iter().map(Some).collect();
    let cleaned = transform.apply(&batch(&title(), vec![Arc::new(texts)])).unwrap();
    assert_eq!((rows_out(&cleaned), cleaned.rejected), (vec![1], vec![(0, "no".to_owned())]));
    assert_eq!(cleaned.pieces[0].rows.num_rows(), 1);
}

#[test]
fn a_later_transform_reads_parts_of_the_record() {
    let with_offset = vec![field("title", Type::Text, true), field("@offset", Type::Int64, false)];
    let outputs = vec![field("title", Type::Text, true), field("place", Type::Int64, false)];
    let chain = chain(&[trapping_on('x'), Guest { inputs: with_offset, outputs, ..Guest::honest() }]).unwrap();
    let names: Vec<&str> = chain.inputs().iter().map(|field| field.name.as_str()).collect();
    assert_eq!(names, ["title", "@offset"]);
    let texts: StringArray = ["a", "x", "b"].into_iter().map(Some).collect();
    let offsets = arrow_array::Int64Array::from(vec![10, 11, 12]);
    let cleaned =
        chain.start().unwrap().apply(&batch(chain.inputs(), vec![Arc::new(texts), Arc::new(offsets)])).unwrap();
    let places: Vec<i64> = cleaned
        .pieces
        .iter()
        .flat_map(|piece| piece.rows.column(1).as_primitive::<Int64Type>().values().to_vec())
        .collect();
    assert_eq!((rows_out(&cleaned), places), (vec![0, 2], vec![10, 12]));
}

#[test]
fn what_does_not_fit_is_told_at_once() {
    let wants = |fields| Guest { inputs: fields, outputs: vec![field("title", Type::Text, true)], ..Guest::honest() };
    let misfit = chain(&[Guest::honest(), wants(vec![field("name", Type::Text, true)])]).err().unwrap();
    assert_eq!(
        (misfit.message(), misfit.next_step()),
        (
            "transform \"guest\": it reads \"name\", which the transform before it does not write",
            Some("written are title")
        )
    );
}

#[test]
fn a_later_transform_gets_whole_records_in_calls_of_a_few_hundred_rows() {
    let rows: Vec<u32> = [(0, 300), (1, 300), (2, 600)].iter().flat_map(|&(record, rows)| vec![record; rows]).collect();
    let offsets: Vec<u32> = (0..=rows.len() as u32).collect();
    let answer = Answer {
        rows: rows.len() as u32,
        columns: vec![Column::texts(&offsets, &vec![b'a'; rows.len()])],
        sources: rows.clone(),
        rejected: Vec::new(),
        refusal: None,
    };
    let many = Limits { rows_out_per_row_max: 1_000, ..limits(Duration::from_secs(60)) };
    let title = || vec![field("title", Type::Text, true)];
    let load = |guest: Guest| (guest.load(&many).unwrap(), "{}".to_owned());
    let chain = Chain::new(vec![load(Guest::answering(title(), answer)), load(Guest::honest())]).unwrap();
    let texts: StringArray = ["p", "q", "r"].into_iter().map(Some).collect();
    let cleaned = chain.start().unwrap().apply(&batch(&title(), vec![Arc::new(texts)])).unwrap();
    let calls: Vec<usize> = cleaned.pieces.iter().map(|piece| piece.sources.len()).collect();
    assert_eq!((calls, rows_out(&cleaned)), (vec![300, 300, 600], rows));
}

#[test]
fn parts_of_a_record_are_not_copied_without_bound() {
    let answer = Answer {
        rows: 3,
        columns: vec![Column::texts(&[0, 1, 2, 3], b"abc")],
        sources: vec![0, 0, 1],
        rejected: Vec::new(),
        refusal: None,
    };
    let reads = vec![field("title", Type::Text, true), field("@value", Type::Bytes, true)];
    let title = || vec![field("title", Type::Text, true)];
    let chain = chain(&[
        Guest::answering(title(), answer),
        Guest {
            inputs: reads,
            outputs: [title(), vec![field("value", Type::Bytes, true)]].concat(),
            ..Guest::honest()
        },
    ])
    .unwrap();
    // Twice so many bytes, as the first record has become two rows.
    let large = vec![b'x'; PART_BYTES_MAX / 2 + 1];
    let values = arrow_array::BinaryArray::from(vec![&large[..], b"small"]);
    let texts: StringArray = ["p", "q"].into_iter().map(Some).collect();
    let cleaned =
        chain.start().unwrap().apply(&batch(chain.inputs(), vec![Arc::new(texts), Arc::new(values)])).unwrap();
    assert_eq!((rows_out(&cleaned), cleaned.failed), (vec![1], 1));
    assert!(cleaned.rejected[0].1.contains("once for each of its 2 rows"), "{:?}", cleaned.rejected);
}
