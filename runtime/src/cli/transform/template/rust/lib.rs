//! The transform of the table NAME.

use tidemill_sdk::{Input, Output, Timestamp, Verdict, emit, present, reject, transform};

/// What is read of a record: its fields are those of the JSON object.
#[derive(Debug, Input)]
pub struct Raw<'a> {
    #[field(alias = "sku")]
    product: Option<&'a str>,
    price: Option<f64>,
    at: Option<&'a str>,
}

/// What comes out of it: its fields are the table's columns, in this order.
#[derive(Debug, PartialEq, Output)]
pub struct Row<'a> {
    product: &'a str,
    price: Option<f64>,
    at: Option<Timestamp>,
}

/// A record becomes a row, or is rejected and kept as a dead letter with the reason.
#[transform]
pub fn clean(raw: Raw<'_>) -> Verdict<Row<'_>> {
    let Some(product) = present(raw.product, &["N/A"]) else {
        return reject("the record names no product");
    };
    if raw.price.is_some_and(|price| price < 0.0) {
        return reject("the price is negative");
    }
    emit(Row {
        product,
        price: raw.price,
        at: raw.at.and_then(Timestamp::parse),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidemill_sdk::testing;

    #[test]
    fn the_sample() {
        let lines: Vec<&str> = include_str!("../sample.jsonl").lines().collect();
        let outcome = testing::run(&describe(), apply, &lines).unwrap();
        let rows: Vec<String> = outcome
            .rows
            .iter()
            .map(|(_, row)| row.to_string())
            .collect();
        assert_eq!(
            rows,
            [
                r#"{"product":"tea","price":2.5,"at":"2026-05-27T11:30:59Z"}"#,
                r#"{"product":"rice","price":null,"at":null}"#,
            ]
        );
        let no_product = "the record names no product".to_owned();
        assert_eq!(
            outcome.rejected,
            [(2, no_product), (3, "the price is negative".to_owned())]
        );
    }

    #[test]
    fn one_record() {
        let raw = Raw {
            product: Some("tea"),
            price: Some(2.5),
            at: None,
        };
        assert_eq!(
            clean(raw),
            emit(Row {
                product: "tea",
                price: Some(2.5),
                at: None
            })
        );
    }
}
