//! `/account/tokens/…`.

use axum::Router;
use axum::extract::{Path, State};
use axum::routing::get;
use axum_extra::extract::Form;
use domain::id::ApiKeyId;
use domain::permission::{Action, Effect, Reach};
use domain::personal_token::{PersonalToken, TokenName};
use serde::Deserialize;
use web::format::moment;
use web::forms::FormErrors;
use web::forms::account::{TokenAccess, TokenFields, TokenForm};
use web::layout::Tone;
use web::pages::account::{NewToken as NewTokenPage, TokenCreated, TokenRow};
use web::pages::confirm::Confirm;

use super::{NewToken, create, list, revoke};
use crate::action::ActionError;
use crate::app::App;
use crate::clock::Now;
use crate::page::{Answer, Nonce, SignedIn, form_errors, go_to, invalid, once, page};

pub(crate) fn pages() -> Router<App> {
    Router::new()
        .route("/account/tokens/new", get(show_new).post(create_here))
        .route(
            "/account/tokens/{token}/revoke",
            get(show_revoke).post(revoke_here),
        )
}

#[derive(Deserialize)]
struct At {
    token: ApiKeyId,
}

/// A token as the account's page shows it.
pub(crate) fn row(token: &PersonalToken, now: Now) -> TokenRow {
    let all = "Everything you may do";
    let access = match token.scopes.as_slice() {
        [] => all.to_owned(),
        scopes if is_read_only(scopes) => "Read only".to_owned(),
        scopes => scopes.join(", "),
    };
    TokenRow {
        id: token.id.to_string(),
        name: token.name.clone(),
        access,
        created_at: moment(token.created_at, now.0),
        last_used_at: token.last_used_at.map(|at| moment(at, now.0)),
        expires_at: moment(token.expires_at, now.0),
    }
}

fn is_read_only(scopes: &[String]) -> bool {
    scopes
        .iter()
        .all(|name| Action::find(name).is_some_and(|action| action.effect() == Effect::Read))
}

/// What looks and changes nothing.
fn read_scopes() -> Vec<String> {
    Action::ALL
        .iter()
        .filter(|action| action.effect() == Effect::Read && action.reach() != Reach::Own)
        .map(|action| action.name().to_owned())
        .collect()
}

async fn show_new(signed_in: SignedIn) -> Answer {
    page(&new_page(
        &signed_in,
        TokenForm::default(),
        FormErrors::default(),
    ))
}

fn new_page(signed_in: &SignedIn, form: TokenForm, errors: FormErrors) -> NewTokenPage {
    NewTokenPage {
        shell: signed_in.shell(),
        form: TokenForm {
            form_nonce: once(),
            ..form
        },
        errors,
    }
}

async fn create_here(
    State(app): State<App>,
    signed_in: SignedIn,
    now: Now,
    Form(form): Form<TokenForm>,
) -> Answer {
    let authority = signed_in.authority();
    let new = match form.parse().and_then(|fields| terms(&fields, now)) {
        Ok(new) => new,
        Err(errors) => return invalid(&new_page(&signed_in, form, errors)),
    };
    let nonce = Nonce::new(&authority, None, &form.form_nonce)?;
    let (name, expires_at) = (new.name.as_str().to_owned(), new.expires_at);
    let mut tx = app.db.platform_tx().await?;
    nonce.claim(&mut tx).await?;
    let made = create(&authority, &mut tx, signed_in.person.user, new, now).await;
    let (id, value) = match made {
        Ok(made) => made,
        Err(cause) => return invalid(&new_page(&signed_in, form, form_errors(cause)?)),
    };
    nonce.finish(&mut tx, &id.to_string()).await?;
    tx.commit().await?;
    let path = match (signed_in.person.role, signed_in.person.tenants.first()) {
        (None, Some((tenant, _))) => format!("/tenants/{}/api-keys", tenant.id),
        _ => "/plans".to_owned(),
    };
    page(&TokenCreated {
        shell: signed_in.shell(),
        name,
        value: value.reveal().to_owned(),
        expires_at: moment(expires_at, now.0),
        curl: format!(
            "curl -H 'Authorization: Bearer {}' {}/api/v1{path}",
            value.reveal(),
            app.public_url
        ),
    })
}

fn terms(fields: &TokenFields, now: Now) -> Result<NewToken, FormErrors> {
    let name = TokenName::parse(&fields.name).map_err(|error| {
        let mut errors = FormErrors::default();
        errors.add(error);
        errors
    })?;
    Ok(NewToken {
        name,
        scopes: match fields.access {
            TokenAccess::All => Vec::new(),
            TokenAccess::Read => read_scopes(),
        },
        expires_at: now.0 + fields.lifetime,
    })
}

async fn show_revoke(
    State(app): State<App>,
    signed_in: SignedIn,
    Path(At { token }): Path<At>,
    now: Now,
) -> Answer {
    let mut tx = app.db.platform_tx().await?;
    let tokens = list(&signed_in.authority(), &mut tx, signed_in.person.user).await?;
    tx.commit().await?;
    let token = tokens
        .iter()
        .find(|one| one.id == token)
        .ok_or(ActionError::NotFound("personal token"))?;
    let used = match token.last_used_at {
        Some(at) => format!(
            "It was last used {}: the program that uses it will break.",
            web::format::relative(at, now.0)
        ),
        None => "It was never used.".to_owned(),
    };
    page(&Confirm {
        shell: signed_in.shell(),
        title: format!("Revoke “{}”?", token.name),
        intro: "The token stops working at once, for good.".to_owned(),
        consequences: vec![used, "What was done with it stays.".to_owned()],
        action: format!("/account/tokens/{}/revoke", token.id),
        button: "Revoke token".to_owned(),
        is_danger: true,
        cancel_href: "/account".to_owned(),
        before: None,
        typed: None,
        errors: FormErrors::default(),
        fields: Vec::new(),
    })
}

async fn revoke_here(
    State(app): State<App>,
    signed_in: SignedIn,
    Path(At { token }): Path<At>,
    now: Now,
) -> Answer {
    let owner = signed_in.person.user;
    let mut tx = app.db.platform_tx().await?;
    revoke(&signed_in.authority(), &mut tx, owner, token, now).await?;
    tx.commit().await?;
    signed_in.flash(Tone::Good, "The token is revoked.").await?;
    go_to("/account")
}
