//! Who changed what. Events are only ever added, in the transaction of the change.

use domain::audit::{Actor, Event};
use domain::id::{EventId, TenantId};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::rows::word;
use crate::{Conn, PlatformTx, Result};

struct Raw {
    id: Uuid,
    tenant_id: Option<Uuid>,
    actor_kind: String,
    actor_id: Option<Uuid>,
    actor_label: String,
    action: String,
    noun: String,
    noun_id: Option<Uuid>,
    noun_label: String,
    before: Option<serde_json::Value>,
    after: Option<serde_json::Value>,
    request_id: Option<String>,
    at: OffsetDateTime,
}

impl Raw {
    fn read(self) -> Result<Event> {
        Ok(Event {
            id: self.id.into(),
            tenant_id: self.tenant_id.map(Into::into),
            actor: Actor {
                kind: word("actor", &self.actor_kind)?,
                id: self.actor_id,
                label: self.actor_label,
            },
            action: self.action,
            noun: self.noun,
            noun_id: self.noun_id,
            noun_label: self.noun_label,
            before: self.before,
            after: self.after,
            request_id: self.request_id,
            at: self.at,
        })
    }
}

pub async fn insert(tx: &mut Conn, event: &Event) -> Result<()> {
    sqlx::query!(
        "insert into audit_events (id, tenant_id, actor_kind, actor_id, actor_label, action, noun,
            noun_id, noun_label, before, after, request_id, at)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
        event.id.0,
        event.tenant_id.map(|id| id.0),
        event.actor.kind.as_str(),
        event.actor.id,
        event.actor.label,
        event.action,
        event.noun,
        event.noun_id,
        event.noun_label,
        event.before,
        event.after,
        event.request_id,
        event.at
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// What a list of events is narrowed to.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// `api_keys.revoke`.
    pub action: Option<String>,
    /// The thing that was changed.
    pub noun_id: Option<Uuid>,
    /// Who changed it.
    pub actor_id: Option<Uuid>,
    /// Part of the name or address of who changed it.
    pub actor: Option<String>,
    /// The thing that was changed, or the tenant that it belongs to.
    pub subject_id: Option<Uuid>,
    /// From then on.
    pub from: Option<OffsetDateTime>,
    /// Before then.
    pub to: Option<OffsetDateTime>,
}

/// Of a tenant, the newest first, before `before`. Served by `audit_events_tenant`.
pub async fn list(
    tx: &mut Conn,
    tenant: TenantId,
    filter: &Filter,
    before: Option<EventId>,
    limit: u32,
) -> Result<Vec<Event>> {
    sqlx::query_as!(
        Raw,
        "select id, tenant_id, actor_kind, actor_id, actor_label, action, noun, noun_id,
            noun_label, before, after, request_id, at
        from audit_events
        where tenant_id = $1 and ($2::uuid is null or id < $2)
            and ($3::text is null or action = $3) and ($4::uuid is null or noun_id = $4)
            and ($5::uuid is null or actor_id = $5)
            and ($6::text is null or position(lower($6) in lower(actor_label)) > 0)
            and ($7::uuid is null or noun_id = $7)
            and ($8::timestamptz is null or at >= $8) and ($9::timestamptz is null or at < $9)
        order by id desc limit $10",
        tenant.0,
        before.map(|id| id.0),
        filter.action,
        filter.noun_id,
        filter.actor_id,
        filter.actor,
        filter.subject_id,
        filter.from,
        filter.to,
        i64::from(limit)
    )
    .fetch_all(tx)
    .await?
    .into_iter()
    .map(Raw::read)
    .collect()
}

/// Of everybody, the newest first, before `before`. Served by the primary key.
pub async fn all_tenants_list(
    tx: &mut PlatformTx,
    filter: &Filter,
    before: Option<EventId>,
    limit: u32,
) -> Result<Vec<Event>> {
    sqlx::query_as!(
        Raw,
        "select id, tenant_id, actor_kind, actor_id, actor_label, action, noun, noun_id,
            noun_label, before, after, request_id, at
        from audit_events
        where ($1::uuid is null or id < $1)
            and ($2::text is null or action = $2) and ($3::uuid is null or noun_id = $3)
            and ($4::uuid is null or actor_id = $4)
            and ($5::text is null or position(lower($5) in lower(actor_label)) > 0)
            and ($6::uuid is null or noun_id = $6 or tenant_id = $6)
            and ($7::timestamptz is null or at >= $7) and ($8::timestamptz is null or at < $8)
        order by id desc limit $9",
        before.map(|id| id.0),
        filter.action,
        filter.noun_id,
        filter.actor_id,
        filter.actor,
        filter.subject_id,
        filter.from,
        filter.to,
        i64::from(limit)
    )
    .fetch_all(&mut **tx)
    .await?
    .into_iter()
    .map(Raw::read)
    .collect()
}
