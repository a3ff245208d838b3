//! Cases of what is answered about several tables.

use std::fs;

use tidemill_tests::place::Folder;

use super::{check, pinterest, told};

#[test]
fn answers_about_several_tables_are_held_against_what_is_expected() {
    let place = Folder::new("answers-case");
    let pipeline = pinterest(&place);
    let case = place.path().join("cases/answers/posts");
    let only = ["--table", "answers"];
    check(&told(&pipeline, &only, true), &["passed  answers/posts\n", "1 case, 27 records: 1 passed\n"]);

    // An answer, a rollup, an aggregate and a cached table: what is not as expected is said, and is written on request.
    for file in case.read_dir().expect("the case").flatten().filter(|file| file.file_name() != "input.jsonl") {
        fs::remove_file(file.path()).expect("it goes");
    }
    check(&told(&pipeline, &only, false), &["failed  answers/posts\n", "no answer is expected", "--update"]);
    let wrong = "{\"post_year\":2015,\"number_users_joined\":1}\n{\"post_year\":2016,\"number_users_joined\":3}\n";
    place.write("cases/answers/posts/users_joined_by_year.jsonl", wrong);
    let shown = told(&pipeline, &only, false);
    check(
        &shown,
        &[
            "users_joined_by_year.jsonl:1: \"number_users_joined\" differs\n    - number_users_joined: 1\n    + number_users_joined: 2\n",
        ],
    );
    check(
        &shown,
        &["users_joined_by_year.jsonl: not expected\n    + {\"post_year\":2017,\"number_users_joined\":3}\n"],
    );
    for name in ["pins_by_country_and_category", "posts_per_country", "user"] {
        place.write(&format!("cases/answers/posts/{name}.jsonl"), "");
    }
    check(&told(&pipeline, &["--table", "answers", "--update"], true), &["written answers/posts\n"]);
    let written = |file: &str| fs::read_to_string(case.join(file)).expect("a file of the case");
    let by_country = [
        r#"{"country":"Chad","category":"diy","category_count":2}"#,
        r#"{"country":"Norway","category":"art","category_count":1}"#,
        r#"{"country":"Norway","category":"travel","category_count":2}"#,
        r#"{"country":"Peru","category":"diy","category_count":1}"#,
        r#"{"country":"Peru","category":"travel","category_count":1}"#,
    ];
    assert_eq!(written("pins_by_country_and_category.jsonl"), by_country.join("\n") + "\n");
    let posts = written("posts_per_country.jsonl");
    assert!(posts.contains(r#""country":"Chad","posts":2}"#) && posts.lines().count() == 3, "{posts}");
    let user = written("user.jsonl");
    assert!(user.contains(r#"{"ind":7,"age":18,"date_joined":"2015-01-01 00:00:00"}"#), "{user}");
    assert_eq!(user.lines().count(), 8, "{user}");
    check(&told(&pipeline, &only, true), &["passed"]);
    let backwards: Vec<&str> = user.lines().rev().collect();
    place.write("cases/answers/posts/user.jsonl", backwards.join("\n"));
    check(&told(&pipeline, &only, true), &["passed"]);

    // What it cannot be is told.
    place.write("cases/answers/posts/posts_per_county.jsonl", "");
    let unknown = "posts_per_county.jsonl: the pipeline has nothing of this name to ask for";
    check(
        &told(&pipeline, &only, false),
        &["failed  answers/posts\n", unknown, "there are popular_category_by_country, "],
    );
    fs::remove_file(case.join("posts_per_county.jsonl")).expect("it goes");
    for (line, says) in [
        (r#"{"@table": "pins", "@value": {}}"#, "input.jsonl: line 1: table \"pins\": there is none"),
        (r#"{"ind": 1}"#, "input.jsonl: line 1: it has no \"@table\""),
    ] {
        place.write("cases/answers/posts/input.jsonl", line);
        check(&told(&pipeline, &only, false), &[says, "the tables are pin, geo, user"]);
    }
    place.write("cases/pin/whole/input.jsonl", r#"{"@table": "pin", "@value": {}}"#);
    let of_one = "input.jsonl: line 1: a case of a table names none";
    check(&told(&pipeline, &["--table", "pin", "--case", "whole"], false), &[of_one, "cases/answers"]);
}
