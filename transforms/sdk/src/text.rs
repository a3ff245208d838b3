//! Kinds of text that a field may have, besides `&str` and `String`.

use std::borrow::Cow;

/// A JSON value as text: on input any nested value, on output a column that readers may take apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Json<'a>(pub Cow<'a, str>);

/// An output text made of parts, which are written one after another: `Concat([first, " ", last])` allocates nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Concat<'a, const N: usize>(pub [&'a str; N]);

/// The text as it is, unless it is blank or, apart from blanks around it, one of `sentinels`: texts that stand for no value.
#[inline]
pub fn present<'a>(text: Option<&'a str>, sentinels: &[&str]) -> Option<&'a str> {
    let text = text?;
    match text.as_bytes().first() {
        // Most texts are told at a glance to be neither blank nor a sentinel.
        Some(first @ b'!'..=b'~') if !sentinels.iter().any(|sentinel| sentinel.as_bytes().first() == Some(first)) => {
            Some(text)
        }
        _ => present_trimmed(text, sentinels),
    }
}

#[inline(never)]
fn present_trimmed<'a>(text: &'a str, sentinels: &[&str]) -> Option<&'a str> {
    let core = text.trim();
    if core.is_empty() || sentinels.contains(&core) { None } else { Some(text) }
}

#[cfg(test)]
mod tests {
    use super::present;

    fn check(text: &str, expected: Option<&str>) {
        assert_eq!(present(Some(text), &["None", "N/A"]), expected, "{text:?}");
    }

    #[test]
    fn blanks_matter_only_to_the_comparison() {
        check("a", Some("a"));
        check(" a… \u{a0}", Some(" a… \u{a0}"));
        check("", None);
        check(" \t\u{a0}\u{3000}\n", None);
        check("None", None);
        check("\u{a0}N/A\n", None);
        check("none", Some("none"));
        check("None of it", Some("None of it"));
        check("N", Some("N"));
        check("None \u{85}", None);
        check("é", Some("é"));
        assert_eq!(present(None, &[]), None);
    }
}
