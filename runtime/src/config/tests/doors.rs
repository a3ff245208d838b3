//! `[gateway]` and `[kinesis]`: what they mean, and what is wrong with them.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use super::super::exposed;
use super::super::plan::{Period, Quota, Quoting, StatusMapping, Throttle};
use super::{Folder, GOOD};

const DOORS: &str = r#"
[gateway]
listen = "127.0.0.1:8084"
keys = "gateway.toml"

[gateway.stages.dev]
rate = 100
burst = 200
quoting = "plain"
status = "mapped"
shards = 2
timeout = "5s"

[gateway.stages.prod]
routes = ["proxy"]

[gateway.plans.basic]
stages = ["dev", "prod"]
keys = ["0123456789ab"]
rate = 10
quota = 1000
period = "WEEK"

[kinesis]
keys = "access.toml"
region = "eu-west-1"
shard_limits = "aws"
"#;

fn faults(text: &str) -> Vec<String> {
    Folder::new().declare(&format!("{GOOD}{text}")).err().unwrap_or_default()
}

#[test]
fn doors_are_read() {
    let folder = Folder::new();
    let pipeline = folder.declare(&format!("{GOOD}{DOORS}")).unwrap().pipeline;
    let gateway = pipeline.gateway.unwrap();
    assert!(gateway.listen.port() == 8084 && gateway.keys.unwrap().ends_with("gateway.toml"));
    let [dev, prod] = gateway.stages.as_slice() else { panic!("{:?}", gateway.stages) };
    assert_eq!((dev.name.as_str(), dev.proxy, dev.streams, dev.shards), ("dev", true, true, 2));
    assert_eq!((dev.quoting, dev.status, dev.timeout), (Quoting::Plain, StatusMapping::Mapped, Duration::from_secs(5)));
    assert_eq!(dev.throttle, Some(Throttle { rate: 100, burst: 200 }));
    assert_eq!((prod.proxy, prod.streams, prod.shards, prod.throttle), (true, false, 5, None));
    assert_eq!(
        (prod.quoting, prod.status, prod.timeout),
        (Quoting::Sample, StatusMapping::Faithful, Duration::from_secs(29))
    );
    let plan = &gateway.plans[0];
    assert_eq!(plan.throttle, Some(Throttle { rate: 10, burst: 10 }));
    assert_eq!(plan.quota, Some(Quota { requests: 1000, period: Period::Week }));
    let covers = [("dev", "0123456789ab"), ("dev", "0123456789ac"), ("test", "0123456789ab")];
    assert_eq!(covers.map(|(stage, key)| plan.covers(stage, key)), [true, false, false]);
    let kinesis = pipeline.kinesis.unwrap();
    assert_eq!((kinesis.listen.port(), kinesis.region.as_str(), kinesis.shard_limits), (4568, "eu-west-1", true));
    assert!(kinesis.keys.unwrap().ends_with("access.toml"));
    let none = folder.declare(GOOD).unwrap().pipeline;
    assert!(none.gateway.is_none() && none.kinesis.is_none(), "doors are closed unless they are asked for");
}

#[test]
fn faults_of_doors() {
    for (from, to, expected) in [
        ("[gateway.stages.dev]", "[gateway.stages.\"a b\"]", "gateway.stages.\"a b\": the name \"a b\" is not"),
        ("[gateway.stages.dev]", "[gateway.stages.ping]", "other than ping and sping"),
        ("\"plain\"", "\"plan\"", "gateway.stages.dev.quoting: \"plan\" is not known; did you mean \"plain\"?"),
        ("\"mapped\"", "\"maped\"", "gateway.stages.dev.status: \"maped\" is not known; did you mean \"mapped\"?"),
        (
            "[\"proxy\"]",
            "[\"proxi\"]",
            "gateway.stages.prod.routes[0]: \"proxi\" is not known; did you mean \"proxy\"?",
        ),
        ("[\"proxy\"]", "[]", "gateway.stages.prod.routes: the stage leads nowhere"),
        ("\"5s\"", "\"10ms\"", "gateway.stages.dev.timeout: 10ms is less than 50ms"),
        ("rate = 100\n", "", "gateway.stages.dev: \"rate\" is missing; write rate = 100, in requests a second"),
        ("rate = 100\n", "rate = 0\n", "gateway.stages.dev.rate: 0 is not within 1"),
        ("shards = 2", "shards = 999", "gateway.stages.dev.shards: 999 is not within 1 and 256"),
        ("shards = 2", "shard = 2", "gateway.stages.dev.shard: unknown key; did you mean \"shards\"?"),
        ("\"prod\"]", "\"prd\"]", "gateway.plans.basic.stages[1]: there is no stage \"prd\"; did you mean \"prod\"?"),
        ("[\"0123456789ab\"]", "[\"secret\"]", "gateway.plans.basic.keys[0]: \"secret\" is not the id of a key"),
        ("period = \"WEEK\"\n", "", "gateway.plans.basic: \"period\" is missing"),
        ("quota = 1000\n", "", "gateway.plans.basic: \"quota\" is missing"),
        ("\"WEEK\"", "\"week\"", "gateway.plans.basic.period: \"week\" is not known; did you mean \"WEEK\"?"),
        ("keys = \"gateway.toml\"\n", "", "gateway.plans: usage plans count by key, and the gateway asks for none"),
        ("\"127.0.0.1:8084\"", "\"8084\"", "gateway.listen: \"8084\" is not an IP address with a port"),
        ("\"127.0.0.1:8084\"", "\"127.0.0.1:8082\"", "gateway.listen: listen.topics already listens on port 8082"),
        ("\"127.0.0.1:8084\"", "\"127.0.0.1:4568\"", "kinesis.listen: gateway.listen already listens on port 4568"),
        ("\"127.0.0.1:8084\"", "\"127.0.0.1:9000\"", "lake.port: gateway.listen already listens on port 9000"),
        ("\"eu-west-1\"", "\"EU\"", "kinesis.region: \"EU\" is not a region; write \"us-east-1\""),
        ("\"aws\"", "\"all\"", "kinesis.shard_limits: \"all\" is not known"),
        ("region =", "regin =", "kinesis.regin: unknown key; did you mean \"region\"?"),
    ] {
        assert!(DOORS.contains(from), "{from}");
        let found = faults(&DOORS.replacen(from, to, 1));
        // Of a stage that has another name, its plan says so too.
        let more = usize::from(from.starts_with('['));
        let count = 1..=1 + more;
        assert!(count.contains(&found.len()) && found[0].contains(expected), "{expected}: {found:#?}");
    }
    let none = faults("[gateway]\n");
    assert!(none.len() == 1 && none[0].contains("gateway: \"stages\" is missing"), "{none:?}");
    let twice = "[gateway.plans.more]\nstages = [\"prod\"]\n";
    let found = faults(&format!("{DOORS}{twice}"));
    assert!(
        found.len() == 1 && found[0].contains("the plan \"basic\" has keys of it in the stage \"prod\""),
        "{found:?}"
    );
}

#[test]
fn a_door_that_lets_others_in_has_keys_and_encryption() {
    let folder = Folder::new();
    let check = |text: &str, insecure: bool, expected: &[&str]| {
        let declared = folder.declare(&format!("{GOOD}{text}")).unwrap();
        let found: Vec<String> = exposed(&declared, insecure).iter().map(|fault| fault.what.clone()).collect();
        let fits = found.len() == expected.len() && found.iter().zip(expected).all(|(one, part)| one.contains(part));
        assert!(fits, "{text}: {found:#?}");
    };
    let open = "[gateway]\nlisten = \"0.0.0.0:8084\"\n[gateway.stages.dev]\n[kinesis]\nlisten = \"0.0.0.0:4568\"\n";
    let both = [
        "gateway.listen: \"0.0.0.0:8084\" lets other machines in, without encryption or keys",
        "kinesis.listen: \"0.0.0.0:4568\" lets other machines in, without encryption or keys",
    ];
    check(open, false, &both);
    check(open, true, &[]);
    check(&open.replace("0.0.0.0", "127.0.0.1"), false, &[]);
    let access =
        folder.put("access.toml", "[[keys]]\nid = \"A\"\nsecret = \"0123456789abcdef\"\nscopes = [\"consume\"]\n");
    let keyed = "[kinesis]\nlisten = \"127.0.0.1:4568\"\nkeys = \"access.toml\"\n";
    fs::set_permissions(&access, fs::Permissions::from_mode(0o640)).unwrap();
    check(keyed, true, &["kinesis.keys: access keys"]);
    fs::set_permissions(&access, fs::Permissions::from_mode(0o600)).unwrap();
    check(keyed, false, &[]);
    check(&keyed.replace("127.0.0.1", "0.0.0.0"), false, &["lets other machines in, without encryption"]);
    check(&keyed.replace("access", "absent"), true, &["kinesis.keys: access keys"]);
    fs::write(&access, "").unwrap();
    check(keyed, true, &["kinesis.keys: there is no key in it"]);
}

#[test]
fn doors_are_drawn() {
    let pipeline = Folder::new().declare(&format!("{GOOD}{DOORS}")).unwrap().pipeline;
    let drawn = super::picture(&pipeline, &super::Descriptions::new());
    for part in [
        "http://127.0.0.1:8084/dev to the REST proxy and Kinesis, 100 requests a second",
        "http://127.0.0.1:8084/prod to the REST proxy",
        "usage plan basic for 1 key in dev, prod",
        "http://127.0.0.1:4568, for signed requests",
    ] {
        assert!(drawn.contains(part), "{part}: {drawn}");
    }
}
