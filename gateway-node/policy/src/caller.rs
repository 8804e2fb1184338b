//! What an authenticated caller may: its tenant, the subscription that opens the API, scopes.

use std::sync::Arc;

use crate::api::Route;
use crate::authenticate::Credentials;
use crate::compile::Snapshot;
use crate::decide::{Step, refusal};
use crate::keys::Key;
use crate::permit::{Identity, Permit};
use crate::refusal::RefusalCode;
use crate::request::Request;
use crate::tenants::{self, Plan, Subscription, Tenant};

/// Everything that is known of an authorized caller.
pub(crate) struct Caller<'s> {
    pub(crate) tenant: &'s Tenant,
    pub(crate) subscription: &'s Subscription,
    pub(crate) plan: &'s Arc<Plan>,
    /// `None`: all of the plan's.
    scopes: Option<Arc<[String]>>,
}

impl Caller<'_> {
    pub(crate) fn identity(&self, credentials: &Credentials<'_>) -> Identity {
        let token = credentials.token.as_ref();
        Identity {
            tenant_id: self.tenant.id,
            subject: token.map(|token| token.subject.clone()),
            key_id: credentials.key.map(|key| key.id),
            subscription_id: self.subscription.id,
            plan: self.plan.clone(),
            narrowed_scopes: self.scopes.clone(),
        }
    }
}

pub(crate) fn authorize<'s, R: Request>(
    snapshot: &'s Snapshot,
    permit: &Permit,
    credentials: &Credentials<'_>,
    request: &R,
) -> Step<Caller<'s>> {
    let (api, route) = (&permit.api, permit.route());
    let found = credentials.tenant();
    let refuse = |code| {
        let mut refusal = refusal(code, api, Some(permit.route));
        refusal.tenant_id = found.map(|(tenant, _)| tenant);
        refusal.key_id = credentials.key.map(|key| key.id);
        refusal
    };
    let (tenant_id, path) = found.ok_or_else(|| refuse(RefusalCode::TenantUnavailable))?;
    if credentials
        .key
        .is_some_and(|key| key.tenant_id != tenant_id)
    {
        return Err(refuse(RefusalCode::CredentialsDisagree));
    }
    let tenant = tenants::find(&snapshot.tenants, tenant_id, &path)
        .ok_or_else(|| refuse(RefusalCode::TenantUnavailable))?;
    if tenant.is_suspended {
        return Err(refuse(RefusalCode::TenantSuspended));
    }
    if tenant.is_refused {
        return Err(refuse(RefusalCode::TenantUnavailable));
    }
    if let Some(key) = credentials.key {
        if !key.may_be_used_from(request.client_ip()) {
            return Err(refuse(RefusalCode::AddressNotAllowed));
        }
        if !key.may_be_used_for(api.id) {
            return Err(refuse(RefusalCode::ApiNotAllowed));
        }
    }
    let subscription = tenant
        .subscription_for(api.id)
        .ok_or_else(|| refuse(RefusalCode::NotSubscribed))?;
    let plan = snapshot
        .plans
        .get(&(subscription.plan_id, subscription.plan_version))
        .ok_or_else(|| refuse(RefusalCode::PlanUnavailable))?;
    let scopes = narrowed(credentials, plan);
    if !has_all(route, scopes.as_deref().unwrap_or(&plan.scopes)) {
        return Err(refuse(RefusalCode::InsufficientScope));
    }
    Ok(Caller {
        tenant,
        subscription,
        plan,
        scopes,
    })
}

/// What token, key and plan allow together; `None`: all of the plan's.
fn narrowed(credentials: &Credentials<'_>, plan: &Plan) -> Option<Arc<[String]>> {
    let of_key = credentials.key.and_then(Key::scopes);
    let is_allowed = |scope: &&String| {
        plan.scopes.contains(scope) && of_key.is_none_or(|of_key| of_key.contains(scope))
    };
    match &credentials.token {
        None => Some(of_key?.iter().filter(is_allowed).cloned().collect()),
        // The usual case costs no copy.
        Some(token) if token.scopes.iter().all(|scope| is_allowed(&scope)) => {
            Some(token.scopes.clone())
        }
        Some(token) => Some(token.scopes.iter().filter(is_allowed).cloned().collect()),
    }
}

fn has_all(route: &Route, scopes: &[String]) -> bool {
    route.scopes.iter().all(|needed| scopes.contains(needed))
}
