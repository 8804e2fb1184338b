//! Invitations into tenants. Only hashes of their tokens are kept; what is used up is deleted.

use domain::conflict::Conflict;
use domain::email::Email;
use domain::id::{InvitationId, TenantId, UserId};
use domain::invitation::{Invitation, OPEN_MAX};
use domain::role::{PlatformRole, Role};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::rows::word;
use crate::{Conn, Error, PlatformTx, Result};

struct Raw {
    id: Uuid,
    tenant_id: Uuid,
    email: String,
    role: String,
    sent_at: OffsetDateTime,
    expires_at: OffsetDateTime,
    created_at: OffsetDateTime,
}

impl Raw {
    fn read(self) -> Result<Invitation> {
        Ok(Invitation {
            id: self.id.into(),
            tenant_id: self.tenant_id.into(),
            email: self.email,
            role: word("role", &self.role)?,
            sent_at: self.sent_at,
            expires_at: self.expires_at,
            created_at: self.created_at,
        })
    }
}

#[derive(Debug)]
pub struct NewInvitation<'a> {
    pub id: InvitationId,
    pub email: &'a Email,
    pub role: Role,
    pub hash: [u8; 32],
    /// `None`: the program itself.
    pub invited_by: Option<UserId>,
    pub expires_at: OffsetDateTime,
}

/// Another link of an invitation.
#[derive(Debug)]
pub struct Renewal {
    pub hash: [u8; 32],
    pub invited_by: Option<UserId>,
    pub expires_at: OffsetDateTime,
}

/// What a link is for.
#[derive(Debug)]
pub struct OpenInvitation {
    pub invitation: Invitation,
    /// The tenant's name.
    pub tenant: String,
    /// `None`: the program itself.
    pub inviter: Option<Inviter>,
}

/// What the one who sent a link is now.
#[derive(Debug)]
pub struct Inviter {
    pub user: UserId,
    pub email: String,
    /// `None`: no member any more, or disabled, here or everywhere.
    pub role: Option<Role>,
    pub platform_role: Option<PlatformRole>,
}

/// Invites an address once at a time; one that ran out gives way.
pub async fn insert(
    tx: &mut Conn,
    tenant: TenantId,
    new: &NewInvitation<'_>,
    now: OffsetDateTime,
) -> Result<Invitation> {
    // Invitations at once are counted one after the other.
    crate::tenants::take_turn(tx, tenant).await?;
    let is_member = sqlx::query_scalar!(
        r#"select exists (
            select from members m join users u on u.id = m.user_id
            where m.tenant_id = $1 and u.email = $2
        ) as "is_member!""#,
        tenant.0,
        new.email.as_str()
    )
    .fetch_one(&mut *tx)
    .await?;
    if is_member {
        return Err(Conflict::AlreadyMember.into());
    }
    sqlx::query!(
        "delete from invitations where tenant_id = $1 and email = $2 and expires_at <= $3",
        tenant.0,
        new.email.as_str(),
        now
    )
    .execute(&mut *tx)
    .await?;
    let open = sqlx::query_scalar!(
        r#"select count(*) as "count!" from invitations where tenant_id = $1 and expires_at > $2"#,
        tenant.0,
        now
    )
    .fetch_one(&mut *tx)
    .await?;
    if open >= i64::from(OPEN_MAX) {
        return Err(Conflict::TooManyInvitations.into());
    }
    sqlx::query!(
        "insert into invitations (id, tenant_id, email, role, hash, sent_at, expires_at, created_at,
            invited_by)
        values ($1, $2, $3, $4, $5, $6, $7, $6, $8)",
        new.id.0,
        tenant.0,
        new.email.as_str(),
        new.role.as_str(),
        &new.hash[..],
        now,
        new.expires_at,
        new.invited_by.map(|user| user.0)
    )
    .execute(&mut *tx)
    .await?;
    get(tx, tenant, new.id).await
}

/// Served by the unique index over tenant and id.
pub async fn get(tx: &mut Conn, tenant: TenantId, id: InvitationId) -> Result<Invitation> {
    sqlx::query_as!(
        Raw,
        "select id, tenant_id, email, role, sent_at, expires_at, created_at
        from invitations where tenant_id = $1 and id = $2",
        tenant.0,
        id.0
    )
    .fetch_optional(tx)
    .await?
    .ok_or(Error::NotFound { what: "invitation" })?
    .read()
}

/// Oldest first, after `after`; those that ran out too. Served by the unique index over tenant and
/// id.
pub async fn list(
    tx: &mut Conn,
    tenant: TenantId,
    after: Option<InvitationId>,
    limit: u32,
) -> Result<Vec<Invitation>> {
    sqlx::query_as!(
        Raw,
        "select id, tenant_id, email, role, sent_at, expires_at, created_at
        from invitations where tenant_id = $1 and id > $2 order by id limit $3",
        tenant.0,
        after.map_or(Uuid::nil(), |id| id.0),
        i64::from(limit)
    )
    .fetch_all(tx)
    .await?
    .into_iter()
    .map(Raw::read)
    .collect()
}

/// Gives it another token: the link that was mailed before works no more.
pub async fn renew(
    tx: &mut Conn,
    (tenant, id): (TenantId, InvitationId),
    renewal: &Renewal,
    now: OffsetDateTime,
) -> Result<Invitation> {
    sqlx::query!(
        "update invitations set hash = $3, sent_at = $4, expires_at = $5, invited_by = $6
        where tenant_id = $1 and id = $2",
        tenant.0,
        id.0,
        &renewal.hash[..],
        now,
        renewal.expires_at,
        renewal.invited_by.map(|user| user.0)
    )
    .execute(&mut *tx)
    .await?;
    get(tx, tenant, id).await
}

pub async fn delete(tx: &mut Conn, tenant: TenantId, id: InvitationId) -> Result<()> {
    let gone = sqlx::query!(
        "delete from invitations where tenant_id = $1 and id = $2",
        tenant.0,
        id.0
    )
    .execute(tx)
    .await?;
    match gone.rows_affected() {
        0 => Err(Error::NotFound { what: "invitation" }),
        _ => Ok(()),
    }
}

/// The invitation that a link is for: unless it ran out or the tenant is suspended. Held until the
/// transaction ends, so that a link is used once. Served by `invitations_hash_key`.
pub async fn find_open(
    tx: &mut PlatformTx,
    hash: &[u8; 32],
    now: OffsetDateTime,
) -> Result<Option<OpenInvitation>> {
    sqlx::query!(
        r#"select i.id, i.tenant_id, i.email, i.role, i.sent_at, i.expires_at, i.created_at,
            t.name as tenant_name, i.invited_by, u.email as "inviter_email?",
            m.role as "inviter_role?", p.role as "platform_role?"
        from invitations i
        join tenants t on t.id = i.tenant_id
        left join users u on u.id = i.invited_by
        left join members m
            on m.tenant_id = i.tenant_id and m.user_id = i.invited_by and m.status = 'active'
                and u.disabled_at is null
        left join platform_members p on p.user_id = i.invited_by and u.disabled_at is null
        where i.hash = $1 and i.expires_at > $2 and t.status = 'active' for update of i"#,
        &hash[..],
        now
    )
    .fetch_optional(&mut **tx)
    .await?
    .map(|row| {
        let raw = Raw {
            id: row.id,
            tenant_id: row.tenant_id,
            email: row.email,
            role: row.role,
            sent_at: row.sent_at,
            expires_at: row.expires_at,
            created_at: row.created_at,
        };
        let inviter = row.invited_by.map(|user| {
            let platform_role = row.platform_role.as_deref();
            Ok::<_, Error>(Inviter {
                user: user.into(),
                email: row.inviter_email.unwrap_or_default(),
                role: row
                    .inviter_role
                    .as_deref()
                    .map(|role| word("role", role))
                    .transpose()?,
                platform_role: platform_role
                    .map(|role| word("platform role", role))
                    .transpose()?,
            })
        });
        Ok(OpenInvitation {
            invitation: raw.read()?,
            tenant: row.tenant_name,
            inviter: inviter.transpose()?,
        })
    })
    .transpose()
}

/// Deletes those that ran out before `before`, at most `limit`. Served by `invitations_expires`.
pub async fn all_tenants_delete_expired(
    tx: &mut PlatformTx,
    before: OffsetDateTime,
    limit: u32,
) -> Result<()> {
    sqlx::query!(
        "delete from invitations where id in (
            select id from invitations where expires_at < $1 order by expires_at limit $2
        )",
        before,
        i64::from(limit)
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}
