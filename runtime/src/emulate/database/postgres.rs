//! A connection to PostgreSQL.

use hashbrown::HashMap;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Config, Error as Cause, NoTls, SimpleQueryMessage, types};

use super::address::Server;
use super::row::{Cell, Type};
use crate::access::Secret;
use crate::error::{Error, Kind, Result};

/// Times and fractions as they are read here, whatever the server is set to.
const FORMS: &str = "SET datestyle = ISO; SET extra_float_digits = 1";

pub(super) struct Postgres {
    client: Client,
    /// The columns' types of what was asked before, by the question.
    types: HashMap<String, Vec<Type>>,
}

impl Postgres {
    pub(super) async fn open(server: &Server) -> Result<Self> {
        let mut config = Config::new();
        config.host(&server.host).port(server.port).user(&server.user).dbname(&server.database);
        config.application_name("tidemill");
        if let Some(password) = &server.password {
            config.password(Secret::expose(password));
        }
        let (client, connection) = config.connect(NoTls).await.map_err(|cause| failed(&cause))?;
        // It ends when the client is dropped; what goes wrong there, the client's next question tells.
        tokio::spawn(async { _ = connection.await });
        let connected = Self { client, types: HashMap::new() };
        connected.client.batch_execute(FORMS).await.map_err(|cause| failed(&cause))?;
        Ok(connected)
    }

    pub(super) async fn execute(&mut self, sql: &str) -> Result<()> {
        self.client.batch_execute(sql).await.map_err(|cause| failed(&cause))
    }

    /// The first row of an answer to `what` with `more` after it, which does not change its columns.
    pub(super) async fn row(&mut self, what: &str, more: &str) -> Result<Option<Vec<Cell>>> {
        if !self.types.contains_key(what) {
            let statement = self.client.prepare(what).await.map_err(|cause| failed(&cause))?;
            let types = statement.columns().iter().map(|column| of(column.type_())).collect();
            self.types.insert(what.to_owned(), types);
        }
        let types = self.types.get(what).map(Vec::as_slice).unwrap_or_default();
        let answer = self.client.simple_query(&format!("{what}{more}")).await.map_err(|cause| failed(&cause))?;
        let rows = answer.into_iter().filter_map(|said| match said {
            SimpleQueryMessage::Row(row) => Some(row),
            _ => None,
        });
        let cells = |row: tokio_postgres::SimpleQueryRow| {
            let columns = row.columns().iter().zip(types).enumerate();
            let cells = columns.map(|(nth, (column, &of))| {
                let text = row.try_get(nth).ok().flatten().map(str::to_owned);
                Cell { name: column.name().to_owned(), of, text }
            });
            cells.collect()
        };
        Ok(rows.map(cells).next())
    }

    pub(super) async fn insert(
        &mut self,
        table: &str,
        rows: &[serde_json::Map<String, serde_json::Value>],
    ) -> Result<()> {
        // The table itself says what becomes of each value.
        let sql = format!("INSERT INTO {table} SELECT * FROM json_populate_recordset(NULL::{table}, $1::text::json)");
        let rows = serde_json::to_string(rows).map_err(|cause| Error::new(Kind::Internal, cause.to_string()))?;
        self.client.execute(&sql, &[&rows]).await.map_err(|cause| failed(&cause))?;
        Ok(())
    }
}

fn of(column: &types::Type) -> Type {
    use types::Type as Of;
    match *column {
        Of::INT2 | Of::INT4 | Of::INT8 | Of::NUMERIC => Type::Number,
        Of::FLOAT4 | Of::FLOAT8 => Type::Float,
        Of::TIMESTAMP | Of::TIMESTAMPTZ => Type::Time,
        Of::BOOL => Type::Boolean,
        _ => Type::Text,
    }
}

fn failed(cause: &Cause) -> Error {
    let Some(said) = cause.as_db_error() else {
        return Error::new(Kind::Unavailable, super::innermost(cause));
    };
    let kind = match said.code() {
        state if *state == SqlState::UNDEFINED_TABLE || *state == SqlState::UNDEFINED_DATABASE => Kind::Missing,
        // Connections that failed, resources that ran out, an operator who stopped the server, other transactions.
        state if ["08", "53", "57", "40"].iter().any(|class| state.code().starts_with(class)) => Kind::Unavailable,
        _ => Kind::Input,
    };
    Error::new(kind, format!("{} ({})", said.message(), said.code().code()))
}
