//! Numbers of followers, read from text.

/// Reads digits, alone or before `k` (thousands) or `M` (millions) in either case; with such a letter there may be
/// decimals, of which what is less than one follower is cut off. Anything else, or more than an `i64` holds, is no number.
pub(crate) fn parse(text: &str) -> Option<i64> {
    number(text.as_bytes()).or_else(|| number(text.trim().as_bytes()))
}

fn number(text: &[u8]) -> Option<i64> {
    let (mut sum, mut rest) = (0_i64, text);
    while let [byte @ b'0'..=b'9', tail @ ..] = rest {
        // Not `checked_mul`: it multiplies 128 bits in WebAssembly, which has no flag for what overflows.
        if sum > i64::MAX / 10 {
            return None;
        }
        sum = (sum * 10).checked_add(i64::from(byte - b'0'))?;
        rest = tail;
    }
    let (decimals, letter) = match rest {
        _ if rest.len() == text.len() => return None,
        [] => return Some(sum),
        [letter] => (&[][..], letter),
        [b'.', decimals @ .., letter] if !decimals.is_empty() => (decimals, letter),
        _ => return None,
    };
    let (unit, most) = match letter {
        b'k' | b'K' => (1_000, i64::MAX / 1_000),
        b'm' | b'M' => (1_000_000, i64::MAX / 1_000_000),
        _ => return None,
    };
    let (mut part, mut place) = (0, unit);
    for byte in decimals {
        if !byte.is_ascii_digit() {
            return None;
        }
        place /= 10;
        part += i64::from(byte - b'0') * place;
    }
    if sum > most { None } else { (sum * unit).checked_add(part) }
}

#[cfg(test)]
mod tests {
    use super::parse;

    fn check(text: &str, expected: Option<i64>) {
        assert_eq!(parse(text), expected, "{text:?}");
    }

    #[test]
    fn the_four_forms_of_the_data() {
        check("0", Some(0));
        check("998", Some(998));
        check("136k", Some(136_000));
        check("15M", Some(15_000_000));
        check("User Info Error", None);
    }

    #[test]
    fn either_case_and_blanks_around() {
        check("136K", Some(136_000));
        check("2m", Some(2_000_000));
        check(" 136k\u{a0}\n", Some(136_000));
        check("136 k", None);
    }

    #[test]
    fn decimals() {
        check("1.2M", Some(1_200_000));
        check("1.25k", Some(1_250));
        check("0.5k", Some(500));
        check("1.2345k", Some(1_234));
        check("1.9999999M", Some(1_999_999));
        check("1.2", None);
        check(".5M", None);
        check("1.M", None);
        check("1.2.3M", None);
        check("1,200", None);
    }

    #[test]
    fn what_is_no_number() {
        check("", None);
        check("  ", None);
        check("k", None);
        check("M", None);
        check(".", None);
        check("12kk", None);
        check("12B", None);
        check("-5", None);
        check("-5k", None);
        check("+5", None);
        check("1e3", None);
        check("0x10", None);
        check("٣k", None);
        check("１２", None);
    }

    #[test]
    fn as_far_as_an_int64_goes() {
        check("9223372036854775807", Some(i64::MAX));
        check("9223372036854775808", None);
        check("9223372036854775k", Some(9_223_372_036_854_775_000));
        check("9223372036854776k", None);
        check("9223372036854.775807M", Some(i64::MAX));
        check("9223372036854.775808M", None);
        check("00000000000000000000000007", Some(7));
    }
}
