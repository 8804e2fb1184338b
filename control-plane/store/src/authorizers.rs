//! How routes find out who calls, beside API keys.

use domain::authorizer::{Authorizer, AuthorizerType};
use domain::id::AuthorizerId;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::dirty::{self, Mark};
use crate::rows::word;
use crate::{Conn, Error, PlatformTx, Result};

struct Raw {
    id: Uuid,
    name: String,
    r#type: String,
    edition: i32,
    created_at: OffsetDateTime,
}

impl Raw {
    fn read(self) -> Result<Authorizer> {
        Ok(Authorizer {
            id: self.id.into(),
            name: self.name,
            authorizer_type: word::<AuthorizerType>("authorizer", &self.r#type)?,
            edition: self.edition,
            created_at: self.created_at,
        })
    }
}

/// Makes an authorizer if none has the name. Served by `authorizers_name`.
pub async fn ensure(
    tx: &mut PlatformTx,
    id: AuthorizerId,
    name: &str,
    authorizer_type: AuthorizerType,
) -> Result<()> {
    let made = sqlx::query!(
        "insert into authorizers (id, name, type) values ($1, $2, $3)
        on conflict ((lower(name))) do nothing",
        id.0,
        name,
        authorizer_type.as_str()
    )
    .execute(&mut **tx)
    .await?;
    match made.rows_affected() {
        0 => Ok(()),
        _ => dirty::mark(tx, &[Mark::Authorizer(id)]).await,
    }
}

/// Served by the primary key.
pub async fn get(tx: &mut Conn, id: AuthorizerId) -> Result<Authorizer> {
    sqlx::query_as!(
        Raw,
        "select id, name, type, edition, created_at from authorizers where id = $1",
        id.0
    )
    .fetch_optional(tx)
    .await?
    .ok_or(Error::NotFound { what: "authorizer" })?
    .read()
}

/// Oldest first, after `after`. Served by the primary key.
pub async fn list(
    tx: &mut Conn,
    after: Option<AuthorizerId>,
    limit: u32,
) -> Result<Vec<Authorizer>> {
    sqlx::query_as!(
        Raw,
        "select id, name, type, edition, created_at from authorizers
        where id > $1 order by id limit $2",
        after.map_or(Uuid::nil(), |id| id.0),
        i64::from(limit)
    )
    .fetch_all(tx)
    .await?
    .into_iter()
    .map(Raw::read)
    .collect()
}
