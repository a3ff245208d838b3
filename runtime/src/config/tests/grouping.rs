//! What aggregates are grouped by.

use super::{Folder, GOOD};

const BY: &str = "by = [\"country\"]";

/// With these groupings, the good file has the faults `expected`.
fn faults(by: &str, expected: &[&str]) {
    let found = Folder::new().declare(&GOOD.replacen(BY, &format!("by = [{by}]"), 1)).err().unwrap_or_default();
    assert_eq!(found, expected, "{by}");
}

#[test]
fn columns_parts_and_labels() {
    let by = r#"by = [
        "country",
        { name = "placed_in", year = "placed" },
        { name = "at", hour = "placed", zone = "Europe/London" },
        { name = "size", ranges = "total", labels = { small = [0, 9.5], large = [10, inf] } },
    ]"#;
    let declared = Folder::new().declare(&GOOD.replacen(BY, by, 1)).unwrap();
    let shown: Vec<String> = declared.pipeline.tables[0].aggregates[0]
        .by
        .iter()
        .map(|by| format!("{} {}", by.name, by.expression))
        .collect();
    assert_eq!(
        shown,
        [
            "country country",
            "placed_in year(placed)",
            "at hour(placed in Europe/London)",
            "size label(total: small, large)"
        ]
    );
}

#[test]
fn faults_of_groupings() {
    let at = "tables.orders.aggregates[0].by[0]";
    faults(
        r#"{ name = "age", yaer = "placed" }"#,
        &[
            &format!(
                r#"30:7: {at}: "year" is missing; write year = "COLUMN", or month, day, weekday, hour, or ranges with labels"#
            ),
            &format!(r#"30:23: {at}.yaer: unknown key; did you mean "year"?"#),
        ],
    );
    faults(
        r#"{ name = "a", year = "placed", hour = "placed" }"#,
        &[&format!("30:38: {at}.hour: there is another expression beside it; write a table for each")],
    );
    faults(
        r#"{ name = "a", year = "placed", zone = "Europe/Lundon" }"#,
        &[&format!(
            r#"30:38: {at}.zone: the time zone "Europe/Lundon" is not known here; write a name such as "Europe/London", which needs the system's tzdata, or "UTC""#
        )],
    );
    faults(
        r#"{ name = "a", ranges = "total", labels = { low = [0, 10], high = [10, 20] } }"#,
        &[&format!(
            r#"30:39: {at}.labels: the ranges "low" and "high" overlap: both have 10; both bounds are in a range"#
        )],
    );
    faults(
        r#"{ name = "a", ranges = "total", labels = { low = [0], high = "10" } }"#,
        &[
            &format!(
                "30:50: {at}.labels.low: it is a list of 1, not of two numbers; write the least number, then the greatest, such as [18, 24]; inf for no bound"
            ),
            &format!("30:61: {at}.labels.high: it is a text, not a list of two numbers"),
        ],
    );
    faults(
        r#"{ name = "a", ranges = "total" }"#,
        &[&format!(r#"30:7: {at}: "labels" is missing; write labels = {{ "18-24" = [18, 24], "50+" = [51, inf] }}"#)],
    );
    faults(
        r#""country", { name = "Country", year = "placed" }"#,
        &[r#"30:20: tables.orders.aggregates[0].by[1].name: the column "Country" stands here twice"#],
    );
    faults(
        r#"{ name = "window_end", year = "placed" }"#,
        &[&format!(r#"30:9: {at}.name: every aggregate has its own column "window_end""#)],
    );
}
