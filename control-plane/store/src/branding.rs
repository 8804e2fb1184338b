//! How pages look on the way to a tenant's applications.

use domain::branding::{Branding, BrandingTerms, Colour};
use domain::id::{ClientId, TenantId};

use crate::{Conn, Error, PlatformTx, Result};

struct Raw {
    name: Option<String>,
    accent: Option<String>,
    support_url: Option<String>,
    privacy_url: Option<String>,
    terms_url: Option<String>,
    logo_hash: Option<String>,
    edition: i32,
}

impl Raw {
    fn read(self) -> Result<Branding> {
        let accent = self.accent.as_deref().map(Colour::parse).transpose();
        Ok(Branding {
            terms: BrandingTerms {
                name: self.name,
                accent: accent.map_err(|_| Error::corrupt("accent"))?,
                support_url: self.support_url,
                privacy_url: self.privacy_url,
                terms_url: self.terms_url,
            },
            logo_hash: self.logo_hash,
            edition: self.edition,
        })
    }
}

/// Without the logo. Served by the primary key.
pub async fn find(tx: &mut Conn, tenant: TenantId) -> Result<Branding> {
    let found = sqlx::query_as!(
        Raw,
        "select name, accent, support_url, privacy_url, terms_url, logo_hash, edition
        from tenant_branding where tenant_id = $1",
        tenant.0
    )
    .fetch_optional(tx)
    .await?;
    found.map_or_else(|| Ok(Branding::default()), Raw::read)
}

/// Of the tenant whose application this is, with that tenant's id and name; none of an application
/// that is not there or switched off. Served by the primary keys.
pub async fn all_tenants_find_of_client(
    tx: &mut PlatformTx,
    client: ClientId,
) -> Result<Option<(TenantId, Branding)>> {
    let tenant = sqlx::query_scalar!(
        "select c.tenant_id from oauth_clients c join tenant_branding b on b.tenant_id = c.tenant_id
        where c.id = $1 and c.is_enabled",
        client.0
    )
    .fetch_optional(&mut **tx)
    .await?;
    match tenant {
        None => Ok(None),
        Some(tenant) => {
            let tenant = TenantId(tenant);
            Ok(Some((tenant, find(tx, tenant).await?)))
        }
    }
}

/// The logo with this hash. Served by the primary key.
pub async fn all_tenants_find_logo(
    tx: &mut PlatformTx,
    tenant: TenantId,
    hash: &str,
) -> Result<Option<Vec<u8>>> {
    Ok(sqlx::query_scalar!(
        r#"select logo as "logo!" from tenant_branding where tenant_id = $1 and logo_hash = $2"#,
        tenant.0,
        hash
    )
    .fetch_optional(&mut **tx)
    .await?)
}

/// Saves all but the logo, if the edition is the one that was `seen`.
pub async fn save(
    tx: &mut Conn,
    tenant: TenantId,
    terms: &BrandingTerms,
    seen: Option<i32>,
) -> Result<Branding> {
    lock(tx, tenant, seen).await?;
    sqlx::query_as!(
        Raw,
        "update tenant_branding set name = $2, accent = $3, support_url = $4, privacy_url = $5,
            terms_url = $6, edition = edition + 1
        where tenant_id = $1
        returning name, accent, support_url, privacy_url, terms_url, logo_hash, edition",
        tenant.0,
        terms.name,
        terms.accent.map(|accent| accent.to_string()),
        terms.support_url,
        terms.privacy_url,
        terms.terms_url
    )
    .fetch_one(tx)
    .await?
    .read()
}

/// Replaces the logo (hash and PNG), or takes it away.
pub async fn save_logo(
    tx: &mut Conn,
    tenant: TenantId,
    logo: Option<(&str, &[u8])>,
) -> Result<Branding> {
    lock(tx, tenant, None).await?;
    sqlx::query_as!(
        Raw,
        "update tenant_branding set logo_hash = $2, logo = $3, edition = edition + 1
        where tenant_id = $1
        returning name, accent, support_url, privacy_url, terms_url, logo_hash, edition",
        tenant.0,
        logo.map(|(hash, _)| hash),
        logo.map(|(_, png)| png)
    )
    .fetch_one(tx)
    .await?
    .read()
}

/// Makes the row that is edited, and holds it: of two edits from one edition the second fails.
async fn lock(tx: &mut Conn, tenant: TenantId, seen: Option<i32>) -> Result<()> {
    sqlx::query!(
        "insert into tenant_branding (tenant_id, edition) values ($1, 0)
        on conflict (tenant_id) do nothing",
        tenant.0
    )
    .execute(&mut *tx)
    .await?;
    let found = sqlx::query_scalar!(
        "select edition from tenant_branding where tenant_id = $1 for update",
        tenant.0
    )
    .fetch_one(&mut *tx)
    .await?;
    crate::edition::check("branding", Some(found), seen)
}
