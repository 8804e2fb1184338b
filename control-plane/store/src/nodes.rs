//! Gateway processes: how they come to be known, and what they last said of themselves.

use std::collections::BTreeMap;

use domain::conflict::Conflict;
use domain::id::{EnrolTokenId, NodeId, UserId};
use domain::node::{EnrolTokenName, EnrolTokenRecord, Labels, Node, Rejected, TokenRefusal};
use snapshot::manifest::Version;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::rows::{bytes32, signed, signed_small, small, unsigned};
use crate::{Error, PlatformTx, Result};

struct Raw {
    id: Uuid,
    name: String,
    labels: serde_json::Value,
    signing_key: Vec<u8>,
    seal_key: Vec<u8>,
    software_version: String,
    incarnation: i64,
    applied_epoch: i64,
    applied_revision: i64,
    rejected_epoch: Option<i64>,
    rejected_revision: Option<i64>,
    rejected_code: Option<String>,
    rejected_detail: Option<String>,
    enrolled_at: OffsetDateTime,
    last_seen_at: Option<OffsetDateTime>,
    revoked_at: Option<OffsetDateTime>,
}

impl Raw {
    fn read(self) -> Result<Node> {
        let rejected = match (
            self.rejected_epoch,
            self.rejected_revision,
            self.rejected_code,
        ) {
            (Some(epoch), Some(revision), Some(code)) => Some(Rejected {
                version: Version {
                    epoch: unsigned(epoch),
                    revision: unsigned(revision),
                },
                code,
                detail: self.rejected_detail.unwrap_or_default(),
            }),
            _ => None,
        };
        Ok(Node {
            id: self.id.into(),
            name: self.name,
            labels: read_labels(self.labels)?,
            signing_key: bytes32("node key", &self.signing_key)?,
            seal_key: bytes32("node key", &self.seal_key)?,
            software_version: self.software_version,
            incarnation: unsigned(self.incarnation),
            applied: Version {
                epoch: unsigned(self.applied_epoch),
                revision: unsigned(self.applied_revision),
            },
            rejected,
            enrolled_at: self.enrolled_at,
            last_seen_at: self.last_seen_at,
            revoked_at: self.revoked_at,
        })
    }
}

fn read_labels(stored: serde_json::Value) -> Result<Labels> {
    serde_json::from_value::<BTreeMap<String, String>>(stored)
        .map(Labels)
        .map_err(|_| Error::corrupt("label"))
}

fn write_labels(labels: &Labels) -> serde_json::Value {
    labels
        .0
        .iter()
        .map(|(name, value)| (name.clone(), serde_json::Value::from(value.as_str())))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

#[derive(Debug)]
pub struct NewEnrolToken<'a> {
    pub id: EnrolTokenId,
    pub name: &'a EnrolTokenName,
    /// SHA-256 of the token's secret.
    pub hash: [u8; 32],
    pub labels: &'a Labels,
    pub uses_max: u32,
    pub expires_at: OffsetDateTime,
    pub created_by: Option<UserId>,
}

pub async fn insert_enrol_token(tx: &mut PlatformTx, token: &NewEnrolToken<'_>) -> Result<()> {
    sqlx::query!(
        "insert into enroll_tokens (id, name, hash, labels, uses_max, expires_at, created_by)
        values ($1, $2, $3, $4, $5, $6, $7)",
        token.id.0,
        token.name.as_str(),
        &token.hash[..],
        write_labels(token.labels),
        signed_small(token.uses_max),
        token.expires_at,
        token.created_by.map(|user| user.0)
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// The newest first, before `before`.
pub async fn list_enrol_tokens(
    tx: &mut PlatformTx,
    before: Option<EnrolTokenId>,
    limit: u32,
) -> Result<Vec<EnrolTokenRecord>> {
    sqlx::query!(
        "select id, name, labels, uses_max, uses, expires_at, revoked_at, created_by, created_at
        from enroll_tokens where $1::uuid is null or id < $1 order by id desc limit $2",
        before.map(|id| id.0),
        i64::from(limit)
    )
    .fetch_all(&mut **tx)
    .await?
    .into_iter()
    .map(|row| {
        Ok(EnrolTokenRecord {
            id: row.id.into(),
            name: row.name,
            labels: read_labels(row.labels)?,
            uses_max: small(row.uses_max),
            uses: small(row.uses),
            expires_at: row.expires_at,
            revoked_at: row.revoked_at,
            created_by: row.created_by.map(Into::into),
            created_at: row.created_at,
        })
    })
    .collect()
}

/// Served by the primary key.
pub async fn get_enrol_token(tx: &mut PlatformTx, id: EnrolTokenId) -> Result<EnrolTokenRecord> {
    let row = sqlx::query!(
        "select id, name, labels, uses_max, uses, expires_at, revoked_at, created_by, created_at
        from enroll_tokens where id = $1",
        id.0
    )
    .fetch_optional(&mut **tx)
    .await?
    .ok_or(Error::NotFound {
        what: "enrolment token",
    })?;
    Ok(EnrolTokenRecord {
        id: row.id.into(),
        name: row.name,
        labels: read_labels(row.labels)?,
        uses_max: small(row.uses_max),
        uses: small(row.uses),
        expires_at: row.expires_at,
        revoked_at: row.revoked_at,
        created_by: row.created_by.map(Into::into),
        created_at: row.created_at,
    })
}

/// No further node is enrolled with it; those that were stay.
pub async fn revoke_enrol_token(
    tx: &mut PlatformTx,
    id: EnrolTokenId,
    now: OffsetDateTime,
) -> Result<()> {
    let revoked = sqlx::query!(
        "update enroll_tokens set revoked_at = coalesce(revoked_at, $2) where id = $1",
        id.0,
        now
    )
    .execute(&mut **tx)
    .await?;
    if revoked.rows_affected() == 0 {
        return Err(Error::NotFound {
            what: "enrolment token",
        });
    }
    Ok(())
}

/// What a process says of itself when it enrols.
#[derive(Debug)]
pub struct NewNode<'a> {
    pub id: NodeId,
    pub name: &'a str,
    pub signing_key: [u8; 32],
    pub seal_key: [u8; 32],
    pub software_version: &'a str,
}

/// Why a process does not become a node.
#[derive(Debug, thiserror::Error)]
pub enum EnrolError {
    #[error(transparent)]
    Refused(#[from] TokenRefusal),
    #[error(transparent)]
    Store(#[from] Error),
}

impl From<sqlx::Error> for EnrolError {
    fn from(cause: sqlx::Error) -> Self {
        EnrolError::Store(cause.into())
    }
}

/// Enrols a node with one use of the token. The same signing key with the same token is the same
/// node however often it asks; the second of the returned pair says whether it is new.
pub async fn enrol(
    tx: &mut PlatformTx,
    token_hash: &[u8; 32],
    node: &NewNode<'_>,
    now: OffsetDateTime,
) -> std::result::Result<(Node, bool), EnrolError> {
    // Locked: of several processes with one token, no more than its uses get through.
    let token = sqlx::query!(
        "select id, name, labels, uses_max, uses, expires_at, revoked_at, created_by, created_at
        from enroll_tokens where hash = $1 for update",
        &token_hash[..]
    )
    .fetch_optional(&mut **tx)
    .await?
    .ok_or(TokenRefusal::Unknown)?;
    let known = sqlx::query!(
        "select id, enroll_token_id, seal_key, revoked_at from nodes where signing_key = $1",
        &node.signing_key[..]
    )
    .fetch_optional(&mut **tx)
    .await?;
    if let Some(known) = known {
        if known.revoked_at.is_some() {
            return Err(TokenRefusal::NodeRevoked.into());
        }
        if known.enroll_token_id != Some(token.id) || known.seal_key != node.seal_key {
            return Err(Error::from(Conflict::NodeKeyTaken).into());
        }
        return Ok((get(tx, known.id.into()).await?, false));
    }
    let token = EnrolTokenRecord {
        id: token.id.into(),
        name: token.name,
        labels: read_labels(token.labels)?,
        uses_max: small(token.uses_max),
        uses: small(token.uses),
        expires_at: token.expires_at,
        revoked_at: token.revoked_at,
        created_by: token.created_by.map(Into::into),
        created_at: token.created_at,
    };
    token.admit(now)?;
    sqlx::query!(
        "update enroll_tokens set uses = uses + 1 where id = $1",
        token.id.0
    )
    .execute(&mut **tx)
    .await?;
    sqlx::query!(
        "insert into nodes (id, name, labels, signing_key, seal_key, enroll_token_id,
            software_version, enrolled_at)
        values ($1, $2, $3, $4, $5, $6, $7, $8)",
        node.id.0,
        node.name,
        write_labels(&token.labels),
        &node.signing_key[..],
        &node.seal_key[..],
        token.id.0,
        node.software_version,
        now
    )
    .execute(&mut **tx)
    .await?;
    Ok((get(tx, node.id).await?, true))
}

/// Served by the primary key.
pub async fn get(tx: &mut PlatformTx, id: NodeId) -> Result<Node> {
    find(tx, id).await?.ok_or(Error::NotFound { what: "node" })
}

/// Served by the primary key.
pub async fn find(tx: &mut PlatformTx, id: NodeId) -> Result<Option<Node>> {
    sqlx::query_as!(
        Raw,
        "select id, name, labels, signing_key, seal_key, software_version, incarnation,
            applied_epoch, applied_revision, rejected_epoch, rejected_revision, rejected_code,
            rejected_detail, enrolled_at, last_seen_at, revoked_at
        from nodes where id = $1",
        id.0
    )
    .fetch_optional(&mut **tx)
    .await?
    .map(Raw::read)
    .transpose()
}

/// Oldest first, after `after`. Served by the primary key.
pub async fn list(tx: &mut PlatformTx, after: Option<NodeId>, limit: u32) -> Result<Vec<Node>> {
    sqlx::query_as!(
        Raw,
        "select id, name, labels, signing_key, seal_key, software_version, incarnation,
            applied_epoch, applied_revision, rejected_epoch, rejected_revision, rejected_code,
            rejected_detail, enrolled_at, last_seen_at, revoked_at
        from nodes where id > $1 order by id limit $2",
        after.map_or(Uuid::nil(), |id| id.0),
        i64::from(limit)
    )
    .fetch_all(&mut **tx)
    .await?
    .into_iter()
    .map(Raw::read)
    .collect()
}

/// What a node said in its last poll.
#[derive(Debug, Clone)]
pub struct Seen {
    pub id: NodeId,
    pub applied: Version,
    pub rejected: Option<Rejected>,
    pub at: OffsetDateTime,
}

/// Notes what nodes said; many at once, so that polls cost no write each. Reports that come out of
/// order do not turn the clock back.
pub async fn note_seen(tx: &mut PlatformTx, seen: &[Seen]) -> Result<()> {
    let mut seen: Vec<&Seen> = seen.iter().collect();
    seen.sort_by_key(|one| one.id);
    for one in seen {
        let rejected = one.rejected.as_ref();
        sqlx::query!(
            "update nodes set last_seen_at = $2, applied_epoch = $3, applied_revision = $4,
                rejected_epoch = $5, rejected_revision = $6, rejected_code = $7,
                rejected_detail = $8
            where id = $1 and (last_seen_at is null or last_seen_at <= $2)",
            one.id.0,
            one.at,
            signed(one.applied.epoch),
            signed(one.applied.revision),
            rejected.map(|rejected| signed(rejected.version.epoch)),
            rejected.map(|rejected| signed(rejected.version.revision)),
            rejected.map(|rejected| rejected.code.as_str()),
            rejected.map(|rejected| rejected.detail.as_str())
        )
        .execute(&mut **tx)
        .await?;
    }
    Ok(())
}

/// From now on its calls are refused. Rotating what it knew is the caller's next step.
pub async fn revoke(tx: &mut PlatformTx, id: NodeId, now: OffsetDateTime) -> Result<Node> {
    sqlx::query!(
        "update nodes set revoked_at = coalesce(revoked_at, $2) where id = $1",
        id.0,
        now
    )
    .execute(&mut **tx)
    .await?;
    get(tx, id).await
}

/// Why a process of a node is not listened to.
#[derive(Debug, thiserror::Error)]
pub enum FenceError {
    /// A newer process took over.
    #[error("a newer process of the node took over")]
    Fenced,
    #[error(transparent)]
    Store(#[from] Error),
}

impl From<sqlx::Error> for FenceError {
    fn from(cause: sqlx::Error) -> Self {
        FenceError::Store(cause.into())
    }
}

/// Registers a process and fences the ones before it. `process` is random: asked again, it gets
/// the same number, unless a newer process came meanwhile.
pub async fn register_incarnation(
    tx: &mut PlatformTx,
    id: NodeId,
    process: u64,
) -> std::result::Result<u64, FenceError> {
    let current = sqlx::query_scalar!(
        "select incarnation from nodes where id = $1 for update",
        id.0
    )
    .fetch_optional(&mut **tx)
    .await?
    .ok_or(Error::NotFound { what: "node" })?;
    // All 64 bits fit: the sign means nothing here.
    let process = process.cast_signed();
    let known = sqlx::query_scalar!(
        "select incarnation from node_incarnations where node_id = $1 and process = $2",
        id.0,
        process
    )
    .fetch_optional(&mut **tx)
    .await?;
    match known {
        Some(known) if known == current => return Ok(unsigned(known)),
        Some(_) => return Err(FenceError::Fenced),
        None => {}
    }
    sqlx::query!(
        "insert into node_incarnations (node_id, incarnation, process) values ($1, $2, $3)",
        id.0,
        current + 1,
        process
    )
    .execute(&mut **tx)
    .await?;
    sqlx::query!(
        "update nodes set incarnation = $2 where id = $1",
        id.0,
        current + 1
    )
    .execute(&mut **tx)
    .await?;
    Ok(unsigned(current + 1))
}

/// Lets only the newest process through, and holds off a newer one until the transaction ends. A
/// number that the database does not know was lost by it: it is learnt.
pub(crate) async fn check_incarnation(
    tx: &mut PlatformTx,
    id: NodeId,
    incarnation: u64,
) -> std::result::Result<(), FenceError> {
    let claimed = signed(incarnation);
    let current = sqlx::query_scalar!(
        "select incarnation from nodes where id = $1 for share",
        id.0
    )
    .fetch_optional(&mut **tx)
    .await?
    .ok_or(Error::NotFound { what: "node" })?;
    if claimed < current || claimed == 0 {
        return Err(FenceError::Fenced);
    }
    if claimed > current {
        sqlx::query!(
            "insert into node_incarnations (node_id, incarnation) values ($1, $2)
            on conflict do nothing",
            id.0,
            claimed
        )
        .execute(&mut **tx)
        .await?;
        sqlx::query!(
            "update nodes set incarnation = greatest(incarnation, $2) where id = $1",
            id.0,
            claimed
        )
        .execute(&mut **tx)
        .await?;
    }
    Ok(())
}
