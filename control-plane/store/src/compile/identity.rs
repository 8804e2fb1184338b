//! What nodes are told of tokens.

use domain::compile::{AuthorizerRow, EncryptionKeyRow, RevocationRow, TokenKeyRow};
use domain::id::AuthorizerId;
use snapshot::document::{OwnIssuer, SigningAlgorithm};
use snapshot::revocation::RevocationKey;
use uuid::Uuid;

use super::{PAGE, milliseconds};
use crate::revocations::{columns, read_key};
use crate::{CompileTx, Error, Result};

/// More keys verify or open tokens at no time.
const TOKEN_KEYS_MAX: i64 = 100;

/// Who issues tokens, with the keys that verify and open them; `None` before the first start.
pub async fn own_issuer(tx: &mut CompileTx) -> Result<Option<OwnIssuer>> {
    let issuer = sqlx::query_scalar!("select issuer from deployment")
        .fetch_optional(&mut **tx)
        .await?
        .flatten();
    let Some(issuer) = issuer else {
        return Ok(None);
    };
    let rows = sqlx::query!(
        "select kid, algorithm, public_jwk, verifies_until from token_keys
        where verifies_until is null or verifies_until > now() order by kid limit $1",
        TOKEN_KEYS_MAX
    )
    .fetch_all(&mut **tx)
    .await?;
    let keys: Result<Vec<TokenKeyRow>> = rows
        .into_iter()
        .map(|row| {
            Ok(TokenKeyRow {
                kid: row.kid,
                algorithm: match row.algorithm.as_str() {
                    "RS256" => SigningAlgorithm::Rs256,
                    "ES256" => SigningAlgorithm::Es256,
                    "EdDSA" => SigningAlgorithm::EdDsa,
                    _ => return Err(Error::corrupt("algorithm of a token key")),
                },
                public_jwk: row.public_jwk,
                verifies_until_ms: row.verifies_until.map(milliseconds),
            })
        })
        .collect();
    let opening = encryption_keys(tx).await?;
    Ok(Some(domain::compile::own_issuer(&issuer, &keys?, opening)))
}

async fn encryption_keys(tx: &mut CompileTx) -> Result<Vec<EncryptionKeyRow>> {
    let rows = sqlx::query!(
        "select kid, sealed_for_nodes, opens_until from token_encryption_keys
        where opens_until is null or opens_until > now() order by kid limit $1",
        TOKEN_KEYS_MAX
    )
    .fetch_all(&mut **tx)
    .await?;
    let read = rows.into_iter().map(|row| {
        Ok(EncryptionKeyRow {
            secret: crate::deployment::read_sealed(&row.sealed_for_nodes)?,
            kid: row.kid,
            opens_until_ms: row.opens_until.map(milliseconds),
        })
    });
    read.collect()
}

struct RawRevocation {
    kind: String,
    subject: Vec<u8>,
    issued_before: time::OffsetDateTime,
}

impl RawRevocation {
    fn read(self) -> Result<RevocationRow> {
        Ok(RevocationRow {
            key: read_key(&self.kind, &self.subject)?,
            issued_before_ms: milliseconds(self.issued_before),
        })
    }
}

/// Those of the revocations that are in force. Served by the primary key.
pub async fn revocations(tx: &mut CompileTx, keys: &[RevocationKey]) -> Result<Vec<RevocationRow>> {
    let kinds: Vec<String> = keys.iter().map(|key| columns(key).0.to_owned()).collect();
    let subjects: Vec<Vec<u8>> = keys.iter().map(|key| columns(key).1.to_vec()).collect();
    sqlx::query_as!(
        RawRevocation,
        "select r.kind, r.subject, r.issued_before from revocations r
        join unnest($1::text[], $2::bytea[]) as named (kind, subject)
            on r.kind = named.kind and r.subject = named.subject",
        &kinds,
        &subjects
    )
    .fetch_all(&mut **tx)
    .await?
    .into_iter()
    .map(RawRevocation::read)
    .collect()
}

/// A page of all revocations, by kind and subject. Served by the same primary key.
pub async fn revocations_page(
    tx: &mut CompileTx,
    after: Option<RevocationKey>,
) -> Result<Vec<RevocationRow>> {
    let (kind, subject) = after.as_ref().map_or(("", &[][..]), columns);
    sqlx::query_as!(
        RawRevocation,
        "select kind, subject, issued_before from revocations
        where (kind, subject) > ($1, $2) order by kind, subject limit $3",
        kind,
        subject,
        i64::from(PAGE)
    )
    .fetch_all(&mut **tx)
    .await?
    .into_iter()
    .map(RawRevocation::read)
    .collect()
}

/// Those of the authorizers that exist. Served by the primary key.
pub async fn authorizers(tx: &mut CompileTx, ids: &[AuthorizerId]) -> Result<Vec<AuthorizerRow>> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
    // The schema knows no other type yet.
    let rows = sqlx::query!(
        "select id, name from authorizers where id = any($1) and type = 'jwt'",
        &ids
    )
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| AuthorizerRow {
            id: row.id.into(),
            name: row.name,
        })
        .collect())
}

/// The ids of all authorizers, by id, after `after`.
pub async fn authorizer_ids(
    tx: &mut CompileTx,
    after: Option<AuthorizerId>,
) -> Result<Vec<AuthorizerId>> {
    let ids = sqlx::query_scalar!(
        "select id from authorizers where id > $1 order by id limit $2",
        after.map_or(Uuid::nil(), |id| id.0),
        i64::from(PAGE)
    )
    .fetch_all(&mut **tx)
    .await?;
    Ok(ids.into_iter().map(AuthorizerId).collect())
}
