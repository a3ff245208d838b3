//! Random rows, cuts, interleavings and crashes against a naive computation from all rows.

use std::collections::BTreeMap;

use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::spec::{Kind, Span};
use super::*;
use crate::commit::Group;
use crate::disk::simulated;
use crate::expression::{Expression, Part, Range, Ranges};
use crate::time::{Timestamp, Unit, Zone};
use crate::value::Value;
use crate::window::{Progress, State};

const MEASURES: [&str; 29] = [
    "count()",
    "count(name)",
    "sum(code)",
    "sum(price)",
    "min(price)",
    "max(name)",
    "min(at)",
    "max(good)",
    "mean(code)",
    "mean(price)",
    "median(code)",
    "median(price)",
    "median(name)",
    "count_distinct(name)",
    "count_distinct(price)",
    "variance(code)",
    "variance(price)",
    "stddev(price)",
    "first(code)",
    "last(name)",
    "first(price)",
    "quantile(code, 0.9)",
    "quantile(name, 0)",
    "quantile(price, 0.25)",
    "approx_quantile(price, 0.75)",
    "approx_count_distinct(name)",
    "top_k(name, 2)",
    "top_k(code, 3, sum(price))",
    "histogram(price, -0.05, 0, 0.05)",
];

/// The closed groups and the number of late rows.
type Outcome = (Vec<Shown>, u64);
/// Window, key, measures.
type Shown = (Span, Vec<Value>, Vec<Value>);

/// A row with its time, partition and offset.
type Placed = ((i64, usize, usize), Row);

/// A pipeline reduced to one aggregate: its committer's state, its workers' accumulators, and what they have stored.
struct Rig<'a> {
    aggregate: &'a Aggregate,
    state: State,
    accumulators: Vec<Accumulator>,
    stored: BTreeMap<(Timestamp, Vec<Value>), Group>,
    /// The greatest number of a group so far.
    last: i64,
    outcome: Outcome,
}

impl<'a> Rig<'a> {
    fn new(aggregate: &'a Aggregate, partitions: u32) -> Self {
        let state = State::new(aggregate, &fields(), partitions).unwrap();
        let mut rig = Self {
            aggregate,
            state,
            accumulators: vec![],
            stored: BTreeMap::new(),
            last: 0,
            outcome: Outcome::default(),
        };
        rig.start();
        rig
    }

    fn start(&mut self) {
        let progress = self.state.progress().partitions.iter();
        self.accumulators =
            progress.map(|p| Accumulator::new(self.aggregate, &fields(), p.watermark).unwrap()).collect();
    }

    /// Adds rows, the first of which has this offset.
    fn add(&mut self, partition: u32, first: usize, rows: &[Row]) {
        add(&mut self.accumulators[partition as usize], partition, first, rows);
    }

    fn commit(&mut self, partitions: impl Iterator<Item = u32>) {
        for partition in partitions {
            let partial = self.accumulators[partition as usize].take();
            self.outcome.1 += self.state.merge(partition, partial).unwrap();
        }
        let closed = self.state.close();
        for gone in self.state.gone() {
            let stored = self.stored.remove(&(gone.window, gone.key.clone())).expect("it is stored");
            assert_eq!((stored.end, stored.number, true), (gone.end, gone.number, gone.stored));
        }
        for closed in closed {
            let stored = self.stored.remove(&(closed.window, closed.key.clone()));
            self.number(&closed, stored.as_ref());
            let window = Span { start: closed.window, end: closed.end };
            self.outcome.0.push((window, closed.key, closed.measures));
        }
        for group in self.state.changed() {
            let before = self.stored.remove(&(group.window, group.key.clone()));
            assert!(before.as_ref().is_none_or(|before| before.end == group.end));
            self.number(&group, before.as_ref());
            self.stored.insert((group.window, group.key.clone()), Group { measures: vec![], ..group });
        }
    }

    /// A group keeps the number that it was stored with; another gets one that no group has had.
    fn number(&mut self, group: &Group, stored: Option<&Group>) {
        assert_eq!(group.stored, stored.is_some());
        match stored {
            Some(stored) => assert_eq!(group.number, stored.number),
            None => assert!(group.number > self.last, "{} after {}", group.number, self.last),
        }
        self.last = self.last.max(group.number);
    }

    /// What was not committed is lost; the caller's rows come again.
    fn crash(&mut self) {
        let groups: Vec<Group> = self.stored.values().cloned().collect();
        let progress: Progress = self.state.progress().clone();
        let partitions = self.accumulators.len() as u32;
        self.state = State::restore(self.aggregate, &fields(), partitions, (&groups, self.last), progress).unwrap();
        assert_eq!(self.state.open(), groups.len());
        self.start();
    }

    /// Ends every partition so far ahead that all windows close.
    fn finish(mut self) -> Outcome {
        // As far as calendars reach.
        let end = Row { append: 1 << 57, at: Some(1 << 57), ..Row::default() };
        for partition in 0..self.accumulators.len() as u32 {
            self.add(partition, 1 << 40, std::slice::from_ref(&end));
        }
        self.commit(0..self.accumulators.len() as u32);
        self.outcome.0.sort();
        self.outcome
    }
}

/// The same from all rows, one at a time, knowing nothing of epochs.
fn naive(aggregate: &Aggregate, partitions: &[Vec<Row>]) -> Outcome {
    let mut groups: BTreeMap<(Span, Vec<Value>), Vec<Placed>> = BTreeMap::new();
    let mut late = 0;
    for (partition, rows) in partitions.iter().enumerate() {
        let mut watermark = i128::from(i64::MIN);
        for (offset, row) in rows.iter().enumerate() {
            let time = match aggregate.window.time {
                Time::Append => Some(row.append),
                Time::Column(_) => row.at.filter(|at| *at <= row.append + 86_400 * SECOND),
            };
            let windows = time.map_or_else(Vec::new, |time| windows(&aggregate.window.kind, time));
            late += u64::from(windows.is_empty());
            let before = watermark;
            for window in windows {
                if late_from(&aggregate.window, window) <= before {
                    late += 1;
                    continue;
                }
                watermark = watermark.max(i128::from(time.unwrap()));
                let key = aggregate.by.iter().map(|by| by.expression.value(&value(row, by.expression.column())));
                let placed = ((time.unwrap(), partition, offset), row.clone());
                groups.entry((window, key.collect())).or_default().push(placed);
            }
        }
    }
    if let Kind::Session { gap } = aggregate.window.kind {
        groups = sessions(groups, gap.as_micros() as i64);
    }
    let show = |((window, key), mut rows): ((Span, Vec<Value>), Vec<Placed>)| {
        rows.sort_by_key(|(place, _)| *place);
        let rows: Vec<Row> = rows.into_iter().map(|(_, row)| row).collect();
        let measures = aggregate.measures.iter().map(|(text, _)| measure(text, &rows)).collect();
        (window, key, measures)
    };
    (groups.into_iter().map(show).collect(), late)
}

/// The windows of a time; of sessions, that which it would be alone.
fn windows(kind: &Kind, time: i64) -> Vec<Span> {
    let span = |start: i64, end: i64| Span { start: Timestamp(start), end: Timestamp(end) };
    let micros = |size: &Duration| size.as_micros() as i64;
    match kind {
        Kind::Tumbling { size } => {
            let start = time.div_euclid(micros(size)) * micros(size);
            vec![span(start, start + micros(size))]
        }
        Kind::Hopping { size, slide } => {
            let first = (time - micros(size)).div_euclid(micros(slide)) + 1;
            let last = time.div_euclid(micros(slide));
            (first..=last).map(|nth| span(nth * micros(slide), nth * micros(slide) + micros(size))).collect()
        }
        Kind::Session { gap } => vec![span(time, time + micros(gap))],
        Kind::Calendar { unit, zone } => {
            zone.calendar(Timestamp(time), *unit).into_iter().map(|(start, end)| Span { start, end }).collect()
        }
    }
}

/// The watermark from which on a row is late for a window.
fn late_from(window: &Window, of: Span) -> i128 {
    let at = i128::from(of.end.0) + window.lateness.as_micros() as i128;
    match window.kind {
        Kind::Session { gap } => {
            let gap = gap.as_micros() as i128;
            (at + gap - 1).div_euclid(gap) * gap
        }
        _ => at,
    }
}

/// Rows of one key that lie less than a gap apart are one session.
fn sessions(alone: BTreeMap<(Span, Vec<Value>), Vec<Placed>>, gap: i64) -> BTreeMap<(Span, Vec<Value>), Vec<Placed>> {
    let mut by_key: BTreeMap<Vec<Value>, Vec<Placed>> = BTreeMap::new();
    for ((_, key), rows) in alone {
        by_key.entry(key).or_default().extend(rows);
    }
    let mut sessions = BTreeMap::new();
    for (key, mut rows) in by_key {
        rows.sort_by_key(|(place, _)| *place);
        for session in rows.chunk_by(|((before, ..), _), ((after, ..), _)| after - before < gap) {
            let (start, end) = (session[0].0.0, session[session.len() - 1].0.0 + gap);
            let span = Span { start: Timestamp(start), end: Timestamp(end) };
            sessions.insert((span, key.clone()), session.to_vec());
        }
    }
    sessions
}

fn value(row: &Row, column: &str) -> Value {
    let value = match column {
        "at" => row.at.map(|at| Value::Timestamp(Timestamp(at))),
        "name" => row.name.map(|name| Value::Text(name.into())),
        "code" => row.code.map(Value::Int64),
        "price" => row.price.map(|price| Value::Float64(price + 0.0)),
        _ => row.good.map(Value::Boolean),
    };
    value.unwrap_or(Value::Null)
}

/// A measure over rows that are sorted by time and place. Prices are multiples of 2^-10 below 2^10, so that any order of adding them
/// and their squares is exact.
fn measure(text: &str, rows: &[Row]) -> Value {
    let (function, inside) = text.split_once('(').unwrap();
    let (inside, rest) =
        inside.strip_suffix(')').unwrap().split_once(", ").unwrap_or((inside.trim_end_matches(')'), ""));
    let column = inside;
    let in_order: Vec<Value> = rows.iter().map(|row| value(row, column)).filter(|v| *v != Value::Null).collect();
    let mut values = in_order.clone();
    values.sort();
    let numbers: Vec<f64> = values.iter().map(number).collect();
    let sum: f64 = numbers.iter().sum::<f64>() + 0.0;
    let n = values.len();
    match function {
        "count" if column.is_empty() => Value::Int64(rows.len() as i64),
        "count" => Value::Int64(n as i64),
        "count_distinct" | "approx_count_distinct" => {
            values.dedup();
            Value::Int64(values.len() as i64)
        }
        "top_k" => Value::Text(top(rows, column, rest)),
        "histogram" => {
            let edges: Vec<f64> = rest.split(", ").map(|edge| edge.parse().unwrap()).collect();
            let below = |edge: f64| numbers.iter().filter(|number| **number < edge).count();
            let mut buckets = vec![serde_json::json!({ "below": edges[0], "count": below(edges[0]) })];
            for pair in edges.windows(2) {
                let count = below(pair[1]) - below(pair[0]);
                buckets.push(serde_json::json!({ "from": pair[0], "below": pair[1], "count": count }));
            }
            let last = edges[edges.len() - 1];
            buckets.push(serde_json::json!({ "from": last, "count": n - below(last) }));
            Value::Text(serde_json::Value::Array(buckets).to_string())
        }
        "variance" | "stddev" if n < 2 => Value::Null,
        "variance" => Value::Float64(variance(&numbers)),
        "stddev" => Value::Float64(variance(&numbers).sqrt()),
        _ if n == 0 => Value::Null,
        "first" => in_order[0].clone(),
        "last" => in_order[n - 1].clone(),
        "sum" if column == "code" => Value::Int64(sum as i64),
        "sum" => Value::Float64(sum),
        "mean" => Value::Float64(sum / n as f64),
        "min" => values[0].clone(),
        "max" => values[n - 1].clone(),
        "median" => values[(n - 1) / 2].clone(),
        // A quarter, say, and a whole number of values: the product is exact, or far from whole.
        _ => {
            let share: f64 = rest.parse().unwrap();
            let rank = ((share * n as f64 * 1e6).round() / 1e6).ceil().max(1.0) as usize;
            values[rank - 1].clone()
        }
    }
}

/// By definition, from the whole sums of integers.
fn variance(numbers: &[f64]) -> f64 {
    let whole: Vec<i128> = numbers.iter().map(|number| (number * 1024.0) as i128).collect();
    let (n, sum) = (whole.len() as i128, whole.iter().sum::<i128>());
    let apart = n * whole.iter().map(|v| v * v).sum::<i128>() - sum * sum;
    apart as f64 / 1024.0 / 1024.0 / (n * (n - 1)) as f64
}

fn number(value: &Value) -> f64 {
    match value {
        Value::Int64(v) => *v as f64,
        Value::Float64(v) => *v,
        _ => 0.0,
    }
}

/// `k`, or `k, sum(price)`.
fn top(rows: &[Row], column: &str, rest: &str) -> String {
    let (k, by) = rest.split_once(", ").unwrap_or((rest, "count()"));
    let mut of: BTreeMap<Value, Vec<Row>> = BTreeMap::new();
    for row in rows.iter().filter(|row| value(row, column) != Value::Null) {
        of.entry(value(row, column)).or_default().push(row.clone());
    }
    let mut ranked: Vec<(Value, Value)> = of.into_iter().map(|(value, rows)| (measure(by, &rows), value)).collect();
    ranked.sort_by(|(rank, value), (other, than)| other.cmp(rank).then(value.cmp(than)));
    ranked.truncate(k.parse().unwrap());
    let name = by.split_once('(').unwrap().0;
    let json = |value: &Value| match value {
        Value::Int64(v) => serde_json::json!(v),
        Value::Float64(v) => serde_json::json!(v),
        Value::Null => serde_json::Value::Null,
        other => serde_json::json!(other.to_string()),
    };
    let item = |(rank, value): &(Value, Value)| serde_json::json!({ "value": json(value), name: json(rank) });
    serde_json::Value::Array(ranked.iter().map(item).collect()).to_string()
}

/// The same, but for quantiles that are known within 1/128 only.
fn equal(got: &Outcome, expected: &Outcome, aggregate: &Aggregate) -> bool {
    let near = |(text, got): (&str, &Value), expected: &Value| {
        let (a, b) = (number(got), number(expected));
        got == expected || text.starts_with("approx_quantile") && (a - b).abs() <= b.abs() / 128.0
    };
    let group = |(got, expected): (&Shown, &Shown)| {
        let texts = aggregate.measures.iter().map(|(text, _)| text.as_str());
        (&got.0, &got.1) == (&expected.0, &expected.1)
            && texts.zip(&got.2).zip(&expected.2).all(|(got, expected)| near(got, expected))
    };
    got.1 == expected.1 && got.0.len() == expected.0.len() && got.0.iter().zip(&expected.0).all(group)
}

fn random_rows(random: &mut ChaCha8Rng, count: usize) -> Vec<Row> {
    let mut append = -50 * SECOND;
    let names = ["", "a", "b", "zebra", "éa", "a longer name that fills more than a word"];
    let mut rows = Vec::new();
    for _ in 0..count {
        append += random.random_range(0..400_000);
        let wild = [i64::MIN, i64::MAX, 253_370_764_800_000_000, append + 86_401 * SECOND];
        let at = match random.random_range(0..60) {
            0 => None,
            1 => Some(wild[random.random_range(0..4)]).filter(|at| *at > 0),
            _ => Some(append - random.random_range(0..9 * SECOND)),
        };
        rows.push(Row {
            append,
            at,
            name: (!random.random_ratio(1, 9)).then(|| names[random.random_range(0..names.len())]),
            code: (!random.random_ratio(1, 9)).then(|| random.random_range(-5..5)),
            price: (!random.random_ratio(1, 9)).then(|| f64::from(random.random_range(-99..99)) / 1024.0),
            good: (!random.random_ratio(1, 3)).then(|| random.random_bool(0.2)),
        });
    }
    rows
}

/// Runs the rows with random cuts, interleavings and crashes.
fn run(aggregate: &Aggregate, partitions: &[Vec<Row>], random: &mut ChaCha8Rng) -> Outcome {
    let mut rig = Rig::new(aggregate, partitions.len() as u32);
    let mut read: Vec<usize> = vec![0; partitions.len()];
    let mut committed = read.clone();
    while committed.iter().zip(partitions).any(|(committed, rows)| *committed < rows.len()) {
        let partition = random.random_range(0..partitions.len());
        let rest = &partitions[partition][read[partition]..];
        let rows = rest.len().min(random.random_range(0..40));
        rig.add(partition as u32, read[partition], &rest[..rows]);
        read[partition] += rows;
        if random.random_ratio(1, 4) {
            let some = random.next_u32();
            let some = (0..partitions.len()).filter(|partition| some >> partition & 1 == 1);
            rig.commit(some.clone().map(|partition| partition as u32));
            some.for_each(|partition| committed[partition] = read[partition]);
        }
        if random.random_ratio(1, 15) {
            rig.crash();
            read.clone_from(&committed);
        }
    }
    rig.finish()
}

/// The rig's result, but for the rows that end each partition.
fn check(aggregate: &Aggregate, seed: u64) {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut partitions = Vec::new();
    for _ in 0..random.random_range(1..4) {
        let count = random.random_range(1..300);
        partitions.push(random_rows(&mut random, count));
    }
    let expected = naive(aggregate, &partitions);
    for _ in 0..3 {
        let got = run(aggregate, &partitions, &mut random);
        assert!(equal(&got, &expected, aggregate), "seed {seed}, {aggregate:?}: {got:?}, not {expected:?}");
    }
}

/// How many random streams of each kind; more where they are asked for.
fn streams() -> u64 {
    simulated::number("TIDEMILL_STREAMS").unwrap_or(20)
}

#[test]
fn equals_the_oracle_whatever_the_cuts() {
    let of = |kind: Kind, by: &[&str], time: Option<&str>, lateness: u64| Aggregate {
        window: window(kind, time, lateness),
        ..aggregate(by, None, 1, 0, &MEASURES)
    };
    let seconds = Duration::from_secs;
    let tumbling = |size| Kind::Tumbling { size: seconds(size) };
    let hopping = |size, slide| Kind::Hopping { size: seconds(size), slide: seconds(slide) };
    let session = |millis| Kind::Session { gap: Duration::from_millis(millis) };
    let calendar = |unit, zone: &str| Kind::Calendar { unit, zone: Zone::named(zone).unwrap() };
    let mut all = vec![
        of(tumbling(7), &["name"], None, 0),
        of(tumbling(5), &["name"], Some("at"), 3),
        of(tumbling(1), &["code", "good", "name"], Some("at"), 0),
        of(tumbling(20), &["price"], Some("at"), 1),
        of(tumbling(3), &[], None, 2),
        of(tumbling(3600), &["code"], Some("at"), 0),
        of(hopping(6, 2), &["name"], None, 0),
        of(hopping(9, 3), &["good"], Some("at"), 1),
        of(hopping(4, 1), &[], Some("at"), 0),
        of(session(300), &["name"], Some("at"), 0),
        of(session(700), &["good", "name"], Some("at"), 2),
        of(session(2_000), &["code"], None, 0),
        of(session(50), &[], Some("at"), 9),
        of(calendar(Unit::Day, "UTC"), &["name"], Some("at"), 0),
        of(calendar(Unit::Year, "Europe/London"), &["good"], None, 1),
    ];
    let part = Expression::Part { part: Part::Year, column: "at".into(), zone: Zone::UTC };
    all.push(Aggregate { by: vec![Grouping { name: "year".into(), expression: part }], ..all[1].clone() });
    let range = |label: &str, least, greatest| Range { label: label.into(), least, greatest };
    let ranges = Ranges::new(vec![range("low", -9.0, -0.01), range("high", 0.01, f64::INFINITY)]).unwrap();
    let label = Expression::Label { column: "price".into(), ranges };
    all.push(Aggregate { by: vec![Grouping { name: "label".into(), expression: label }], ..all[9].clone() });
    for aggregate in &all {
        (0..streams()).for_each(|seed| check(aggregate, seed));
    }
}

#[test]
fn floats_of_any_size_sum_to_the_same_whatever_the_cuts() {
    let sums = aggregate(&["good"], Some("at"), 20, 1, &["sum(price)", "mean(price)"]);
    for seed in 0..20 {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut partitions = [random_rows(&mut random, 200), random_rows(&mut random, 200)];
        for row in partitions.iter_mut().flatten() {
            row.price = row.price.map(|_| f64::from_bits(random.next_u64() >> random.random_range(0..3)));
            row.price = row.price.filter(|price| price.is_finite());
        }
        let first = run(&sums, &partitions, &mut random);
        for _ in 0..3 {
            assert_eq!(run(&sums, &partitions, &mut random), first, "seed {seed}");
        }
    }
}
