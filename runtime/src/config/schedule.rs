//! One `[schedules.NAME]` of a pipeline file: a job, and when it is done.

use std::collections::HashSet;
use std::path::Path;
use std::time::Duration;

use crate::error::Result;
use crate::time::{Cron, Zone};

use super::fault::wrong;
use super::plan::{Call, Export, Form, Held, Job, Landing, Method, Overlap, Query, Schedule, Table};
use super::section::Section;
use super::{names, paths};

/// The most retries of a run.
const RETRIES_MAX: u64 = 100;
/// How long after a failure a run is tried again where the file is silent.
const RETRY_DELAY: Duration = Duration::from_mins(1);
/// The shortest such time.
const RETRY_DELAY_MIN: Duration = Duration::from_millis(100);
/// How long an answer from outside may take where the file is silent.
const CALL_TIME: Duration = Duration::from_secs(30);
/// The longest key of an object, as in S3.
const KEY_BYTES_MAX: usize = 900;
/// The jobs, one of which a schedule has.
const JOBS: [&str; 4] = ["export", "audit", "prune", "call"];

/// What schedules may name.
pub(super) struct Known<'a> {
    /// The folder from which paths are seen.
    pub(super) folder: &'a Path,
    /// The queries.
    pub(super) queries: &'a [Query],
    /// The tables, in whose folders of the lake nothing else may lie.
    pub(super) tables: &'a [Table],
    /// The same of landings.
    pub(super) landings: &'a [Landing],
    /// The hosts that may be called.
    pub(super) hosts: &'a [String],
}

/// Reads the hosts that may be called: `[calls]`.
pub(super) fn hosts(section: &Section<'_>) -> Vec<String> {
    let hosts = section.texts("hosts");
    for (index, written) in hosts.iter().enumerate() {
        let (host, port) = written.split_once(':').map_or((written.as_str(), None), |(host, port)| (host, Some(port)));
        let place = format!("{}[{index}]", section.path_of("hosts"));
        if let Err(fault) = names::host(host) {
            section.wrong_at(&place, &fault);
        } else if port.is_some_and(|port| port.parse::<u16>().is_err()) {
            section.wrong_at(&place, &wrong(format!("{written:?} has no port behind its colon")));
        }
    }
    section.finish();
    hosts
}

/// Reads all schedules.
pub(super) fn read_all(section: &Section<'_>, known: &Known<'_>) -> Vec<Schedule> {
    section.children().iter().filter_map(|(name, section)| read(name, section, known)).collect()
}

fn read(name: &str, section: &Section<'_>, known: &Known<'_>) -> Option<Schedule> {
    section.judge_name(names::table(name));
    section.need("cron", "cron = \"0 0 * * *\"");
    let cron = section.text("cron").and_then(|text| section.judge("cron", Cron::parse(&text)));
    let zone = section.text("timezone").and_then(|name| section.judge("timezone", Zone::named(&name)));
    let catch_up = section.flag("catch_up").unwrap_or(false);
    let retries = section.number("retries", 0..=RETRIES_MAX).and_then(|n| u32::try_from(n).ok()).unwrap_or(0);
    let retry_delay = section.duration("retry_delay", RETRY_DELAY_MIN).unwrap_or(RETRY_DELAY);
    let overlaps = [("skip", Overlap::Skip), ("queue", Overlap::Queue)];
    let overlap = section.choice("overlap", &overlaps).unwrap_or(Overlap::Skip);
    let job = job(name, section, known);
    section.finish();
    let zone = zone.unwrap_or(Zone::UTC);
    Some(Schedule { name: name.to_owned(), cron: cron?, zone, catch_up, retries, retry_delay, overlap, job: job? })
}

fn job(name: &str, section: &Section<'_>, known: &Known<'_>) -> Option<Job> {
    let named: Vec<&str> = JOBS.into_iter().filter(|job| section.has(job)).collect();
    // All are asked for, so that none is an unknown key.
    let [of_export, of_audit, of_prune, of_call] = JOBS.map(|job| section.section(job));
    if let Some(second) = named.get(1) {
        section.wrong(second, &wrong("a schedule has one job").hint("make another schedule of it"));
        return None;
    }
    match named.first().copied() {
        Some("export") => export(name, &of_export, known).map(Job::Export),
        Some("audit") => {
            let quick = of_audit.flag("quick").unwrap_or(false);
            of_audit.finish();
            Some(Job::Audit { quick })
        }
        Some("prune") => {
            of_prune.finish();
            if !known.tables.iter().any(|table| table.retention.is_bounded()) {
                let none = wrong("no table says what the cache keeps of it");
                section.wrong("prune", &none.hint("write [tables.NAME.retention] with age = \"90d\""));
            }
            Some(Job::Prune)
        }
        Some(_) => call(&of_call, known).map(Job::Call),
        None => {
            let none = wrong("there is nothing to do").hint(format!("write one of {}", JOBS.join(", ")));
            section.judge_name(Err(none));
            None
        }
    }
}

fn export(name: &str, section: &Section<'_>, known: &Known<'_>) -> Option<Export> {
    section.need("query", "query = \"NAME\" of a query");
    let query = section.text("query").unwrap_or_default();
    if section.has("query") && !known.queries.iter().any(|known| known.name == query) {
        let meant = names::meant(&query, known.queries.iter().map(|query| query.name.as_str()));
        section.astray("query", &wrong(format!("the query {query:?} is not declared")).hint(meant));
    }
    let form = section.choice("format", &Form::NAMES).unwrap_or(Form::Parquet);
    let usual = || format!("exports/{name}/{{time}}.{}", form.word());
    let key = section.text("key").unwrap_or_else(usual);
    section.judge("key", check_key(&key, known));
    section.finish();
    Some(Export { query, form, key })
}

/// Each run has an object of its own, in a folder where nobody else writes.
fn check_key(key: &str, known: &Known<'_>) -> Result<()> {
    if !key.contains("{time}") {
        return Err(
            wrong("all runs would have one key").hint("write {time} in it, such as \"exports/{query}/{time}.csv\"")
        );
    }
    let rest = ["{time}", "{query}", "{schedule}"].iter().fold(key.to_owned(), |key, word| key.replace(word, ""));
    if rest.contains(['{', '}']) {
        return Err(wrong("only {time}, {query} and {schedule} stand for something"));
    }
    let odd = |part: &str| part.is_empty() || part == "." || part == ".." || part.chars().any(char::is_control);
    if key.len() > KEY_BYTES_MAX || key.split('/').any(odd) {
        return Err(wrong(format!("{key:?} is no key: it is too long, or has an empty or odd part")));
    }
    let first = key.split('/').next().unwrap_or_default();
    let tables = known.tables.iter().flat_map(|table| {
        std::iter::once(table.name.clone()).chain(table.aggregates.iter().map(|aggregate| aggregate.name.clone()))
    });
    let landings = known.landings.iter().map(|landing| landing.options.folder(&landing.topic));
    let taken: HashSet<String> =
        tables.chain(landings.filter_map(|folder| Some(folder.split('/').next()?.to_owned()))).collect();
    if taken.contains(first) || first.starts_with('_') || first.contains('{') {
        let clash =
            wrong(format!("the folder {first:?} is not free for it: tables, aggregates or landings may lie there"));
        return Err(clash.hint("write \"exports/..\""));
    }
    Ok(())
}

fn call(section: &Section<'_>, known: &Known<'_>) -> Option<Call> {
    section.need("url", "url = \"http://HOST/PATH\"");
    let url = section.text("url").unwrap_or_default();
    if section.has("url") {
        section.judge("url", check_url(&url, known.hosts));
    }
    let call = Call {
        url,
        method: section.choice("method", &Method::NAMES).unwrap_or(Method::Post),
        headers: headers(&section.section("headers"), known.folder),
        body: section.text("body").unwrap_or_default(),
        timeout: section.duration("timeout", RETRY_DELAY_MIN).unwrap_or(CALL_TIME),
    };
    section.finish();
    Some(call)
}

fn check_url(url: &str, hosts: &[String]) -> Result<()> {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    let Some(authority) = rest.and_then(|rest| rest.split(['/', '?', '#']).next()).filter(|host| !host.is_empty())
    else {
        return Err(wrong(format!("{url:?} is no URL of a host")).hint("write \"http://HOST/PATH\" or \"https://..\""));
    };
    if authority.contains('@') || authority.contains('\\') {
        return Err(wrong("the URL carries a user, which is shown wherever the schedule is")
            .hint("write headers = { authorization = \"env:NAME\" }"));
    }
    if hosts.iter().any(|host| host.eq_ignore_ascii_case(authority)) {
        return Ok(());
    }
    Err(wrong(format!("the host {authority:?} is not among those that may be called"))
        .hint(format!("write [calls] with hosts = [{authority:?}]")))
}

/// Values as they are, or `env:NAME`, or `file:PATH`.
fn headers(section: &Section<'_>, folder: &Path) -> Vec<(String, Held)> {
    let mut headers = Vec::new();
    for (name, value) in section.pairs() {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
        if name.is_empty() || !name.bytes().all(plain) {
            section.wrong(&name, &wrong(format!("{name:?} is no header's name")));
        }
        if value.chars().any(char::is_control) {
            section.wrong(&name, &wrong("the value has a control character"));
        }
        let held = match (value.strip_prefix("env:"), value.strip_prefix("file:")) {
            (Some(variable), _) => Held::Variable(variable.to_owned()),
            (_, Some(file)) => Held::File(paths::absolute(folder, file)),
            _ => Held::Here(value),
        };
        headers.push((name, held));
    }
    headers
}
