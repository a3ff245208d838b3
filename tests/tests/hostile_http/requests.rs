//! Hostile names, types and sequences of requests, and other protocols.

use crate::corpus::{Case, GOOD, JSON, case, get, head, post};

pub(crate) fn names() -> Vec<Case> {
    let mut cases = Vec::new();
    let long = ["x".repeat(249), "x".repeat(250), "x".repeat(300), "x".repeat(4_000), "%2e".repeat(300)];
    let plain = [
        ".",
        "..",
        "...",
        "%2e",
        "%2e%2e",
        "%2E%2E",
        ".%2e",
        "%2e%2e%2f",
        "%2e%2e%2fetc%2fpasswd",
        "..%2f..%2f..%2fetc",
        "..%2fthing",
        "..%5c..%5cthing",
        "..\\..\\thing",
        "%5c",
        "%2f",
        "%2fetc%2fpasswd",
        "%252e%252e%252f",
        "..;%2f",
        "..%00",
        "%00",
        "thing%00",
        "thing%00.txt",
        "thing%2f..%2fthing",
        "thing%2f.",
        "%c0%ae%c0%ae%c0%af",
        "%c0%af",
        "%e0%80%af",
        "%f0%80%80%af",
        "%ef%bc%8e%ef%bc%8e",
        "%ef%bc%8f",
        "%e2%80%a4%e2%80%a4",
        "%e2%80%a5",
        "%ff",
        "%fe%ff",
        "%ed%a0%80",
        "THING",
        "Thing",
        "thinG",
        "thing.",
        "thing%20",
        "%20thing",
        "thing%09",
        "th%69ngs",
        "thing%0d%0ax:%20y",
        "thing%0a",
        "%1b%5b31m",
        "%e2%80%aething",
        "th%c4%b1ng",
        "thi%cc%88ng",
        "%f0%9f%92%a9",
        "con",
        "nul",
        "aux.txt",
        "c:",
        "c:%5cwindows",
        "~",
        "~root",
        "$HOME",
        "$(id)",
        "`id`",
        "%3bls",
        "|ls",
        "*",
        "%3f",
        "[a-z]",
        "{thing}",
        "%",
        "%z",
        "%zz",
        "%2",
        "%u002e%u002e",
        "thing;v=1",
        "'%20OR%201=1--",
        "%22;DROP%20TABLE%20pin;--",
        "%3cscript%3e",
        "{{7*7}}",
        "${jndi:ldap:x}",
        "-",
        "--help",
        "_",
        "lock",
        "cache.sqlite",
        ".git",
        ".meta",
    ];
    for name in plain.iter().map(|name| (*name).to_owned()).chain(long) {
        let shown: String = name.chars().take(40).collect();
        let length = format!("content-length: {}", GOOD.len());
        let bytes = head(&format!("POST /topics/{name} HTTP/1.1"), &[JSON, &length]) + GOOD;
        cases.push(case(format!("the topic {shown:?} of {} bytes", name.len()), bytes, &[400, 404, 405]));
    }
    for path in [
        "/topics/../topics/thing",
        "/topics/./thing",
        "//topics/thing",
        "/topics//thing",
        "/topics/thing/",
        "/topics/thing/..",
        "/TOPICS/thing",
        "/topics/thing/partitions/0/offsets/0",
        "/topics/thing/partitions/x",
        "/../../etc/passwd",
        "/%2e%2e/topics/thing",
        "/topics/thing%2f",
        "/status",
        "/metrics",
        "/tables/thing/reload",
        "/tables/thing/rollback",
        "/v3/clusters/x/y",
        "/v3/../topics/thing",
        "/consumers/x/y",
    ] {
        let length = format!("content-length: {}", GOOD.len());
        let bytes = head(&format!("POST {path} HTTP/1.1"), &[JSON, &length]) + GOOD;
        cases.push(case(format!("a post to {path}"), bytes, &[404]));
    }
    cases
}

pub(crate) fn protocols() -> Vec<Case> {
    vec![
        case("the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &[0, 400]),
        case(
            "HTTP/2 with settings",
            [&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], &[0, 0, 0, 4, 0, 0, 0, 0, 0]].concat(),
            &[0, 400],
        ),
        case("a TLS hello", [&[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3][..], &[7; 500]].concat(), &[400]),
        case("an SSH banner", "SSH-2.0-OpenSSH_9.6\r\n", &[0, 400]).cut(),
        case("a mail", "EHLO evil.example\r\nMAIL FROM:<a@b>\r\n", &[400]),
        case("a Redis command", "*1\r\n$4\r\nPING\r\n", &[400]),
        case("a memcached command", "get a\r\n", &[0, 400]).cut(),
        case("a proxy's first line", format!("PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n{}", get("/topics")), &[400]),
        case("a proxy's first bytes", b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c".to_vec(), &[400]),
        case("SOCKS", vec![5, 1, 0], &[0, 400]).cut(),
        case(
            "a Kafka request",
            vec![0, 0, 0, 20, 0, 18, 0, 3, 0, 0, 0, 1, 0, 5, b'a', b'b', b'c', b'd', b'e', 0, 2, b'x'],
            &[0, 400],
        )
        .cut(),
        case("an RTSP request", "OPTIONS rtsp://localhost/ RTSP/1.0\r\n\r\n", &[400]),
        case("a gopher", "/topics\r\n", &[0, 400]).cut(),
        case("4 KiB of zeros", vec![0; 4096], &[400]),
        case("4 KiB of ones", vec![0xff; 4096], &[400]),
        case("every byte", (0..=255).collect::<Vec<u8>>(), &[400]),
    ]
}

pub(crate) fn types() -> Vec<Case> {
    let typed = |name: &str, headers: &[&str], expected: &[u16]| {
        let length = format!("content-length: {}", GOOD.len());
        let all: Vec<&str> = headers.iter().copied().chain([length.as_str()]).collect();
        case(name, head("POST /topics/thing HTTP/1.1", &all) + GOOD, expected)
    };
    let mut cases = vec![
        typed("no type", &[], &[415]),
        typed("a type with a charset", &[&format!("{JSON}; charset=utf-8")], &[200]).keeps(1),
        typed("two types", &[JSON, "content-type: text/plain"], &[200, 415]).keeps(1),
        typed("two types, the right one last", &["content-type: text/plain", JSON], &[415]),
        typed("a type with high bytes", &["content-type: application/jsön"], &[415]),
    ];
    for other in [
        "text/plain",
        "text/html",
        "application/json",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/octet-stream",
        "application/xml",
        "application/vnd.kafka.v2+json",
        "application/vnd.kafka.json.v1+json",
        "application/vnd.kafka.json.v2+json,text/plain",
        "application/vnd.kafka.json.v2+xml",
        "json",
        "*/*",
        "/",
        "",
    ] {
        cases.push(typed(&format!("the type {other:?}"), &[&format!("content-type: {other}")], &[415]));
    }
    for encoding in [
        "gzip",
        "GZIP",
        "deflate",
        "br",
        "zstd",
        "compress",
        "x-gzip",
        "gzip, gzip",
        "identity, gzip",
        "snappy",
        "unknown",
        "\"gzip\"",
    ] {
        // The smallest gzip of many zeros: what it would become is what counts.
        let bomb = [&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 3][..], &[0xec; 1_000]].concat();
        let expected: &[u16] = if encoding.eq_ignore_ascii_case("gzip") { &[400, 413] } else { &[415] };
        cases.push(case(
            format!("a bomb in {encoding:?}"),
            post(&[&format!("content-encoding: {encoding}")], &bomb),
            expected,
        ));
    }
    cases.push(case("the encoding identity", post(&["content-encoding: identity"], GOOD.as_bytes()), &[200]).keeps(1));
    cases.push(case("a good body said to be gzip", post(&["content-encoding: gzip"], GOOD.as_bytes()), &[400]));
    cases
}

pub(crate) fn sequences() -> Vec<Case> {
    let expecting = |name: &str, path: &str, headers: &[&str], expected: &[u16]| {
        let length = format!("content-length: {}", GOOD.len());
        let all: Vec<&str> = headers.iter().copied().chain([length.as_str(), "expect: 100-continue"]).collect();
        case(name, head(&format!("POST {path} HTTP/1.1"), &all), expected)
    };
    let keeping = |path: &str| format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n");
    vec![
        case("a body without being asked for it", post(&["expect: 100-continue"], GOOD.as_bytes()), &[100, 200])
            .keeps(1),
        case("an unknown expectation", post(&["expect: 200-maybe"], GOOD.as_bytes()), &[200, 417]).keeps(1),
        expecting("a body of the wrong type is not asked for", "/topics/thing", &["content-type: text/plain"], &[415]),
        expecting("a body for no topic is not asked for", "/topics/things", &[JSON], &[404]),
        expecting("a packed body is not asked for", "/topics/thing", &[JSON, "content-encoding: br"], &[415]),
        expecting("a body for no path is not asked for", "/x", &[JSON], &[404]),
        case(
            "a large body is not asked for",
            head("POST /topics/thing HTTP/1.1", &[JSON, "content-length: 99999999", "expect: 100-continue"]),
            &[413],
        ),
        case("a hundred requests at once", keeping("/topics").repeat(99) + &get("/topics"), &[200]),
        case(
            "a request with a body that nobody reads",
            head("GET /topics HTTP/1.1", &["content-length: 5"]) + "12345",
            &[200],
        ),
        case("a good request, then rubbish", [keeping("/topics").as_bytes(), b"\0\0\0\0\r\n\r\n"].concat(), &[200]),
        case("a post, then rubbish", [&post(&[], GOOD.as_bytes())[..], b"\0\0\r\n\r\n"].concat(), &[200]).keeps(1),
        case("empty lines before a request", format!("\r\n\r\n{}", get("/topics")), &[200]),
    ]
}
