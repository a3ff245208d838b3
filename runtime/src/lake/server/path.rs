//! Keys as relative paths: every key has one path, every path at most one key, and plain keys look like themselves.

use std::path::PathBuf;

/// File systems allow 255 bytes in a name; a longer component goes on in a folder below.
const NAME_BYTES_MAX: usize = 200;
const EMPTY_FOLDER: &str = "%";
const EMPTY_LEAF: &str = "%%";

/// The path of a key, below its bucket's folder.
///
/// Components are the key's, with each byte that is not plain as `%XX` (a dot in front, too: no `..`, nothing hidden).
/// An empty component is `%`, or `%%` at the end (a key that ends with `/`). One longer than [`NAME_BYTES_MAX`] is cut, and each cut ends with `%`.
pub(in crate::lake) fn of_key(key: &str) -> PathBuf {
    let mut path = PathBuf::new();
    let (folders, leaf) = key.rsplit_once('/').map_or((None, key), |(folders, leaf)| (Some(folders), leaf));
    for component in folders.into_iter().flat_map(|folders| folders.split('/')) {
        push_component(&mut path, component, EMPTY_FOLDER);
    }
    push_component(&mut path, leaf, EMPTY_LEAF);
    path
}

fn push_component(path: &mut PathBuf, component: &str, empty: &str) {
    if component.is_empty() {
        return path.push(empty);
    }
    let mut name = String::new();
    for character in component.chars() {
        if name.len() >= NAME_BYTES_MAX {
            name.push('%');
            path.push(std::mem::take(&mut name));
        }
        push_character(&mut name, character);
    }
    path.push(name);
}

fn push_character(name: &mut String, character: char) {
    let plain = character.is_ascii_alphanumeric() || " !#$&'()+,-;=@[]^_`{}~".contains(character);
    if plain || (character == '.' && !name.is_empty()) {
        return name.push(character);
    }
    let mut utf8 = [0; 4];
    for byte in character.encode_utf8(&mut utf8).bytes() {
        name.push_str(&format!("%{byte:02X}"));
    }
}

/// What the name of a folder or file adds to the key of the folder that it is in; `None` when no key leads there.
pub(in crate::lake) fn key_part(name: &str, is_folder: bool) -> Option<String> {
    match name {
        EMPTY_FOLDER if is_folder => return Some("/".to_owned()),
        EMPTY_LEAF if !is_folder => return Some(String::new()),
        _ => {}
    }
    let cut = is_folder && name.ends_with('%');
    let mut bytes = Vec::with_capacity(name.len());
    let mut rest = name.strip_suffix('%').filter(|_| cut).unwrap_or(name).bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'%' => bytes.push(hex_digit(rest.next()?)? << 4 | hex_digit(rest.next()?)?),
            byte => bytes.push(byte),
        }
    }
    let mut part = String::from_utf8(bytes).ok()?;
    if is_folder && !cut {
        part.push('/');
    }
    Some(part)
}

fn hex_digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(key: &str, expected: &str) {
        let path = of_key(key);
        assert_eq!(path.to_str().unwrap(), expected, "{key:?}");
        assert!(path.is_relative() && path.components().all(|c| matches!(c, std::path::Component::Normal(_))));
        let names: Vec<&str> = path.iter().map(|name| name.to_str().unwrap()).collect();
        let (leaf, folders) = names.split_last().unwrap();
        let mut back: String = folders.iter().map(|name| key_part(name, true).unwrap()).collect();
        back.push_str(&key_part(leaf, false).unwrap());
        assert_eq!(back, key);
    }

    #[test]
    fn keys_stay_inside_and_come_back() {
        let plain = "topics/pin/window=2026-11-22T21-05-00Z/user.pin+3+0000000042+17.parquet";
        check(plain, plain);
        check("a", "a");
        check("../../etc/passwd", "%2E./%2E./etc/passwd");
        check("/etc/passwd", "%/etc/passwd");
        check("./x/.hidden", "%2E/x/%2Ehidden");
        check("a//b/", "a/%/b/%%");
        check("", "%%");
        check("100%/%41", "100%25/%2541");
        check("a\\b:c*?\0\n", "a%5Cb%3Ac%2A%3F%00%0A");
        check("é", "%C3%A9");
        check(&"x".repeat(200), &"x".repeat(200));
        check(&format!("{}/y", "x".repeat(201)), &format!("{}%/x/y", "x".repeat(200)));
        // A dot in front of what a cut has left is in front too.
        check(&format!("{}../y", "x".repeat(200)), &format!("{}%/%2E./y", "x".repeat(200)));
        check(&"é".repeat(100), &format!("{}%/{}%/{}", "%C3%A9".repeat(34), "%C3%A9".repeat(34), "%C3%A9".repeat(32)));
    }

    #[test]
    fn what_no_key_names_is_left_alone() {
        for name in ["%", "%4", "%zz", "%c3%a9", "a%"] {
            assert_eq!(key_part(name, false), None, "{name}");
        }
    }
}
