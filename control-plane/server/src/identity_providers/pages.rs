//! `/t/{tenant}/identity-providers/…` and `/admin/identity-providers/…`.

use std::collections::BTreeMap;

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use axum_extra::extract::Form;
use domain::id::{ProviderId, TenantId};
use domain::identity_provider::IdentityProvider;
use web::format::moment;
use web::forms::identity_providers::ProviderForm;
use web::forms::oauth_clients::words;
use web::forms::{Choice, FormErrors, seen};
use web::layout::{Badge, OperatorTab, Shell, TenantTab, Tone};
use web::pages::confirm::Confirm;
use web::pages::identity_providers::{
    ExistingProvider, IdentityProviders, ProviderEditor, ProviderRow,
};

use super::exchange::CALLBACK;
use super::json::ProviderInput;
use super::{New, check, create, delete, get as get_provider, list, require, update};
use crate::action::{ActionError, Tx};
use crate::app::App;
use crate::authority::Authority;
use crate::clock::Now;
use crate::json::At;
use crate::page::{
    Answer, Failure, Member, Operator, edited_meanwhile, form_errors, go_to, invalid, page,
};

/// There are few; a page shows all of them.
const ALL: u32 = 1_000;

const ROLES: &[(&str, &str)] = &[
    ("user", "User: signs in to applications, has no console"),
    ("viewer", "Viewer: looks into the console"),
    ("developer", "Developer: manages API keys and OAuth clients"),
];

pub(super) fn tenant_pages() -> Router<App> {
    Router::new()
        .route("/t/{tenant}/identity-providers", get(show_list_of_tenant))
        .route(
            "/t/{tenant}/identity-providers/new",
            get(show_new_of_tenant).post(create_of_tenant),
        )
        .route(
            "/t/{tenant}/identity-providers/{provider}",
            get(show_one_of_tenant).post(update_of_tenant),
        )
        .route(
            "/t/{tenant}/identity-providers/{provider}/delete",
            get(show_delete_of_tenant).post(delete_of_tenant),
        )
}

pub(crate) fn operator_pages() -> Router<App> {
    Router::new()
        .route("/admin/identity-providers", get(show_list))
        .route(
            "/admin/identity-providers/new",
            get(show_new).post(create_here),
        )
        .route(
            "/admin/identity-providers/{provider}",
            get(show_one).post(update_here),
        )
        .route(
            "/admin/identity-providers/{provider}/delete",
            get(show_delete).post(delete_here),
        )
}

/// Who looks at providers, and whose.
enum Viewer {
    Member(Box<Member>),
    Operator(Box<Operator>),
}

impl From<Member> for Viewer {
    fn from(member: Member) -> Self {
        Viewer::Member(Box::new(member))
    }
}

impl From<Operator> for Viewer {
    fn from(operator: Operator) -> Self {
        Viewer::Operator(Box::new(operator))
    }
}

impl Viewer {
    fn authority(&self) -> &Authority {
        match self {
            Viewer::Member(member) => &member.authority,
            Viewer::Operator(operator) => &operator.authority,
        }
    }

    fn tenant(&self) -> Option<TenantId> {
        match self {
            Viewer::Member(member) => Some(member.tenant.id),
            Viewer::Operator(_) => None,
        }
    }

    fn shell(&self) -> Shell {
        match self {
            Viewer::Member(member) => member.shell(TenantTab::SignIn),
            Viewer::Operator(operator) => operator.shell(OperatorTab::SignIn),
        }
    }

    fn may(&self, (of_tenant, of_platform): super::Pair) -> bool {
        match self {
            Viewer::Member(member) => member.may(of_tenant),
            Viewer::Operator(operator) => operator.authority.may(of_platform),
        }
    }

    /// Where their providers are.
    fn base(&self) -> String {
        match self.tenant() {
            Some(tenant) => format!("/t/{tenant}/identity-providers"),
            None => "/admin/identity-providers".to_owned(),
        }
    }

    async fn flash(&self, tone: Tone, text: &str) -> Result<(), Failure> {
        match self {
            Viewer::Member(member) => member.flash(tone, text).await,
            Viewer::Operator(operator) => operator.flash(tone, text).await,
        }
    }
}

async fn list_page(app: &App, viewer: &Viewer, now: Now) -> Answer {
    let mut tx = Tx::open(app, viewer.authority()).await?;
    let found = list(viewer.authority(), &mut tx, viewer.tenant(), (None, ALL)).await?;
    tx.commit().await?;
    let rows = found.iter().map(|provider| ProviderRow {
        id: provider.id.to_string(),
        name: provider.terms.name.as_str().to_owned(),
        issuer: provider.issuer.as_str().to_owned(),
        badge: match provider.terms.is_enabled {
            true => Badge::new(Tone::Good, "Active"),
            false => Badge::new(Tone::Warning, "Switched off"),
        },
        created_at: moment(provider.created_at, now.0),
    });
    page(&IdentityProviders {
        shell: viewer.shell(),
        base: viewer.base(),
        providers: rows.collect(),
        domains_href: viewer.tenant().map(|tenant| format!("/t/{tenant}/domains")),
        may_create: viewer.may(super::CREATE),
    })
}

fn editor(
    app: &App,
    viewer: &Viewer,
    existing: Option<&IdentityProvider>,
    (form, errors): (ProviderForm, FormErrors),
) -> ProviderEditor {
    ProviderEditor {
        shell: viewer.shell(),
        base: viewer.base(),
        is_of_tenant: viewer.tenant().is_some(),
        existing: existing.map(|provider| ExistingProvider {
            id: provider.id.to_string(),
            name: provider.terms.name.as_str().to_owned(),
            issuer: provider.issuer.as_str().to_owned(),
            has_client_secret: provider.sealed_client_secret.is_some(),
        }),
        redirect_uri: format!("{}{CALLBACK}", app.public_url),
        roles: Choice::one_of(ROLES, &form.role),
        may_edit: viewer.may(super::UPDATE),
        form,
        errors,
    }
}

fn blank() -> ProviderForm {
    ProviderForm {
        scopes: "email profile".to_owned(),
        name_claim: "name".to_owned(),
        role: "user".to_owned(),
        is_enabled: "on".to_owned(),
        ..ProviderForm::default()
    }
}

fn filled(provider: &IdentityProvider) -> ProviderForm {
    let input = ProviderInput::of(provider);
    let tick = |is_on| if is_on { "on" } else { "" }.to_owned();
    let lines = input
        .groups
        .iter()
        .map(|(theirs, ours)| format!("{theirs} = {ours}"));
    ProviderForm {
        name: input.name,
        issuer: input.issuer,
        client_id: input.client_id,
        scopes: input.scopes.join(" "),
        name_claim: input.name_claim,
        groups_claim: input.groups_claim,
        groups: lines.collect::<Vec<_>>().join("\n"),
        domains: input.domains.join(", "),
        links_by_address: tick(input.links_by_address),
        makes_people: tick(input.makes_people),
        role: input.role,
        is_enabled: tick(input.is_enabled),
        edition: provider.edition.to_string(),
        ..ProviderForm::default()
    }
}

/// The form as the API takes it, so that both say the same of what is wrong.
fn parse(form: &ProviderForm, existing: Option<&IdentityProvider>) -> Result<New, ActionError> {
    let secret = match (form.client_secret.as_str(), form.removes_secret == "on") {
        (_, true) => Some(String::new()),
        ("", false) if existing.is_some() => None,
        (typed, false) => Some(typed.to_owned()),
    };
    let issuer = existing.map_or(form.issuer.as_str(), |it| it.issuer.as_str());
    let mut groups = BTreeMap::new();
    for line in form.groups.lines().filter(|line| !line.trim().is_empty()) {
        let (theirs, ours) = line.split_once('=').unwrap_or((line, ""));
        groups.insert(theirs.trim().to_owned(), ours.trim().to_owned());
    }
    ProviderInput {
        name: form.name.clone(),
        issuer: issuer.to_owned(),
        client_id: form.client_id.clone(),
        client_secret: secret,
        scopes: words(&form.scopes),
        name_claim: form.name_claim.clone(),
        groups_claim: form.groups_claim.clone(),
        groups,
        domains: words(&form.domains),
        links_by_address: form.links_by_address == "on",
        makes_people: form.makes_people == "on",
        role: match form.role.as_str() {
            "" => "user".to_owned(),
            role => role.to_owned(),
        },
        is_enabled: form.is_enabled == "on",
    }
    .parse()
}

async fn new_page(app: &App, viewer: &Viewer) -> Answer {
    require(viewer.authority(), viewer.tenant(), super::CREATE)?;
    page(&editor(app, viewer, None, (blank(), FormErrors::default())))
}

async fn make(app: &App, viewer: &Viewer, form: ProviderForm, now: Now) -> Answer {
    let tenant = viewer.tenant();
    // Before anything is called: who may not has nothing called for them.
    require(viewer.authority(), tenant, super::CREATE)?;
    let made = async {
        let new = parse(&form, None)?;
        check(app, tenant, &new, now).await?;
        let mut tx = Tx::open(app, viewer.authority()).await?;
        let made = create(viewer.authority(), &mut tx, (app, tenant), &new, now).await?;
        tx.commit().await?;
        Ok(made)
    };
    match made.await {
        Ok(made) => {
            let text = format!("{} is set up.", made.terms.name.as_str());
            viewer.flash(Tone::Good, &text).await?;
            go_to(&viewer.base())
        }
        Err(cause) => invalid(&editor(app, viewer, None, (form, form_errors(cause)?))),
    }
}

async fn find(app: &App, viewer: &Viewer, id: ProviderId) -> Result<IdentityProvider, ActionError> {
    let mut tx = Tx::open(app, viewer.authority()).await?;
    let found = get_provider(viewer.authority(), &mut tx, viewer.tenant(), id).await?;
    tx.commit().await?;
    Ok(found)
}

async fn one_page(app: &App, viewer: &Viewer, id: ProviderId) -> Answer {
    let found = find(app, viewer, id).await?;
    let form = (filled(&found), FormErrors::default());
    page(&editor(app, viewer, Some(&found), form))
}

async fn change(
    app: &App,
    viewer: &Viewer,
    (id, form): (ProviderId, ProviderForm),
    now: Now,
) -> Answer {
    let tenant = viewer.tenant();
    require(viewer.authority(), tenant, super::UPDATE)?;
    let present = find(app, viewer, id).await?;
    let changed = async {
        let new = parse(&form, Some(&present))?;
        check(app, tenant, &new, now).await?;
        let mut tx = Tx::open(app, viewer.authority()).await?;
        let (place, edit) = ((app, tenant, id), (&new, seen(&form.edition)));
        let after = update(viewer.authority(), &mut tx, place, edit, now).await?;
        tx.commit().await?;
        Ok(after)
    };
    match changed.await {
        Ok(after) => {
            let text = format!("{} was saved.", after.terms.name.as_str());
            viewer.flash(Tone::Good, &text).await?;
            go_to(&viewer.base())
        }
        Err(ActionError::EditedMeanwhile) => {
            let saved = filled(&present);
            let errors = FormErrors::edited_meanwhile(&form, &saved);
            let form = ProviderForm {
                edition: saved.edition,
                ..form
            };
            edited_meanwhile(&editor(app, viewer, Some(&present), (form, errors)))
        }
        Err(cause) => {
            let form = (form, form_errors(cause)?);
            invalid(&editor(app, viewer, Some(&present), form))
        }
    }
}

async fn delete_page(app: &App, viewer: &Viewer, id: ProviderId) -> Answer {
    let found = find(app, viewer, id).await?;
    let name = found.terms.name.as_str();
    let place = format!("{}/{id}", viewer.base());
    page(&Confirm {
        shell: viewer.shell(),
        title: format!("Remove “{name}”?"),
        intro: "Nobody can sign in through it any more.".to_owned(),
        consequences: vec![
            "Accounts and memberships stay, and who is signed in stays so.".to_owned(),
            "Who has no password sets one with “Forgot your password?”.".to_owned(),
            "Which account belongs to whom there is forgotten.".to_owned(),
        ],
        action: format!("{place}/delete"),
        button: "Remove provider".to_owned(),
        is_danger: true,
        cancel_href: place,
        before: None,
        typed: None,
        errors: FormErrors::default(),
        fields: Vec::new(),
    })
}

async fn end(app: &App, viewer: &Viewer, id: ProviderId, now: Now) -> Answer {
    let mut tx = Tx::open(app, viewer.authority()).await?;
    delete(
        viewer.authority(),
        &mut tx,
        (viewer.tenant(), id),
        None,
        now,
    )
    .await?;
    tx.commit().await?;
    viewer.flash(Tone::Good, "The provider is removed.").await?;
    go_to(&viewer.base())
}

async fn show_list_of_tenant(State(app): State<App>, member: Member, now: Now) -> Answer {
    list_page(&app, &member.into(), now).await
}

async fn show_new_of_tenant(State(app): State<App>, member: Member) -> Answer {
    new_page(&app, &member.into()).await
}

async fn create_of_tenant(
    State(app): State<App>,
    member: Member,
    now: Now,
    Form(form): Form<ProviderForm>,
) -> Answer {
    make(&app, &member.into(), form, now).await
}

type Place = At<(TenantId, ProviderId)>;

async fn show_one_of_tenant(State(app): State<App>, member: Member, At(at): Place) -> Answer {
    one_page(&app, &member.into(), at.1).await
}

async fn update_of_tenant(
    State(app): State<App>,
    member: Member,
    At(at): Place,
    now: Now,
    Form(form): Form<ProviderForm>,
) -> Answer {
    change(&app, &member.into(), (at.1, form), now).await
}

async fn show_delete_of_tenant(State(app): State<App>, member: Member, At(at): Place) -> Answer {
    delete_page(&app, &member.into(), at.1).await
}

async fn delete_of_tenant(
    State(app): State<App>,
    member: Member,
    At(at): Place,
    now: Now,
) -> Answer {
    end(&app, &member.into(), at.1, now).await
}

async fn show_list(State(app): State<App>, operator: Operator, now: Now) -> Answer {
    list_page(&app, &operator.into(), now).await
}

async fn show_new(State(app): State<App>, operator: Operator) -> Answer {
    new_page(&app, &operator.into()).await
}

async fn create_here(
    State(app): State<App>,
    operator: Operator,
    now: Now,
    Form(form): Form<ProviderForm>,
) -> Answer {
    make(&app, &operator.into(), form, now).await
}

async fn show_one(State(app): State<App>, operator: Operator, At(id): At<ProviderId>) -> Answer {
    one_page(&app, &operator.into(), id).await
}

async fn update_here(
    State(app): State<App>,
    operator: Operator,
    At(id): At<ProviderId>,
    now: Now,
    Form(form): Form<ProviderForm>,
) -> Answer {
    change(&app, &operator.into(), (id, form), now).await
}

async fn show_delete(State(app): State<App>, operator: Operator, At(id): At<ProviderId>) -> Answer {
    delete_page(&app, &operator.into(), id).await
}

async fn delete_here(
    State(app): State<App>,
    operator: Operator,
    At(id): At<ProviderId>,
    now: Now,
) -> Answer {
    end(&app, &operator.into(), id, now).await
}
