//! AWS's signature of a request, version 4, as the one who was asked checks it.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

use super::{Secret, hex};

/// The algorithm, as the header names it.
const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// What ends each scope.
const END: &str = "aws4_request";

/// What an `Authorization` header says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature<'a> {
    /// The id of the access key.
    pub id: &'a str,
    /// The day that it was made for: `20261126`.
    pub day: &'a str,
    /// The region.
    pub region: &'a str,
    /// The service.
    pub service: &'a str,
    /// The names of the headers that it covers, in small letters and in order.
    pub headers: Vec<&'a str>,
    signature: &'a str,
}

/// The parts of a request that a signature covers; there is no query.
#[derive(Clone, Copy, Debug)]
pub struct Signed<'a> {
    /// The method.
    pub method: &'a str,
    /// The path, as it was sent.
    pub path: &'a str,
    /// When it was made: `20261126T204512Z`.
    pub time: &'a str,
    /// The value of each header that it covers, as it was sent.
    pub headers: &'a [String],
    /// The body.
    pub body: &'a [u8],
}

impl<'a> Signature<'a> {
    /// Reads the value of an `Authorization` header; none where a part is missing.
    pub fn parse(authorization: &'a str) -> Option<Self> {
        let parts = authorization.strip_prefix(ALGORITHM)?.strip_prefix(' ')?;
        let part = |name: &str| {
            let mut parts = parts.split(',').map(str::trim);
            parts.find_map(|part| part.strip_prefix(name)?.strip_prefix('='))
        };
        let (credential, headers, signature) = (part("Credential")?, part("SignedHeaders")?, part("Signature")?);
        let mut scope = credential.rsplitn(5, '/');
        let (end, service, region, day, id) =
            (scope.next()?, scope.next()?, scope.next()?, scope.next()?, scope.next()?);
        let headers: Vec<&str> = headers.split(';').collect();
        (end == END).then_some(Self { id, day, region, service, headers, signature })
    }

    /// Whether it was made with this secret for this request. It takes as long for one that is nearly right as for any other.
    pub fn fits(&self, secret: &Secret, signed: &Signed<'_>) -> bool {
        let Some(signature) = super::digest_of_text(self.signature) else { return false };
        let scope = format!("{}/{}/{}/{END}", self.day, self.region, self.service);
        let request = hex(&Sha256::digest(self.canonical(signed)));
        let text = format!("{ALGORITHM}\n{}\n{scope}\n{request}", signed.time);
        let first = ["AWS4", secret.expose()].concat();
        let key = [self.day, self.region, self.service, END].iter().try_fold(first.into_bytes(), |key, part| {
            Some(keyed(&key, part.as_bytes())?.finalize().into_bytes().to_vec())
        });
        let made = key.and_then(|key| keyed(&key, text.as_bytes()));
        made.is_some_and(|made| made.verify_slice(&signature).is_ok())
    }

    fn canonical(&self, signed: &Signed<'_>) -> String {
        let mut text = format!("{}\n{}\n\n", signed.method, signed.path);
        for (name, value) in self.headers.iter().zip(signed.headers) {
            let value: Vec<&str> = value.split(' ').filter(|word| !word.is_empty()).collect();
            text += &format!("{name}:{}\n", value.join(" "));
        }
        text + &format!("\n{}\n{}", self.headers.join(";"), hex(&Sha256::digest(signed.body)))
    }
}

fn keyed(key: &[u8], text: &[u8]) -> Option<Hmac<Sha256>> {
    let mut made = Hmac::<Sha256>::new_from_slice(key).ok()?;
    made.update(text);
    Some(made)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

    /// As botocore 1.44 signed it.
    fn authorization(headers: &str, signature: &str) -> String {
        let credential = "AKIAIOSFODNN7EXAMPLE/20261126/eu-west-1/kinesis/aws4_request";
        format!("AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={headers}, Signature={signature}")
    }

    fn check(headers: &[(&str, &str)], body: &str, signature: &str, expected: bool) {
        let names: Vec<&str> = headers.iter().map(|(name, _)| *name).collect();
        let values: Vec<String> = headers.iter().map(|(_, value)| (*value).to_owned()).collect();
        let authorization = authorization(&names.join(";"), signature);
        let read = Signature::parse(&authorization).unwrap();
        assert_eq!((read.id, read.region, read.service), ("AKIAIOSFODNN7EXAMPLE", "eu-west-1", "kinesis"));
        let time = "20261126T204512Z";
        let signed = Signed { method: "POST", path: "/", time, headers: &values, body: body.as_bytes() };
        assert_eq!(read.fits(&Secret::new(SECRET.to_owned()), &signed), expected, "{headers:?} {body}");
        assert!(!read.fits(&Secret::new(SECRET.to_lowercase()), &signed), "another secret");
    }

    #[test]
    fn signs_as_botocore_does() {
        let list = [
            ("content-type", "application/x-amz-json-1.1"),
            ("host", "127.0.0.1:4568"),
            ("x-amz-date", "20261126T204512Z"),
            ("x-amz-target", "Kinesis_20131202.ListStreams"),
        ];
        let listed = "099c505ffaab16db1a3032011dc803472db95dd36a8aac19378bd98a50176ceb";
        check(&list, "{}", listed, true);
        check(&list, "{} ", listed, false);
        check(&list, "{}", &listed.to_uppercase(), true);
        check(&list, "{}", &listed[1..], false);
        check(&list, "{}", &listed.replace('0', "1"), false);
        check(&list[..3], "{}", listed, false);
        let other_target = [list[0], list[1], list[2], ("x-amz-target", "Kinesis_20131202.DeleteStream")];
        check(&other_target, "{}", listed, false);
        let described = [
            list[0],
            list[1],
            list[2],
            ("x-amz-extra", "a   b  c"),
            ("x-amz-target", "Kinesis_20131202.DescribeStream"),
        ];
        let signature = "9430b902bef5fffc49866ea3eb78c322f86930be034074a56d9ac5db0fa29e67";
        check(&described, "{\"StreamName\":\"pin\"}", signature, true);
    }

    #[test]
    fn a_header_without_all_its_parts_is_none() {
        let whole = authorization("host", "00");
        assert!(Signature::parse(&whole).is_some());
        assert!(Signature::parse(&whole.replace(", ", ",")).is_some());
        for part in ["AWS4-HMAC-SHA256 ", "Credential=", "SignedHeaders=", "Signature=", "/aws4_request", "/kinesis"] {
            assert!(Signature::parse(&whole.replace(part, "")).is_none(), "{part}");
        }
        assert!(Signature::parse("Bearer abc").is_none() && Signature::parse("").is_none());
    }
}
