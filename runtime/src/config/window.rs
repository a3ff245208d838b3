//! The window of an aggregate: `{ kind = "tumbling", size = "1m", time = "append" }`.

use std::time::Duration;

use crate::time::{Unit, Zone};
use crate::window::spec::{HOPS_MAX, Kind, Time, Window, hops};

use super::fault::wrong;
use super::names;
use super::section::Section;
use super::units::show_duration;

/// How long a silent partition holds the others back where the file is silent.
const IDLE: Duration = Duration::from_secs(30);
/// How far a row may lie ahead of its record where the file is silent.
const FUTURE: Duration = Duration::from_hours(24);
/// The smallest window, slide or gap.
const SIZE_MIN: Duration = Duration::from_millis(1);
/// The smallest span of which something can come.
const MICROSECOND: Duration = Duration::from_micros(1);

/// A kind as a file names it.
#[derive(Clone, Copy)]
enum Word {
    Tumbling,
    Hopping,
    Session,
    Calendar,
}

const KINDS: [(&str, Word); 4] = [
    ("tumbling", Word::Tumbling),
    ("hopping", Word::Hopping),
    ("session", Word::Session),
    ("calendar", Word::Calendar),
];

const UNITS: [(&str, Unit); 4] =
    [("day", Unit::Day), ("week", Unit::Week), ("month", Unit::Month), ("year", Unit::Year)];

/// Reads a window.
pub(super) fn read(section: &Section<'_>) -> Window {
    section.need("kind", "kind = \"tumbling\", \"hopping\", \"session\" or \"calendar\"");
    let kind = match section.choice("kind", &KINDS) {
        Some(Word::Hopping) => hopping(section),
        Some(Word::Session) => Kind::Session { gap: size(section, "gap", "gap = \"30m\"").unwrap_or(SIZE_MIN) },
        Some(Word::Calendar) => calendar(section),
        Some(Word::Tumbling) | None => {
            Kind::Tumbling { size: size(section, "size", "size = \"1m\"").unwrap_or(SIZE_MIN) }
        }
    };
    let time = match section.text("time") {
        None => Time::Append,
        Some(word) if word == "append" => Time::Append,
        Some(column) => {
            section.judge("time", names::column(&column));
            Time::Column(column)
        }
    };
    let window = Window {
        kind,
        time,
        lateness: section.duration("lateness", Duration::ZERO).unwrap_or_default(),
        idle: section.duration("idle", MICROSECOND).unwrap_or(IDLE),
        future: section.duration("future", Duration::ZERO).unwrap_or(FUTURE),
    };
    section.finish();
    window
}

fn hopping(section: &Section<'_>) -> Kind {
    let (size, slide) = (size(section, "size", "size = \"1h\""), size(section, "slide", "slide = \"5m\""));
    if let (Some(size), Some(slide)) = (size, slide) {
        let (shown, each, hops) = (show_duration(size), show_duration(slide), hops(size, slide));
        if !size.as_micros().is_multiple_of(slide.as_micros()) {
            let fault = wrong(format!("the size {shown} is not a whole number of slides of {each}"));
            let hint = "write one that divides the size, so that every time lies in as many windows";
            section.wrong("slide", &fault.hint(hint));
        } else if hops > HOPS_MAX {
            let fault = wrong(format!("each row would lie in {hops} windows, where {HOPS_MAX} are the most"));
            section.wrong("slide", &fault.hint("write a longer slide"));
        }
    }
    Kind::Hopping { size: size.unwrap_or(SIZE_MIN), slide: slide.unwrap_or(SIZE_MIN) }
}

fn calendar(section: &Section<'_>) -> Kind {
    section.need("unit", "unit = \"day\", \"week\", \"month\" or \"year\"");
    let unit = section.choice("unit", &UNITS).unwrap_or(Unit::Day);
    let zone = section.text("zone").and_then(|name| section.judge("zone", Zone::named(&name)));
    Kind::Calendar { unit, zone: zone.unwrap_or(Zone::UTC) }
}

fn size(section: &Section<'_>, key: &'static str, example: &str) -> Option<Duration> {
    section.need(key, example);
    section.duration(key, SIZE_MIN)
}
