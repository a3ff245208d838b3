//! Regular expressions over names of topics, as far as names and `*` can say the same.

/// Names and patterns with `*` that fit the same topics; none where there are no such.
pub(super) fn names(pattern: &str) -> Option<Vec<String>> {
    let pattern = pattern.strip_prefix('^').unwrap_or(pattern);
    let pattern = pattern.strip_suffix('$').filter(|rest| !rest.ends_with('\\')).unwrap_or(pattern);
    alternatives(pattern)?.into_iter().map(|one| groups(&one)).collect::<Option<Vec<_>>>().map(|all| all.concat())
}

/// What stands between bars that are in no group.
fn alternatives(pattern: &str) -> Option<Vec<String>> {
    let (mut all, mut depth) = (vec![String::new()], 0_u32);
    let mut rest = pattern.chars();
    while let Some(character) = rest.next() {
        match character {
            '(' => depth += 1,
            ')' => depth = depth.checked_sub(1)?,
            '|' if depth == 0 => {
                all.push(String::new());
                continue;
            }
            _ => {}
        }
        let last = all.last_mut()?;
        last.push(character);
        if character == '\\' {
            last.push(rest.next()?);
        }
    }
    if depth == 0 { Some(all) } else { None }
}

/// A pattern without bars of its own: each group is any of its alternatives.
fn groups(pattern: &str) -> Option<Vec<String>> {
    let Some((before, rest)) = pattern.split_once('(') else { return Some(vec![plain(pattern)?]) };
    let (inside, after) = rest.split_once(')')?;
    let inside = inside.strip_prefix("?:").unwrap_or(inside);
    if inside.contains('(') || before.ends_with('\\') || after.starts_with(['*', '+', '?', '{']) {
        return None;
    }
    let (before, after) = (plain(before)?, groups(after)?);
    let inside = inside.split('|').map(plain).collect::<Option<Vec<_>>>()?;
    let all = |one: &String| after.iter().map(|rest| format!("{before}{one}{rest}")).collect::<Vec<_>>();
    Some(inside.iter().flat_map(all).collect())
}

/// Letters, escaped dots, and `.*` or `.+` for any text.
fn plain(pattern: &str) -> Option<String> {
    let mut name = String::new();
    let mut rest = pattern.chars().peekable();
    while let Some(character) = rest.next() {
        match character {
            '\\' => name.push(rest.next().filter(|escaped| matches!(escaped, '.' | '-' | '_'))?),
            '.' if matches!(rest.next()?, '*' | '+') => name.push('*'),
            plain if plain.is_ascii_alphanumeric() || matches!(plain, '_' | '-') => name.push(plain),
            _ => return None,
        }
        if rest.peek().is_some_and(|next| matches!(next, '*' | '+' | '?' | '{')) {
            return None;
        }
    }
    Some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_names_can_say() {
        let check = |pattern: &str, expected: Option<&[&str]>| {
            let expected = expected.map(|names| names.iter().map(|name| (*name).to_owned()).collect());
            assert_eq!(names(pattern), expected, "{pattern}");
        };
        check("0a1b2c.*", Some(&["0a1b2c*"]));
        check("^0a1b2c\\..*$", Some(&["0a1b2c.*"]));
        check("0a\\.(pin|geo|user)", Some(&["0a.pin", "0a.geo", "0a.user"]));
        check("a|b.+|c-d_e", Some(&["a", "b*", "c-d_e"]));
        check("(?:a|b)(c|d)", Some(&["ac", "ad", "bc", "bd"]));
        check(".*", Some(&["*"]));
        for other in ["a.b", "a[bc]", "ab*", "(a)+", "((a))", "a{2}", "(a", "a)", "\\d+", "a?"] {
            check(other, None);
        }
    }
}
