//! `/admin/upstreams/…`.

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use axum_extra::extract::Form;
use domain::id::UpstreamId;
use domain::upstream::Upstream;
use store::PlatformTx;
use web::format::percent;
use web::forms::upstreams::{UpstreamFields, UpstreamForm};
use web::forms::{FormErrors, seen};
use web::layout::{OperatorTab, Tone};
use web::pages::confirm::Confirm;
use web::pages::upstreams::{TargetRow, UpstreamEditor, UpstreamRow, Upstreams};

use super::{UpstreamTerms, create, delete, get as find, list, update};
use crate::action::ActionError;
use crate::app::App;
use crate::clock::Now;
use crate::json::At;
use crate::page::{Answer, Failure, Operator, edited_meanwhile, form_errors, go_to, invalid, page};

/// Upstreams are few: a page shows all of them.
pub const ALL: u32 = 1_000;
const USERS_MAX: u32 = 10_000;

pub(crate) fn pages() -> Router<App> {
    Router::new()
        .route("/admin/upstreams", get(show_list))
        .route("/admin/upstreams/new", get(show_new).post(create_here))
        .route(
            "/admin/upstreams/{upstream}",
            get(show_one).post(update_here),
        )
        .route(
            "/admin/upstreams/{upstream}/delete",
            get(show_delete).post(delete_here),
        )
}

async fn show_list(State(app): State<App>, operator: Operator) -> Answer {
    let mut tx = app.db.platform_tx().await?;
    let all = list(&operator.authority, &mut tx, None, ALL).await?;
    let users = store::upstreams::list_users(&mut tx, USERS_MAX).await?;
    page(&Upstreams {
        shell: operator.shell(OperatorTab::Upstreams),
        upstreams: all.iter().map(|one| row(one, &users)).collect(),
    })
}

fn row(upstream: &Upstream, users: &[(UpstreamId, String)]) -> UpstreamRow {
    let all: u64 = upstream
        .targets
        .iter()
        .map(|one| u64::from(one.weight))
        .sum();
    UpstreamRow {
        id: upstream.id.to_string(),
        name: upstream.name.clone(),
        targets: upstream
            .targets
            .iter()
            .map(|target| TargetRow {
                url: target.url.clone(),
                weight: target.weight.to_string(),
                share: percent(u64::from(target.weight), all),
            })
            .collect(),
        apis: names(upstream.id, users),
    }
}

fn names(id: UpstreamId, users: &[(UpstreamId, String)]) -> Vec<String> {
    let own = users.iter().filter(|(upstream, _)| *upstream == id);
    own.map(|(_, name)| name.clone()).collect()
}

/// An editor of a new upstream, or of one that is there.
fn editor(operator: &Operator, form: UpstreamForm, errors: FormErrors) -> UpstreamEditor {
    UpstreamEditor {
        shell: operator.shell(OperatorTab::Upstreams),
        existing: None,
        form,
        errors,
        apis: Vec::new(),
    }
}

async fn editor_of(
    operator: &Operator,
    tx: &mut PlatformTx,
    upstream: &Upstream,
    (form, errors): (UpstreamForm, FormErrors),
) -> Result<UpstreamEditor, Failure> {
    let users = store::upstreams::list_users(tx, USERS_MAX).await?;
    Ok(UpstreamEditor {
        existing: Some((upstream.id.to_string(), upstream.name.clone())),
        apis: names(upstream.id, &users),
        ..editor(operator, form, errors)
    })
}

fn filled(upstream: &Upstream) -> UpstreamForm {
    let targets = &upstream.targets;
    UpstreamForm {
        edition: upstream.edition.to_string(),
        name: upstream.name.clone(),
        target_url: targets.iter().map(|one| one.url.clone()).collect(),
        target_weight: targets.iter().map(|one| one.weight.to_string()).collect(),
    }
}

fn terms(fields: &UpstreamFields) -> Result<UpstreamTerms, ActionError> {
    UpstreamTerms::parse(&fields.name, &fields.targets).map_err(ActionError::Invalid)
}

async fn show_new(operator: Operator) -> Answer {
    page(&editor(
        &operator,
        UpstreamForm::default(),
        FormErrors::default(),
    ))
}

async fn create_here(
    State(app): State<App>,
    operator: Operator,
    now: Now,
    Form(form): Form<UpstreamForm>,
) -> Answer {
    let errors = match form.parse() {
        Err(errors) => errors,
        Ok(fields) => match create_from(&app, &operator, &fields, now).await {
            Ok(made) => {
                let text = format!("Upstream “{}” was created.", made.name);
                operator.flash(Tone::Good, &text).await?;
                return go_to("/admin/upstreams");
            }
            Err(cause) => form_errors(cause)?,
        },
    };
    invalid(&editor(&operator, form, errors))
}

async fn create_from(
    app: &App,
    operator: &Operator,
    fields: &UpstreamFields,
    now: Now,
) -> Result<Upstream, ActionError> {
    let mut tx = app.db.platform_tx().await?;
    let made = create(&operator.authority, &mut tx, terms(fields)?, now).await?;
    tx.commit().await?;
    Ok(made)
}

async fn show_one(State(app): State<App>, operator: Operator, At(id): At<UpstreamId>) -> Answer {
    let mut tx = app.db.platform_tx().await?;
    let upstream = find(&operator.authority, &mut tx, id).await?;
    let form = (filled(&upstream), FormErrors::default());
    page(&editor_of(&operator, &mut tx, &upstream, form).await?)
}

async fn update_here(
    State(app): State<App>,
    operator: Operator,
    At(id): At<UpstreamId>,
    now: Now,
    Form(form): Form<UpstreamForm>,
) -> Answer {
    let errors = match form.parse() {
        Err(errors) => errors,
        Ok(fields) => {
            match update_from(&app, &operator, (id, seen(&form.edition), &fields), now).await {
                Ok(after) => {
                    let text = format!("Upstream “{}” was saved.", after.name);
                    operator.flash(Tone::Good, &text).await?;
                    return go_to("/admin/upstreams");
                }
                Err(ActionError::EditedMeanwhile) => {
                    return overtaken((&app, &operator), id, form).await;
                }
                Err(cause) => form_errors(cause)?,
            }
        }
    };
    let mut tx = app.db.platform_tx().await?;
    let upstream = find(&operator.authority, &mut tx, id).await?;
    invalid(&editor_of(&operator, &mut tx, &upstream, (form, errors)).await?)
}

async fn overtaken(
    (app, operator): (&App, &Operator),
    id: UpstreamId,
    typed: UpstreamForm,
) -> Answer {
    let mut tx = app.db.platform_tx().await?;
    let upstream = find(&operator.authority, &mut tx, id).await?;
    let saved = filled(&upstream);
    let errors = FormErrors::edited_meanwhile(&typed, &saved);
    let form = UpstreamForm {
        edition: saved.edition,
        ..typed
    };
    edited_meanwhile(&editor_of(operator, &mut tx, &upstream, (form, errors)).await?)
}

async fn update_from(
    app: &App,
    operator: &Operator,
    (id, seen, fields): (UpstreamId, Option<i32>, &UpstreamFields),
    now: Now,
) -> Result<Upstream, ActionError> {
    let mut tx = app.db.platform_tx().await?;
    let terms = terms(fields)?;
    let after = update(&operator.authority, &mut tx, (id, seen), terms, now).await?;
    tx.commit().await?;
    Ok(after)
}

fn question(operator: &Operator, upstream: &Upstream, errors: FormErrors) -> Confirm {
    let place = format!("/admin/upstreams/{}", upstream.id);
    Confirm {
        shell: operator.shell(OperatorTab::Upstreams),
        title: format!("Delete “{}”?", upstream.name),
        intro: "No API and no route sends requests there any more.".to_owned(),
        consequences: vec![
            "Its targets are forgotten. Nodes close their connections to them.".to_owned(),
        ],
        action: format!("{place}/delete"),
        button: "Delete upstream".to_owned(),
        is_danger: true,
        cancel_href: place,
        before: None,
        typed: None,
        errors,
        fields: Vec::new(),
    }
}

async fn show_delete(State(app): State<App>, operator: Operator, At(id): At<UpstreamId>) -> Answer {
    let mut tx = app.db.platform_tx().await?;
    let upstream = find(&operator.authority, &mut tx, id).await?;
    page(&question(&operator, &upstream, FormErrors::default()))
}

async fn delete_here(
    State(app): State<App>,
    operator: Operator,
    At(id): At<UpstreamId>,
    now: Now,
) -> Answer {
    let mut tx = app.db.platform_tx().await?;
    let upstream = find(&operator.authority, &mut tx, id).await?;
    if let Err(cause) = delete(&operator.authority, &mut tx, (id, None), now).await {
        return invalid(&question(&operator, &upstream, form_errors(cause)?));
    }
    tx.commit().await?;
    let text = format!("Upstream “{}” was deleted.", upstream.name);
    operator.flash(Tone::Good, &text).await?;
    go_to("/admin/upstreams")
}
