//! Rows read from three files of JSON lines, in place of a generated population.

use std::fs;
use std::path::{Path, PathBuf};

use hashbrown::HashMap;
use serde::Deserialize;

use crate::error::{Error, Kind, OrFail, Result, io_kind};

/// How many tables there are: pin, geo, user.
pub(super) const TABLES: usize = 3;

/// The rows of three files, joined by their index; every file is held in memory.
#[derive(Debug, Default)]
pub struct Files {
    /// By the order in which an index was first seen; a row is kept as it is written.
    rows: Vec<[Option<String>; TABLES]>,
}

/// The key of a row, under one of its two names.
#[derive(Deserialize)]
struct Key {
    index: Option<i64>,
    ind: Option<i64>,
}

impl Files {
    /// Reads the files of pin, geo and user. Each line is a JSON object; lines with the same `index` or `ind` are
    /// sent together, a line without one goes with that line's number. Says which line of which file is wrong.
    pub fn read(files: &[PathBuf]) -> Result<Self> {
        if files.len() != TABLES {
            return Err(Error::new(
                Kind::Input,
                format!("rows: {} files are named, not those of pin, geo and user", files.len()),
            ));
        }
        let (mut all, mut places) = (Self::default(), HashMap::new());
        for (table, file) in files.iter().enumerate() {
            let text = fs::read_to_string(file).map_err(|cause| unreadable(file, &cause))?;
            for (nth, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
                let key = key(line, nth).or_fail(Kind::Input, || format!("file {file:?}: line {}", nth + 1))?;
                all.push(table, key, line, &mut places);
            }
        }
        if all.rows.is_empty() {
            return Err(Error::new(Kind::Input, "rows: there is no line in any of the three files"));
        }
        Ok(all)
    }

    /// How many posts the files make.
    pub fn rows(&self) -> u64 {
        self.rows.len() as u64
    }

    /// The row of post `nth` in table 0 pin, 1 geo, 2 user, if there is one.
    pub(super) fn row(&self, nth: u64, table: usize) -> Option<&str> {
        self.rows.get(usize::try_from(nth).ok()?)?.get(table)?.as_deref()
    }

    /// Adds a row to its post; a table's second row of an index is a post of its own.
    fn push(&mut self, table: usize, key: i64, line: &str, places: &mut HashMap<i64, usize>) {
        let place = places.get(&key).copied().unwrap_or(usize::MAX);
        let slot = self.rows.get_mut(place).and_then(|row| row.get_mut(table)).filter(|slot| slot.is_none());
        if let Some(slot) = slot {
            *slot = Some(line.to_owned());
            return;
        }
        places.insert(key, self.rows.len());
        self.rows.push(std::array::from_fn(|nth| (nth == table).then(|| line.to_owned())));
    }
}

fn key(line: &str, nth: usize) -> Result<i64, String> {
    if !line.trim_start().starts_with('{') {
        return Err("it is not a JSON object".to_owned());
    }
    let key: Key = serde_json::from_str(line).map_err(|cause| cause.to_string())?;
    Ok(key.index.or(key.ind).unwrap_or(nth as i64))
}

fn unreadable(file: &Path, cause: &std::io::Error) -> Error {
    Error::new(io_kind(cause), format!("file {file:?}: {cause}"))
        .hint("name the files of pin, geo and user, in this order")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The posts that three texts make, or what is said against them.
    fn check(name: &str, texts: [&str; TABLES], expected: Result<&[[Option<&str>; TABLES]], &str>) {
        let folder = std::env::temp_dir().join(format!("tidemill-rows-{}-{name}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let files: Vec<PathBuf> = ["pin", "geo", "user"].iter().map(|table| folder.join(table)).collect();
        for (file, text) in files.iter().zip(texts) {
            fs::write(file, text).unwrap();
        }
        let read = Files::read(&files);
        fs::remove_dir_all(&folder).unwrap();
        match (read, expected) {
            (Ok(files), Ok(expected)) => {
                let posts = (0..files.rows()).map(|nth| std::array::from_fn(|table| files.row(nth, table)));
                assert_eq!(posts.collect::<Vec<_>>(), expected, "{name}");
            }
            (Err(error), Err(expected)) => assert!(error.message().contains(expected), "{name}: {error}"),
            (read, _) => panic!("{name}: {read:?}"),
        }
    }

    #[test]
    fn joins_by_index() {
        let (p, g, u) = (r#"{"index":7,"title":"é"}"#, r#"{"ind":7}"#, r#"{"ind":8}"#);
        check("joined", [p, &format!("{u}\n\n{g}\n"), u], Ok(&[[Some(p), Some(g), None], [None, Some(u), Some(u)]]));
        check("twice", [&format!("{p}\n{p}"), g, ""], Ok(&[[Some(p), None, None], [Some(p), Some(g), None]]));
        check("bare", ["{}", "{}", "{}"], Ok(&[[Some("{}"); 3]]));
    }

    #[test]
    fn refuses_what_is_no_row() {
        check("list", ["{}", "{}\n[1]", "{}"], Err("geo\": line 2: it is not a JSON object"));
        check("broken", ["{", "", ""], Err("pin\": line 1: EOF"));
        check("empty", ["", "\n", ""], Err("no line"));
        let error = Files::read(&["/nowhere/pin".into(), "b".into(), "c".into()]).unwrap_err();
        assert_eq!((error.kind(), error.next_step().is_some()), (Kind::Missing, true));
        assert!(Files::read(&[]).is_err());
    }
}
