//! One page of a bucket's keys.

use std::fs;
use std::io;
use std::path::Path;

use super::path;
use super::store::{Refusal, Store};

/// What is asked for.
pub(super) struct Query<'a> {
    pub(super) prefix: &'a str,
    /// Keys that go on with this after the prefix are shown as one common prefix.
    pub(super) delimiter: Option<&'a str>,
    /// The page begins after this key or common prefix.
    pub(super) after: &'a str,
    pub(super) entries_max: usize,
}

/// The keys and common prefixes, in the order of their bytes.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Page {
    pub(super) keys: Vec<String>,
    pub(super) prefixes: Vec<String>,
    /// Where the next page begins, when there is one.
    pub(super) next: Option<String>,
}

/// Lists `bucket` from its folders; nothing is kept between pages.
pub(super) fn page(store: &Store, bucket: &str, query: &Query<'_>) -> Result<Page, Refusal> {
    let folder = store.bucket(bucket)?;
    let mut keys = Vec::new();
    walk(&folder, "", query, &mut keys)?;
    keys.sort_unstable();
    let mut page = Page::default();
    let mut last = String::new();
    for key in keys {
        let common = common_prefix(&key, query);
        let entry = common.unwrap_or(&key);
        if entry == last || common == Some(query.after) {
            continue;
        }
        if page.keys.len() + page.prefixes.len() == query.entries_max {
            page.next = Some(last).filter(|last| !last.is_empty());
            break;
        }
        entry.clone_into(&mut last);
        match common {
            Some(_) => page.prefixes.push(last.clone()),
            None => page.keys.push(key),
        }
    }
    Ok(page)
}

fn common_prefix<'a>(key: &'a str, query: &Query<'_>) -> Option<&'a str> {
    let delimiter = query.delimiter.filter(|delimiter| !delimiter.is_empty())?;
    let rest = key.get(query.prefix.len()..)?;
    let at = rest.find(delimiter)?;
    key.get(..query.prefix.len() + at + delimiter.len())
}

/// Collects the keys below `folder`, whose own key is `above`, that lie in the query's range.
fn walk(folder: &Path, above: &str, query: &Query<'_>, keys: &mut Vec<String>) -> io::Result<()> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        // It was removed while we walked.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let entry = entry?;
        let is_folder = entry.file_type()?.is_dir();
        let name = entry.file_name();
        let Some(part) = name.to_str().and_then(|name| path::key_part(name, is_folder)) else { continue };
        let key = format!("{above}{part}");
        if !is_folder && key.starts_with(query.prefix) && key.as_str() > query.after {
            keys.push(key);
        } else if is_folder && leads_into(&key, query) {
            walk(&entry.path(), &key, query, keys)?;
        }
    }
    Ok(())
}

/// Whether a folder can hold keys of the range.
fn leads_into(key: &str, query: &Query<'_>) -> bool {
    let prefixed = key.starts_with(query.prefix) || query.prefix.starts_with(key);
    prefixed && (key > query.after || query.after.starts_with(key))
}
