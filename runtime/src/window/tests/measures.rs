//! Measures by hand.

use super::*;
use crate::time::Timestamp;
use crate::value::Value;
use crate::window::State;

/// What a measure shows over rows (code, price) of one group, given in any order and cut anywhere.
fn check_measure(measure: &str, rows: &[(i64, f64)], expected: &Value) {
    let of = aggregate(&[], None, 10, 0, &[measure]);
    let rows: Vec<Row> =
        rows.iter().map(|&(code, price)| Row { code: Some(code), price: Some(price), ..event(0) }).collect();
    for cut in 0..rows.len() {
        let mut state = State::new(&of, &fields(), 2).unwrap();
        for (partition, rows) in [(1, &rows[cut..]), (0, &rows[..cut])] {
            let mut accumulator = Accumulator::new(&of, &fields(), Timestamp::MIN).unwrap();
            add(&mut accumulator, partition, 0, rows);
            state.merge(partition, accumulator.take()).unwrap();
        }
        assert_eq!(&state.open_groups()[0].measures[0], expected, "{measure} cut at {cut}");
    }
}

#[test]
fn measures_of_a_few_rows() {
    let rows = [(3, 1.5), (1, 2.5), (3, -4.0), (2, 2.5), (1, 0.0)];
    let float = Value::Float64;
    let json = |text: &str| Value::Text(text.to_owned());
    check_measure("variance(code)", &rows, &float(1.0));
    check_measure("stddev(code)", &rows, &float(1.0));
    check_measure("variance(price)", &rows, &float(7.375));
    check_measure("quantile(code, 0.2)", &rows, &Value::Int64(1));
    check_measure("quantile(code, 0.41)", &rows, &Value::Int64(2));
    check_measure("quantile(price, 1)", &rows, &float(2.5));
    check_measure("approx_quantile(price, 0.4)", &rows, &float(0.0));
    check_measure("approx_count_distinct(code)", &rows, &Value::Int64(3));
    check_measure("top_k(code, 2)", &rows, &json(r#"[{"value":1,"count":2},{"value":3,"count":2}]"#));
    check_measure("top_k(code, 1, sum(price))", &rows, &json(r#"[{"value":1,"sum":2.5}]"#));
    check_measure(
        "top_k(code, 9, min(price))",
        &rows,
        &json(r#"[{"value":2,"min":2.5},{"value":1,"min":0.0},{"value":3,"min":-4.0}]"#),
    );
    check_measure(
        "histogram(price, 0, 2.5)",
        &rows,
        &json(r#"[{"below":0.0,"count":1},{"from":0.0,"below":2.5,"count":2},{"from":2.5,"count":2}]"#),
    );
    check_measure("variance(code)", &rows[..1], &Value::Null);
}

#[test]
fn first_and_last_are_by_time_then_by_place() {
    let of = aggregate(&[], Some("at"), 100, 0, &["first(code)", "last(code)"]);
    let row = |at: i64, code| Row { code, ..event(at * SECOND) };
    let check = |rows: [&[Row]; 2], first: i64, last: i64| {
        for order in [[0, 1], [1, 0]] {
            let mut state = State::new(&of, &fields(), 2).unwrap();
            for partition in order {
                let mut accumulator = Accumulator::new(&of, &fields(), Timestamp::MIN).unwrap();
                add(&mut accumulator, partition, 0, rows[partition as usize]);
                state.merge(partition, accumulator.take()).unwrap();
            }
            assert_eq!(state.open_groups()[0].measures, [Value::Int64(first), Value::Int64(last)], "{rows:?}");
        }
    };
    check([&[row(5, Some(1)), row(3, Some(2)), row(7, Some(3)), row(4, Some(4))], &[]], 2, 3);
    check([&[row(1, None), row(3, Some(2)), row(9, None)], &[row(4, Some(5))]], 2, 5);
    check([&[row(3, Some(1)), row(3, Some(2))], &[row(3, Some(3)), row(3, Some(4))]], 1, 4);
}
