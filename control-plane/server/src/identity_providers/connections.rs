//! Providers on the page of one's account: which are connected, which could be, and the way out.

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use domain::conflict::Conflict;
use domain::id::{ProviderId, UserId};
use domain::permission::Action;
use serde_json::json;
use store::PlatformTx;
use web::format::moment;
use web::forms::FormErrors;
use web::layout::Tone;
use web::pages::account::{ConnectedProvider, OfferedProvider};
use web::pages::confirm::Confirm;

use crate::action::{self, ActionError, Change};
use crate::app::App;
use crate::authority::Authority;
use crate::clock::Now;
use crate::json::At;
use crate::page::{Answer, Failure, SignedIn, go_to, page};
use crate::people;

pub(super) fn pages() -> Router<App> {
    Router::new().route(
        "/account/providers/{provider}/disconnect",
        get(show_disconnect).post(disconnect_here),
    )
}

/// For the page of one's account.
pub(crate) struct Connections {
    pub connected: Vec<ConnectedProvider>,
    pub offered: Vec<OfferedProvider>,
}

/// Offered are those of the platform and of the tenants that the person is in.
pub(crate) async fn connections(
    tx: &mut PlatformTx,
    user: UserId,
    now: Now,
) -> Result<Connections, Failure> {
    let links = store::identity_links::list_of_user(tx, user).await?;
    let mut open = store::identity_providers::all_tenants_list_open(tx, None).await?;
    for (tenant, _) in store::members::all_tenants_list_of_user(tx, user, TENANTS_MAX).await? {
        let own = store::identity_providers::all_tenants_list_open(tx, Some(tenant.id)).await?;
        open.extend(own.into_iter().filter(|one| one.tenant_id.is_some()));
    }
    let is_connected = |id: ProviderId| links.iter().any(|(link, _)| link.provider_id == id);
    Ok(Connections {
        offered: open
            .iter()
            .filter(|one| !is_connected(one.id))
            .map(|one| OfferedProvider {
                id: one.id.to_string(),
                name: one.terms.name.as_str().to_owned(),
            })
            .collect(),
        connected: links
            .iter()
            .map(|(link, name)| ConnectedProvider {
                id: link.provider_id.to_string(),
                name: name.clone(),
                email: link.email.clone(),
                last_used_at: link.last_signed_in_at.map(|at| moment(at, now.0)),
            })
            .collect(),
    })
}

/// Somebody in more tenants finds a provider of those first ones.
const TENANTS_MAX: u32 = 20;

/// Takes a way into an account away, unless it is the only one.
async fn disconnect(
    authority: &Authority,
    tx: &mut PlatformTx,
    (user, provider): (UserId, ProviderId),
    now: Now,
) -> Result<(), ActionError> {
    authority.require_own(Action::DisconnectProvider, user)?;
    let user = store::users::get(tx, user).await?;
    let links = store::identity_links::list_of_user(tx, user.id).await?;
    let link = links.iter().find(|(link, _)| link.provider_id == provider);
    let (_, name) = link.ok_or(ActionError::NotFound("connected provider"))?;
    store::identity_links::delete(tx, provider, user.id).await?;
    let is_another_left = user.password_hash.is_some()
        || store::passkeys::count(tx, user.id).await? > 0
        || store::identity_links::count(tx, user.id).await? > 0;
    if !is_another_left {
        return Err(Conflict::LastWayIn.into());
    }
    let change = (
        people::subject(&user),
        Change::removed(&json!({ "provider": name })),
    );
    action::audit(tx, authority, Action::DisconnectProvider, change, now).await
}

async fn show_disconnect(
    State(app): State<App>,
    signed_in: SignedIn,
    At(id): At<ProviderId>,
    now: Now,
) -> Answer {
    if let Some(sign_in) = signed_in.stale(&format!("/account/providers/{id}/disconnect"), now) {
        return sign_in;
    }
    let mut tx = app.db.platform_tx().await?;
    let links = store::identity_links::list_of_user(&mut tx, signed_in.person.user).await?;
    tx.commit().await?;
    let link = links.iter().find(|(link, _)| link.provider_id == id);
    let (link, name) = link.ok_or(ActionError::NotFound("connected provider"))?;
    page(&Confirm {
        shell: signed_in.shell(),
        title: format!("Disconnect {name}?"),
        intro: format!("You are {} there.", link.email),
        consequences: vec![format!(
            "{name} does not sign you in here any more. You can connect it again."
        )],
        action: format!("/account/providers/{id}/disconnect"),
        button: "Disconnect".to_owned(),
        is_danger: true,
        cancel_href: "/account".to_owned(),
        before: None,
        typed: None,
        errors: FormErrors::default(),
        fields: Vec::new(),
    })
}

async fn disconnect_here(
    State(app): State<App>,
    signed_in: SignedIn,
    At(id): At<ProviderId>,
    now: Now,
) -> Answer {
    if let Some(sign_in) = signed_in.stale(&format!("/account/providers/{id}/disconnect"), now) {
        return sign_in;
    }
    let mut tx = app.db.platform_tx().await?;
    let place = (signed_in.person.user, id);
    match disconnect(&signed_in.authority(), &mut tx, place, now).await {
        Ok(()) => {
            tx.commit().await?;
            signed_in
                .flash(Tone::Good, "The provider is disconnected.")
                .await?;
        }
        Err(ActionError::Conflict(conflict)) => {
            signed_in.flash(Tone::Danger, &conflict.to_string()).await?;
        }
        Err(cause) => return Err(cause.into()),
    }
    go_to("/account")
}
