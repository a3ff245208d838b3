//! What can go wrong with a request, and faults drawn from a seed.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// What goes wrong with one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Whether the request is done all the same.
    pub when: When,
    /// What the client hears.
    pub reply: Reply,
}

/// Whether a request that goes wrong is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Nothing is done.
    Instead,
    /// All is done.
    After,
}

/// What the client hears of a request that goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// A status with an error code.
    Status(u16, &'static str),
    /// Status 200 without a header that says anything of the object.
    Empty,
    /// Status 200, and an error in the body.
    ErrorBody,
    /// As it should be, but for the checksum.
    OtherChecksum,
    /// As it should be, but for the ETag, and without a checksum.
    OtherEtag,
    /// As it should be, a byte at a time, with so many milliseconds between them.
    Drip(u64),
    /// The first bytes of what it should be, then the end of the connection.
    Cut(usize),
    /// Nothing, until the client gives up.
    Hang,
    /// Nothing; and once the client has given up, it is done.
    Straggle,
    /// The connection is reset.
    Reset,
    /// The connection is reset before the body is read.
    ResetEarly,
    /// Another's object is put under its key first; then as it should be.
    Foreign,
}

/// Statuses that an S3 may answer at any time, with their codes.
const STATUSES: [(u16, &str); 12] = [
    (500, "InternalError"),
    (503, "SlowDown"),
    (503, "ServiceUnavailable"),
    (502, "BadGateway"),
    (409, "ConditionalRequestConflict"),
    (412, "PreconditionFailed"),
    (403, "RequestTimeTooSkewed"),
    (400, "ExpiredToken"),
    (400, "RequestTimeout"),
    (403, "AccessDenied"),
    (301, "PermanentRedirect"),
    (307, "TemporaryRedirect"),
];

impl Fault {
    /// Nothing is done, and this is said.
    pub const fn instead(reply: Reply) -> Self {
        Self { when: When::Instead, reply }
    }

    /// All is done, and this is said.
    pub const fn after(reply: Reply) -> Self {
        Self { when: When::After, reply }
    }

    /// One that a client has to get over by itself, drawn from a seed.
    pub fn draw(random: &mut ChaCha8Rng) -> Self {
        let (status, code) = STATUSES[random.random_range(0..STATUSES.len())];
        let reply = match random.random_range(0..16) {
            0..5 => Reply::Status(status, code),
            5 => Reply::Status(404, "NoSuchKey"),
            6 => Reply::Empty,
            7 => Reply::ErrorBody,
            8 => Reply::OtherChecksum,
            9 => Reply::OtherEtag,
            10 => Reply::Drip([1, 20][random.random_range(0..2)]),
            11 => Reply::Cut(random.random_range(0..120)),
            12 => Reply::Hang,
            13 => Reply::Straggle,
            14 => Reply::Reset,
            _ => Reply::ResetEarly,
        };
        let when = match reply {
            // These say something of an object that has to be there.
            Reply::OtherChecksum | Reply::OtherEtag | Reply::Drip(_) => When::After,
            Reply::Straggle | Reply::ResetEarly => When::Instead,
            _ if random.random_bool(0.5) => When::After,
            _ => When::Instead,
        };
        Self { when, reply }
    }

    /// Its kind, for a count.
    pub fn name(&self) -> String {
        let reply = format!("{:?}", self.reply);
        let kind = reply.split('(').next().unwrap_or_default().to_lowercase();
        match (self.when, self.reply) {
            (When::Instead, Reply::Status(status, _)) => status.to_string(),
            (When::After, Reply::Status(status, _)) => format!("done+{status}"),
            (When::Instead, _) => kind,
            (When::After, _) => format!("done+{kind}"),
        }
    }
}
