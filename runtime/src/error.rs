//! The one error type: a sentence with a subject, its kind, and a next step where there is one.

use std::any::Any;
use std::fmt;

/// What went wrong, for the code that must choose between retrying, refusing and stopping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// What was given is wrong: a record, a request, a file; the same again fails the same.
    Input,
    /// A thing that was named is not there.
    Missing,
    /// Another owner holds it: a port, a data folder, a key in the bucket.
    Conflict,
    /// A stated bound was reached; trying later may work.
    Busy,
    /// The other side cannot be reached or did not answer in time; trying later may work.
    Unavailable,
    /// A transform broke its contract or a limit.
    Transform,
    /// Stored bytes are not what was written.
    Corrupt,
    /// The disk is full or refuses to write.
    Storage,
    /// A fault of this program.
    Internal,
}

impl Kind {
    /// Its name, for figures.
    pub fn word(self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::Missing => "missing",
            Self::Conflict => "conflict",
            Self::Busy => "busy",
            Self::Unavailable => "unavailable",
            Self::Transform => "transform",
            Self::Corrupt => "corrupt",
            Self::Storage => "storage",
            Self::Internal => "internal",
        }
    }
}

/// An error as it is shown: `topic "pin": partition 3 does not exist`, and perhaps a `hint:` line.
#[derive(Clone, Debug)]
pub struct Error {
    kind: Kind,
    message: String,
    hint: Option<String>,
}

/// The result of everything that can fail here.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error whose `message` is a sentence with a subject: lowercase, no full stop, names quoted.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hint: None }
    }

    /// Adds what a person can do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Several errors as one: of the first one's kind, all messages, the first next step. None are a fault of this program.
    pub fn all(errors: &[Self]) -> Self {
        let messages: Vec<&str> = errors.iter().map(Self::message).collect();
        Self {
            kind: errors.first().map_or(Kind::Internal, Self::kind),
            message: messages.join("; "),
            hint: errors.iter().find_map(Self::next_step).map(str::to_owned),
        }
    }

    /// The sentence, with the next step after it where there is one: for who gets one line.
    pub fn line(&self) -> String {
        match &self.hint {
            Some(hint) => format!("{self}; {hint}"),
            None => self.to_string(),
        }
    }

    /// Puts the subject in front: `table "pin": ` before what the message says.
    #[must_use]
    pub fn within(mut self, subject: impl fmt::Display) -> Self {
        self.message = format!("{subject}: {}", self.message);
        self
    }

    /// What kind of error it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The sentence, without the hint.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The next step, where there is one.
    pub fn next_step(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

/// Turns a foreign error into ours, with its subject: `fs::read(p).or_fail(Kind::Missing, || format!("component {p:?}"))?`.
pub trait OrFail<T> {
    /// `subject` is put before the foreign error's own words.
    fn or_fail<S: fmt::Display>(self, kind: Kind, subject: impl FnOnce() -> S) -> Result<T>;
}

impl<T, E: fmt::Display> OrFail<T> for std::result::Result<T, E> {
    fn or_fail<S: fmt::Display>(self, kind: Kind, subject: impl FnOnce() -> S) -> Result<T> {
        self.map_err(|cause| Error::new(kind, format!("{}: {cause}", subject())))
    }
}

/// What a panic said.
pub fn panic_text(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}

/// The kind of an I/O error: a full disk, a refusal, something absent, or else trouble with storage.
pub fn io_kind(error: &std::io::Error) -> Kind {
    use std::io::ErrorKind as Io;
    match error.kind() {
        Io::NotFound => Kind::Missing,
        Io::AlreadyExists | Io::AddrInUse => Kind::Conflict,
        Io::TimedOut | Io::ConnectionRefused | Io::ConnectionReset => Kind::Unavailable,
        _ => Kind::Storage,
    }
}
