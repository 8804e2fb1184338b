//! Marks of what changed since the last snapshot. They are appended by the transaction that
//! changes something, so that no change is published by halves or forgotten.

use domain::api_key::KeyHash;
use domain::id::{ApiId, AuthorizerId, PlanId, TenantId, UpstreamId};
use snapshot::revocation::RevocationKey;
use uuid::Uuid;

use crate::{CompileTx, Conn, Error, PlatformTx, Result};

/// An entry of the snapshot that has to be built anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Mark {
    Key(KeyHash),
    Tenant(TenantId),
    Api(ApiId),
    Upstream(UpstreamId),
    /// All versions of the plan.
    Plan(PlanId),
    Authorizer(AuthorizerId),
    Revocation(RevocationKey),
    Peppers,
    /// Keys that verify and open tokens.
    TokenKeys,
    /// Everything, from nothing.
    All,
}

impl Mark {
    fn map(self) -> &'static str {
        match self {
            Mark::Key(_) => "key",
            Mark::Tenant(_) => "tenant",
            Mark::Api(_) => "api",
            Mark::Upstream(_) => "upstream",
            Mark::Plan(_) => "plan",
            Mark::Authorizer(_) => "authorizer",
            Mark::Revocation(_) => "revocation",
            Mark::Peppers => "pepper",
            Mark::TokenKeys => "token_key",
            Mark::All => "all",
        }
    }

    fn key(self) -> Vec<u8> {
        match self {
            Mark::Key(hash) => hash.0.to_vec(),
            Mark::Tenant(id) => id.to_bytes(),
            Mark::Api(id) => id.to_bytes(),
            Mark::Upstream(id) => id.to_bytes(),
            Mark::Plan(id) => id.to_bytes(),
            Mark::Authorizer(id) => id.to_bytes(),
            Mark::Revocation(key) => key.as_bytes().to_vec(),
            Mark::Peppers | Mark::TokenKeys | Mark::All => Vec::new(),
        }
    }

    fn read(map: &str, key: &[u8]) -> Result<Self> {
        let id = || Uuid::from_slice(key).map_err(|_| Error::corrupt("dirty mark"));
        Ok(match map {
            "key" => Mark::Key(KeyHash(crate::rows::bytes32("dirty mark", key)?)),
            "tenant" => Mark::Tenant(id()?.into()),
            "api" => Mark::Api(id()?.into()),
            "upstream" => Mark::Upstream(id()?.into()),
            "plan" => Mark::Plan(id()?.into()),
            "authorizer" => Mark::Authorizer(id()?.into()),
            "revocation" => Mark::Revocation(
                RevocationKey::from_bytes(key).map_err(|_| Error::corrupt("dirty mark"))?,
            ),
            "pepper" => Mark::Peppers,
            "token_key" => Mark::TokenKeys,
            "all" => Mark::All,
            _ => return Err(Error::corrupt("dirty mark")),
        })
    }
}

/// Appends marks; the publisher is woken when the transaction commits.
pub async fn mark(tx: &mut Conn, marks: &[Mark]) -> Result<()> {
    if marks.is_empty() {
        return Ok(());
    }
    let maps: Vec<String> = marks.iter().map(|mark| mark.map().to_owned()).collect();
    let keys: Vec<Vec<u8>> = marks.iter().map(|mark| mark.key()).collect();
    sqlx::query!(
        "insert into dirty_marks (map, key) select * from unnest($1::text[], $2::bytea[])",
        &maps,
        &keys
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// A mark and the number by which it is taken away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Marked {
    pub id: i64,
    pub mark: Mark,
}

/// The oldest marks, as of the transaction's view: rows read in the same transaction are at least
/// as new. Served by the primary key.
pub async fn list(tx: &mut CompileTx, limit: u32) -> Result<Vec<Marked>> {
    sqlx::query!(
        "select id, map, key from dirty_marks order by id limit $1",
        i64::from(limit)
    )
    .fetch_all(&mut **tx)
    .await?
    .into_iter()
    .map(|row| {
        Ok(Marked {
            id: row.id,
            mark: Mark::read(&row.map, &row.key)?,
        })
    })
    .collect()
}

/// Takes away exactly these marks; others, even with lower numbers, may have come meanwhile.
pub async fn delete(tx: &mut PlatformTx, marked: &[Marked]) -> Result<()> {
    let ids: Vec<i64> = marked.iter().map(|one| one.id).collect();
    sqlx::query!("delete from dirty_marks where id = any($1)", &ids)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// How many marks wait, for metrics.
pub async fn count(tx: &mut PlatformTx) -> Result<u64> {
    let count = sqlx::query_scalar!(r#"select count(*) as "count!" from dirty_marks"#)
        .fetch_one(&mut **tx)
        .await?;
    Ok(crate::rows::unsigned(count))
}
