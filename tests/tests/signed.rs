//! A pipeline that asks for signatures takes only what is signed as it asks: at its start, while records flow, at the next start.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use tidemill_tests::daemon::{Daemon, tidemill};
use tidemill_tests::http;
use tidemill_tests::pair::post;
use tidemill_tests::place::{Folder, changeling, digest, replace};
use tidemill_tests::things::House;

const UNSIGNED: &str = "component: it is not signed, and the pipeline takes only components signed by one of 2 keys";
const SIGN_IT: &str = "sign it: tidemill transform sign FILE --key KEY";

fn said(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text");
    (text(&output.stdout), text(&output.stderr))
}

fn done<const N: usize>(arguments: [&str; N]) -> String {
    let output = tidemill(arguments);
    let (out, err) = said(&output);
    assert!(output.status.success(), "{arguments:?}: {out}{err}");
    out
}

fn failed<const N: usize>(arguments: [&str; N]) -> String {
    let output = tidemill(arguments);
    let (out, err) = said(&output);
    assert!(!output.status.success(), "{arguments:?}: {out}{err}");
    err
}

fn shown(path: &Path) -> &str {
    path.to_str().expect("a path")
}

/// Makes the pair of keys `name` in a folder; gives the public one.
fn keygen(folder: &Path, name: &str) -> String {
    let said = done(["transform", "keygen", shown(&folder.join(name))]);
    let public = fs::read_to_string(folder.join(name).with_extension("pub")).expect("the public key");
    assert!(said.contains(&format!("keys = [{:?}]", public.trim())), "{said}");
    public.trim().to_owned()
}

fn sign(file: &Path, key: &Path) -> String {
    done(["transform", "sign", shown(file), "--key", shown(key)])
}

/// These bytes as they are when they are signed.
fn signed(bytes: &[u8], folder: &Path, name: &str) -> Vec<u8> {
    let file = folder.join("to-sign.wasm");
    fs::write(&file, bytes).expect("a component");
    sign(&file, &folder.join(name).with_extension("key"));
    fs::read(&file).expect("it is signed")
}

/// A house that trusts anna and bert, one of them by a file, and the key of eve, whom it does not know.
fn house(name: &str, first: &[u8]) -> (House, String) {
    let house = House::new(name, first);
    let folder = house.file().parent().expect("its folder").to_owned();
    let [_, bert, eve] = ["anna", "bert", "eve"].map(|name| keygen(&folder, name));
    let pipeline = fs::read_to_string(&house.pipeline).expect("the pipeline file");
    let trust = format!("\n[trust]\nkeys = [\"anna.pub\", {bert:?}]\n");
    fs::write(&house.pipeline, pipeline + &trust).expect("the pipeline file");
    (house, eve)
}

fn reload(daemon: &Daemon, bytes: &[u8]) -> (u16, Value) {
    let answer = http::request(daemon.admin, "POST", "/tables/thing/reload", &[], bytes);
    (answer.status, answer.json())
}

#[test]
fn nothing_is_started_that_is_not_signed() {
    let (house, _) = house("signed-start", &changeling("first"));
    let (pipeline, file) = (shown(&house.pipeline), house.file());
    let faults = failed(["check", pipeline]);
    let fault = format!(":17:1: tables.thing.transform: {UNSIGNED}; {SIGN_IT}\n1 fault\n");
    assert!(faults.ends_with(&fault), "{faults}");
    let run = failed(["run", pipeline]);
    assert!(run.ends_with(&format!("error: table \"thing\": {UNSIGNED}\nhint: {SIGN_IT}\n")), "{run}");
    let folder = file.parent().expect("its folder");
    fs::create_dir_all(folder.join("cases/thing/one")).expect("a case");
    fs::write(folder.join("cases/thing/one/input.jsonl"), "{\"ind\":1}\n").expect("a case");
    fs::write(folder.join("cases/thing/one/expected.jsonl"), "{\"ind\":1,\"mark\":\"first\"}\n").expect("a case");
    assert!(failed(["test", pipeline]).contains(UNSIGNED));

    let anna = folder.join("anna.key");
    assert!(sign(&file, &anna).contains("is signed by ed25519:"));
    let bytes = fs::read(&file).expect("it is signed");
    assert!(sign(&file, &anna).contains("is signed already by ed25519:"));
    assert_eq!(fs::read(&file).expect("it is signed"), bytes, "a second time changes nothing");
    assert!(done(["check", pipeline]).contains("  trusts     components signed by ed25519:"));
    done(["test", pipeline]);
    let public = fs::read_to_string(folder.join("anna.pub")).expect("the public key");
    let inspected = done(["transform", "inspect", shown(&file)]);
    assert!(inspected.contains(&format!("\nsigned by {public}")), "{inspected}");
    Daemon::start(&house.pipeline).stop();
}

#[test]
fn what_is_not_signed_as_asked_is_refused_and_the_old_one_goes_on() {
    let first = changeling("first");
    let (house, eve) = house("signed-reload", &first);
    let folder = house.file().parent().expect("its folder").to_owned();
    let first = signed(&first, &folder, "anna");
    replace(&house.file(), &first);
    let daemon = Daemon::start_with_log(&house.pipeline);
    let in_service = |bytes: &[u8]| {
        let digest = digest(bytes);
        daemon.wait("all workers have it", |status| {
            let workers = &status["tables"]["thing"]["workers"];
            ["0", "1"].iter().all(|partition| workers[*partition]["digest"] == *digest)
        });
    };
    let refused = |bytes: &[u8], why: &str| {
        let (status, answer) = reload(&daemon, bytes);
        assert_eq!(status, 409, "{answer}");
        let message = answer["message"].as_str().expect("a message");
        assert!(message.contains(why), "{message}, not {why}");
        let offer = daemon.status()["tables"]["thing"]["last_offer"].clone();
        assert_eq!((&offer["digest"], &offer["refused"]), (&Value::from(digest(bytes)), &Value::from(message)));
        let log = fs::read_to_string(house.pipeline.with_file_name("log")).expect("the log");
        let line = log.lines().find(|line| line.contains(&digest(bytes)) && line.contains("generation refused"));
        assert!(line.is_some_and(|line| line.contains(why)), "{log}");
        in_service(&first);
    };
    // The file is looked at once after the start; what follows is answered after it.
    daemon.wait("its file is looked at", |status| status["tables"]["thing"]["last_offer"]["digest"].is_string());
    post(daemon.topics, "thing", 0, 500);
    daemon.settle();
    let second = changeling("second");
    refused(&second, UNSIGNED);
    refused(&signed(&second, &folder, "eve"), &format!("component: it is signed by {eve}, not by one of 2 keys"));
    let mut changed = signed(&second, &folder, "anna");
    changed[40] ^= 1;
    refused(&changed, "does not match: its bytes were changed after it");
    let followed = [signed(&second, &folder, "bert"), vec![0, 5, 4, b'n', b'o', b't', b'e']].concat();
    refused(&followed, "its signature is garbled: it is followed by what it does not cover");
    let by_both = signed(&signed(&second, &folder, "eve"), &folder, "bert");
    assert_eq!(reload(&daemon, &by_both).0, 200);
    in_service(&by_both);
    post(daemon.topics, "thing", 500, 500);
    daemon.settle();

    // A file that changes is held to the same, until it is signed where it lies.
    let third = changeling("third");
    replace(&house.file(), &third);
    let status = daemon
        .wait("the file is refused", |status| status["tables"]["thing"]["last_offer"]["digest"] == *digest(&third));
    let why = status["tables"]["thing"]["last_offer"]["refused"].as_str().unwrap_or_default();
    assert!(why.starts_with(UNSIGNED), "{why}");
    sign(&house.file(), &folder.join("anna.key"));
    in_service(&fs::read(house.file()).expect("it is signed"));
    post(daemon.topics, "thing", 1000, 500);
    daemon.settle();
    let back = http::request(daemon.admin, "POST", "/tables/thing/rollback", &[], b"");
    assert_eq!((back.status, &back.json()["digest"]), (200, &Value::from(digest(&by_both))));
    daemon.stop();
    assert_eq!(house.audit(1500), ["first", "second", "third"]);
}

#[test]
fn what_was_kept_is_looked_at_again_at_the_next_start() {
    let first = changeling("first");
    let (house, _) = house("signed-kept", &first);
    let folder = house.file().parent().expect("its folder").to_owned();
    let good = signed(&first, &folder, "bert");
    replace(&house.file(), &good);
    Daemon::start(&house.pipeline).stop();
    let kept = house.data().join("components").join(format!("{}.wasm", digest(&good)));
    assert_eq!(fs::read(&kept).expect("it is kept"), good);
    // Somebody puts another in its place, which nobody has signed.
    fs::write(&kept, changeling("second")).expect("another component");
    let daemon = Daemon::start_with_log(&house.pipeline);
    assert_eq!(daemon.status()["tables"]["thing"]["digest"], *digest(&good));
    daemon.stop();
    let log = fs::read_to_string(house.pipeline.with_file_name("log")).expect("the log");
    let line = log.lines().find(|line| line.contains("what was in service is not taken, the component's file is"));
    assert!(line.is_some_and(|line| line.contains(UNSIGNED)), "{log}");
    assert_eq!(fs::read(&kept).expect("it is kept"), good, "what is in service is kept as it is");
    fs::write(&kept, changeling("second")).expect("another component");
    replace(&house.file(), changeling("third"));
    let run = failed(["run", shown(&house.pipeline)]);
    assert!(run.ends_with(&format!("error: table \"thing\": {UNSIGNED}\nhint: {SIGN_IT}\n")), "{run}");
}

#[test]
fn keys_are_made_once_and_are_their_owners_alone() {
    let folder = Folder::new("signed-keys");
    keygen(folder.path(), "anna");
    let (key, public) = (folder.path().join("anna.key"), folder.path().join("anna.pub"));
    let secret = fs::read_to_string(&key).expect("the secret key");
    assert_eq!(fs::metadata(&key).expect("the secret key").permissions().mode() & 0o777, 0o600);
    let again = failed(["transform", "keygen", shown(&folder.path().join("anna"))]);
    assert!(again.contains("anna.key is there already, and is left as it is"), "{again}");
    fs::remove_file(&key).expect("the secret key");
    let half = failed(["transform", "keygen", shown(&folder.path().join("anna"))]);
    assert!(half.contains("anna.pub is there already, and is left as it is") && !key.exists(), "{half}");

    fs::write(&key, &secret).expect("the secret key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o640)).expect("its rights");
    let file = folder.write("thing.wasm", changeling("first"));
    let open = failed(["transform", "sign", shown(&file), "--key", shown(&key)]);
    assert!(
        open.contains("anna.key: others have rights to it (mode 640), so it is not used\nhint: chmod 600"),
        "{open}"
    );
    fs::set_permissions(&key, fs::Permissions::from_mode(0o400)).expect("its rights");
    let said = sign(&file, &key);
    let line = secret.lines().nth(1).expect("the secret in base64");
    assert!(!said.contains(line) && !open.contains(line), "a secret is shown");
    fs::set_permissions(&public, fs::Permissions::from_mode(0o600)).expect("its rights");
    let wrong = failed(["transform", "sign", shown(&file), "--key", shown(&public)]);
    assert!(wrong.contains("anna.pub: it is a public key, and only a secret one signs"), "{wrong}");
}

#[test]
fn keys_go_from_and_to_openssl() {
    let openssl = |arguments: &[&str]| Command::new("openssl").args(arguments).output();
    if openssl(&["version"]).is_err() {
        println!("openssl is not here: there is nothing to compare with");
        return;
    }
    let house = House::new("signed-openssl", &changeling("first"));
    let folder = house.file().parent().expect("its folder").to_owned();
    let ours = keygen(&folder, "ours");
    let [theirs, theirs_public, ours_public] =
        ["theirs.key", "theirs.pub", "ours-too.pub"].map(|name| folder.join(name));
    let made = |arguments: &[&str]| assert!(openssl(arguments).expect("openssl").status.success(), "{arguments:?}");
    made(&["genpkey", "-algorithm", "ed25519", "-out", shown(&theirs)]);
    made(&["pkey", "-in", shown(&theirs), "-pubout", "-out", shown(&theirs_public)]);
    made(&["pkey", "-in", shown(&folder.join("ours.key")), "-pubout", "-out", shown(&ours_public)]);
    fs::set_permissions(&theirs, fs::Permissions::from_mode(0o600)).expect("its rights");
    let pipeline = fs::read_to_string(&house.pipeline).expect("the pipeline file");
    let trust =
        |keys: &str| fs::write(&house.pipeline, format!("{pipeline}\n[trust]\nkeys = [{keys}]\n")).expect("a file");
    sign(&house.file(), &theirs);
    trust("\"theirs.pub\"");
    done(["check", shown(&house.pipeline)]);
    trust(&format!("{ours:?}, \"ours-too.pub\""));
    let same = failed(["check", shown(&house.pipeline)]);
    assert!(same.contains("trust.keys[1]: the same key stands here twice"), "{same}");
}
