//! What an S3 answered instead of doing as it was asked, in our words.

use aws_sdk_s3::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};

use crate::error::{Error, Kind};

/// What the other side says of itself is cut off here.
const CAUSE_CHARS_MAX: usize = 400;

const CREDENTIALS: &str = "look at the credentials in the environment, what they allow, and this machine's clock";
const PLACE: &str = "look at region and endpoint under [lake]";

/// The status that was answered, where one was.
pub(super) fn status<E>(error: &SdkError<E>) -> Option<u16> {
    error.raw_response().map(|response| response.status().as_u16())
}

/// Whether the bytes that came were not those that the checksum promised.
pub(super) fn is_of_checksum<E: ProvideErrorMetadata>(error: &SdkError<E>) -> bool {
    const CODES: [&str; 4] = ["BadDigest", "InvalidDigest", "XAmzContentSHA256Mismatch", "XAmzContentChecksumMismatch"];
    error.code().is_some_and(|code| CODES.contains(&code))
}

/// The answer, or that there was none, as an error of `subject`; no secret is in it, and no line break.
pub(super) fn refusal<E: ProvideErrorMetadata + std::error::Error + 'static>(
    subject: &str,
    error: &SdkError<E>,
) -> Error {
    let code = error.code().unwrap_or_default();
    let cause = match (error.message(), status(error)) {
        (Some(message), _) => format!("{code} {message}"),
        // What is answered to a HEAD has no body that could say more.
        (None, Some(status)) => format!("the answer was {status} {code}"),
        (None, None) => DisplayErrorContext(error).to_string(),
    };
    let cause = plain(&cause);
    let (kind, hint) = kind_of(status(error), code, &cause);
    let error = Error::new(kind, format!("{subject}: {cause}"));
    if hint.is_empty() { error } else { error.hint(hint) }
}

/// Whether the same again may do, and what a person can do.
fn kind_of(status: Option<u16>, code: &str, cause: &str) -> (Kind, &'static str) {
    match (status, code) {
        (_, "RequestTimeTooSkewed") => (Kind::Unavailable, "set this machine's clock"),
        // Keys expire and are renewed while a pipeline runs, so these may pass.
        (_, "ExpiredToken" | "InvalidToken" | "TokenRefreshRequired") => {
            (Kind::Unavailable, "renew the credentials in the environment")
        }
        (Some(401 | 403), _) => (Kind::Unavailable, CREDENTIALS),
        (_, "BadDigest" | "IncompleteBody" | "InternalError" | "RequestTimeout" | "SlowDown") => {
            (Kind::Unavailable, "")
        }
        (Some(307), _) => (Kind::Unavailable, PLACE),
        (Some(301 | 308 | 400), _) => (Kind::Input, PLACE),
        (Some(404), _) => (Kind::Missing, "create the bucket, or correct its name under [lake]"),
        (Some(_), _) => (Kind::Unavailable, ""),
        (None, _) if cause.contains("credentials") => (Kind::Unavailable, CREDENTIALS),
        (None, _) => (Kind::Unavailable, "look at endpoint and region under [lake], and at the network"),
    }
}

/// Words of the other side on one line of a bounded length.
pub(super) fn plain(words: &str) -> String {
    let printable = words.trim().chars().take(CAUSE_CHARS_MAX);
    printable.map(|character| if character.is_control() { ' ' } else { character }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_whether_the_same_again_may_do() {
        let check = |status: u16, code: &str, kind: Kind, hint: &str| {
            let (got, said) = kind_of(Some(status), code, "");
            assert!(got == kind && said.contains(hint), "{status} {code}: {got:?} {said}");
        };
        check(403, "RequestTimeTooSkewed", Kind::Unavailable, "clock");
        check(400, "ExpiredToken", Kind::Unavailable, "renew the credentials");
        check(403, "AccessDenied", Kind::Unavailable, "credentials");
        check(400, "RequestTimeout", Kind::Unavailable, "");
        check(301, "PermanentRedirect", Kind::Input, "region");
        check(307, "TemporaryRedirect", Kind::Unavailable, "region");
        check(400, "AuthorizationHeaderMalformed", Kind::Input, "region");
        check(404, "NoSuchBucket", Kind::Missing, "create the bucket");
        check(503, "SlowDown", Kind::Unavailable, "");
        assert!(kind_of(None, "", "no providers in chain provided credentials").1.contains("credentials"));
    }

    #[test]
    fn words_of_others_stay_on_their_line() {
        assert_eq!(plain(" a\r\n\u{1b}[31mb "), "a   [31mb");
        assert_eq!(plain(&"x".repeat(9_000)).len(), CAUSE_CHARS_MAX);
    }
}
