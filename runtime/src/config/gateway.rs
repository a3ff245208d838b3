//! `[gateway]` of a pipeline file.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use super::fault::wrong;
use super::listen::address;
use super::plan::{Gateway, Period, Quota, Quoting, Stage, StatusMapping, Throttle, UsagePlan};
use super::section::Section;
use super::{names, paths};

/// Where it listens unless told.
pub(super) const PORT: u16 = 8084;
/// How long AWS's gateway waits for an integration, unless told.
const TIMEOUT: Duration = Duration::from_secs(29);
/// The shortest time that it can be told.
const TIMEOUT_MIN: Duration = Duration::from_millis(50);
/// The shards of a stream in AWS's sample mapping.
const SHARDS: u32 = 5;
/// The most shards of a stream.
const SHARDS_MAX: u64 = 256;
/// The most requests a second, at once, or in a period.
const REQUESTS_MAX: u64 = 1 << 40;
/// Characters of a stage's name.
const STAGE_MAX: usize = 128;
/// Hexadecimal digits of a key's id.
const ID_DIGITS: std::ops::RangeInclusive<usize> = 8..=64;
/// Paths that AWS keeps for itself.
const RESERVED: [&str; 2] = ["ping", "sping"];

/// Reads it; files are seen from `folder`.
pub(super) fn read(section: &Section<'_>, folder: &Path) -> Gateway {
    section.need("stages", "a section [gateway.stages.NAME] for each stage");
    let stages: Vec<Stage> = section.section("stages").children().iter().map(|(name, of)| stage(name, of)).collect();
    let plans = section.section("plans").children();
    let read: Vec<UsagePlan> = plans.iter().map(|(name, section)| plan(name, section, &stages)).collect();
    let gateway = Gateway {
        listen: address(section, "listen", PORT).unwrap_or(SocketAddr::from((Ipv4Addr::LOCALHOST, PORT))),
        keys: section.text("keys").map(|written| paths::absolute(folder, &written)),
        stages,
        plans: read,
    };
    section.finish();
    if gateway.keys.is_none() && !gateway.plans.is_empty() {
        let keyless = wrong("usage plans count by key, and the gateway asks for none");
        section.wrong("plans", &keyless.hint("write keys = \"FILE\", which `tidemill key new --file FILE` makes"));
    }
    one_plan_each(&gateway.plans, &plans);
    gateway
}

fn stage(name: &str, section: &Section<'_>) -> Stage {
    let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
    if name.is_empty() || name.len() > STAGE_MAX || !plain || RESERVED.contains(&name) {
        let rule = format!("1 to {STAGE_MAX} letters, digits, _ and -, other than ping and sping");
        section.judge_name(Err::<(), _>(wrong(format!("the name {name:?} is not {rule}"))));
    }
    let quotings =
        [("sample", Quoting::Sample), ("json", Quoting::Json), ("plain", Quoting::Plain), ("body", Quoting::Body)];
    let statuses = [("faithful", StatusMapping::Faithful), ("mapped", StatusMapping::Mapped)];
    let (proxy, streams) = routes(section);
    let stage = Stage {
        name: name.to_owned(),
        proxy,
        streams,
        quoting: section.choice("quoting", &quotings).unwrap_or(Quoting::Sample),
        status: section.choice("status", &statuses).unwrap_or(StatusMapping::Faithful),
        shards: section.number("shards", 1..=SHARDS_MAX).and_then(|n| u32::try_from(n).ok()).unwrap_or(SHARDS),
        timeout: section.duration("timeout", TIMEOUT_MIN).unwrap_or(TIMEOUT),
        throttle: throttle(section),
    };
    section.finish();
    stage
}

/// What a stage leads to: all, unless told.
fn routes(section: &Section<'_>) -> (bool, bool) {
    let routes = section.texts("routes");
    if !section.has("routes") {
        return (true, true);
    }
    for (index, route) in routes.iter().enumerate() {
        if !["proxy", "streams"].contains(&route.as_str()) {
            let unknown = wrong(format!("{route:?} is not known")).hint(names::meant(route, ["proxy", "streams"]));
            section.wrong_at(&format!("{}[{index}]", section.path_of("routes")), &unknown);
        }
    }
    if section.is_empty_list("routes") {
        section
            .wrong("routes", &wrong("the stage leads nowhere").hint("write [\"proxy\", \"streams\"], or one of them"));
    }
    let has = |word: &str| routes.iter().any(|route| route == word);
    (has("proxy"), has("streams"))
}

fn plan(name: &str, section: &Section<'_>, stages: &[Stage]) -> UsagePlan {
    section.need("stages", "stages = [\"NAME\"], the stages that it is for");
    let known = || stages.iter().map(|stage| stage.name.as_str());
    let named = section.texts("stages");
    for (index, stage) in named.iter().enumerate() {
        if !known().any(|known| known == stage) {
            let unknown = wrong(format!("there is no stage {stage:?}")).hint(names::meant(stage, known()));
            section.astray_at(&format!("{}[{index}]", section.path_of("stages")), &unknown);
        }
    }
    let keys = section.texts("keys");
    for (index, key) in keys.iter().enumerate() {
        if !ID_DIGITS.contains(&key.len()) || !key.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            let unlike = wrong(format!("{key:?} is not the id of a key")).hint("`tidemill key list` shows them");
            section.wrong_at(&format!("{}[{index}]", section.path_of("keys")), &unlike);
        }
    }
    let plan =
        UsagePlan { name: name.to_owned(), stages: named, keys, throttle: throttle(section), quota: quota(section) };
    section.finish();
    plan
}

fn throttle(section: &Section<'_>) -> Option<Throttle> {
    let rate = section.number("rate", 1..=REQUESTS_MAX);
    let burst = section.number("burst", 1..=REQUESTS_MAX);
    if section.has("burst") {
        section.need("rate", "rate = 100, in requests a second");
    }
    rate.map(|rate| Throttle { rate, burst: burst.unwrap_or(rate) })
}

fn quota(section: &Section<'_>) -> Option<Quota> {
    let requests = section.number("quota", 1..=REQUESTS_MAX);
    let periods = [("DAY", Period::Day), ("WEEK", Period::Week), ("MONTH", Period::Month)];
    let period = section.choice("period", &periods);
    match (section.has("quota"), section.has("period")) {
        (true, false) => section.need("period", "period = \"DAY\", \"WEEK\" or \"MONTH\""),
        (false, true) => section.need("quota", "quota = 10000, the requests of a period"),
        _ => {}
    }
    Some(Quota { requests: requests?, period: period? })
}

/// A key has one plan in a stage, or it could not be said which of them counts.
fn one_plan_each(plans: &[UsagePlan], sections: &[(String, Section<'_>)]) {
    let mut taken: HashMap<(&str, &str), &str> = HashMap::new();
    for (plan, (_, section)) in plans.iter().zip(sections) {
        let keys: Vec<&str> = plan.keys.iter().map(String::as_str).collect();
        for stage in &plan.stages {
            let all = taken.get(&(stage.as_str(), "")).copied();
            let any = taken.iter().find(|((other, _), _)| *other == stage).map(|(_, name)| *name);
            let owner = match keys.is_empty() {
                true => any,
                false => all.or_else(|| keys.iter().find_map(|key| taken.get(&(stage.as_str(), *key)).copied())),
            };
            if let Some(owner) = owner {
                let twice = wrong(format!("the plan {owner:?} has keys of it in the stage {stage:?} already"));
                section.astray("stages", &twice.hint("a key has one plan in a stage: name its keys in one of them"));
            }
            let keys = if keys.is_empty() { &[""][..] } else { &keys };
            taken.extend(keys.iter().map(|key| ((stage.as_str(), *key), plan.name.as_str())));
        }
    }
}
