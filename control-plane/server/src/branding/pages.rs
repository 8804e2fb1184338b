//! `/t/{tenant}/branding`.

use axum::Router;
use axum::extract::multipart::{Multipart, MultipartRejection};
use axum::extract::{DefaultBodyLimit, State};
use axum::routing::{get, post};
use axum_extra::extract::Form;
use bytes::Bytes;
use domain::branding::{Branding, BrandingTerms, RawBranding};
use domain::permission::Action;
use web::brand::{Brand, Scope, stylesheet_url};
use web::forms::branding::BrandingForm;
use web::forms::{FormErrors, seen};
use web::layout::{TenantTab, Tone};
use web::pages::branding::BrandingEditor;

use super::logo::{self, LogoError};
use crate::action::{ActionError, Tx};
use crate::app::App;
use crate::clock::Now;
use crate::page::{
    Answer, Failure, Member, UPLOAD_FORM_BYTES_MAX, edited_meanwhile, form_errors, go_to, invalid,
    page,
};
use crate::problem::Problem;

pub(super) fn pages() -> Router<App> {
    Router::new()
        .route("/t/{tenant}/branding", get(show).post(update))
        .route(
            "/t/{tenant}/branding/logo",
            post(upload).layer(DefaultBodyLimit::max(UPLOAD_FORM_BYTES_MAX)),
        )
        .route("/t/{tenant}/branding/logo/remove", post(remove))
}

async fn show(State(app): State<App>, member: Member) -> Answer {
    let saved = saved(&app, &member).await?;
    let form = filled(&saved);
    page(&build(&member, &saved, form, FormErrors::default()))
}

async fn saved(app: &App, member: &Member) -> Result<Branding, Failure> {
    let mut tx = Tx::open(app, &member.authority).await?;
    let found = super::get(&member.authority, &mut tx, member.tenant.id).await?;
    tx.commit().await?;
    Ok(found)
}

fn filled(saved: &Branding) -> BrandingForm {
    let terms = saved.terms.clone();
    BrandingForm {
        edition: saved.edition.to_string(),
        name: terms.name.unwrap_or_default(),
        accent: terms.accent.map(|one| one.to_string()).unwrap_or_default(),
        support_url: terms.support_url.unwrap_or_default(),
        privacy_url: terms.privacy_url.unwrap_or_default(),
        terms_url: terms.terms_url.unwrap_or_default(),
    }
}

fn build(
    member: &Member,
    saved: &Branding,
    form: BrandingForm,
    errors: FormErrors,
) -> BrandingEditor {
    let tenant = &member.tenant;
    let accent = saved.terms.accent;
    BrandingEditor {
        shell: member.shell(TenantTab::Settings),
        tenant_id: tenant.id.to_string(),
        form,
        errors,
        may_edit: member.may(Action::UpdateBranding),
        brand: Brand {
            name: saved.terms.name.clone().unwrap_or(tenant.name.clone()),
            logo: super::logo_url(tenant.id, saved),
            ..Brand::default()
        },
        preview_stylesheet: accent.map(|accent| stylesheet_url(accent, Scope::Preview)),
    }
}

fn parse(form: &BrandingForm) -> Result<BrandingTerms, ActionError> {
    let raw = RawBranding {
        name: &form.name,
        accent: &form.accent,
        support_url: &form.support_url,
        privacy_url: &form.privacy_url,
        terms_url: &form.terms_url,
    };
    BrandingTerms::parse(raw).map_err(ActionError::Invalid)
}

async fn update(
    State(app): State<App>,
    member: Member,
    now: Now,
    Form(form): Form<BrandingForm>,
) -> Answer {
    let cause = match update_as(&app, &member, &form, now).await {
        Ok(()) => return go_back(&member, "The look of sign-in is changed.").await,
        Err(cause) => cause,
    };
    let saved = saved(&app, &member).await?;
    if matches!(cause, ActionError::EditedMeanwhile) {
        let present = filled(&saved);
        let errors = FormErrors::edited_meanwhile(&form, &present);
        let form = BrandingForm {
            edition: present.edition,
            ..form
        };
        return edited_meanwhile(&build(&member, &saved, form, errors));
    }
    let errors = form_errors(cause)?;
    invalid(&build(&member, &saved, form, errors))
}

async fn update_as(
    app: &App,
    member: &Member,
    form: &BrandingForm,
    now: Now,
) -> Result<(), ActionError> {
    let authority = &member.authority;
    authority.require_in(Action::UpdateBranding, member.tenant.id)?;
    let terms = parse(form)?;
    let mut tx = Tx::open(app, authority).await?;
    let at = (member.tenant.id, seen(&form.edition));
    super::update(authority, &mut tx, at, &terms, now).await?;
    tx.commit().await
}

async fn upload(
    State(app): State<App>,
    member: Member,
    now: Now,
    form: Result<Multipart, MultipartRejection>,
) -> Answer {
    let (authority, tenant) = (&member.authority, member.tenant.id);
    authority.require_in(Action::UpdateBranding, tenant)?;
    let file = match form {
        Ok(form) => file(form).await,
        Err(_) => Err(LogoError::NoPicture),
    };
    let png = match file {
        Ok(file) => tokio::task::spawn_blocking(move || logo::encode(&file))
            .await
            .map_err(|cause| Problem::internal(&cause))?,
        Err(cause) => Err(cause),
    };
    let png = match png {
        Ok(png) => png,
        Err(cause) => {
            let saved = saved(&app, &member).await?;
            let errors = FormErrors::of("logo", cause.to_string());
            return invalid(&build(&member, &saved, filled(&saved), errors));
        }
    };
    let mut tx = Tx::open(&app, authority).await?;
    super::update_logo(authority, &mut tx, (tenant, Some(&png)), now).await?;
    tx.commit().await?;
    go_back(&member, "The logo is changed.").await
}

async fn file(mut form: Multipart) -> Result<Bytes, LogoError> {
    while let Ok(Some(field)) = form.next_field().await {
        if field.name() == Some("logo") {
            return field.bytes().await.map_err(|_| LogoError::NoPicture);
        }
    }
    Err(LogoError::NoPicture)
}

async fn remove(State(app): State<App>, member: Member, now: Now) -> Answer {
    let (authority, tenant) = (&member.authority, member.tenant.id);
    let mut tx = Tx::open(&app, authority).await?;
    super::update_logo(authority, &mut tx, (tenant, None), now).await?;
    tx.commit().await?;
    go_back(&member, "The logo is removed.").await
}

async fn go_back(member: &Member, text: &str) -> Answer {
    member.flash(Tone::Good, text).await?;
    go_to(&format!("/t/{}/branding", member.tenant.id))
}
