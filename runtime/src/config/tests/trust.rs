//! `[trust]`: keys as text and in files, and what is wrong with them.

use super::{Folder, GOOD, OUTPUTS, check, described, picture};

const ONE: &str = "ed25519:Gb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=";
const OTHER: &str = "ed25519:11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";

/// With these keys the good file has the faults `expected`.
fn faults(keys: &str, expected: &[&str]) {
    let folder = Folder::new();
    folder.put("anna.pub", &format!("{ONE}\n"));
    folder.put("anna.key", "-----BEGIN PRIVATE KEY-----\n");
    folder.put("secret.pub", "-----BEGIN PRIVATE KEY-----\n");
    let found = folder.declare(&format!("[trust]\n{keys}\n{GOOD}")).err().unwrap_or_default();
    assert_eq!(found, expected);
}

#[test]
fn keys_stand_in_the_file_or_beside_it() {
    let folder = Folder::new();
    folder.put("keys/anna.pub", &format!("{ONE}\n"));
    let declared = folder.declare(&format!("{GOOD}\n[trust]\nkeys = [\"keys/anna.pub\", \"{OTHER}\"]\n")).unwrap();
    let keys: Vec<String> = declared.pipeline.trust.keys().iter().map(ToString::to_string).collect();
    assert_eq!(keys, [ONE, OTHER]);
    assert!(check(&declared, &described(&OUTPUTS)).is_empty());
    let shown = picture(&declared.pipeline, &described(&OUTPUTS));
    let expected =
        format!("  trusts     components signed by {ONE}\n             components signed by {OTHER}\n\ntopics");
    assert!(shown.contains(&expected), "{shown}");
    assert!(folder.declare(GOOD).unwrap().pipeline.trust.keys().is_empty(), "nothing is asked where nothing is said");
}

#[test]
fn wrong_keys() {
    faults(&format!("keys = [\"anna.pub\", \"{OTHER}\"]"), &[]);
    faults(
        "",
        &[r#"1:2: trust: "keys" is missing; write keys = ["ed25519:.."], the lines of .pub files, or their paths"#],
    );
    let none = "there is no key, so no component could be taken";
    faults("keys = []", &[&format!("2:1: trust.keys: {none}; name one, or leave [trust] out to take any component")]);
    faults("keys = \"anna.pub\"", &["2:1: trust.keys: it is a text, not a list of texts"]);
    faults("keys = [7]", &["2:9: trust.keys[0]: it is a whole number, not a text"]);
    faults(
        "key = [\"anna.pub\"]",
        &[
            r#"1:2: trust: "keys" is missing; write keys = ["ed25519:.."], the lines of .pub files, or their paths"#,
            r#"2:1: trust.key: unknown key; did you mean "keys"?"#,
        ],
    );
    faults("keys = [\"ana.pub\"]", &[r#"2:9: trust.keys[0]: "ana.pub" does not exist; did you mean "anna.pub"?"#]);
    let neither = "is neither a key nor a .pub file; write \"ed25519:..\", the line of a .pub file, or the file's path";
    faults("keys = [\"anna.key\"]", &[&format!("2:9: trust.keys[0]: \"anna.key\" {neither}")]);
    faults(
        "keys = [\"secret.pub\"]",
        &[
            r#"2:9: trust.keys[0]: "secret.pub": it holds a secret key; name the .pub file beside it; nothing but `transform sign` needs the secret one"#,
        ],
    );
    faults(
        "keys = [\"ed25519:AAAA\"]",
        &[
            r#"2:9: trust.keys[0]: "ed25519:AAAA" is not ed25519: and 32 bytes in base64; copy the line of a .pub file, or name the file"#,
        ],
    );
    faults(
        &format!("keys = [\"{OTHER}\", \"anna.pub\", \"{ONE}\"]"),
        &["2:77: trust.keys[2]: the same key stands here twice"],
    );
}
