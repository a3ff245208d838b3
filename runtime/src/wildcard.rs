//! Patterns over names, in which `*` stands for any text.

/// Whether a name fits a pattern.
pub fn fits(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((before, after)) => name.strip_prefix(before).is_some_and(|rest| {
            let from = rest.char_indices().map(|(at, _)| at).chain([rest.len()]);
            from.filter_map(|at| rest.get(at..)).any(|rest| fits(after, rest))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_any_text() {
        let check =
            |pattern: &str, name: &str, expected: bool| assert_eq!(fits(pattern, name), expected, "{pattern} {name}");
        check("pin", "pin", true);
        check("pin", "pins", false);
        check("*", "", true);
        check("0a*", "0a.pin", true);
        check("*.pin", "0a.pin", true);
        check("0*.p*n", "0a.pin.n", true);
        check("a*a", "a", false);
        check("*é*", "xéy", true);
    }
}
