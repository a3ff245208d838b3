//! The generated population against what was measured of the original's tables.

use std::fmt::Write as _;

use hashbrown::{HashMap, HashSet};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::*;

const ROWS: u64 = 11_154;
const SEED: u64 = 100;

type Table = fn(&Population, u64, &mut Vec<u8>);

fn lines(rows: u64, seed: u64, table: Table) -> Vec<String> {
    let population = Population::new(rows, seed);
    let line = |index| {
        let mut line = Vec::new();
        table(&population, index, &mut line);
        String::from_utf8(line).unwrap()
    };
    (0..rows).map(line).collect()
}

fn values(rows: u64, table: Table) -> Vec<Value> {
    lines(rows, SEED, table)
        .iter()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{line}: {e}")))
        .collect()
}

fn text<'a>(row: &'a Value, field: &str) -> &'a str {
    row[field].as_str().unwrap_or_else(|| panic!("{field} of {row}"))
}

fn count(rows: &[Value], wanted: impl Fn(&Value) -> bool) -> i64 {
    rows.iter().filter(|row| wanted(row)).count() as i64
}

/// Each count, what it should be, and by how much it may differ.
fn check(counts: &[(&str, i64, i64, i64)]) {
    for (what, got, expected, tolerance) in counts {
        assert!((got - expected).abs() <= *tolerance, "{what}: {got} instead of {expected}");
    }
}

fn digest(table: Table) -> String {
    let first = lines(ROWS, SEED, table)[..100].join("\n");
    Sha256::digest(first).iter().take(8).fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").unwrap();
        hex
    })
}

#[test]
fn the_rows_never_change() {
    assert_eq!(
        [digest(Population::pin), digest(Population::geo), digest(Population::user)],
        ["e9faf58d02bc36d0", "39373b5f9bef9ad1", "7f5a321cb7a193b0"]
    );
}

#[test]
fn the_seed_decides() {
    assert_eq!(lines(50, 1, Population::pin), lines(50, 1, Population::pin));
    assert_ne!(lines(50, 1, Population::pin), lines(50, 2, Population::pin));
}

#[test]
fn keys_stand_in_the_original_order() {
    let keys = |table: Table| {
        let line = &lines(3, SEED, table)[0];
        let keys: Vec<String> =
            line.split(",\"").filter_map(|part| Some(part.split_once("\":")?.0.replace(['{', '"'], ""))).collect();
        keys.join(" ")
    };
    let pin = "index unique_id title description poster_name follower_count tag_list is_image_or_video image_src \
               downloaded save_location category";
    assert_eq!(keys(Population::pin), pin);
    assert_eq!(keys(Population::geo), "ind timestamp latitude longitude country");
    assert_eq!(keys(Population::user), "ind first_name last_name age date_joined");
}

#[test]
fn any_size_works() {
    for rows in [1, 2, 10, 139, 3_000] {
        for table in [Population::pin, Population::geo, Population::user] {
            assert_eq!(values(rows, table).len() as u64, rows);
        }
    }
    let (large, mut row) = (Population::new(10_000_000, SEED), Vec::new());
    for index in [0, 9_999_999, 10_000_000] {
        row.clear();
        large.pin(index, &mut row);
        let row: Value = serde_json::from_slice(&row).unwrap();
        assert_eq!(row["index"].as_u64(), Some(index % 10_000_000));
    }
}

#[test]
fn pins_have_the_measured_shape() {
    let pins = values(ROWS, Population::pin);
    let lines = lines(ROWS, SEED, Population::pin);
    let unique = |field: &str| pins.iter().map(|pin| text(pin, field)).collect::<HashSet<_>>().len() as i64;
    let whole =
        lines.iter().zip(&pins).filter(|(_, pin)| pin["downloaded"] == 1 && !text(pin, "tag_list").starts_with("N,o"));
    let bytes: Vec<usize> = whole.map(|(line, _)| line.len()).collect();
    let (least, most) = (bytes.iter().min().unwrap(), bytes.iter().max().unwrap());
    assert!(*least >= 640 && *most <= 820, "{least} to {most} bytes");
    let mean = lines.iter().map(|line| line.len() as i64).sum::<i64>() / ROWS as i64;
    check(&[
        ("mean bytes", mean, 730, 15),
        ("unique ids", unique("unique_id"), ROWS as i64, 0),
        ("images", unique("image_src"), ROWS as i64 - count(&pins, |pin| pin["downloaded"] == 0) + 1, 0),
        ("categories", unique("category"), 13, 0),
        (
            "beyond 16 bits",
            lines.iter().filter(|line| line.chars().any(|c| c as u32 > 0xffff)).count() as i64,
            800,
            500,
        ),
        ("Cyrillic", lines.iter().filter(|line| line.contains("Красиво")).count() as i64, 180, 80),
        ("HTML", lines.iter().filter(|line| line.contains("<p style=\\\"")).count() as i64, 180, 80),
        ("cut off", count(&pins, |pin| text(pin, "description").ends_with("…\u{a0}")), 4_000, 1_000),
        ("line ends", count(&pins, |pin| text(pin, "description").contains('\n')), 110, 60),
        ("backslashes", count(&pins, |pin| text(pin, "description").contains('\\')), 110, 60),
    ]);
    let categories: Vec<&str> = pins.iter().map(|pin| text(pin, "category")).collect();
    assert!(categories.is_sorted());
    for pin in &pins {
        let id = text(pin, "unique_id");
        assert!(id.len() == 36 && &id[14..15] == "4" && "89ab".contains(&id[19..20]), "{id}");
        assert_eq!(text(pin, "save_location"), format!("Local save in /data/{}", text(pin, "category")));
        let image = text(pin, "image_src");
        assert!(image.starts_with("https://images.example/originals/") || image == "Image src error.", "{image}");
    }
}

#[test]
fn sentinels_come_at_their_rates() {
    let pins = values(ROWS, Population::pin);
    let of = |field: &'static str, word: &'static str| count(&pins, move |pin| pin[field] == word);
    let share = |of_4310: i64| of_4310 * ROWS as i64 / 4_310;
    let unreadable = "User Info Error";
    check(&[
        ("titles", of("title", "No Title Data Available"), share(31), 1),
        ("empty titles", of("title", ""), 2, 1),
        ("untitled", of("title", "Untitled"), 2, 1),
        ("untitled descriptions", of("description", "Untitled"), 2, 1),
        ("posters", of("poster_name", unreadable), share(31), 1),
        ("followers", of("follower_count", unreadable), share(31), 1),
        ("stories", of("is_image_or_video", "multi-video(story page format)"), share(321), 2),
        ("videos", of("is_image_or_video", "video"), share(129), 2),
        ("no description", of("description", "No description available"), share(70), 2),
        ("no tags", of("tag_list", "N,o, ,T,a,g,s, ,A,v,a,i,l,a,b,l,e"), share(63), 2),
        ("no image", of("image_src", "Image src error."), share(102), 2),
    ]);
    for pin in &pins {
        let is = |field: &str, word: &str| pin[field] == word;
        let story = is("is_image_or_video", "multi-video(story page format)");
        assert_eq!(story, is("description", "No description available Story format"), "{pin}");
        assert_eq!(pin["downloaded"] == 0, is("image_src", "Image src error."), "{pin}");
        assert_eq!(is("poster_name", unreadable), is("follower_count", unreadable), "{pin}");
        assert_eq!(is("poster_name", unreadable), is("title", "No Title Data Available"), "{pin}");
        if is("poster_name", unreadable) {
            assert!(story && pin["downloaded"] == 0 && is("tag_list", "N,o, ,T,a,g,s, ,A,v,a,i,l,a,b,l,e"), "{pin}");
        }
    }
}

#[test]
fn followers_have_four_forms() {
    let pins = values(ROWS, Population::pin);
    let mut forms: HashMap<&str, (i64, u64, u64)> = HashMap::new();
    for followers in pins.iter().map(|pin| text(pin, "follower_count")).filter(|count| *count != "User Info Error") {
        let digits = followers.trim_end_matches(['k', 'M']);
        let number: u64 = digits.parse().unwrap();
        let form = forms.entry(&followers[digits.len()..]).or_insert((0, number, number));
        *form = (form.0 + 1, form.1.min(number), form.2.max(number));
    }
    assert_eq!(forms.len(), 3);
    for (form, rows, least, most) in [("", 2_021, 0, 998), ("k", 8_163, 1, 991), ("M", 890, 1, 15)] {
        let (got, from, to) = forms[form];
        check(&[(form, got, rows, 80), ("least", from as i64, least, 5), ("most", to as i64, most, 5)]);
        assert!(from as i64 >= least && to as i64 <= most, "{form:?}: {from} to {to}");
    }
}

#[test]
fn places_have_the_measured_counts() {
    let geos = values(ROWS, Population::geo);
    let mut countries: HashMap<&str, i64> = HashMap::new();
    geos.iter().for_each(|geo| *countries.entry(text(geo, "country")).or_default() += 1);
    let year = |year: &'static str| count(&geos, move |geo| text(geo, "timestamp").starts_with(year));
    let times: HashSet<&str> = geos.iter().map(|geo| text(geo, "timestamp")).collect();
    check(&[
        ("countries", countries.len() as i64, 243, 0),
        ("Albania", countries["Albania"], 563, 25),
        ("Algeria", countries["Algeria"], 487, 25),
        ("Afghanistan", countries["Afghanistan"], 427, 25),
        ("Aruba", countries["Aruba"], 346, 25),
        ("American Samoa", countries["American Samoa"], 317, 25),
        ("Zimbabwe", countries["Zimbabwe"], 12, 8),
        ("2017", year("2017"), 432, 0),
        ("2018", year("2018"), 2_316, 0),
        ("2019", year("2019"), 2_192, 0),
        ("2020", year("2020"), 2_172, 0),
        ("2021", year("2021"), 2_208, 0),
        ("2022", year("2022"), 1_834, 0),
        ("distinct times", times.len() as i64, ROWS as i64, 0),
    ]);
    assert!(
        *times.iter().min().unwrap() >= "2017-10-19T15:00:00" && *times.iter().max().unwrap() < "2022-10-19T18:00:00"
    );
    for line in lines(ROWS, SEED, Population::geo) {
        for field in ["latitude\":", "longitude\":"] {
            let number = line.split_once(field).unwrap().1.split(',').next().unwrap();
            let most = if field.starts_with("lat") { 90.0 } else { 180.0 };
            assert!(
                number.parse::<f64>().unwrap().abs() < most
                    && number.trim_start_matches(['-', '0', '.']).replace('.', "").len() <= 6,
                "{number}"
            );
        }
    }
}

#[test]
fn every_seed_has_every_country() {
    for seed in 0..20 {
        let population = Population::new(ROWS, seed);
        let person = |slot| population.crowd.person(slot).unwrap();
        let countries: HashSet<u64> = (0..ROWS).map(|slot| person(slot).country).collect();
        assert_eq!((countries.len(), population.crowd.persons()), (243, 5_307), "{seed}");
        let young = (0..ROWS).filter(|&slot| person(slot).age < 25).count() as i64;
        let albania = (0..ROWS).filter(|&slot| person(slot).country == 0).count() as i64;
        check(&[("18 to 24", young, 4_916, 100), ("Albania", albania, 563, 40)]);
    }
}

#[test]
fn users_have_the_measured_counts() {
    let users = values(ROWS, Population::user);
    let ages = |from: u64, to: u64| count(&users, move |user| (from..=to).contains(&user["age"].as_u64().unwrap()));
    let year = |year: &'static str| count(&users, move |user| text(user, "date_joined").starts_with(year));
    let names: HashSet<(&str, &str)> =
        users.iter().map(|user| (text(user, "first_name"), text(user, "last_name"))).collect();
    let joined: Vec<&str> = users.iter().map(|user| text(user, "date_joined")).collect();
    check(&[
        ("18 to 24", ages(20, 24), 4_916, 60),
        ("25 to 35", ages(25, 35), 3_005, 60),
        ("36 to 50", ages(36, 50), 2_225, 60),
        ("over 50", ages(51, 60), 1_008, 40),
        ("exactly 50", ages(50, 50), 126, 20),
        ("any other age", ages(0, 19) + ages(61, u64::MAX), 0, 0),
        ("2015", year("2015"), 4_507, 0),
        ("2016", year("2016"), 4_791, 0),
        ("2017", year("2017"), 1_856, 0),
        ("names", names.len() as i64, 5_081, 0),
    ]);
    assert!(*joined.iter().min().unwrap() >= "2015-10-21" && *joined.iter().max().unwrap() < "2017-10-21");
}

#[test]
fn poster_person_place_are_one() {
    let [pins, geos, users] = [Population::pin, Population::geo, Population::user].map(|table| values(ROWS, table));
    let (mut all, mut persons, mut places, mut posters, mut by_name) =
        (HashSet::new(), HashSet::new(), HashSet::new(), HashSet::new(), HashMap::new());
    for ((pin, geo), user) in pins.iter().zip(&geos).zip(&users) {
        let person = ["first_name", "last_name", "age", "date_joined"].map(|field| user[field].to_string()).join(" ");
        let place = ["latitude", "longitude", "country"].map(|field| geo[field].to_string()).join(" ");
        let name = ["first_name", "last_name"].map(|field| user[field].to_string()).join(" ");
        by_name.entry(name).or_insert_with(HashSet::new).insert(person.clone());
        all.insert([pin["poster_name"].to_string(), pin["follower_count"].to_string(), place.clone(), person.clone()]);
        posters.insert(pin["poster_name"].to_string());
        places.insert(place);
        persons.insert(person);
    }
    let shared = by_name.values().filter(|persons| persons.len() > 1).count();
    assert_eq!([all.len(), persons.len(), places.len(), posters.len(), shared], [5_307, 5_307, 5_307, 5_307, 196]);
}
