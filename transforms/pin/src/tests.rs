//! Pins as they come and as they come out.

use serde_json::{Value, json};
use tidemill_sdk::testing;

use super::*;

/// A pin whose fields are those of `record`, the others being null.
fn check(record: &Value, expected: &Value) {
    let mut row = json!({
        "ind": 7528, "unique_id": null, "title": null, "description": null, "follower_count": null, "poster_name": null,
        "tag_list": null, "is_image_or_video": null, "image_src": null, "save_location": null, "category": null,
    });
    for (name, value) in expected.as_object().unwrap() {
        row[name] = value.clone();
    }
    let outcome = testing::run(&describe(), apply, &[record.to_string()]).unwrap();
    assert_eq!(outcome.rows, [(0, row)], "{record}");
}

/// A pin with one field beside its number, and another that only makes it a pin; and what becomes of the one.
fn check_field(name: &str, value: impl Into<Value>, expected: impl Into<Value>) {
    let other = if name == "category" { "title" } else { "category" };
    let record = json!({"ind": 7528, name: value.into(), "downloaded": 1, other: "art"});
    check(&record, &json!({name: expected.into(), other: "art"}));
}

fn check_rejected(record: &Value, reason: &str) {
    let outcome = testing::run(&describe(), apply, &[record.to_string()]).unwrap();
    assert_eq!((outcome.rows, outcome.rejected), (vec![], vec![(0, reason.to_owned())]), "{record}");
}

#[test]
fn a_whole_pin() {
    let record = json!({
        "index": 1, "unique_id": "79dbcedb-4f96-4fcc-bcb2-70dc82f646e1",
        "title": "Meet The Enigmatic Aykut Aydoğdu Illustrations", "description": "This Turkish illustrator… \u{a0}",
        "poster_name": "Bored Panda", "follower_count": "2M", "tag_list": "Surealism Art,Digital Paintings",
        "is_image_or_video": "image", "image_src": "https://i.pinimg.com/originals/a.jpg", "downloaded": 1,
        "save_location": "Local save in /data/art", "category": "art",
    });
    let expected = json!({
        "ind": 1, "unique_id": "79dbcedb-4f96-4fcc-bcb2-70dc82f646e1",
        "title": "Meet The Enigmatic Aykut Aydoğdu Illustrations", "description": "This Turkish illustrator… \u{a0}",
        "follower_count": 2_000_000, "poster_name": "Bored Panda", "tag_list": "Surealism Art,Digital Paintings",
        "is_image_or_video": "image", "image_src": "https://i.pinimg.com/originals/a.jpg",
        "save_location": "/data/art", "category": "art",
    });
    check(&record, &expected);
}

#[test]
fn the_columns_in_their_order() {
    let names: Vec<_> = describe().outputs.into_iter().map(|field| field.name).collect();
    let order = "ind unique_id title description follower_count poster_name tag_list is_image_or_video image_src \
                 save_location category";
    assert_eq!(names.join(" "), order);
    let description = describe();
    assert_eq!((description.name.as_str(), description.version.as_str()), ("tidemill-transform-pin", "0.1.0"));
    assert!(description.inputs.iter().all(|field| field.name != "downloaded"));
}

#[test]
fn sentinels_become_null() {
    check_field("title", "No Title Data Available", Value::Null);
    check_field("description", "No description available Story format", Value::Null);
    check_field("description", "No description available", Value::Null);
    check_field("poster_name", "User Info Error", Value::Null);
    check_field("follower_count", "User Info Error", Value::Null);
    check_field("tag_list", "N,o, ,T,a,g,s, ,A,v,a,i,l,a,b,l,e", Value::Null);
    check_field("image_src", "Image src error.", Value::Null);
    check_field("title", " No Title Data Available\u{a0}", Value::Null);
    check_field("image_src", "Image src error.\n", Value::Null);
}

#[test]
fn a_sentinel_counts_only_whole_and_in_its_own_column() {
    check_field("title", "No Title Data Available yet", "No Title Data Available yet");
    check_field("title", "no title data available", "no title data available");
    check_field("title", "User Info Error", "User Info Error");
    check_field("title", "Untitled", "Untitled");
    check_field("description", "Untitled", "Untitled");
    check_field("description", "No description available in German", "No description available in German");
    check_field("image_src", "Image src error", "Image src error");
    check_field("tag_list", "No Tags Available", "No Tags Available");
    check_field("is_image_or_video", "multi-video(story page format)", "multi-video(story page format)");
}

#[test]
fn blank_texts_become_null() {
    let texts = [
        "unique_id",
        "title",
        "description",
        "follower_count",
        "poster_name",
        "tag_list",
        "is_image_or_video",
        "image_src",
        "save_location",
        "category",
    ];
    for name in texts {
        check_field(name, "", Value::Null);
        check_field(name, " \t\u{a0}\u{2003}\n", Value::Null);
        check_field(name, Value::Null, Value::Null);
    }
}

#[test]
fn a_text_that_stays_keeps_its_blanks() {
    check_field("description", " Зима… \u{a0}", " Зима… \u{a0}");
    check_field("title", "𝐂𝐨𝐳𝐲 🎄 <p style=\"x\">", "𝐂𝐨𝐳𝐲 🎄 <p style=\"x\">");
    check_field("save_location", "Local save in /data/art ", "/data/art ");
}

#[test]
fn follower_counts() {
    check_field("follower_count", "870", 870);
    check_field("follower_count", "136k", 136_000);
    check_field("follower_count", "1.2M", 1_200_000);
    check_field("follower_count", "many", Value::Null);
    check_field("follower_count", "-3", Value::Null);
    check_field("follower_count", "99999999999999M", Value::Null);
}

#[test]
fn save_locations() {
    check_field("save_location", "Local save in /data/mens-fashion", "/data/mens-fashion");
    check_field("save_location", "/data/art", "/data/art");
    check_field("save_location", "Local save in ", Value::Null);
    check_field("save_location", "local save in /data/art", "local save in /data/art");
    check_field("save_location", "Local save in Local save in /x", "Local save in /x");
}

#[test]
fn either_name_of_the_number() {
    check(&json!({"index": 3, "title": "a"}), &json!({"ind": 3, "title": "a"}));
    check(&json!({"ind": 4, "title": "a"}), &json!({"ind": 4, "title": "a"}));
    check(&json!({"ind": 5, "index": 6, "title": "a"}), &json!({"ind": 5, "title": "a"}));
}

#[test]
fn records_of_other_tables_are_rejected() {
    let foreign = "the record has no field of a pin but its number: it may be meant for another table";
    check_rejected(
        &json!({"ind": 1, "timestamp": "2019-01-01 07:21:13", "latitude": 1.5, "country": "Albania"}),
        foreign,
    );
    check_rejected(&json!({"ind": 1, "first_name": "Ada", "last_name": "B", "age": 20}), foreign);
    check_rejected(&json!({"index": 1, "downloaded": 1}), foreign);
    let numberless = r#"the record has neither "ind" nor "index""#;
    check_rejected(&json!({"title": "a", "category": "art"}), numberless);
    check_rejected(&json!({"ind": null, "title": "a"}), numberless);
    check_rejected(&json!({}), numberless);
}

#[test]
fn the_function_alone() {
    let raw = Raw { ind: Some(1), follower_count: Some("2k"), ..Raw::default() };
    let Verdict::Emit(pin) = clean(raw) else { panic!("a pin comes out") };
    assert_eq!((pin.ind, pin.follower_count, pin.title), (1, Some(2_000), None));
}
