//! Schedules: what is done by the clock.

use std::time::Duration;

use super::{Folder, picture};
use crate::config::Descriptions;
use crate::config::plan::{Form, Held, Job, Overlap, Schedule};

/// A pipeline with a query; what is added begins in line 10.
const HEAD: &str = "[pipeline]
name = \"raw\"
[lake]
bucket = \"raw-bucket\"
endpoint = \"embedded\"
[topics.pin]
[queries.answers]
query = \"SELECT 1 AS n\"

";

fn schedules(more: &str) -> Result<Vec<Schedule>, Vec<String>> {
    Folder::new().declare(&format!("{HEAD}{more}")).map(|declared| declared.pipeline.schedules)
}

fn one(more: &str) -> Schedule {
    let mut all = schedules(more).unwrap();
    assert_eq!(all.len(), 1, "{more}");
    all.remove(0)
}

#[test]
fn a_schedule_and_what_it_is_where_the_file_is_silent() {
    let export = "export = { query = \"answers\" }\n";
    let usual = one(&format!("[schedules.daily]\ncron = \"@daily\"\n{export}"));
    assert_eq!((usual.name.as_str(), usual.zone.to_string().as_str()), ("daily", "UTC"));
    assert_eq!((usual.catch_up, usual.retries, usual.overlap), (false, 0, Overlap::Skip));
    let Job::Export(usual) = usual.job else { panic!("an export") };
    assert_eq!((usual.form, usual.key.as_str()), (Form::Parquet, "exports/daily/{time}.parquet"));
    let told = one(
        "[schedules.told]\ncron = \"*/5 8-18 * * MON-FRI\"\ntimezone = \"Europe/London\"\ncatch_up = true\nretries = 3\n\
         retry_delay = \"10s\"\noverlap = \"queue\"\nexport = { query = \"answers\", format = \"csv\", key = \"out/{schedule}/{query}-{time}.csv\" }\n",
    );
    assert_eq!((told.catch_up, told.retries, told.retry_delay), (true, 3, Duration::from_secs(10)));
    assert_eq!((told.overlap, told.zone.to_string().as_str()), (Overlap::Queue, "Europe/London"));
    assert_eq!(
        one("[schedules.proof]\ncron = \"@weekly\"\naudit = { quick = true }\n").job,
        Job::Audit { quick: true }
    );
    let call = one(
        "[calls]\nhosts = [\"airflow.example.org:8080\"]\n[schedules.outside]\ncron = \"@hourly\"\n[schedules.outside.call]\n\
         url = \"https://airflow.example.org:8080/api/v1/dags/x/dagRuns\"\nbody = \"{}\"\n\
         headers = { authorization = \"env:TOKEN\", x-key = \"file:key\", accept = \"*/*\" }\n",
    );
    let Job::Call(call) = call.job else { panic!("a call") };
    assert_eq!(call.method.word(), "POST");
    assert_eq!(call.headers[0], ("authorization".to_owned(), Held::Variable("TOKEN".to_owned())));
    assert!(matches!(&call.headers[1].1, Held::File(file) if file.is_absolute() && file.ends_with("key")), "{call:?}");
    assert_eq!(call.headers[2].1, Held::Here("*/*".to_owned()));
}

#[test]
fn a_schedule_is_drawn() {
    let text =
        format!("{HEAD}[schedules.daily]\ncron = \"@daily\"\nexport = {{ query = \"answers\", format = \"json\" }}");
    let drawn = picture(&Folder::new().declare(&text).unwrap().pipeline, &Descriptions::default());
    assert!(drawn.contains("daily  @daily UTC  answers as json into exports/daily/{time}.json"), "{drawn}");
}

#[test]
fn faults_of_a_schedule() {
    let check = |more: &str, expected: &[&str]| {
        let faults = schedules(more).err().unwrap_or_default();
        let as_expected =
            faults.len() == expected.len() && faults.iter().zip(expected).all(|(fault, words)| fault.contains(words));
        assert!(as_expected, "{more}: {faults:#?}");
    };
    let daily = "[schedules.daily]\ncron = \"@daily\"\n";
    check(
        "[schedules.daily]\n",
        &["\"cron\" is missing", "there is nothing to do; write one of export, audit, prune, call"],
    );
    check(
        "[schedules.daily]\ncron = \"0 25 * * *\"\ntimezone = \"Mars\"\nexport = { query = \"answer\" }\n",
        &[
            "11:1: schedules.daily.cron: hour \"25\": it is not of numbers from 0 to 23",
            "12:1: schedules.daily.timezone: the time zone \"Mars\" is not known here",
            "the query \"answer\" is not declared; did you mean \"answers\"?",
        ],
    );
    check(&format!("{daily}audit = {{}}\nexport = {{ query = \"answers\" }}\n"), &["a schedule has one job"]);
    check(&format!("{daily}audits = {{}}\n"), &["there is nothing to do", "unknown key; did you mean \"audit\"?"]);
    let key = |key: &str, expected: &str| {
        check(&format!("{daily}export = {{ query = \"answers\", key = \"{key}\" }}\n"), &[expected]);
    };
    key("exports/all.csv", "all runs would have one key");
    key("exports/{time}/{day}.csv", "only {time}, {query} and {schedule} stand for something");
    key("exports//{time}.csv", "has an empty or odd part");
    key("exports/../{time}.csv", "has an empty or odd part");
    key("_tidemill/{time}.csv", "the folder \"_tidemill\" is not free for it");
    key("{time}.csv", "is not free for it");
    let call = |hosts: &str, url: &str, expected: &str| {
        check(&format!("[calls]\nhosts = [{hosts}]\n{daily}call = {{ url = \"{url}\" }}\n"), &[expected]);
    };
    call(
        "",
        "http://127.0.0.1:8080/x",
        "the host \"127.0.0.1:8080\" is not among those that may be called; write [calls]",
    );
    call("\"127.0.0.1\"", "http://127.0.0.1:8080/x", "the host \"127.0.0.1:8080\" is not among those");
    call("\"a.example\"", "http://a.example@b.example/", "the URL carries a user");
    call("\"a.example\"", "ftp://a.example/", "is no URL of a host");
    call("\"a.example\"", "http://a.example.b.example/", "is not among those that may be called");
    check("[calls]\nhosts = [\"UPPER\", \"a:port\"]\n", &["is not a host's name", "has no port behind its colon"]);
    check(&format!("{daily}prune = {{}}\n"), &["no table says what the cache keeps of it"]);
}
