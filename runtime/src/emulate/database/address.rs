//! Where a database is found, with whom it is asked for.

use std::fmt;
use std::path::PathBuf;

use reqwest::Url;

use crate::access::Secret;
use crate::error::{Error, Kind, OrFail as _, Result};

/// The ports that servers listen at where none is named.
const MYSQL_PORT: u16 = 3306;
const POSTGRES_PORT: u16 = 5432;

/// A database's address. It is shown without the password.
pub enum Address {
    /// `mysql://user:password@host:port/database`, of MySQL or MariaDB.
    Mysql(Server),
    /// The same with `postgres://`.
    Postgres(Server),
    /// `sqlite:PATH`.
    Sqlite(PathBuf),
}

/// A database of a server.
pub struct Server {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) user: String,
    pub(super) password: Option<Secret>,
    pub(super) database: String,
}

impl Address {
    /// Reads an address; a password that it does not have is `password`. What is said against it does not show it, since
    /// a password may stand anywhere in it.
    pub fn read(text: &str, password: Option<Secret>) -> Result<Self> {
        if let Some(path) = text.strip_prefix("sqlite:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            return Ok(Self::Sqlite(path.into()));
        }
        let url = Url::parse(text).or_fail(Kind::Input, || "database: its address")?;
        // SQLAlchemy names a driver too: mysql+pymysql.
        match url.scheme().split('+').next() {
            Some("mysql" | "mariadb") => Ok(Self::Mysql(Server::read(&url, MYSQL_PORT, password)?)),
            Some("postgres" | "postgresql") => Ok(Self::Postgres(Server::read(&url, POSTGRES_PORT, password)?)),
            _ => Err(wrong("its address begins with none of mysql://, postgres:// and sqlite:")),
        }
    }
}

impl Server {
    fn read(url: &Url, port: u16, password: Option<Secret>) -> Result<Self> {
        let database = url.path().trim_start_matches('/');
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or_else(|| wrong("its address names no host"))?;
        if url.username().is_empty() || database.is_empty() {
            return Err(wrong("its address does not name a user and a database"));
        }
        // As the original's engine has it; there is no other that a row could need.
        if let Some((name, _)) = url.query_pairs().find(|(name, value)| (&**name, &**value) != ("charset", "utf8mb4")) {
            return Err(wrong(&format!("its address has the option {name:?}, which is not known here")));
        }
        let given = url.password().map(|given| unescaped(given).map(Secret::new)).transpose()?;
        Ok(Self {
            host: host.trim_matches(['[', ']']).to_owned(),
            port: url.port().unwrap_or(port),
            user: unescaped(url.username())?,
            password: given.or(password),
            database: unescaped(database)?,
        })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, server) = match self {
            Self::Sqlite(path) => return write!(f, "sqlite:{}", path.display()),
            Self::Mysql(server) => ("mysql", server),
            Self::Postgres(server) => ("postgres", server),
        };
        write!(f, "{scheme}://{}@{}:{}/{}", server.user, server.host, server.port, server.database)
    }
}

fn wrong(what: &str) -> Error {
    let error = Error::new(Kind::Input, format!("database: {what}"));
    error.hint(
        "write it as mysql://user@host:3306/pinterest_data, postgres://user@host:5432/pinterest_data or sqlite:PATH",
    )
}

/// A part of a URL without its escapes.
fn unescaped(part: &str) -> Result<String> {
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let escaped = after.get(..2).filter(|_| byte == b'%');
        let escaped = escaped.and_then(|hex| u8::from_str_radix(str::from_utf8(hex).ok()?, 16).ok());
        bytes.push(escaped.unwrap_or(byte));
        rest = if escaped.is_some() { after.get(2..).unwrap_or_default() } else { after };
    }
    String::from_utf8(bytes).map_err(|_| wrong("its address has escapes that are no text"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<(&str, Option<&str>), &str>) {
        let given = Address::read(text, Some(Secret::new("kept".to_owned())));
        match (given, expected) {
            (Ok(address), Ok((shown, password))) => {
                assert_eq!(address.to_string(), shown);
                let (Address::Mysql(server) | Address::Postgres(server)) = address else {
                    return assert_eq!(password, None, "{text}");
                };
                assert_eq!(server.password.as_ref().map(Secret::expose), password, "{text}");
            }
            (Err(error), Err(said)) => {
                assert!(error.message().contains(said), "{text}: {error}");
                assert!(!error.line().contains("s3cret"), "{error}");
            }
            (Ok(address), Err(_)) => panic!("{text}: {address}"),
            (Err(error), Ok(_)) => panic!("{text}: {error}"),
        }
    }

    #[test]
    fn reads_addresses_and_never_shows_their_passwords() {
        check("mysql://me:s3cret@host/pins", Ok(("mysql://me@host:3306/pins", Some("s3cret"))));
        check(
            "mysql+pymysql://me:s3c%40%3A%25@host:33/pins?charset=utf8mb4",
            Ok(("mysql://me@host:33/pins", Some("s3c@:%"))),
        );
        check("mariadb://me@[::1]:1/p", Ok(("mysql://me@::1:1/p", Some("kept"))));
        check("postgres://m%20e:@host/pins", Ok(("postgres://m e@host:5432/pins", Some("kept"))));
        check("postgresql+psycopg2://me:a:b@host/pins", Ok(("postgres://me@host:5432/pins", Some("a:b"))));
        check("sqlite:a/b.db", Ok(("sqlite:a/b.db", None)));
        check("sqlite:///a/b.db", Ok(("sqlite:/a/b.db", None)));
        check("mysql://me:s3cret@host", Err("does not name a user and a database"));
        check("mysql://:s3cret@host/pins", Err("does not name a user and a database"));
        check("mysql://me:s3cret@host:port/pins", Err("database: its address: invalid port number"));
        check("mysql:pins", Err("names no host"));
        check("oracle://me:s3cret@host/pins", Err("none of mysql://"));
        check("postgres://me:s3cret@host/pins?sslmode=require", Err("the option \"sslmode\""));
        check("s3cret", Err("relative URL without a base"));
        check("mysql://me:s3cret%ff@host/pins", Err("escapes that are no text"));
    }
}
