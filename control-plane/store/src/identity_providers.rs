//! OpenID providers of others, through which people sign in. `None` as tenant: of the platform.

use std::collections::BTreeMap;

use domain::conflict::Conflict;
use domain::id::{ProviderId, TenantId};
use domain::identity_provider::{
    IdentityProvider, Issuer, PROVIDERS_OF_TENANT_MAX, ProviderName, ProviderTerms,
};
use domain::tenant_domain::DomainName;
use serde_json::{Value, json};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::rows::word;
use crate::{Conn, Error, PlatformTx, Result, edition, tenants};

struct Raw {
    id: Uuid,
    tenant_id: Option<Uuid>,
    name: String,
    issuer: String,
    client_id: String,
    sealed_client_secret: Option<Vec<u8>>,
    scopes: Vec<String>,
    name_claim: String,
    groups_claim: String,
    groups: Value,
    domains: Vec<String>,
    links_by_address: bool,
    makes_people: bool,
    role: String,
    is_enabled: bool,
    edition: i32,
    created_at: OffsetDateTime,
}

impl Raw {
    fn read(self) -> Result<IdentityProvider> {
        let corrupt = || Error::corrupt("identity provider");
        let groups: BTreeMap<String, String> =
            serde_json::from_value(self.groups).map_err(|_| corrupt())?;
        let parse = |text: &String| DomainName::parse(text).map_err(|_| corrupt());
        let domains = self.domains.iter().map(parse);
        Ok(IdentityProvider {
            id: self.id.into(),
            tenant_id: self.tenant_id.map(TenantId),
            issuer: Issuer::parse(&self.issuer).map_err(|_| corrupt())?,
            terms: ProviderTerms {
                name: ProviderName::parse(&self.name).map_err(|_| corrupt())?,
                client_id: self.client_id,
                scopes: self.scopes,
                name_claim: self.name_claim,
                groups_claim: self.groups_claim,
                groups,
                domains: domains.collect::<Result<_>>()?,
                links_by_address: self.links_by_address,
                makes_people: self.makes_people,
                role: word("role", &self.role)?,
                is_enabled: self.is_enabled,
            },
            sealed_client_secret: self.sealed_client_secret,
            edition: self.edition,
            created_at: self.created_at,
        })
    }
}

fn texts(domains: &[DomainName]) -> Vec<String> {
    domains.iter().map(|one| one.as_str().to_owned()).collect()
}

/// A provider before it has an edition.
#[derive(Debug)]
pub struct NewProvider<'a> {
    pub id: ProviderId,
    pub issuer: &'a Issuer,
    pub terms: &'a ProviderTerms,
    pub sealed_client_secret: Option<&'a [u8]>,
}

pub async fn insert(
    tx: &mut Conn,
    tenant: Option<TenantId>,
    new: &NewProvider<'_>,
) -> Result<IdentityProvider> {
    if let Some(tenant) = tenant {
        // Two at once are counted one after the other.
        tenants::lock(tx, tenant, None).await?;
    }
    let count = sqlx::query_scalar!(
        r#"select count(*) as "count!" from identity_providers
        where tenant_id is not distinct from $1"#,
        tenant.map(|tenant| tenant.0)
    )
    .fetch_one(&mut *tx)
    .await?;
    if usize::try_from(count).is_ok_and(|count| count >= PROVIDERS_OF_TENANT_MAX) {
        return Err(Conflict::TooManyProviders.into());
    }
    let terms = new.terms;
    sqlx::query!(
        "insert into identity_providers (id, tenant_id, name, issuer, client_id,
            sealed_client_secret, scopes, name_claim, groups_claim, groups, domains,
            links_by_address, makes_people, role, is_enabled)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)",
        new.id.0,
        tenant.map(|tenant| tenant.0),
        terms.name.as_str(),
        new.issuer.as_str(),
        terms.client_id,
        new.sealed_client_secret,
        &terms.scopes,
        terms.name_claim,
        terms.groups_claim,
        json!(terms.groups),
        &texts(&terms.domains),
        terms.links_by_address,
        terms.makes_people,
        terms.role.as_str(),
        terms.is_enabled
    )
    .execute(&mut *tx)
    .await?;
    get(tx, tenant, new.id).await
}

/// Served by the primary key.
pub async fn get(
    tx: &mut Conn,
    tenant: Option<TenantId>,
    id: ProviderId,
) -> Result<IdentityProvider> {
    sqlx::query_as!(
        Raw,
        "select id, tenant_id, name, issuer, client_id, sealed_client_secret, scopes, name_claim,
            groups_claim, groups, domains, links_by_address, makes_people, role, is_enabled,
            edition, created_at
        from identity_providers where tenant_id is not distinct from $1 and id = $2",
        tenant.map(|tenant| tenant.0),
        id.0
    )
    .fetch_optional(tx)
    .await?
    .ok_or(Error::NotFound {
        what: "identity provider",
    })?
    .read()
}

/// Oldest first, after `after`. Served by `identity_providers_tenant`.
pub async fn list(
    tx: &mut Conn,
    tenant: Option<TenantId>,
    after: Option<ProviderId>,
    limit: u32,
) -> Result<Vec<IdentityProvider>> {
    sqlx::query_as!(
        Raw,
        "select id, tenant_id, name, issuer, client_id, sealed_client_secret, scopes, name_claim,
            groups_claim, groups, domains, links_by_address, makes_people, role, is_enabled,
            edition, created_at
        from identity_providers where tenant_id is not distinct from $1 and id > $2
        order by id limit $3",
        tenant.map(|tenant| tenant.0),
        after.map_or(Uuid::nil(), |id| id.0),
        i64::from(limit)
    )
    .fetch_all(tx)
    .await?
    .into_iter()
    .map(Raw::read)
    .collect()
}

/// What an edit does to the secret.
#[derive(Debug, Clone, Copy)]
pub enum SecretEdit<'a> {
    Keep,
    Set(&'a [u8]),
    Remove,
}

/// The issuer stays: the subjects of links are its own.
pub async fn update(
    tx: &mut Conn,
    (tenant, id): (Option<TenantId>, ProviderId),
    (terms, secret): (&ProviderTerms, SecretEdit<'_>),
    seen: Option<i32>,
) -> Result<IdentityProvider> {
    let present = sqlx::query_scalar!(
        "select edition from identity_providers
        where tenant_id is not distinct from $1 and id = $2 for update",
        tenant.map(|tenant| tenant.0),
        id.0
    )
    .fetch_optional(&mut *tx)
    .await?;
    edition::check("identity provider", present, seen)?;
    let (keeps, sealed) = match secret {
        SecretEdit::Keep => (true, None),
        SecretEdit::Set(sealed) => (false, Some(sealed)),
        SecretEdit::Remove => (false, None),
    };
    sqlx::query!(
        "update identity_providers set name = $3, client_id = $4,
            sealed_client_secret = case when $5 then sealed_client_secret else $6 end,
            scopes = $7, name_claim = $8, groups_claim = $9, groups = $10, domains = $11,
            links_by_address = $12, makes_people = $13, role = $14, is_enabled = $15,
            edition = edition + 1
        where tenant_id is not distinct from $1 and id = $2",
        tenant.map(|tenant| tenant.0),
        id.0,
        terms.name.as_str(),
        terms.client_id,
        keeps,
        sealed,
        &terms.scopes,
        terms.name_claim,
        terms.groups_claim,
        json!(terms.groups),
        &texts(&terms.domains),
        terms.links_by_address,
        terms.makes_people,
        terms.role.as_str(),
        terms.is_enabled
    )
    .execute(&mut *tx)
    .await?;
    get(tx, tenant, id).await
}

/// Its links go with it.
pub async fn delete(tx: &mut Conn, tenant: Option<TenantId>, id: ProviderId) -> Result<()> {
    let gone = sqlx::query!(
        "delete from identity_providers where tenant_id is not distinct from $1 and id = $2",
        tenant.map(|tenant| tenant.0),
        id.0
    )
    .execute(tx)
    .await?;
    match gone.rows_affected() {
        0 => Err(Error::NotFound {
            what: "identity provider",
        }),
        _ => Ok(()),
    }
}

/// One that people may sign in through now: enabled, and its tenant, if any, active.
pub async fn all_tenants_find_open(
    tx: &mut PlatformTx,
    id: ProviderId,
) -> Result<Option<IdentityProvider>> {
    sqlx::query_as!(
        Raw,
        "select p.id, p.tenant_id, p.name, p.issuer, p.client_id, p.sealed_client_secret, p.scopes,
            p.name_claim, p.groups_claim, p.groups, p.domains, p.links_by_address, p.makes_people,
            p.role, p.is_enabled, p.edition, p.created_at
        from identity_providers p left join tenants t on t.id = p.tenant_id
        where p.id = $1 and p.is_enabled and (p.tenant_id is null or t.status = 'active')",
        id.0
    )
    .fetch_optional(&mut **tx)
    .await?
    .map(Raw::read)
    .transpose()
}

/// Those of the platform and of this tenant that people may sign in through now, the platform's
/// first, by name.
pub async fn all_tenants_list_open(
    tx: &mut PlatformTx,
    tenant: Option<TenantId>,
) -> Result<Vec<IdentityProvider>> {
    sqlx::query_as!(
        Raw,
        "select p.id, p.tenant_id, p.name, p.issuer, p.client_id, p.sealed_client_secret, p.scopes,
            p.name_claim, p.groups_claim, p.groups, p.domains, p.links_by_address, p.makes_people,
            p.role, p.is_enabled, p.edition, p.created_at
        from identity_providers p left join tenants t on t.id = p.tenant_id
        where p.is_enabled and (p.tenant_id is null or (p.tenant_id = $1 and t.status = 'active'))
        order by p.tenant_id nulls first, lower(p.name), p.id limit $2",
        tenant.map(|tenant| tenant.0),
        2 * PROVIDERS_OF_TENANT_MAX as i64
    )
    .fetch_all(&mut **tx)
    .await?
    .into_iter()
    .map(Raw::read)
    .collect()
}

/// Whether any tenant's provider is for the addresses of a domain.
pub async fn all_tenants_have_domain(tx: &mut PlatformTx) -> Result<bool> {
    let found = sqlx::query_scalar!(
        r#"select exists (
            select from identity_providers
            where tenant_id is not null and is_enabled and cardinality(domains) > 0
        ) as "found!""#
    )
    .fetch_one(&mut **tx)
    .await?;
    Ok(found)
}

/// Tenants' providers that may sign in people with addresses of this domain: it is proven. Served
/// by `identity_providers_domains`.
pub async fn all_tenants_list_of_domain(
    tx: &mut PlatformTx,
    domain: &DomainName,
) -> Result<Vec<IdentityProvider>> {
    sqlx::query_as!(
        Raw,
        "select p.id, p.tenant_id, p.name, p.issuer, p.client_id, p.sealed_client_secret, p.scopes,
            p.name_claim, p.groups_claim, p.groups, p.domains, p.links_by_address, p.makes_people,
            p.role, p.is_enabled, p.edition, p.created_at
        from identity_providers p
        join tenants t on t.id = p.tenant_id and t.status = 'active'
        join tenant_domains d on d.tenant_id = p.tenant_id and d.domain = $1
        where p.domains @> array[$1] and p.is_enabled and d.proven_at is not null
        order by lower(p.name), p.id limit $2",
        domain.as_str(),
        PROVIDERS_OF_TENANT_MAX as i64
    )
    .fetch_all(&mut **tx)
    .await?
    .into_iter()
    .map(Raw::read)
    .collect()
}
