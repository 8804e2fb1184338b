//! OAuth clients of tenants, and their secrets.

use domain::id::{ClientId, TenantId};
use domain::oauth_client::{
    ClientKind, ClientSecret, ClientTerms, OauthClient, PlainClientSecret, RedirectUri,
};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::revocations::{self, Revocation};
use crate::rows::{bytes32, signed_small, small, word};
use crate::{Conn, Error, PlatformTx, Result};

struct Raw {
    id: Uuid,
    tenant_id: Uuid,
    name: String,
    kind: String,
    serves: String,
    sign_up: String,
    sign_up_domains: Vec<String>,
    redirect_uris: Vec<String>,
    logout_uris: Vec<String>,
    grants: Vec<String>,
    scopes: Vec<String>,
    requires_pkce: bool,
    signing_algorithm: String,
    encrypts_access_tokens: bool,
    access_token_seconds: i32,
    id_token_seconds: i32,
    refresh_token_seconds: i32,
    is_enabled: bool,
    cut_off_at: Option<OffsetDateTime>,
    edition: i32,
    created_at: OffsetDateTime,
}

impl Raw {
    fn read(self) -> Result<OauthClient> {
        let grants = self.grants.iter().map(|grant| word("grant", grant));
        Ok(OauthClient {
            id: self.id.into(),
            tenant_id: self.tenant_id.into(),
            kind: word("kind of client", &self.kind)?,
            serves: word("reach of a client", &self.serves)?,
            sign_up: word("sign-up of a client", &self.sign_up)?,
            redirect_uris: read_uris(&self.redirect_uris)?,
            logout_uris: read_uris(&self.logout_uris)?,
            grants: grants.collect::<Result<_>>()?,
            signing_algorithm: word("signing algorithm", &self.signing_algorithm)?,
            name: self.name,
            sign_up_domains: self.sign_up_domains,
            scopes: self.scopes,
            requires_pkce: self.requires_pkce,
            encrypts_access_tokens: self.encrypts_access_tokens,
            access_token_seconds: small(self.access_token_seconds),
            id_token_seconds: small(self.id_token_seconds),
            refresh_token_seconds: small(self.refresh_token_seconds),
            is_enabled: self.is_enabled,
            cut_off_at: self.cut_off_at,
            edition: self.edition,
            created_at: self.created_at,
        })
    }
}

fn read_uris(texts: &[String]) -> Result<Vec<RedirectUri>> {
    texts
        .iter()
        .map(|text| RedirectUri::parse(text).map_err(|_| Error::corrupt("redirect address")))
        .collect()
}

fn texts(uris: &[RedirectUri]) -> Vec<String> {
    uris.iter().map(|uri| uri.as_str().to_owned()).collect()
}

pub async fn insert(
    tx: &mut Conn,
    tenant: TenantId,
    (id, kind): (ClientId, ClientKind),
    terms: &ClientTerms,
) -> Result<OauthClient> {
    let grants: Vec<String> = terms.grants.iter().map(ToString::to_string).collect();
    sqlx::query!(
        "insert into oauth_clients (id, tenant_id, kind, name, serves, sign_up, sign_up_domains,
            redirect_uris, logout_uris, grants, scopes, requires_pkce, signing_algorithm,
            encrypts_access_tokens, access_token_seconds, id_token_seconds, refresh_token_seconds,
            is_enabled)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)",
        id.0,
        tenant.0,
        kind.as_str(),
        terms.name.as_str(),
        terms.serves.as_str(),
        terms.sign_up.as_str(),
        &terms.sign_up_domains,
        &texts(&terms.redirect_uris),
        &texts(&terms.logout_uris),
        &grants,
        &terms.scopes,
        terms.requires_pkce,
        terms.signing_algorithm.as_str(),
        terms.encrypts_access_tokens,
        signed_small(terms.access_token_seconds),
        signed_small(terms.id_token_seconds),
        signed_small(terms.refresh_token_seconds),
        terms.is_enabled
    )
    .execute(&mut *tx)
    .await?;
    get(tx, tenant, id).await
}

/// Served by the primary key.
pub async fn get(tx: &mut Conn, tenant: TenantId, id: ClientId) -> Result<OauthClient> {
    sqlx::query_as!(
        Raw,
        "select id, tenant_id, name, kind, serves, sign_up, sign_up_domains, redirect_uris,
            logout_uris, grants, scopes, requires_pkce, signing_algorithm, encrypts_access_tokens,
            access_token_seconds, id_token_seconds, refresh_token_seconds, is_enabled,
            cut_off_at, edition, created_at
        from oauth_clients where tenant_id = $1 and id = $2",
        tenant.0,
        id.0
    )
    .fetch_optional(tx)
    .await?
    .ok_or(Error::NotFound {
        what: "OAuth client",
    })?
    .read()
}

/// The newest first. Served by the primary key and `oauth_clients_name`.
pub async fn list(
    tx: &mut Conn,
    tenant: TenantId,
    before: Option<ClientId>,
    limit: u32,
) -> Result<Vec<OauthClient>> {
    sqlx::query_as!(
        Raw,
        "select id, tenant_id, name, kind, serves, sign_up, sign_up_domains, redirect_uris,
            logout_uris, grants, scopes, requires_pkce, signing_algorithm, encrypts_access_tokens,
            access_token_seconds, id_token_seconds, refresh_token_seconds, is_enabled,
            cut_off_at, edition, created_at
        from oauth_clients where tenant_id = $1 and ($2::uuid is null or id < $2)
        order by id desc limit $3",
        tenant.0,
        before.map(|id| id.0),
        i64::from(limit)
    )
    .fetch_all(tx)
    .await?
    .into_iter()
    .map(Raw::read)
    .collect()
}

/// Replaces what is said of a client, if its edition is the one that was `seen`.
pub async fn update(
    tx: &mut Conn,
    tenant: TenantId,
    id: ClientId,
    terms: &ClientTerms,
    seen: Option<i32>,
) -> Result<OauthClient> {
    let grants: Vec<String> = terms.grants.iter().map(ToString::to_string).collect();
    let updated = sqlx::query!(
        "update oauth_clients set name = $3, serves = $4, sign_up = $5, sign_up_domains = $6,
            redirect_uris = $7, logout_uris = $8, grants = $9, scopes = $10, requires_pkce = $11,
            signing_algorithm = $12, encrypts_access_tokens = $13, access_token_seconds = $14,
            id_token_seconds = $15, refresh_token_seconds = $16, is_enabled = $17,
            edition = edition + 1
        where tenant_id = $1 and id = $2 and ($18::int is null or edition = $18)",
        tenant.0,
        id.0,
        terms.name.as_str(),
        terms.serves.as_str(),
        terms.sign_up.as_str(),
        &terms.sign_up_domains,
        &texts(&terms.redirect_uris),
        &texts(&terms.logout_uris),
        &grants,
        &terms.scopes,
        terms.requires_pkce,
        terms.signing_algorithm.as_str(),
        terms.encrypts_access_tokens,
        signed_small(terms.access_token_seconds),
        signed_small(terms.id_token_seconds),
        signed_small(terms.refresh_token_seconds),
        terms.is_enabled,
        seen
    )
    .execute(&mut *tx)
    .await?;
    let after = get(tx, tenant, id).await?;
    match updated.rows_affected() {
        0 => Err(Error::EditedMeanwhile),
        _ => Ok(after),
    }
}

/// With its secrets, grants and consents.
pub async fn delete(tx: &mut Conn, tenant: TenantId, id: ClientId) -> Result<()> {
    sqlx::query!(
        "delete from oauth_clients where tenant_id = $1 and id = $2",
        tenant.0,
        id.0
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Secrets that work, oldest first, with the client held until the transaction ends: nobody adds
/// one meanwhile.
pub async fn lock_secrets(
    tx: &mut Conn,
    tenant: TenantId,
    id: ClientId,
    now: OffsetDateTime,
) -> Result<Vec<ClientSecret>> {
    sqlx::query!(
        "select id from oauth_clients where tenant_id = $1 and id = $2 for update",
        tenant.0,
        id.0
    )
    .fetch_optional(&mut *tx)
    .await?;
    list_secrets(tx, tenant, id, now).await
}

/// Secrets that work, oldest first. Served by `oauth_client_secrets_client`.
pub async fn list_secrets(
    tx: &mut Conn,
    tenant: TenantId,
    id: ClientId,
    now: OffsetDateTime,
) -> Result<Vec<ClientSecret>> {
    let found = sqlx::query_as!(
        ClientSecret,
        "select id, prefix, expires_at, last_used_at, created_at from oauth_client_secrets
        where tenant_id = $1 and client_id = $2 and (expires_at is null or expires_at > $3)
        order by id limit 100",
        tenant.0,
        id.0,
        now
    )
    .fetch_all(tx)
    .await?;
    Ok(found)
}

/// Takes a secret back; false: there is none.
pub async fn delete_secret(
    tx: &mut Conn,
    tenant: TenantId,
    client: ClientId,
    secret: Uuid,
) -> Result<bool> {
    let deleted = sqlx::query!(
        "delete from oauth_client_secrets where tenant_id = $1 and client_id = $2 and id = $3",
        tenant.0,
        client.0,
        secret
    )
    .execute(tx)
    .await?;
    Ok(deleted.rows_affected() > 0)
}

/// Ends all that a client was given, whosever it was; nodes refuse the access tokens that it got.
pub async fn cut_off(
    tx: &mut Conn,
    tenant: TenantId,
    id: ClientId,
    now: OffsetDateTime,
) -> Result<()> {
    sqlx::query!(
        "update oauth_clients set cut_off_at = $3 where tenant_id = $1 and id = $2",
        tenant.0,
        id.0,
        now
    )
    .execute(&mut *tx)
    .await?;
    revocations::insert(tx, &Revocation::client(id, tenant, now)).await
}

/// A client by its id, which is public, and the hashes of its live secrets. Served by the primary
/// key and `oauth_client_secrets_client`.
pub async fn all_tenants_find(
    tx: &mut PlatformTx,
    id: ClientId,
    now: OffsetDateTime,
) -> Result<Option<(OauthClient, Vec<[u8; 32]>)>> {
    let found = sqlx::query!(
        r#"select c.id, c.tenant_id, c.name, c.kind, c.serves, c.sign_up, c.sign_up_domains,
            c.redirect_uris, c.logout_uris, c.grants, c.scopes, c.requires_pkce,
            c.signing_algorithm, c.encrypts_access_tokens, c.access_token_seconds,
            c.id_token_seconds, c.refresh_token_seconds, c.is_enabled, c.cut_off_at,
            c.edition, c.created_at,
            array(
                select s.hash from oauth_client_secrets s
                where s.tenant_id = c.tenant_id and s.client_id = c.id
                    and (s.expires_at is null or s.expires_at > $2)
            ) as "hashes!"
        from oauth_clients c where c.id = $1"#,
        id.0,
        now
    )
    .fetch_optional(&mut **tx)
    .await?;
    let Some(row) = found else {
        return Ok(None);
    };
    let hashes: Result<Vec<[u8; 32]>> = row
        .hashes
        .iter()
        .map(|hash| bytes32("client secret", hash))
        .collect();
    let raw = Raw {
        id: row.id,
        tenant_id: row.tenant_id,
        name: row.name,
        kind: row.kind,
        serves: row.serves,
        sign_up: row.sign_up,
        sign_up_domains: row.sign_up_domains,
        redirect_uris: row.redirect_uris,
        logout_uris: row.logout_uris,
        grants: row.grants,
        scopes: row.scopes,
        requires_pkce: row.requires_pkce,
        signing_algorithm: row.signing_algorithm,
        encrypts_access_tokens: row.encrypts_access_tokens,
        access_token_seconds: row.access_token_seconds,
        id_token_seconds: row.id_token_seconds,
        refresh_token_seconds: row.refresh_token_seconds,
        is_enabled: row.is_enabled,
        cut_off_at: row.cut_off_at,
        edition: row.edition,
        created_at: row.created_at,
    };
    Ok(Some((raw.read()?, hashes?)))
}

/// Keeps the hash of a secret. The caller has looked at how many there are under the client's lock.
pub async fn insert_secret(
    tx: &mut Conn,
    tenant: TenantId,
    client: ClientId,
    secret: &PlainClientSecret,
) -> Result<ClientSecret> {
    let row = sqlx::query!(
        "insert into oauth_client_secrets (id, tenant_id, client_id, hash, prefix)
        values ($1, $2, $3, $4, $5)
        returning id, prefix, expires_at, last_used_at, created_at",
        Uuid::now_v7(),
        tenant.0,
        client.0,
        &secret.hash()[..],
        secret.prefix()
    )
    .fetch_one(tx)
    .await?;
    Ok(ClientSecret {
        id: row.id,
        prefix: row.prefix,
        expires_at: row.expires_at,
        last_used_at: row.last_used_at,
        created_at: row.created_at,
    })
}
