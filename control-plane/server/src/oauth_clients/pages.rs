//! `/t/{tenant}/oauth-clients/…`.

use axum::Router;
use axum::extract::State;
use axum::routing::{get, post};
use axum_extra::extract::Form;
use domain::id::{ClientId, TenantId};
use domain::oauth_client::{ClientKind, ClientSecret, ClientTerms, OauthClient, SECRETS_MAX};
use domain::permission::Action;
use store::Conn;
use uuid::Uuid;
use web::format::moment;
use web::forms::oauth_clients::{ClientForm, seconds, words};
use web::forms::{Choice, FormErrors, seen};
use web::layout::{Badge, TenantTab, Tone};
use web::pages::confirm::Confirm;
use web::pages::oauth_clients::{
    ClientCreated, ClientEditor, ClientRow, ExistingClient, OauthClients, SecretRow,
};

use super::json::ClientInput;
use super::{MintedSecret, add_secret, create, delete, list, revoke_secret, show, update};
use crate::action::{ActionError, Tx};
use crate::app::App;
use crate::clock::Now;
use crate::json::At;
use crate::page::{
    Answer, Failure, Member, Nonce, edited_meanwhile, form_errors, go_to, invalid, once, page,
};

/// A tenant has few clients; a page shows all of them.
const ALL: u32 = 1_000;

const GRANTS: &[(&str, &str)] = &[
    ("authorization_code", "Sign people in (authorization code)"),
    ("refresh_token", "Stay signed in (refresh tokens)"),
    (
        "client_credentials",
        "Get tokens for itself (client credentials)",
    ),
];
const KINDS: &[(&str, &str)] = &[
    ("public", "Public: a browser or native application"),
    ("confidential", "Confidential: a server that keeps a secret"),
];
const SERVES: &[(&str, &str)] = &[
    ("own_tenant", "This tenant only"),
    ("any_tenant", "Any tenant, once they allowed it"),
];
const SIGN_UP: &[(&str, &str)] = &[
    ("nobody", "Nobody: members only"),
    ("domains", "Whose address is of one of the domains below"),
    ("anybody", "Anybody"),
];
const ALGORITHMS: &[(&str, &str)] = &[
    ("RS256", "RS256: every library knows it"),
    ("ES256", "ES256"),
    ("EdDSA", "EdDSA"),
];

pub(crate) fn pages() -> Router<App> {
    Router::new()
        .route("/t/{tenant}/oauth-clients", get(show_list))
        .route(
            "/t/{tenant}/oauth-clients/new",
            get(show_new).post(create_here),
        )
        .route(
            "/t/{tenant}/oauth-clients/{client}",
            get(show_one).post(update_here),
        )
        .route(
            "/t/{tenant}/oauth-clients/{client}/delete",
            get(show_delete).post(delete_here),
        )
        .route(
            "/t/{tenant}/oauth-clients/{client}/secrets",
            post(add_secret_here),
        )
        .route(
            "/t/{tenant}/oauth-clients/{client}/secrets/{secret}/revoke",
            post(revoke_secret_here),
        )
}

type Place = At<(TenantId, ClientId)>;

fn discovery(app: &App) -> String {
    format!("{}/.well-known/openid-configuration", app.public_url)
}

fn kind(kind: ClientKind) -> String {
    match kind {
        ClientKind::Public => "Public".to_owned(),
        ClientKind::Confidential => "Confidential".to_owned(),
    }
}

async fn show_list(State(app): State<App>, member: Member, now: Now) -> Answer {
    let mut tx = Tx::open(&app, &member.authority).await?;
    let range = (None, ALL);
    let clients = list(&member.authority, &mut tx, member.tenant.id, range).await?;
    page(&OauthClients {
        tenant_id: member.tenant.id.to_string(),
        clients: clients
            .iter()
            .map(|client| ClientRow {
                id: client.id.to_string(),
                name: client.name.clone(),
                kind: kind(client.kind),
                badge: match client.is_enabled {
                    true => Badge::new(Tone::Good, "Active"),
                    false => Badge::new(Tone::Warning, "Switched off"),
                },
                created_at: moment(client.created_at, now.0),
            })
            .collect(),
        may_create: member.may(Action::CreateClient),
        discovery: discovery(&app),
        shell: member.shell(TenantTab::OauthClients),
    })
}

/// The editor around what a form says.
async fn editor(
    tx: &mut Conn,
    member: &Member,
    form: ClientForm,
    errors: FormErrors,
) -> Result<ClientEditor, ActionError> {
    let mut scopes: Vec<Choice> = Vec::new();
    for scope in store::api_scopes::list_all(tx).await? {
        let is_selected = form.scopes.contains(&scope.name);
        let choice = Choice::new(&scope.name, &scope.name).hint(scope.description);
        scopes.push(choice.selected_if(is_selected));
    }
    // What it has stays selected when no API defines it any more.
    for kept in &form.scopes {
        if !scopes.iter().any(|choice| choice.value == *kept) {
            let hint = "No API defines it any more: it opens nothing.";
            scopes.push(Choice::new(kept, kept).hint(hint).selected_if(true));
        }
    }
    Ok(ClientEditor {
        shell: member.shell(TenantTab::OauthClients),
        tenant_id: member.tenant.id.to_string(),
        existing: None,
        errors,
        kinds: Choice::one_of(KINDS, &form.kind),
        grants: Choice::any_of(GRANTS, &form.grants),
        scopes,
        serves: Choice::one_of(SERVES, &form.serves),
        sign_up: Choice::one_of(SIGN_UP, &form.sign_up),
        algorithms: Choice::one_of(ALGORITHMS, &form.signing_algorithm),
        may_edit: member.may(Action::UpdateClient),
        form,
    })
}

async fn editor_of(
    tx: &mut Conn,
    member: &Member,
    (client, secrets): (&OauthClient, &[ClientSecret]),
    (form, errors): (ClientForm, FormErrors),
    now: Now,
) -> Result<ClientEditor, ActionError> {
    let is_confidential = client.kind == ClientKind::Confidential;
    let rows = secrets.iter().map(|secret| SecretRow {
        id: secret.id.to_string(),
        prefix: secret.prefix.clone(),
        created_at: moment(secret.created_at, now.0),
    });
    Ok(ClientEditor {
        existing: Some(ExistingClient {
            id: client.id.to_string(),
            name: client.name.clone(),
            kind: kind(client.kind),
            secrets: is_confidential.then(|| rows.collect()),
            may_add_secret: secrets.len() < SECRETS_MAX && member.may(Action::AddClientSecret),
            form_nonce: once(),
        }),
        ..editor(tx, member, form, errors).await?
    })
}

fn blank() -> ClientForm {
    ClientForm {
        kind: "public".to_owned(),
        serves: "own_tenant".to_owned(),
        sign_up: "nobody".to_owned(),
        grants: vec!["authorization_code".to_owned(), "refresh_token".to_owned()],
        requires_pkce: "on".to_owned(),
        signing_algorithm: "RS256".to_owned(),
        access_token_seconds: "3600".to_owned(),
        id_token_seconds: "3600".to_owned(),
        refresh_token_seconds: "2592000".to_owned(),
        is_enabled: "on".to_owned(),
        ..ClientForm::default()
    }
}

fn filled(client: &OauthClient) -> ClientForm {
    let tick = |is_on| if is_on { "on" } else { "" }.to_owned();
    let lines = |uris: &[domain::oauth_client::RedirectUri]| {
        let texts: Vec<&str> = uris.iter().map(|uri| uri.as_str()).collect();
        texts.join("\n")
    };
    ClientForm {
        name: client.name.clone(),
        kind: client.kind.to_string(),
        serves: client.serves.to_string(),
        sign_up: client.sign_up.to_string(),
        sign_up_domains: client.sign_up_domains.join(", "),
        redirect_uris: lines(&client.redirect_uris),
        logout_uris: lines(&client.logout_uris),
        grants: client.grants.iter().map(ToString::to_string).collect(),
        scopes: client.scopes.clone(),
        requires_pkce: tick(client.requires_pkce),
        signing_algorithm: client.signing_algorithm.to_string(),
        encrypts_access_tokens: tick(client.encrypts_access_tokens),
        access_token_seconds: client.access_token_seconds.to_string(),
        id_token_seconds: client.id_token_seconds.to_string(),
        refresh_token_seconds: client.refresh_token_seconds.to_string(),
        is_enabled: tick(client.is_enabled),
        edition: client.edition.to_string(),
        form_nonce: String::new(),
    }
}

/// The form as the API takes it, so that both say the same of what is wrong.
fn terms(form: &ClientForm) -> Result<(ClientKind, ClientTerms), ActionError> {
    ClientInput {
        name: form.name.clone(),
        kind: form.kind.clone(),
        serves: form.serves.clone(),
        sign_up: form.sign_up.clone(),
        sign_up_domains: words(&form.sign_up_domains),
        redirect_uris: words(&form.redirect_uris),
        logout_uris: words(&form.logout_uris),
        grants: form.grants.clone(),
        scopes: form.scopes.clone(),
        requires_pkce: form.requires_pkce == "on",
        signing_algorithm: form.signing_algorithm.clone(),
        encrypts_access_tokens: form.encrypts_access_tokens == "on",
        access_token_seconds: seconds(&form.access_token_seconds),
        id_token_seconds: seconds(&form.id_token_seconds),
        refresh_token_seconds: seconds(&form.refresh_token_seconds),
        is_enabled: form.is_enabled == "on",
    }
    .parse()
}

async fn show_new(State(app): State<App>, member: Member) -> Answer {
    let tenant = member.tenant.id;
    member.authority.require_in(Action::CreateClient, tenant)?;
    page(&new_page(&app, &member, blank(), FormErrors::default()).await?)
}

/// With a fresh nonce: what was sent before made nothing.
async fn new_page(
    app: &App,
    member: &Member,
    form: ClientForm,
    errors: FormErrors,
) -> Result<ClientEditor, Failure> {
    let mut tx = Tx::open(app, &member.authority).await?;
    let form = ClientForm {
        form_nonce: once(),
        ..form
    };
    Ok(editor(&mut tx, member, form, errors).await?)
}

async fn create_here(
    State(app): State<App>,
    member: Member,
    now: Now,
    Form(form): Form<ClientForm>,
) -> Answer {
    let form = ClientForm {
        is_enabled: "on".to_owned(),
        ..form
    };
    let tenant = member.tenant.id;
    let new = match terms(&form) {
        Ok(new) => new,
        Err(cause) => {
            return invalid(&new_page(&app, &member, form, form_errors(cause)?).await?);
        }
    };
    let nonce = Nonce::new(&member.authority, Some(tenant), &form.form_nonce)?;
    let mut tx = Tx::open(&app, &member.authority).await?;
    nonce.claim(&mut tx).await?;
    let made = match create(&member.authority, &mut tx, tenant, new, now).await {
        Ok(made) => made,
        Err(cause) => {
            drop(tx);
            return invalid(&new_page(&app, &member, form, form_errors(cause)?).await?);
        }
    };
    nonce.finish(&mut tx, &made.client.id.to_string()).await?;
    tx.commit().await?;
    page(&created(&app, &member, &made.client, made.secret.as_ref()))
}

fn created(
    app: &App,
    member: &Member,
    client: &OauthClient,
    secret: Option<&MintedSecret>,
) -> ClientCreated {
    ClientCreated {
        shell: member.shell(TenantTab::OauthClients),
        tenant_id: member.tenant.id.to_string(),
        client_id: client.id.to_string(),
        name: client.name.clone(),
        secret: secret.map(|minted| minted.value.reveal().to_owned()),
        discovery: discovery(app),
    }
}

async fn show_one(State(app): State<App>, member: Member, At(at): Place, now: Now) -> Answer {
    let mut tx = Tx::open(&app, &member.authority).await?;
    let (client, secrets) = show(&member.authority, &mut tx, at, now).await?;
    let form = (filled(&client), FormErrors::default());
    page(&editor_of(&mut tx, &member, (&client, &secrets), form, now).await?)
}

async fn update_here(
    State(app): State<App>,
    member: Member,
    At(at): Place,
    now: Now,
    Form(form): Form<ClientForm>,
) -> Answer {
    let mut tx = Tx::open(&app, &member.authority).await?;
    let (client, secrets) = show(&member.authority, &mut tx, at, now).await?;
    let form = ClientForm {
        kind: client.kind.to_string(),
        ..form
    };
    let cause = match terms(&form) {
        Err(cause) => cause,
        Ok((_, terms)) => {
            let edit = (terms, seen(&form.edition));
            match update(&member.authority, &mut tx, at, edit, now).await {
                Ok(after) => {
                    tx.commit().await?;
                    let text = format!("Client “{}” was saved.", after.name);
                    member.flash(Tone::Good, &text).await?;
                    return go_to(&format!("/t/{}/oauth-clients", at.0));
                }
                Err(cause) => cause,
            }
        }
    };
    // What failed may have left the transaction unusable.
    drop(tx);
    let mut tx = Tx::open(&app, &member.authority).await?;
    if matches!(cause, ActionError::EditedMeanwhile) {
        let saved = filled(&client);
        let errors = FormErrors::edited_meanwhile(&form, &saved);
        let form = ClientForm {
            edition: saved.edition,
            ..form
        };
        let both = (form, errors);
        let shown = editor_of(&mut tx, &member, (&client, &secrets), both, now).await?;
        return edited_meanwhile(&shown);
    }
    let form = (form, form_errors(cause)?);
    invalid(&editor_of(&mut tx, &member, (&client, &secrets), form, now).await?)
}

async fn show_delete(State(app): State<App>, member: Member, At(at): Place, now: Now) -> Answer {
    let mut tx = Tx::open(&app, &member.authority).await?;
    let (client, _) = show(&member.authority, &mut tx, at, now).await?;
    let place = format!("/t/{}/oauth-clients/{}", at.0, client.id);
    page(&Confirm {
        shell: member.shell(TenantTab::OauthClients),
        title: format!("Delete “{}”?", client.name),
        intro: "The application cannot sign anybody in any more.".to_owned(),
        consequences: vec![
            "Nodes refuse every token that it got within about a second, with 401.".to_owned(),
            "Its secrets and refresh tokens stop working. Its client_id cannot be brought back."
                .to_owned(),
        ],
        action: format!("{place}/delete"),
        button: "Delete client".to_owned(),
        is_danger: true,
        cancel_href: place,
        before: None,
        typed: None,
        errors: FormErrors::default(),
        fields: Vec::new(),
    })
}

async fn delete_here(State(app): State<App>, member: Member, At(at): Place, now: Now) -> Answer {
    let mut tx = Tx::open(&app, &member.authority).await?;
    delete(&member.authority, &mut tx, at, None, now).await?;
    tx.commit().await?;
    member.flash(Tone::Good, "The client was deleted.").await?;
    go_to(&format!("/t/{}/oauth-clients", at.0))
}

#[derive(serde::Deserialize)]
struct SecretForm {
    #[serde(default)]
    form_nonce: String,
}

async fn add_secret_here(
    State(app): State<App>,
    member: Member,
    At(at): Place,
    now: Now,
    Form(form): Form<SecretForm>,
) -> Answer {
    let nonce = Nonce::new(&member.authority, Some(at.0), &form.form_nonce)?;
    let mut tx = Tx::open(&app, &member.authority).await?;
    nonce.claim(&mut tx).await?;
    let (client, minted) = add_secret(&member.authority, &mut tx, at, now).await?;
    nonce.finish(&mut tx, &minted.secret.id.to_string()).await?;
    tx.commit().await?;
    page(&created(&app, &member, &client, Some(&minted)))
}

async fn revoke_secret_here(
    State(app): State<App>,
    member: Member,
    At((tenant, id, secret)): At<(TenantId, ClientId, Uuid)>,
    now: Now,
) -> Answer {
    let mut tx = Tx::open(&app, &member.authority).await?;
    revoke_secret(&member.authority, &mut tx, (tenant, id), secret, now).await?;
    tx.commit().await?;
    member
        .flash(Tone::Good, "The secret is taken back.")
        .await?;
    go_to(&format!("/t/{tenant}/oauth-clients/{id}"))
}
