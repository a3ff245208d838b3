//! Names: what they may be made of, which known one was meant.

use crate::error::Result;

use super::fault::wrong;

/// Bytes of the name of a table, an aggregate, a query or a column.
const TABLE_BYTES_MAX: usize = 63;
/// Bytes of a topic's name, as in Kafka.
const TOPIC_BYTES_MAX: usize = 249;
/// Bytes of a host's name, as in DNS.
const HOST_BYTES_MAX: usize = 253;

/// Checks the name of a table, an aggregate or a query: it becomes a name in SQLite, beside those of the cache's own.
pub fn table(name: &str) -> Result<()> {
    length(name)?;
    if is_table(name) {
        return Ok(());
    }
    let letters = name.to_lowercase().replace(|c: char| !c.is_ascii_lowercase() && !c.is_ascii_digit(), "_");
    let better = letters.trim_matches('_').trim_start_matches("sqlite_").trim_start_matches("tidemill_");
    let rule = "lowercase letters, digits and _, from a letter on, other than sqlite_.. and tidemill_..";
    let fault = wrong(format!("the name {name:?} is not {rule}"));
    Err(if is_table(better) { fault.hint(format!("write {better:?}")) } else { fault })
}

fn is_table(name: &str) -> bool {
    let plain = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    let ours = name.starts_with("sqlite_") || name.starts_with("tidemill_");
    name.starts_with(|c: char| c.is_ascii_lowercase()) && plain && !ours
}

/// Checks the name of a column, or of one with its table's before it: `geo.country`.
pub(super) fn column_of(name: &str) -> Result<()> {
    match name.split_once('.') {
        Some((of, name)) => table(of).and_then(|()| column(name)),
        None => column(name),
    }
}

/// Checks the name of a column: what a transform may call one.
pub(super) fn column(name: &str) -> Result<()> {
    length(name)?;
    let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if name.starts_with(|c: char| c.is_ascii_alphabetic()) && plain {
        return Ok(());
    }
    Err(wrong(format!("the name {name:?} is not letters, digits and _, from a letter on")))
}

fn length(name: &str) -> Result<()> {
    match name.len() {
        bytes if bytes > TABLE_BYTES_MAX => {
            Err(wrong(format!("the name is {bytes} bytes long, where {TABLE_BYTES_MAX} are the most")))
        }
        _ => Ok(()),
    }
}

/// Checks a topic's name: Kafka's rules, and a folder's.
pub(super) fn topic(name: &str) -> Result<()> {
    let fits = name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
    if name.is_empty() || name.len() > TOPIC_BYTES_MAX || !fits || name == "." || name == ".." {
        let rule = format!("1 to {TOPIC_BYTES_MAX} letters, digits, dots, _ and -");
        return Err(wrong(format!("the name {name:?} is not {rule}")));
    }
    Ok(())
}

/// Checks a pipeline's name: short, for folders and for labels.
pub(super) fn pipeline(name: &str) -> Result<()> {
    let fits = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-'));
    if name.is_empty() || name.len() > TABLE_BYTES_MAX || !fits {
        let rule = format!("1 to {TABLE_BYTES_MAX} lowercase letters, digits, _ and -");
        return Err(wrong(format!("{name:?} is not {rule}")));
    }
    Ok(())
}

/// Checks a bucket's name by the rules of S3.
pub(super) fn bucket(name: &str) -> Result<()> {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let fits = name.bytes().all(|b| plain(b) || matches!(b, b'.' | b'-'));
    let ends = [name.bytes().next(), name.bytes().last()].into_iter().all(|end| end.is_some_and(plain));
    if !(3..=63).contains(&name.len()) || !fits || !ends || name.contains("..") {
        let rule = "3 to 63 lowercase letters, digits, dots and - that begin and end with a letter or a digit";
        return Err(wrong(format!("{name:?} is not {rule}")));
    }
    Ok(())
}

/// Checks a host's name, as it stands in a URL: without a port.
pub(super) fn host(name: &str) -> Result<()> {
    let fits = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'-'));
    if name.is_empty() || name.len() > HOST_BYTES_MAX || !fits {
        return Err(wrong(format!(
            "{name:?} is not a host's name: lowercase letters, digits, dots and -, without a port"
        )));
    }
    Ok(())
}

/// What to say to someone who wrote `word`, given what is known.
pub(super) fn meant<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    match nearest(word, known.iter().copied()) {
        Some(near) => format!("did you mean {near:?}?"),
        None if known.is_empty() => "there are none".to_owned(),
        None => format!("known are {}", known.join(", ")),
    }
}

/// The known word that is a slip of the pen away from `word`.
pub(super) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let slips = |near: &str| strsim::damerau_levenshtein(&word.to_lowercase(), &near.to_lowercase());
    let slips_max = (word.chars().count() / 3).max(1);
    let nearest = known.into_iter().map(|near| (slips(near), near)).min();
    nearest.filter(|&(slips, near)| slips <= slips_max && slips < near.len()).map(|(_, near)| near)
}
