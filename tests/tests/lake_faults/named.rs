//! Schedules of faults by name, a table each, all of one pipeline at one time.

use tidemill_tests::proxy::{Act, Plan, Proxy};
use tidemill_tests::s3::{Conditions, Fault, Habits, Reply, Server};

use crate::house::{House, SHORT};

const STATUS: [Reply; 7] = [
    Reply::Status(500, "InternalError"),
    Reply::Status(503, "SlowDown"),
    Reply::Status(409, "ConditionalRequestConflict"),
    Reply::Status(412, "PreconditionFailed"),
    Reply::Status(403, "RequestTimeTooSkewed"),
    Reply::Status(400, "ExpiredToken"),
    Reply::Status(404, "NoSuchKey"),
];

/// By the name of their tables: what the first requests of a table meet, `PUT`s and what follows them.
fn schedules() -> Vec<(&'static str, Vec<Fault>)> {
    let [error, slow, busy, taken, skew, expired, hidden] = STATUS;
    let (instead, after) = (Fault::instead, Fault::after);
    vec![
        ("nothing", vec![]),
        ("error", vec![instead(error); 3]),
        ("slow_down_for_a_while", vec![instead(slow); 12]),
        ("stored_then_error", vec![after(error)]),
        ("stored_then_error_again", vec![after(error); 5]),
        ("stored_then_slow_down", vec![after(slow)]),
        ("stored_then_reset", vec![after(Reply::Reset); 3]),
        ("reset_before_the_body", vec![instead(Reply::ResetEarly); 3]),
        ("reset_after_the_body", vec![instead(Reply::Reset); 3]),
        ("stored_then_hangs", vec![after(Reply::Hang); 2]),
        ("hangs", vec![instead(Reply::Hang); 2]),
        ("stored_once_given_up", vec![instead(Reply::Straggle); 3]),
        ("another_write", vec![instead(busy); 4]),
        ("stored_then_another_write", vec![after(busy)]),
        ("taken_yet_not_there", vec![instead(taken); 3]),
        ("stored_then_taken", vec![after(taken)]),
        ("stored_then_hidden", vec![after(error), instead(taken), instead(hidden), instead(hidden)]),
        ("taken_then_head_fails", vec![after(error), instead(taken), instead(error), instead(Reply::Hang)]),
        ("ok_with_an_error", vec![instead(Reply::ErrorBody); 3]),
        ("stored_with_an_error", vec![after(Reply::ErrorBody)]),
        ("ok_and_empty", vec![instead(Reply::Empty); 3]),
        ("stored_and_empty", vec![after(Reply::Empty)]),
        ("stored_and_empty_then_hidden", vec![after(Reply::Empty), instead(hidden)]),
        ("cut_in_the_status", vec![after(Reply::Cut(9)); 2]),
        ("cut_in_the_head", vec![after(Reply::Cut(40)); 2]),
        ("cut_before_a_byte", vec![instead(Reply::Cut(0)); 2]),
        ("another_checksum", vec![after(Reply::OtherChecksum)]),
        ("another_etag", vec![after(Reply::OtherEtag)]),
        ("drips_in_time", vec![after(Reply::Drip(1)); 2]),
        ("drips_too_slowly", vec![after(Reply::Drip(40)); 2]),
        ("skewed", vec![instead(skew); 2]),
        ("expired", vec![instead(expired); 2]),
        ("moved", vec![instead(Reply::Status(301, "PermanentRedirect")); 2]),
        ("moved_for_now", vec![instead(Reply::Status(307, "TemporaryRedirect")); 2]),
        ("forbidden", vec![instead(Reply::Status(403, "AccessDenied")); 2]),
    ]
}

/// Runs the schedules against an S3 with these habits; all must end as they should.
fn check(name: &str, habits: Habits, schedules: &[(&str, Vec<Fault>)]) {
    let server = Server::start(habits);
    let tables: Vec<&str> = schedules.iter().map(|(table, _)| *table).collect();
    let house = House::new(name, &tables, server.addr(), SHORT);
    let daemon = house.start();
    for (table, faults) in schedules {
        server.script(table, faults.iter().copied());
        house.post(&daemon, table, 5);
    }
    daemon.settle();
    daemon.stop();
    assert_eq!(server.left(), 0, "{name}: every fault was met");
    house.prove(&server);
    if habits == Habits::default() {
        // A server that is asked with a condition gets its first object twice, to see whether it heeds it, and stores one.
        assert!(server.history().values().all(|versions| versions.len() == 1), "{name}: nothing was written twice");
    }
    let met = server.seen().iter().filter(|seen| seen.fault.is_some()).count();
    println!("{name}: {} schedules, {} requests, {met} faults", schedules.len(), server.seen().len());
}

#[test]
fn each_fault_ends_in_one_object_of_the_right_bytes() {
    check("faults", Habits::default(), &schedules());
}

#[test]
fn each_kind_of_s3_gets_each_object_once_and_never_other_bytes() {
    let [error, .., hidden] = STATUS;
    let schedules = [
        ("calm", vec![]),
        ("stored_then_error", vec![Fault::after(error); 3]),
        ("stored_then_reset", vec![Fault::after(Reply::Reset)]),
        ("stored_once_given_up", vec![Fault::instead(Reply::Straggle)]),
        ("stored_and_empty", vec![Fault::after(Reply::Empty)]),
        ("hidden", vec![Fault::after(error), Fault::instead(hidden)]),
    ];
    let usual = Habits::default();
    for (name, habits) in [
        ("ignores-conditions", Habits { conditions: Conditions::Ignored, ..usual }),
        ("knows-no-conditions", Habits { conditions: Conditions::Unknown, ..usual }),
        ("names-no-checksums", Habits { names_checksums: false, ..usual }),
        ("loses-metadata", Habits { keeps_metadata: false, names_checksums: false, ..usual }),
    ] {
        check(name, habits, &schedules);
    }
}

#[test]
fn connections_that_are_cut_delayed_or_dripping_anywhere_end_in_one_object() {
    let server = Server::start(Habits::default());
    // A request's head ends near 900 bytes; its body follows; the answer's first byte comes when the object is stored.
    let positions = [0, 1, 100, 700, 850, 900, 950, 1_000, 1_050, 1_100, 1_200, 1_400];
    let up = positions.iter().flat_map(|&at| [Plan::up(at, Act::Cut), Plan::up(at, Act::Close)]);
    let down = [0, 1, 9, 17, 60, 150].into_iter().flat_map(|at| [Plan::down(at, Act::Cut), Plan::down(at, Act::Close)]);
    let slow = [Plan::up(500, Act::Delay(600)), Plan::down(0, Act::Delay(600)), Plan::up(0, Act::Drip(1))];
    let slow = slow.into_iter().chain([Plan::down(0, Act::Drip(1)), Plan::down(0, Act::Drip(10))]);
    // The first connection is that of the start.
    let plans: Vec<Plan> = [Plan::default()].into_iter().chain(up).chain(down).chain(slow).collect();
    let met = plans.len();
    let proxy = Proxy::start(server.addr(), plans);
    let tables = ["one", "two", "three", "four", "five", "six"];
    let house = House::new("connections", &tables, proxy.addr(), SHORT);
    let daemon = house.start();
    // Each round opens new connections as long as there are plans that break them.
    while proxy.left() > 0 {
        tables.iter().for_each(|table| house.post(&daemon, table, 5));
        daemon.settle();
    }
    daemon.stop();
    house.prove(&server);
    println!("connections: {met} plans, {} requests arrived", server.seen().len());
}
