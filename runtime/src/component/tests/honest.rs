//! Components that keep the contract.

use std::sync::Arc;

use arrow_array::builder::{Float64Builder, ListBuilder, StringBuilder};
use arrow_array::{
    ArrayRef, BinaryArray, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use arrow_schema::{DataType, Field as ArrowField};

use super::guest::{Answer, Column, Guest, IDENTITY, batch, field, limits};
use crate::component::Host;
use crate::schema::{Field, Type};

/// A column of each type with 20 rows, some of them null.
fn every_type() -> (Vec<Field>, RecordBatch) {
    let rows = || 0..20_usize;
    let null = |row: usize| row % 7 == 3;
    let some = |row: usize| (!null(row)).then_some(row);
    let text = |row: usize| "añ→".repeat(row % 4);
    let mut numbers =
        ListBuilder::new(Float64Builder::new()).with_field(ArrowField::new("item", DataType::Float64, false));
    let mut texts = ListBuilder::new(StringBuilder::new()).with_field(ArrowField::new("item", DataType::Utf8, false));
    for row in rows() {
        for item in 0..row % 3 {
            numbers.values().append_value((row * item) as f64 / 3.0);
            texts.values().append_value(text(row + item));
        }
        numbers.append(!null(row));
        texts.append(!null(row));
    }
    let columns: Vec<(&str, Type, ArrayRef)> = vec![
        ("b", Type::Boolean, Arc::new(rows().map(|row| some(row).map(|row| row % 2 == 0)).collect::<BooleanArray>())),
        ("i", Type::Int64, Arc::new(rows().map(|row| some(row).map(|row| row as i64 - 9)).collect::<Int64Array>())),
        (
            "f",
            Type::Float64,
            Arc::new(rows().map(|row| some(row).map(|row| row as f64 / 7.0)).collect::<Float64Array>()),
        ),
        (
            "at",
            Type::Timestamp,
            Arc::new(
                rows()
                    .map(|row| some(row).map(|row| row as i64))
                    .collect::<TimestampMicrosecondArray>()
                    .with_timezone("UTC"),
            ),
        ),
        ("t", Type::Text, Arc::new(rows().map(|row| some(row).map(text)).collect::<StringArray>())),
        (
            "y",
            Type::Bytes,
            Arc::new(rows().map(|row| some(row).map(|row| vec![0xff_u8; row])).collect::<BinaryArray>()),
        ),
        ("j", Type::Json, Arc::new(rows().map(|row| some(row).map(|row| format!("[{row}]"))).collect::<StringArray>())),
        ("fs", Type::Float64List, Arc::new(numbers.finish())),
        ("ts", Type::TextList, Arc::new(texts.finish())),
    ];
    let fields: Vec<_> = columns.iter().map(|(name, kind, _)| field(name, *kind, true)).collect();
    let batch = batch(&fields, columns.into_iter().map(|(_, _, column)| column).collect());
    (fields, batch)
}

#[test]
fn every_type_comes_back_as_it_went_whole_or_in_slices() {
    let (fields, batch) = every_type();
    let guest = Guest { inputs: fields.clone(), outputs: fields, ..Guest::honest() };
    let mut instance = guest.load(&limits()).unwrap().instantiate("{}").unwrap();
    for (start, length) in [(0, 20), (0, 3), (3, 1), (5, 15), (8, 8), (19, 1), (20, 0), (0, 0)] {
        let slice = batch.slice(start, length);
        let output = instance.apply(&slice).unwrap();
        assert_eq!(output.rows, slice, "from {start}, {length} rows");
        assert_eq!(output.sources, (0..length as u32).collect::<Vec<_>>());
        assert!(output.rejected.is_empty());
    }
}

fn title(texts: &[&str]) -> RecordBatch {
    batch(&[field("title", Type::Text, true)], vec![Arc::new(StringArray::from(texts.to_vec()))])
}

#[test]
fn rows_multiply_are_rejected_and_are_dropped() {
    let long = "é".repeat(4_000);
    let answer = Answer {
        rows: 3,
        columns: vec![Column::texts(&[0, 1, 1, 3], b"abb")],
        sources: vec![1, 1, 4],
        rejected: vec![(0, b"too old \x1b[31m".to_vec()), (3, long.into_bytes())],
        refusal: None,
    };
    let guest = Guest::answering(vec![field("title", Type::Text, false)], answer);
    let mut instance = guest.load(&limits()).unwrap().instantiate("{}").unwrap();
    let output = instance.apply(&title(&["1", "2", "3", "4", "5"])).unwrap();
    assert_eq!(output.rows.num_rows(), 3);
    assert_eq!(output.sources, [1, 1, 4]);
    assert_eq!(output.rejected[0], (0, "too old \\u{1b}[31m".to_owned()));
    assert_eq!((output.rejected[1].0, output.rejected[1].1.as_str()), (3, "é".repeat(2_048).as_str()));
}

#[test]
fn parameters_reach_configure_and_a_refusal_comes_back() {
    let configure = "(if (result i32) (i32.eq (local.get $length) (i32.const 2))
        (then (global.get $fine)) (else (global.get $unfit)))";
    let guest = Guest { configure: configure.into(), ..Guest::honest() };
    let component = guest.load(&limits()).unwrap();
    component.instantiate("{}").unwrap();
    let refused = component.instantiate(r#"{"colour":1}"#).unwrap_err();
    assert_eq!(refused.message(), "transform \"guest\": refused its parameters: no such parameter: colour");
}

#[test]
fn a_component_says_what_it_is() {
    let component = Guest::honest().load(&limits()).unwrap();
    let description = component.description();
    assert_eq!((description.name.as_str(), description.version.as_str()), ("guest", "1.0.0"));
    assert_eq!(description.outputs, [field("title", Type::Text, true)]);
    assert_eq!(component.digest().len(), 64);
}

#[test]
fn instances_share_nothing() {
    // The first call leaves a mark; a call that finds one traps.
    let apply = format!("(if (global.get $calls) (then unreachable)) (global.set $calls (i32.const 1)) {IDENTITY}");
    let component = Guest { apply, ..Guest::honest() }.load(&limits()).unwrap();
    for _ in 0..3 {
        component.instantiate("{}").unwrap().apply(&title(&["a"])).unwrap();
    }
}

#[test]
fn an_instance_forgets_nothing_and_its_memory_stays_bounded() {
    let component = Guest::honest().load(&limits()).unwrap();
    let mut instance = component.instantiate("{}").unwrap();
    let text = "x".repeat(1_000);
    let input = title(&[text.as_str(); 100]);
    for _ in 0..200 {
        assert_eq!(instance.apply(&input).unwrap().rows, input);
    }
}

#[test]
fn a_batch_that_does_not_fit_is_the_callers_fault() {
    let mut instance = Guest::honest().load(&limits()).unwrap().instantiate("{}").unwrap();
    let numbers = batch(&[field("title", Type::Int64, true)], vec![Arc::new(Int64Array::from(vec![1]))]);
    let failure = instance.apply(&numbers).unwrap_err();
    assert_eq!(failure.error().message(), "batch: column \"title\" is Int64, not text");
    instance.apply(&title(&["a"])).unwrap();
}

#[test]
fn compiled_code_is_kept_and_a_spoilt_cache_is_passed_over() {
    let folder = std::env::temp_dir().join(format!("tidemill-code-{}", std::process::id()));
    let bytes = Guest::honest().bytes();
    for spoilt in [false, true] {
        if spoilt {
            spoil(&folder);
        }
        let component = Host::new(Some(&folder)).unwrap().load(&bytes, &limits()).unwrap();
        component.instantiate("{}").unwrap().apply(&title(&["a"])).unwrap();
    }
    // The cache's own thread may still be counting what was used.
    let _ = std::fs::remove_dir_all(&folder);
}

fn spoil(folder: &std::path::Path) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => spoil(&path),
            false => drop(std::fs::write(path, b"not compiled code")),
        }
    }
}

#[test]
fn components_cross_threads() {
    let component = Guest::honest().load(&limits()).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            let mut instance = component.instantiate("{}").unwrap();
            scope.spawn(move || assert_eq!(instance.apply(&title(&["a", "b"])).unwrap().rows.num_rows(), 2));
            scope.spawn(|| component.instantiate("{}").unwrap());
        }
    });
}

#[test]
fn instructions_are_counted_where_a_host_is_asked_to() {
    let bytes = Guest::honest().bytes();
    let input = title(&["a", "b"]);
    let mut plain = Guest::honest().load(&limits()).unwrap().instantiate("{}").unwrap();
    plain.apply(&input).unwrap();
    assert_eq!(plain.instructions(), None);
    let metered = || Host::metered().unwrap().load(&bytes, &limits()).unwrap().instantiate("{}").unwrap();
    let counted = |calls: u32| {
        let mut instance = metered();
        (0..calls).for_each(|_| drop(instance.apply(&input).unwrap()));
        instance.instructions().unwrap()
    };
    let (none, one, two) = (counted(0), counted(1), counted(2));
    assert!(none < one && one < two, "{none} {one} {two}");
    assert_eq!(two - one, one - none, "the same work costs the same");
    assert_eq!(counted(2), two);
}

#[test]
fn the_parts_of_a_call_are_all_of_it() {
    let input = batch(&[field("title", Type::Text, true)], vec![Arc::new(StringArray::from(vec!["a", "b"]))]);
    let mut instance = Guest::honest().load(&limits()).unwrap().instantiate("{}").unwrap();
    let plain = instance.apply(&input).unwrap();
    for _ in 0..3 {
        let begun = std::time::Instant::now();
        let (output, parts) = instance.apply_in_parts(&input).unwrap();
        assert_eq!(output.rows, plain.rows);
        assert!(!parts.guest.is_zero() && !parts.lifting.is_zero(), "{parts:?}");
        assert!(parts.lowering + parts.guest + parts.lifting <= begun.elapsed(), "{parts:?}");
        instance.apply(&input).unwrap();
    }
}
