//! Access tokens that nodes refuse before they expire: single ones, and all that were issued before
//! an instant.

use domain::id::{ClientId, TenantId, UserId};
use snapshot::revocation::{RevocationKey, RevocationKind};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::dirty::{self, Mark};
use crate::rows::unsigned;
use crate::{Conn, PlatformTx, Result};

/// No access token lives longer (the schema of `oauth_clients` sees to it), and nodes' clocks may
/// be some minutes behind.
const NEEDED_FOR: time::Duration = time::Duration::seconds(86_400 + 600);

/// What is refused of all that was issued before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revocation {
    key: RevocationKey,
    /// `None`: of a person, whatever the tenant.
    tenant_id: Option<TenantId>,
    /// All issued at or before this instant.
    issued_before: OffsetDateTime,
}

impl Revocation {
    fn new(key: RevocationKey, tenant_id: Option<TenantId>, issued_before: OffsetDateTime) -> Self {
        Self {
            key,
            tenant_id,
            issued_before,
        }
    }

    /// All of a person's tokens, in every tenant.
    pub fn user(user: UserId, now: OffsetDateTime) -> Self {
        Self::new(RevocationKey::user(user), None, now)
    }

    /// A person's tokens for one tenant.
    pub fn member(tenant: TenantId, user: UserId, now: OffsetDateTime) -> Self {
        Self::new(RevocationKey::member(tenant, user), Some(tenant), now)
    }

    /// Tokens that a client got, whoever's they are.
    pub fn client(client: ClientId, tenant: TenantId, now: OffsetDateTime) -> Self {
        Self::new(RevocationKey::client(client), Some(tenant), now)
    }

    /// All tokens for a tenant.
    pub fn tenant(tenant: TenantId, now: OffsetDateTime) -> Self {
        Self::new(RevocationKey::tenant(tenant), Some(tenant), now)
    }
}

/// A single token or a single sign-in. A tenant has few of them: see [`insert_single`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Single {
    key: RevocationKey,
    tenant: TenantId,
    owner: RevocationKey,
    issued_before: OffsetDateTime,
}

impl Single {
    /// One token, by its `jti`.
    pub fn token(jti: Uuid, tenant: TenantId, owner: Owner, now: OffsetDateTime) -> Self {
        Self {
            key: RevocationKey::token(jti),
            tenant,
            owner: owner.key(tenant),
            issued_before: now,
        }
    }

    /// All tokens of a person's grant (`origin_jti`).
    pub fn grant(grant: Uuid, tenant: TenantId, user: UserId, now: OffsetDateTime) -> Self {
        Self {
            key: RevocationKey::grant(grant),
            tenant,
            owner: Owner::Person(user).key(tenant),
            issued_before: now,
        }
    }
}

/// Whose token it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    Person(UserId),
    /// The client's own.
    Client(ClientId),
}

impl Owner {
    fn key(self, tenant: TenantId) -> RevocationKey {
        match self {
            Owner::Person(user) => RevocationKey::member(tenant, user),
            Owner::Client(client) => RevocationKey::client(client),
        }
    }
}

/// Single revocations that a tenant has at most: what nodes keep of one tenant is bounded by it and
/// by its members and clients.
pub const SINGLES_MAX: u32 = 1_000;

/// The word that the table has for a kind.
fn word(kind: RevocationKind) -> &'static str {
    match kind {
        RevocationKind::Token => "token",
        RevocationKind::Grant => "grant",
        RevocationKind::User => "user",
        RevocationKind::Member => "member",
        RevocationKind::Client => "client",
        RevocationKind::Tenant => "tenant",
    }
}

/// The key in the snapshot of a row.
pub(crate) fn read_key(kind: &str, subject: &[u8]) -> Result<RevocationKey> {
    let mut kinds = RevocationKind::ALL.into_iter();
    kinds
        .find(|known| word(*known) == kind)
        .and_then(|kind| RevocationKey::new(kind, subject).ok())
        .ok_or_else(|| crate::Error::corrupt("revocation"))
}

/// The kind and subject of a row.
pub(crate) fn columns(key: &RevocationKey) -> (&'static str, &[u8]) {
    (word(key.kind()), key.subject())
}

/// Has nodes refuse tokens; a later instant replaces an earlier one, never the other way.
pub async fn insert(tx: &mut Conn, revocation: &Revocation) -> Result<()> {
    let (kind, subject) = columns(&revocation.key);
    sqlx::query!(
        "insert into revocations (kind, subject, tenant_id, issued_before, drop_after)
        values ($1, $2, $3, $4, $5)
        on conflict (kind, subject) do update set
            issued_before = greatest(revocations.issued_before, excluded.issued_before),
            drop_after = greatest(revocations.drop_after, excluded.drop_after)",
        kind,
        subject,
        revocation.tenant_id.map(|id| id.0),
        revocation.issued_before,
        revocation.issued_before + NEEDED_FOR
    )
    .execute(&mut *tx)
    .await?;
    dirty::mark(tx, &[Mark::Revocation(revocation.key)]).await
}

/// Has nodes refuse a single token or sign-in. Where the tenant has more than `singles_max` of them,
/// those who have the most get a watermark in place of theirs: other tokens that they were given
/// until now are refused too, and have to be refreshed. Served by `revocations_owner`.
pub async fn insert_single(tx: &mut PlatformTx, single: &Single, singles_max: u32) -> Result<()> {
    let (kind, subject) = columns(&single.key);
    let now = single.issued_before;
    sqlx::query!(
        "insert into revocations (kind, subject, tenant_id, issued_before, drop_after, owner)
        values ($1, $2, $3, $4, $5, $6)
        on conflict (kind, subject) do update set
            issued_before = greatest(revocations.issued_before, excluded.issued_before),
            drop_after = greatest(revocations.drop_after, excluded.drop_after)",
        kind,
        subject,
        single.tenant.0,
        now,
        now + NEEDED_FOR,
        single.owner.subject()
    )
    .execute(&mut **tx)
    .await?;
    dirty::mark(tx, &[Mark::Revocation(single.key)]).await?;
    let owners = sqlx::query!(
        r#"select owner as "owner!", count(*) as "count!" from revocations
        where tenant_id = $1 and owner is not null group by owner order by count(*) desc, owner"#,
        single.tenant.0
    )
    .fetch_all(&mut **tx)
    .await?;
    let mut count: u64 = owners.iter().map(|row| unsigned(row.count)).sum();
    for row in owners {
        if count <= u64::from(singles_max) {
            break;
        }
        count -= unsigned(row.count);
        fold(tx, single.tenant, &row.owner, now).await?;
    }
    Ok(())
}

/// Puts a watermark in place of an owner's single revocations.
async fn fold(
    tx: &mut PlatformTx,
    tenant: TenantId,
    owner: &[u8],
    now: OffsetDateTime,
) -> Result<()> {
    let gone = sqlx::query!(
        "delete from revocations where tenant_id = $1 and owner = $2 returning kind, subject",
        tenant.0,
        owner
    )
    .fetch_all(&mut **tx)
    .await?;
    let marks: Result<Vec<Mark>> = gone
        .iter()
        .map(|row| read_key(&row.kind, &row.subject).map(Mark::Revocation))
        .collect();
    dirty::mark(tx, &marks?).await?;
    let key = [RevocationKind::Member, RevocationKind::Client]
        .into_iter()
        .find_map(|kind| RevocationKey::new(kind, owner).ok())
        .ok_or_else(|| crate::Error::corrupt("owner of a revocation"))?;
    insert(tx, &Revocation::new(key, Some(tenant), now)).await
}

/// Forgets revocations of tokens that have expired by now, at most `limit`. Served by
/// `revocations_drop`.
pub async fn delete_expired(tx: &mut PlatformTx, now: OffsetDateTime, limit: u32) -> Result<()> {
    let gone = sqlx::query!(
        "delete from revocations where (kind, subject) in (
            select kind, subject from revocations where drop_after < $1
            order by drop_after limit $2
        ) returning kind, subject",
        now,
        i64::from(limit)
    )
    .fetch_all(&mut **tx)
    .await?;
    let marks: Result<Vec<Mark>> = gone
        .iter()
        .map(|row| read_key(&row.kind, &row.subject).map(Mark::Revocation))
        .collect();
    dirty::mark(tx, &marks?).await
}

/// What a token stands on.
#[derive(Debug, Clone, Copy)]
pub struct TokenOf {
    pub jti: Uuid,
    pub grant: Uuid,
    pub tenant: TenantId,
    pub client: ClientId,
    /// `None`: the client's own.
    pub user: Option<UserId>,
    /// Unix seconds.
    pub issued_at_s: i64,
}

/// Whether a token is refused: itself, because it was issued before its grant, person, membership,
/// client or tenant was cut off, or because its person is disabled. Served by the primary keys.
pub async fn covers(tx: &mut PlatformTx, token: &TokenOf) -> Result<bool> {
    let user = token.user.map_or_else(Vec::new, |user| user.to_bytes());
    let member = [token.tenant.to_bytes(), user.clone()].concat();
    let covers = sqlx::query_scalar!(
        r#"select exists (
            select from revocations where
                (kind = 'token' and subject = $1)
                or (issued_before >= to_timestamp($7::float8) and (
                    (kind = 'grant' and subject = $2)
                    or (kind = 'tenant' and subject = $3)
                    or (kind = 'client' and subject = $4)
                    or (kind = 'user' and subject = $5)
                    or (kind = 'member' and subject = $6)
                ))
        ) or exists (select from users where id = $8 and disabled_at is not null) as "covers!""#,
        &token.jti.as_bytes()[..],
        &token.grant.as_bytes()[..],
        &token.tenant.to_bytes(),
        &token.client.to_bytes(),
        &user,
        &member,
        token.issued_at_s as f64,
        token.user.map(|user| user.0)
    )
    .fetch_one(&mut **tx)
    .await?;
    Ok(covers)
}
