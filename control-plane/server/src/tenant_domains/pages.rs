//! `/t/{tenant}/domains`.

use axum::Router;
use axum::extract::State;
use axum::routing::{get, post};
use axum_extra::extract::Form;
use domain::id::{DomainId, TenantId};
use domain::permission::Action;
use domain::tenant_domain::{DomainName, TenantDomain};
use serde::Deserialize;
use web::format::moment;
use web::forms::FormErrors;
use web::layout::{TenantTab, Tone};
use web::pages::confirm::Confirm;
use web::pages::tenant_domains::{DomainRow, TenantDomains};

use super::{add, confirm, get as get_domain, list, prove, remove};
use crate::action::{ActionError, Tx};
use crate::app::App;
use crate::clock::Now;
use crate::json::At;
use crate::page::{Answer, Failure, Member, Operator, form_errors, go_to, invalid, page};

/// A tenant has few; a page shows all of them.
const ALL: u32 = 1_000;

pub(crate) fn pages() -> Router<App> {
    Router::new()
        .route("/t/{tenant}/domains", get(show).post(add_here))
        .route("/t/{tenant}/domains/{domain}/prove", post(prove_here))
        .route(
            "/t/{tenant}/domains/{domain}/remove",
            get(show_remove).post(remove_here),
        )
}

pub(crate) fn operator_pages() -> Router<App> {
    Router::new().route(
        "/admin/tenants/{tenant}/domains/{domain}/confirm",
        post(confirm_here),
    )
}

type Place = At<(TenantId, DomainId)>;

#[derive(Default, Deserialize)]
#[serde(default)]
struct DomainForm {
    domain: String,
}

async fn build(
    app: &App,
    member: &Member,
    (typed, errors): (&str, FormErrors),
    now: Now,
) -> Result<TenantDomains, Failure> {
    let mut tx = Tx::open(app, &member.authority).await?;
    let found = list(&member.authority, &mut tx, member.tenant.id, (None, ALL)).await?;
    tx.commit().await?;
    Ok(TenantDomains {
        tenant_id: member.tenant.id.to_string(),
        domains: found
            .iter()
            .map(|one| DomainRow {
                id: one.id.to_string(),
                name: one.domain.as_str().to_owned(),
                record_name: one.domain.challenge_name(),
                record_text: one.proof(),
                proven_at: one.proven_at.map(|at| moment(at, now.0)),
            })
            .collect(),
        typed: typed.to_owned(),
        errors,
        may_edit: member.may(Action::AddDomain),
        may_confirm: member.authority.may(Action::ConfirmDomain),
        shell: member.shell(TenantTab::SignIn),
    })
}

async fn show(State(app): State<App>, member: Member, now: Now) -> Answer {
    page(&build(&app, &member, ("", FormErrors::default()), now).await?)
}

async fn add_here(
    State(app): State<App>,
    member: Member,
    now: Now,
    Form(form): Form<DomainForm>,
) -> Answer {
    let tenant = member.tenant.id;
    let added = match DomainName::parse(&form.domain) {
        Ok(name) => {
            let mut tx = Tx::open(&app, &member.authority).await?;
            match add(&member.authority, &mut tx, tenant, &name, now).await {
                Ok(_) => Ok(tx.commit().await?),
                Err(cause) => Err(cause),
            }
        }
        Err(error) => Err(ActionError::from(error)),
    };
    match added {
        Ok(()) => go_to(&format!("/t/{tenant}/domains")),
        Err(cause) => {
            let typed = (form.domain.as_str(), form_errors(cause)?);
            invalid(&build(&app, &member, typed, now).await?)
        }
    }
}

async fn prove_here(State(app): State<App>, member: Member, At(at): Place, now: Now) -> Answer {
    let (tone, text) = told(prove(&member.authority, &app, at, now).await)?;
    member.flash(tone, &text).await?;
    go_to(&format!("/t/{}/domains", at.0))
}

async fn confirm_here(
    State(app): State<App>,
    operator: Operator,
    At(at): Place,
    now: Now,
) -> Answer {
    let mut tx = Tx::open(&app, &operator.authority).await?;
    let done = confirm(&operator.authority, &mut tx, at, now).await;
    if done.is_ok() {
        tx.commit().await?;
    }
    let (tone, text) = told(done)?;
    operator.flash(tone, &text).await?;
    go_to(&format!("/t/{}/domains", at.0))
}

/// How it went, for the list.
fn told(done: Result<TenantDomain, ActionError>) -> Result<(Tone, String), Failure> {
    Ok(match done {
        Ok(domain) => (Tone::Good, format!("{} is proven.", domain.domain.as_str())),
        Err(ActionError::Invalid(errors)) => {
            let message = errors.into_iter().next().map(|error| error.message);
            (Tone::Danger, message.unwrap_or_default())
        }
        Err(ActionError::Conflict(conflict)) => (Tone::Danger, conflict.to_string()),
        Err(cause) => return Err(cause.into()),
    })
}

async fn show_remove(State(app): State<App>, member: Member, At(at): Place) -> Answer {
    let mut tx = Tx::open(&app, &member.authority).await?;
    let domain = get_domain(&member.authority, &mut tx, at).await?;
    let name = domain.domain.as_str();
    page(&Confirm {
        shell: member.shell(TenantTab::SignIn),
        title: format!("Remove “{name}”?"),
        intro: "Your identity providers do not sign in people with addresses of it any more."
            .to_owned(),
        consequences: vec![
            "Accounts and memberships stay.".to_owned(),
            "To add it again, it has to be proven again.".to_owned(),
        ],
        action: format!("/t/{}/domains/{}/remove", at.0, at.1),
        button: "Remove domain".to_owned(),
        is_danger: true,
        cancel_href: format!("/t/{}/domains", at.0),
        before: None,
        typed: None,
        errors: FormErrors::default(),
        fields: Vec::new(),
    })
}

async fn remove_here(State(app): State<App>, member: Member, At(at): Place, now: Now) -> Answer {
    let mut tx = Tx::open(&app, &member.authority).await?;
    remove(&member.authority, &mut tx, at, now).await?;
    tx.commit().await?;
    member.flash(Tone::Good, "The domain is removed.").await?;
    go_to(&format!("/t/{}/domains", at.0))
}
