//! Who calls: a person's program, by personal token. Cookies are never looked at, so no web page
//! can make a browser call the API.

use axum::extract::{FromRequestParts, RawPathParams};
use domain::id::{ApiKeyId, TenantId, UserId};
use domain::member::MemberStatus;
use domain::permission::{Action, Reach};
use domain::personal_token::PlainToken;
use http::header;
use http::request::Parts;
use store::PlatformTx;

use crate::action::ActionError;
use crate::app::App;
use crate::authority::Authority;
use crate::clock::Now;
use crate::problem::Problem;
use crate::telemetry::RequestId;

/// A caller who may do what the route is for. The action itself asks once more.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub authority: Authority,
    /// The tenant of the path; `None` outside `/tenants/{tenant}`.
    pub tenant: Option<TenantId>,
    /// The token that was presented: whose idempotency keys these are.
    pub token: ApiKeyId,
}

impl FromRequestParts<App> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let token = presented(parts)?;
        // Every route of the API is registered with its action by `json::route`.
        let action = *parts
            .extensions
            .get::<Action>()
            .ok_or_else(|| Problem::not_found("endpoint"))?;
        let tenant = path_tenant(parts, app).await?;
        let request = parts.extensions.get::<RequestId>().map(|id| id.0.clone());
        let mut tx = app.db.platform_tx().await.map_err(ActionError::from)?;
        let found = store::personal_tokens::find_working(&mut tx, &token.hash(), Now::read().0)
            .await
            .map_err(ActionError::from)?
            .ok_or_else(|| {
                Problem::unauthorized(
                    "token_invalid",
                    "the personal token is unknown, expired or revoked",
                )
            })?;
        let authority = authority(&mut tx, found.user_id, action, tenant).await?;
        tx.commit().await.map_err(ActionError::from)?;
        let scopes = if found.scopes.is_empty() {
            vec!["*".to_owned()]
        } else {
            found.scopes
        };
        let authority = authority.by_token(scopes).of_request(request);
        match tenant {
            Some(tenant) if action.reach() == Reach::Tenant => {
                authority.require_in(action, tenant)?;
            }
            _ => authority.require(action)?,
        }
        Ok(Self {
            authority,
            tenant,
            token: found.id,
        })
    }
}

fn presented(parts: &Parts) -> Result<PlainToken, Problem> {
    let credentials = parts
        .headers
        .get(header::AUTHORIZATION)
        .ok_or_else(|| {
            Problem::unauthorized(
                "token_missing",
                "send a personal token: Authorization: Bearer tgp_…",
            )
        })?
        .to_str()
        .unwrap_or_default();
    // RFC 9110, section 11.1: the scheme's name is case-insensitive.
    credentials
        .split_once(' ')
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .and_then(|(_, token)| PlainToken::parse(token.trim()))
        .ok_or_else(|| {
            Problem::unauthorized(
                "token_invalid",
                "the API takes personal tokens, which start with tgp_, and nothing else",
            )
        })
}

async fn path_tenant(parts: &mut Parts, app: &App) -> Result<Option<TenantId>, Problem> {
    let params = RawPathParams::from_request_parts(parts, app)
        .await
        .map_err(|_| Problem::not_found("resource"))?;
    let Some((_, tenant)) = params.iter().find(|(name, _)| *name == "tenant") else {
        return Ok(None);
    };
    match tenant.parse() {
        Ok(tenant) => Ok(Some(tenant)),
        Err(_) => Err(Problem::not_found("tenant")),
    }
}

/// The role in which the person may take the action; failing that, one in which the refusal is
/// true. Never more than the person has.
async fn authority(
    tx: &mut PlatformTx,
    user: UserId,
    action: Action,
    tenant: Option<TenantId>,
) -> Result<Authority, Problem> {
    let person = store::users::get(tx, user)
        .await
        .map_err(ActionError::from)?;
    let platform = store::users::find_platform_role(tx, user)
        .await
        .map_err(ActionError::from)?
        .map(|role| Authority::platform(user, person.email.clone(), role));
    if let Some(authority) = platform.as_ref().filter(|authority| authority.may(action)) {
        return Ok(authority.clone());
    }
    if let (Some(tenant), Reach::Tenant) = (tenant, action.reach()) {
        let member = store::members::find_by_user(tx, tenant, user)
            .await
            .map_err(ActionError::from)?;
        if let Some(member) = member.filter(|it| it.standing.status == MemberStatus::Active) {
            let role = member.standing.role;
            return Ok(Authority::member(user, person.email, tenant, role));
        }
    }
    match (platform, action.reach()) {
        (Some(authority), _) => Ok(authority),
        (None, Reach::Tenant) => Err(Problem::not_found("tenant")),
        (None, Reach::Own) => Ok(Authority::person(user, person.email)),
        (None, Reach::Platform) => Err(ActionError::Forbidden(action).into()),
    }
}
