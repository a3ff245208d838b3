//! Cases by hand.

use arrow_array::types::Float64Type;
use arrow_array::{BinaryArray, ListArray};

use super::*;
use crate::error::Kind;
use crate::expression::Grouping;
use crate::time::Timestamp;
use crate::value::Value;
use crate::window::{PartitionProgress, Progress, State, output_fields, rows};

/// The windows (start in seconds, rows) that have closed after `rows` of one partition, and the late ones among them.
fn check(aggregate: &Aggregate, rows: &[Row], closed: &[(i64, i64)], late: u64) {
    let mut state = State::new(aggregate, &fields(), 1).unwrap();
    let got = feed(&mut state, aggregate, 0, rows);
    assert_eq!(got, late, "late among {rows:?}");
    assert_eq!(counts(&state.close()), closed, "closed after {rows:?}");
}

#[test]
fn a_window_closes_when_the_watermark_reaches_its_end_and_lateness() {
    let ten = aggregate(&[], Some("at"), 10, 0, &["count()"]);
    let end = 10 * SECOND;
    check(&ten, &[event(0), event(end - 1)], &[], 0);
    check(&ten, &[event(0), event(end - 1), event(end)], &[(0, 2)], 0);
    check(&ten, &[event(end), event(end - 1)], &[], 1);
    let patient = aggregate(&[], Some("at"), 10, 5, &["count()"]);
    check(&patient, &[event(0), event(end + 5 * SECOND - 1), event(1)], &[], 0);
    check(&patient, &[event(0), event(end + 5 * SECOND), event(1)], &[(0, 1)], 1);
}

#[test]
fn windows_are_counted_from_1970_both_ways() {
    let ten = aggregate(&[], Some("at"), 10, 0, &["count()"]);
    check(
        &ten,
        &[event(-20 * SECOND), event(-10 * SECOND - 1), event(-10 * SECOND), event(-1), event(0)],
        &[(-20, 2), (-10, 2)],
        0,
    );
}

#[test]
fn times_at_the_limits_do_no_harm() {
    let ten = aggregate(&[], Some("at"), 10, 10, &["count()"]);
    let mut wild = vec![event(5)];
    for at in [i64::MAX, 253_370_764_800_000_000, 86_400 * SECOND + 6] {
        wild.push(Row { append: 5, at: Some(at), ..Row::default() });
    }
    wild.push(Row { append: 5, at: None, ..Row::default() });
    wild.push(event(6));
    check(&ten, &wild, &[], 4);
    check(
        &ten,
        &[Row { append: 5, ..event(i64::MIN) }, event(86_400 * SECOND)],
        &[(i64::MIN.div_euclid(SECOND), 1)],
        0,
    );
    check(&ten, &[event(i64::MAX - 1), event(i64::MAX)], &[(i64::MAX / SECOND - 4, 2)], 0);
    check(&ten, &[Row { append: 0, ..event(86_400 * SECOND) }, event(5)], &[], 1);
}

#[test]
fn append_times_that_fall_are_late_only_where_their_window_has_closed() {
    let ten = aggregate(&[], None, 10, 0, &["count()"]);
    check(&ten, &[event(12 * SECOND), event(11 * SECOND), event(9 * SECOND)], &[], 1);
}

#[test]
fn the_slowest_partition_holds_windows_open_until_it_is_idle() {
    let ten = aggregate(&[], Some("at"), 10, 0, &["count()"]);
    let mut state = State::new(&ten, &fields(), 2).unwrap();
    feed(&mut state, &ten, 0, &[event(0), event(25 * SECOND)]);
    assert_eq!(counts(&state.close()), []);
    state.advance(1, Timestamp(99 * SECOND), Duration::from_secs(59));
    assert_eq!(counts(&state.close()), []);
    state.advance(1, Timestamp(99 * SECOND), Duration::from_secs(60));
    assert_eq!(counts(&state.close()), [(0, 1)]);
    assert_eq!(feed(&mut state, &ten, 1, &[event(1), event(21 * SECOND)]), 1, "0 s has closed, 20 s has not");
}

#[test]
fn a_partition_that_wakes_is_late_for_what_closed_without_it() {
    let ten = aggregate(&[], Some("at"), 10, 0, &["count()"]);
    let mut state = State::new(&ten, &fields(), 2).unwrap();
    feed(&mut state, &ten, 0, &[event(0), event(25 * SECOND)]);
    state.advance(1, Timestamp::MIN, Duration::from_secs(60));
    state.close();
    assert_eq!(feed(&mut state, &ten, 1, &[event(1), event(2), event(15 * SECOND), event(22 * SECOND)]), 3);
    assert_eq!(counts(&state.close()), [], "awake at 22 s, it holds 20 s open");
    feed(&mut state, &ten, 1, &[event(30 * SECOND)]);
    assert_eq!(counts(&state.close()), [], "now partition 0 holds it open");
    state.advance(0, Timestamp::MIN, Duration::from_secs(60));
    assert_eq!(counts(&state.close()), [(20, 2)]);
    state.advance(1, Timestamp::MIN, Duration::from_secs(60));
    assert_eq!(state.progress().closed_upto, Timestamp(30 * SECOND), "all idle: the greatest watermark");
    feed(&mut state, &ten, 0, &[event(26 * SECOND)]);
    state.close();
    assert_eq!(state.progress().closed_upto, Timestamp(30 * SECOND), "it never falls");
}

#[test]
fn settled_time_closes_append_windows() {
    let ten = aggregate(&[], None, 10, 0, &["count()"]);
    let mut state = State::new(&ten, &fields(), 2).unwrap();
    feed(&mut state, &ten, 0, &[event(0), event(9 * SECOND)]);
    state.advance(0, Timestamp(10 * SECOND), Duration::from_secs(1));
    assert_eq!(counts(&state.close()), []);
    state.advance(1, Timestamp(11 * SECOND), Duration::ZERO);
    assert_eq!(counts(&state.close()), [(0, 2)]);
    let watermark = |seconds: i64| PartitionProgress { watermark: Timestamp(seconds * SECOND), idle: false };
    let progress = Progress { partitions: vec![watermark(10), watermark(11)], closed_upto: Timestamp(10 * SECOND) };
    assert_eq!(*state.progress(), progress);
    let grown = State::restore(&ten, &fields(), 3, (&[], 0), progress).unwrap();
    assert_eq!(grown.progress().partitions[2].watermark, Timestamp::MIN);
}

#[test]
fn nulls_do_not_count_but_group() {
    let by_name =
        aggregate(&["name"], None, 10, 0, &["count()", "count(code)", "sum(code)", "min(price)", "median(code)"]);
    let mut state = State::new(&by_name, &fields(), 1).unwrap();
    let row = |name, code| Row { name, code, ..event(0) };
    feed(
        &mut state,
        &by_name,
        0,
        &[row(Some("a"), None), row(None, Some(2)), row(Some(""), None), row(None, Some(4)), event(10 * SECOND)],
    );
    let shown = |group: Group| (group.key, group.measures);
    let closed: Vec<_> = state.close().into_iter().map(shown).collect();
    let none = vec![Value::Int64(1), Value::Int64(0), Value::Null, Value::Null, Value::Null];
    let two = vec![Value::Int64(2), Value::Int64(2), Value::Int64(6), Value::Null, Value::Int64(2)];
    let text = |text: &str| vec![Value::Text(text.into())];
    assert_eq!(closed, [(vec![Value::Null], two), (text(""), none.clone()), (text("a"), none)]);
}

#[test]
fn sums_beyond_int64_are_null_and_their_means_are_not() {
    let sums = aggregate(&["price"], None, 10, 0, &["sum(code)", "mean(code)"]);
    let mut state = State::new(&sums, &fields(), 1).unwrap();
    let row = |price, code| Row { price: Some(price), code: Some(code), ..event(0) };
    let (most, least) = (i64::MAX, i64::MIN);
    let rows = [
        row(1.0, most),
        row(1.0, 1),
        row(2.0, most),
        row(2.0, most),
        row(2.0, least),
        row(f64::NAN, 7),
        row(-0.0, 1),
        row(0.0, 2),
    ];
    feed(&mut state, &sums, 0, &rows);
    let shown: Vec<_> = state.changed().into_iter().map(|group| (group.key[0].clone(), group.measures)).collect();
    let two_63 = 2f64.powi(63);
    let pair = |sum, mean| vec![sum, Value::Float64(mean)];
    assert_eq!(
        shown,
        [
            (Value::Null, pair(Value::Int64(7), 7.0)),
            (Value::Float64(0.0), pair(Value::Int64(3), 1.5)),
            (Value::Float64(1.0), pair(Value::Null, two_63 / 2.0)),
            (Value::Float64(2.0), pair(Value::Int64(most - 1), two_63 / 3.0)),
        ]
    );
}

#[test]
fn only_what_changed_is_stored_again() {
    let by_code = aggregate(&["code"], None, 10, 0, &["count()"]);
    let mut state = State::new(&by_code, &fields(), 1).unwrap();
    let row = |code| Row { code: Some(code), ..event(0) };
    feed(&mut state, &by_code, 0, &[row(1), row(2)]);
    feed(&mut state, &by_code, 0, &[row(2)]);
    assert_eq!(counts(&state.changed()), [(0, 1), (0, 2)]);
    assert_eq!(state.changed(), []);
    feed(&mut state, &by_code, 0, &[row(1), event(10 * SECOND)]);
    assert_eq!(state.close().len(), 2);
    assert_eq!(counts(&state.changed()), [(10, 1)]);
}

#[test]
fn stored_groups_that_are_not_what_was_written_are_refused() {
    let many = aggregate(
        &["name"],
        None,
        10,
        0,
        &[
            "count()",
            "sum(code)",
            "sum(price)",
            "min(name)",
            "max(at)",
            "median(name)",
            "count_distinct(code)",
            "mean(price)",
        ],
    );
    let mut state = State::new(&many, &fields(), 1).unwrap();
    let row = |price| Row { name: Some("a"), code: Some(-3), price: Some(price), ..event(0) };
    feed(&mut state, &many, 0, &[row(1e300), row(-0.5), row(-1e-300)]);
    let group = state.changed().remove(0);
    let restore = |state: Vec<u8>| {
        let group = Group { state, ..group.clone() };
        State::restore(&many, &fields(), 1, (&[group], 0), Progress::new(1)).map(|state| state.open())
    };
    assert_eq!(restore(group.state.clone()).unwrap(), 1);
    let sum = group.state.last_chunk::<4>().unwrap();
    assert_eq!(
        (group.state[0], *sum),
        (1, [177, 136, 94, 50]),
        "a change of what is stored needs a version of its own"
    );
    let mut newer = group.state.clone();
    newer[0] += 1;
    let end = newer.len() - 4;
    let sum = crate::packed::checksum(&newer[..end]);
    newer[end..].copy_from_slice(&sum);
    let error = restore(newer).unwrap_err();
    assert_eq!(
        (error.kind(), error.next_step()),
        (Kind::Input, Some("use the newer version of tidemill that wrote it"))
    );
    for length in 0..group.state.len() {
        assert_eq!(restore(group.state[..length].to_vec()).unwrap_err().kind(), Kind::Corrupt, "cut to {length}");
        let mut rotten = group.state.clone();
        rotten[length] ^= 0x10;
        assert_eq!(restore(rotten).unwrap_err().kind(), Kind::Corrupt, "bit at {length}");
    }
    let other = aggregate(&["name"], None, 20, 0, &["count()"]);
    let error = State::restore(&other, &fields(), 1, (std::slice::from_ref(&group), 0), Progress::new(1)).unwrap_err();
    assert_eq!(error.kind(), Kind::Conflict);
    let misfit = Group { key: vec![Value::Int64(1)], ..group.clone() };
    let error = State::restore(&many, &fields(), 1, (&[misfit], 0), Progress::new(1)).unwrap_err();
    assert_eq!(
        error.message(),
        "aggregate \"a\": window 1970-01-01T00:00:00Z: the key of a stored group is not of its columns' types"
    );
}

#[test]
fn wrong_columns_are_named_with_what_they_could_be() {
    let check = |by: &str, time: Option<&str>, measure: &str, message: &str, hint: &str| {
        let error = State::new(&aggregate(&[by], time, 1, 0, &[measure]), &fields(), 1).unwrap_err();
        assert_eq!((error.message(), error.next_step()), (message, Some(hint)));
    };
    check("nme", None, "count()", "aggregate \"a\": by: there is no column \"nme\"", "did you mean \"name\"?");
    check(
        "name",
        Some("name"),
        "count()",
        "aggregate \"a\": window time: column \"name\" is text",
        "it takes a column of timestamp",
    );
    check(
        "name",
        None,
        "sum(name)",
        "aggregate \"a\": measure \"sum(name)\": sum(name): column \"name\" is text",
        "it takes a column of int64, float64",
    );
    check(
        "name",
        None,
        "mean(weight)",
        "aggregate \"a\": measure \"mean(weight)\": mean(weight): there is no column \"weight\"",
        "the columns are at, name, code, price, good",
    );
}

#[test]
fn partials_over_other_types_are_refused() {
    let sums = aggregate(&[], None, 1, 0, &["sum(code)"]);
    let mut changed = fields();
    changed[2].kind = Type::Float64;
    let mut state = State::new(&sums, &changed, 1).unwrap();
    let partial = Accumulator::new(&sums, &fields(), Timestamp::MIN).unwrap().take();
    assert_eq!(state.merge(0, partial).unwrap_err().kind(), Kind::Conflict);
}

#[test]
fn columns_of_every_type_can_be_counted() {
    let field = |name: &str, kind| Field { name: name.into(), aliases: vec![], kind, nullable: true };
    let fields = [field("raw", Type::Bytes), field("nested", Type::Json), field("list", Type::Float64List)];
    let columns: Vec<ArrayRef> = vec![
        Arc::new(BinaryArray::from_opt_vec(vec![Some(&b"\xff"[..]), Some(&b"\x00\x01"[..]), None])),
        Arc::new(StringArray::from(vec![Some("{}"), Some("[1]"), Some("{}")])),
        Arc::new(ListArray::from_iter_primitive::<Float64Type, _, _>(vec![None, Some(vec![Some(1.0)]), None])),
    ];
    let columns = ["raw", "nested", "list"].into_iter().zip(columns);
    let all = aggregate(&["nested"], None, 10, 0, &["count(list)", "min(raw)", "count_distinct(nested)"]);
    let mut accumulator = Accumulator::new(&all, &fields, Timestamp::MIN).unwrap();
    accumulator
        .add(&RecordBatch::try_from_iter(columns).unwrap(), Origin { partition: 0, times: &[0; 3], offsets: &[0; 3] })
        .unwrap();
    let mut state = State::new(&all, &fields, 1).unwrap();
    state.merge(0, accumulator.take()).unwrap();
    let shown: Vec<_> = state.changed().into_iter().map(|group| (group.key, group.measures)).collect();
    let line = |key: &str, list, raw: &[u8]| {
        (vec![Value::Text(key.into())], vec![Value::Int64(list), Value::Bytes(raw.into()), Value::Int64(1)])
    };
    assert_eq!(shown, [line("[1]", 1, b"\x00\x01"), line("{}", 0, b"\xff")]);
}

#[test]
fn rows_that_are_not_as_the_fields_said_add_nothing() {
    let sums = aggregate(&["name"], None, 1, 0, &["sum(code)"]);
    let mut accumulator = Accumulator::new(&sums, &fields(), Timestamp::MIN).unwrap();
    let (rows, times) = batch(&[event(1)]);
    let origin = Origin { partition: 0, times: &times, offsets: &[7] };
    let error = accumulator.add(&rows, Origin { times: &[], ..origin }).unwrap_err();
    assert_eq!(error.message(), "aggregate \"a\": 1 rows have 0 append times and 1 offsets");
    let error = accumulator.add(&rows.project(&[0, 1, 3]).unwrap(), origin).unwrap_err();
    assert_eq!(error.message(), "aggregate \"a\": column 2 of the rows to aggregate is not of type int64");
    let partial = accumulator.take();
    assert_eq!((partial.rows, partial.watermark), (0, Timestamp::MIN));
}

#[test]
fn closed_groups_are_rows() {
    let many =
        aggregate(&["good", "price"], None, 10, 0, &["count()", "mean(code)", "max(name)", "min(at)", "max(good)"]);
    let output = output_fields(&many, &fields()).unwrap();
    let named: Vec<_> = output.iter().map(|f| format!("{}:{}:{}", f.name, f.kind.word(), f.nullable)).collect();
    assert_eq!(
        named.join(" "),
        "window_start:timestamp:false window_end:timestamp:false good:boolean:true price:float64:true \
         count():int64:false mean(code):float64:true max(name):text:true min(at):timestamp:true max(good):boolean:true"
    );
    let mut state = State::new(&many, &fields(), 1).unwrap();
    feed(&mut state, &many, 0, &[Row { name: Some("x"), good: Some(true), ..event(3) }, event(10 * SECOND)]);
    let batch = rows(&output, &state.close()).unwrap();
    let shown: Vec<String> = batch.columns().iter().map(|column| format!("{column:?}")).collect();
    assert_eq!(batch.num_rows(), 1, "{shown:?}");
    assert_eq!(batch.column(6).as_ref(), &StringArray::from(vec!["x"]) as &dyn arrow_array::Array);
    assert_eq!(rows(&output, &[]).unwrap().num_rows(), 0);
    let twice = Aggregate { by: vec![Grouping::column("good"), Grouping::column("good")], ..many };
    assert_eq!(
        output_fields(&twice, &fields()).unwrap_err().message(),
        "aggregate \"a\": two of its columns are called \"good\""
    );
}

#[test]
fn rows_that_come_again_join_what_is_open_and_let_no_time_pass() {
    let ten = aggregate(&[], Some("at"), 10, 0, &["count()"]);
    let mut state = State::new(&ten, &fields(), 2).unwrap();
    feed(&mut state, &ten, 0, &[event(0), event(25 * SECOND)]);
    feed(&mut state, &ten, 1, &[event(12 * SECOND)]);
    assert_eq!(counts(&state.close()), [(0, 1)]);
    let before = state.progress().clone();
    let mut amending = Accumulator::amending(&ten, &fields()).unwrap();
    // In no order: 0 s has closed, 10 s has not, though partition 0 is beyond it; 40 s is new, and nobody has come so far.
    let again = [event(41 * SECOND), event(11 * SECOND), event(5 * SECOND), event(13 * SECOND)];
    add(&mut amending, 0, 0, &again);
    assert_eq!(state.amend(amending.take()).unwrap(), 1);
    assert_eq!(state.progress(), &before);
    assert_eq!(counts(&state.close()), []);
    let open = state.open_groups();
    assert_eq!(counts(&open), [(10, 3), (20, 1), (40, 1)]);
    feed(&mut state, &ten, 1, &[event(30 * SECOND)]);
    assert_eq!(counts(&state.close()), [(10, 3)]);
}
