//! Windows of aggregates.

use super::{Folder, GOOD};

const WINDOW: &str = r#"window = { kind = "tumbling", size = "1m", time = "placed", lateness = "1h" }"#;

fn text(window: &str) -> String {
    GOOD.replacen(WINDOW, &format!("window = {{ {window} }}"), 1)
}

#[test]
fn each_kind_of_window() {
    let check = |window: &str, expected: &str| {
        let declared = Folder::new().declare(&text(window)).unwrap();
        assert_eq!(format!("{:?}", declared.pipeline.tables[0].aggregates[0].window.kind), expected);
    };
    check(r#"kind = "hopping", size = "1h", slide = "5m""#, "Hopping { size: 3600s, slide: 300s }");
    check(r#"kind = "session", gap = "30m", time = "placed""#, "Session { gap: 1800s }");
    check(r#"kind = "calendar", unit = "month""#, r#"Calendar { unit: Month, zone: Zone("UTC") }"#);
    check(
        r#"kind = "calendar", unit = "day", zone = "Europe/London""#,
        r#"Calendar { unit: Day, zone: Zone("Europe/London") }"#,
    );
}

#[test]
fn faults_of_windows() {
    let check = |window: &str, expected: &[&str]| {
        assert_eq!(Folder::new().declare(&text(window)).err().unwrap_or_default(), expected, "{window}");
    };
    let at = "tables.orders.aggregates[0].window";
    check(r#"kind = "hopping", size = "1h""#, &[&format!(r#"31:1: {at}: "slide" is missing; write slide = "5m""#)]);
    check(
        r#"kind = "hopping", size = "1h", slide = "7m""#,
        &[&format!(
            "31:43: {at}.slide: the size 1h is not a whole number of slides of 7m; write one that divides the size, so that every time lies in as many windows"
        )],
    );
    check(
        r#"kind = "hopping", size = "1h", slide = "1s""#,
        &[&format!(
            "31:43: {at}.slide: each row would lie in 3600 windows, where 1000 are the most; write a longer slide"
        )],
    );
    check(
        r#"kind = "session", size = "1h""#,
        &[
            &format!(r#"31:1: {at}: "gap" is missing; write gap = "30m""#),
            &format!("31:30: {at}.size: unknown key; known are kind, gap, time, lateness, idle, future"),
        ],
    );
    check(
        r#"kind = "calendar", unit = "fortnight""#,
        &[&format!(r#"31:31: {at}.unit: "fortnight" is not known; known are day, week, month, year"#)],
    );
}
