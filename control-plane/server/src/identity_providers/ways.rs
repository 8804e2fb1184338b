//! Which providers the sign-in page offers, and to whom.

use domain::email::Email;
use domain::id::TenantId;
use domain::identity_provider::IdentityProvider;
use domain::tenant_domain::DomainName;
use web::pages::sign_in::Way;

use crate::app::App;
use crate::clock::Now;
use crate::oauth::{client_of, with_query};
use crate::page::Failure;

/// What the sign-in page offers beside a password.
pub(crate) struct Ways {
    /// Buttons: for everybody; those of the tenant whose application sends its people; those of the
    /// address's domain.
    pub ways: Vec<Way>,
    /// Those of the address's domain.
    pub of_domain: Vec<Way>,
    /// Some tenant has a provider for its domains.
    pub offers_domains: bool,
}

/// For who goes to `next`, with the address that was typed or named before. What is offered says
/// nothing about whether the address has an account.
pub(crate) async fn ways(
    app: &App,
    (next, address): (&str, &str),
    now: Now,
) -> Result<Ways, Failure> {
    let tenant = tenant_of(app, next, now).await?;
    let mut tx = app.db.platform_tx().await?;
    let mut open = store::identity_providers::all_tenants_list_open(&mut tx, tenant).await?;
    let email = Email::parse(address).ok();
    let hint = email.as_ref().map(Email::as_str);
    let of_domain = match hint.and_then(domain_of) {
        Some(domain) => {
            store::identity_providers::all_tenants_list_of_domain(&mut tx, &domain).await?
        }
        None => Vec::new(),
    };
    let offers_domains = store::identity_providers::all_tenants_have_domain(&mut tx).await?;
    tx.commit().await?;
    for one in &of_domain {
        if !open.iter().any(|other| other.id == one.id) {
            open.push(one.clone());
        }
    }
    Ok(Ways {
        ways: open.iter().map(|one| way(one, next, hint)).collect(),
        of_domain: of_domain.iter().map(|one| way(one, next, hint)).collect(),
        offers_domains,
    })
}

fn domain_of(address: &str) -> Option<DomainName> {
    let (_, domain) = address.rsplit_once('@')?;
    DomainName::parse(domain).ok()
}

fn way(provider: &IdentityProvider, next: &str, hint: Option<&str>) -> Way {
    let mut pairs = Vec::new();
    if !next.is_empty() {
        pairs.push(("next", next));
    }
    pairs.extend(hint.map(|hint| ("login_hint", hint)));
    Way {
        href: with_query(&format!("/login/with/{}", provider.id), pairs),
        name: provider.terms.name.as_str().to_owned(),
    }
}

/// Whose application it is that somebody signs in for.
async fn tenant_of(app: &App, next: &str, now: Now) -> Result<Option<TenantId>, Failure> {
    let Some(query) = next.strip_prefix("/oauth2/authorize?") else {
        return Ok(None);
    };
    let client = client_of(app, query.as_bytes(), now).await?;
    Ok(client.map(|client| client.tenant_id))
}
