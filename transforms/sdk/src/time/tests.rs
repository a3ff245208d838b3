//! Times as texts, right and wrong.

use super::*;

fn check(text: &str, shown: &str) {
    assert_eq!(Timestamp::parse(text).map(|at| at.to_string()).as_deref(), Some(shown), "{text:?}");
}

fn check_not(text: &str) {
    assert_eq!(Timestamp::parse(text), None, "{text:?}");
}

#[test]
fn forms() {
    check("2018-05-27 11:30:59", "2018-05-27T11:30:59Z");
    check("2018-05-27T11:30:59", "2018-05-27T11:30:59Z");
    check("2018-05-27T11:30:59Z", "2018-05-27T11:30:59Z");
    check("2018-05-27 11:30:59z", "2018-05-27T11:30:59Z");
    check("2018-05-27T11:30:59+02:00", "2018-05-27T09:30:59Z");
    check("2018-05-27T11:30:59-0230", "2018-05-27T14:00:59Z");
    check("2018-01-01T00:30:00+01", "2017-12-31T23:30:00Z");
}

#[test]
fn fractions() {
    check("2018-05-27 11:30:59.5", "2018-05-27T11:30:59.5Z");
    check("2018-05-27 11:30:59.000", "2018-05-27T11:30:59Z");
    check("2018-05-27T11:30:59.000+0000", "2018-05-27T11:30:59Z");
    check("2018-05-27 11:30:59.123456", "2018-05-27T11:30:59.123456Z");
    check("2018-05-27 11:30:59.1234569999999999999999999", "2018-05-27T11:30:59.123456Z");
    check("1969-12-31T23:59:59.999999Z", "1969-12-31T23:59:59.999999Z");
}

#[test]
fn calendar() {
    assert_eq!(Timestamp::parse("1970-01-01 00:00:00"), Some(Timestamp(0)));
    assert_eq!(Timestamp::parse("1969-12-31 23:59:59.999999"), Some(Timestamp(-1)));
    assert_eq!(Timestamp::parse("2022-10-19 17:54:26"), Some(Timestamp(1_666_202_066_000_000)));
    check("2000-02-29 00:00:00", "2000-02-29T00:00:00Z");
    check("2020-02-29 00:00:00", "2020-02-29T00:00:00Z");
    check("2020-12-31 23:59:59", "2020-12-31T23:59:59Z");
    check("0001-01-01 00:00:00", "0001-01-01T00:00:00Z");
    check("9999-12-31 23:59:59", "9999-12-31T23:59:59Z");
    check_not("1900-02-29 00:00:00");
    check_not("2019-02-29 00:00:00");
    check_not("2019-04-31 00:00:00");
    check_not("2019-01-32 00:00:00");
    check_not("2019-01-00 00:00:00");
    check_not("2019-00-01 00:00:00");
    check_not("2019-13-01 00:00:00");
}

#[test]
fn each_day_reads_as_it_shows() {
    for days in (-719_162..2_932_896).step_by(97) {
        let at = Timestamp(days * 86_400 * SECOND);
        assert_eq!(Timestamp::parse(&at.to_string()), Some(at));
    }
}

#[test]
fn wrong() {
    check_not("");
    check_not("yesterday");
    check_not("2018-05-27");
    check_not("2018-05-27 11:30");
    check_not("2018:05:27 11:30:59");
    check_not("2018-05-27t11:30:59");
    check_not("2018-05-27  11:30:59");
    check_not(" 2018-05-27 11:30:59");
    check_not("2018-05-27 11:30:59 ");
    check_not("2018-05-27 24:00:00");
    check_not("2018-05-27 11:60:00");
    check_not("2018-05-27 11:30:60");
    check_not("2018-05-27 11:30:59.");
    check_not("2018-05-27 11:30:59.Z");
    check_not("2018-05-27 11:30:59,5");
    check_not("2018-05-27 11:30:59+");
    check_not("2018-05-27 11:30:59+2");
    check_not("2018-05-27 11:30:59+24:00");
    check_not("2018-05-27 11:30:59+02:60");
    check_not("2018-05-27 11:30:59+02:00Z");
    check_not("2018-05-27 11:30:5٣");
    check_not("-018-05-27 11:30:59");
    check_not("+018-05-27 11:30:59");
}
