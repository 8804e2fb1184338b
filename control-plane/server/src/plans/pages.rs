//! `/admin/plans/…`.

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use axum_extra::extract::Form;
use domain::FieldError;
use domain::field::each;
use domain::id::PlanId;
use domain::plan::{ApplyTo, OnStoreDown, Plan};
use store::PlatformTx;
use web::format::{decimal, minor_digits, plural, thousands};
use web::forms::plans::{PlanFields, PlanForm, PriceFields, QuotaFields};
use web::forms::{Choice, FormErrors, seen};
use web::layout::{Badge, OperatorTab, Tone};
use web::pages::confirm::Confirm;
use web::pages::plans::{ExistingPlan, PlanEditor, PlanRow, Plans};

use super::input::{PlanInput, PriceInput, QuotaInput};
use super::{NewPlan, create, get as find, list, retire, update};
use crate::action::ActionError;
use crate::app::App;
use crate::clock::Now;
use crate::json::{At, PerSecond};
use crate::page::{Answer, Failure, Operator, edited_meanwhile, form_errors, go_to, invalid, page};
use crate::subscriptions::{burst_text, price_text, quota_text, rate_text};

/// Plans and APIs are few: a page shows all of them.
const ALL: u32 = 1_000;

pub(crate) fn pages() -> Router<App> {
    Router::new()
        .route("/admin/plans", get(show_list))
        .route("/admin/plans/new", get(show_new).post(create_here))
        .route("/admin/plans/{plan}", get(show_one).post(update_here))
        .route(
            "/admin/plans/{plan}/retire",
            get(show_retire).post(retire_here),
        )
}

async fn show_list(State(app): State<App>, operator: Operator) -> Answer {
    let mut tx = app.db.platform_tx().await?;
    let mut plans = list(&operator.authority, &mut tx, None, ALL).await?;
    let ids: Vec<PlanId> = plans.iter().map(|plan| plan.id).collect();
    let counts = store::plans::all_tenants_count_subscribers(&mut tx, &ids).await?;
    // Retired ones last.
    plans.sort_by_key(|plan| plan.retired_at.is_some());
    page(&Plans {
        shell: operator.shell(OperatorTab::Plans),
        plans: plans.iter().map(|plan| row(plan, &counts)).collect(),
    })
}

fn row(plan: &Plan, counts: &[(PlanId, u64)]) -> PlanRow {
    let mut badges = vec![match plan.is_self_service {
        true => Badge::new(Tone::Good, "Self-service"),
        false => Badge::new(Tone::Neutral, "By approval"),
    }];
    if plan.retired_at.is_some() {
        badges = vec![Badge::new(Tone::Warning, "Retired")];
    }
    let count = counts.iter().find(|(id, _)| *id == plan.id);
    PlanRow {
        id: plan.id.to_string(),
        name: plan.name.clone(),
        badges,
        rate: rate_text(&plan.terms),
        burst: burst_text(&plan.terms),
        quota: quota_text(&plan.terms),
        price: price_text(&plan.terms),
        tenants: thousands(count.map_or(0, |(_, count)| *count)),
    }
}

async fn editor(
    operator: &Operator,
    tx: &mut PlatformTx,
    form: PlanForm,
    errors: FormErrors,
) -> Result<PlanEditor, Failure> {
    let apis = store::apis::list(tx, None, ALL).await?;
    let choices = apis.iter().map(|api| {
        let id = api.id.to_string();
        let is_selected = form.api_ids.contains(&id);
        let place = match api.base_path.as_str() {
            "" => "/",
            path => path,
        };
        Choice::new(id, api.name.clone())
            .hint(place)
            .selected_if(is_selected)
    });
    Ok(PlanEditor {
        shell: operator.shell(OperatorTab::Plans),
        existing: None,
        apis: choices.collect(),
        form,
        errors,
    })
}

async fn editor_of(
    (app, operator): (&App, &Operator),
    id: PlanId,
    edited: Option<(PlanForm, FormErrors)>,
) -> Result<PlanEditor, Failure> {
    let mut tx = app.db.platform_tx().await?;
    let plan = find(&operator.authority, &mut tx, id).await?;
    let count = subscribers(&mut tx, id).await?;
    let (form, errors) = edited.unwrap_or_else(|| (filled(&plan), FormErrors::default()));
    Ok(PlanEditor {
        existing: Some(existing(&plan, count)),
        ..editor(operator, &mut tx, form, errors).await?
    })
}

async fn subscribers(tx: &mut PlatformTx, id: PlanId) -> Result<u64, Failure> {
    let counts = store::plans::all_tenants_count_subscribers(tx, &[id]).await?;
    Ok(counts.first().map_or(0, |(_, count)| *count))
}

fn existing(plan: &Plan, count: u64) -> ExistingPlan {
    let tenants = plural(count, "tenant");
    let (effect_all, effect_new) = match count {
        0 => (
            "No tenant is on this plan: nobody's limits change now.".to_owned(),
            "Who subscribes from now on gets the new limits.".to_owned(),
        ),
        1 => (
            "1 tenant gets the new limits within about a second.".to_owned(),
            "1 tenant keeps what it has; who subscribes from now on gets the new limits."
                .to_owned(),
        ),
        _ => (
            format!("{tenants} get the new limits within about a second."),
            format!(
                "{tenants} keep what they have; who subscribes from now on gets the new limits."
            ),
        ),
    };
    ExistingPlan {
        id: plan.id.to_string(),
        name: plan.name.clone(),
        tenants,
        effect_all,
        effect_new,
        is_retired: plan.retired_at.is_some(),
    }
}

fn filled(plan: &Plan) -> PlanForm {
    let (terms, form) = (&plan.terms, PlanForm::default());
    let (rate, quota, price) = (terms.rate, terms.quota.as_ref(), terms.price.as_ref());
    let number = |number: Option<u64>| number.map(thousands).unwrap_or_default();
    PlanForm {
        edition: plan.edition.to_string(),
        name: plan.name.clone(),
        description: plan.description.clone(),
        rate_limit: rate
            .map(|rate| decimal(rate.per_second_milli, 3))
            .unwrap_or_default(),
        burst_limit: number(rate.map(|rate| rate.burst)),
        quota_limit: number(quota.map(|quota| quota.limit)),
        quota_period: quota.map_or(form.quota_period, |quota| quota.period.to_string()),
        quota_offset: number(quota.map(|quota| quota.offset).filter(|offset| *offset > 0)),
        quota_group: quota.map_or(form.quota_group, |quota| quota.group.clone()),
        concurrency_limit: number(terms.concurrency.map(u64::from)),
        api_ids: terms.api_ids.iter().map(ToString::to_string).collect(),
        scopes: domain::scope::texts(&terms.scopes).join(" "),
        price_amount: price
            .map(|price| decimal(price.amount_minor, minor_digits(&price.currency)))
            .unwrap_or_default(),
        price_currency: price.map_or(form.price_currency, |price| price.currency.clone()),
        price_period: price.map_or(form.price_period, |price| price.period.to_string()),
        is_self_service: plan.is_self_service.then(|| "on".to_owned()),
        rate_on_store_down: terms.rate_on_store_down.to_string(),
        quota_on_store_down: quota.map_or(form.quota_on_store_down, |quota| {
            quota.on_store_down.to_string()
        }),
        apply_to: form.apply_to,
    }
}

/// What the form says.
fn new_plan(fields: PlanFields) -> Result<(NewPlan, ApplyTo), ActionError> {
    let api_ids = each("api_ids", &fields.api_ids, |id| {
        id.parse()
            .map_err(|_| FieldError::new("api_ids", "invalid", "Choose from the list."))
    })
    .map_err(ActionError::Invalid)?;
    let concurrency = fields.concurrency_limit;
    let input = PlanInput {
        name: fields.name,
        description: fields.description.unwrap_or_default(),
        rate_limit: fields
            .rate_limit_thousandths
            .map(|thousandths| PerSecond { thousandths }),
        burst_limit: fields.burst_limit,
        quota: fields.quota.map(quota_input).transpose()?,
        concurrency_limit: concurrency.map(|count| u32::try_from(count).unwrap_or(u32::MAX)),
        api_ids,
        scopes: fields.scopes,
        price: fields.price.map(price_input).transpose()?,
        is_self_service: fields.is_self_service,
        rate_on_store_down: choice::<OnStoreDown>("rate_on_store_down", fields.rate_on_store_down)?,
        quota_on_store_down: choice("quota_on_store_down", fields.quota_on_store_down)?,
    };
    let apply_to = choice("apply_to", fields.apply_to)?;
    Ok((input.parse().map_err(ActionError::Invalid)?, apply_to))
}

fn quota_input(quota: QuotaFields) -> Result<QuotaInput, ActionError> {
    Ok(QuotaInput {
        limit: quota.limit,
        period: choice("quota_period", quota.period)?,
        offset: quota.offset,
        group: quota.group,
    })
}

fn price_input(price: PriceFields) -> Result<PriceInput, ActionError> {
    Ok(PriceInput {
        amount_minor: price.amount_minor,
        period: choice("price_period", price.period)?,
        currency: price.currency,
    })
}

/// A member of a closed set that a select sent.
fn choice<T: std::str::FromStr>(field: &'static str, word: &str) -> Result<T, ActionError> {
    word.parse()
        .map_err(|_| FieldError::new(field, "invalid", "Choose one of the options.").into())
}

async fn show_new(State(app): State<App>, operator: Operator) -> Answer {
    let mut tx = app.db.platform_tx().await?;
    let (form, errors) = (PlanForm::default(), FormErrors::default());
    page(&editor(&operator, &mut tx, form, errors).await?)
}

async fn create_here(
    State(app): State<App>,
    operator: Operator,
    now: Now,
    Form(form): Form<PlanForm>,
) -> Answer {
    let errors = match form.parse() {
        Err(errors) => errors,
        Ok(fields) => match create_from(&app, &operator, fields, now).await {
            Ok(plan) => {
                let text = format!("Plan “{}” was created.", plan.name);
                operator.flash(Tone::Good, &text).await?;
                return go_to("/admin/plans");
            }
            Err(cause) => form_errors(cause)?,
        },
    };
    let mut tx = app.db.platform_tx().await?;
    invalid(&editor(&operator, &mut tx, form, errors).await?)
}

async fn create_from(
    app: &App,
    operator: &Operator,
    fields: PlanFields,
    now: Now,
) -> Result<Plan, ActionError> {
    let mut tx = app.db.platform_tx().await?;
    let (new, _) = new_plan(fields)?;
    let plan = create(&operator.authority, &mut tx, new, now).await?;
    tx.commit().await?;
    Ok(plan)
}

async fn show_one(State(app): State<App>, operator: Operator, At(id): At<PlanId>) -> Answer {
    page(&editor_of((&app, &operator), id, None).await?)
}

async fn update_here(
    State(app): State<App>,
    operator: Operator,
    At(id): At<PlanId>,
    now: Now,
    Form(form): Form<PlanForm>,
) -> Answer {
    let errors = match form.parse() {
        Err(errors) => errors,
        Ok(fields) => {
            match update_from(&app, &operator, (id, seen(&form.edition), fields), now).await {
                Ok(plan) => {
                    let text = format!("Plan “{}” was saved.", plan.name);
                    operator.flash(Tone::Good, &text).await?;
                    return go_to("/admin/plans");
                }
                Err(ActionError::EditedMeanwhile) => {
                    return overtaken((&app, &operator), id, form).await;
                }
                Err(cause) => form_errors(cause)?,
            }
        }
    };
    invalid(&editor_of((&app, &operator), id, Some((form, errors))).await?)
}

async fn overtaken(at: (&App, &Operator), id: PlanId, typed: PlanForm) -> Answer {
    let mut tx = at.0.db.platform_tx().await?;
    let saved = filled(&find(&at.1.authority, &mut tx, id).await?);
    tx.commit().await?;
    let errors = FormErrors::edited_meanwhile(&typed, &saved);
    let form = PlanForm {
        edition: saved.edition,
        ..typed
    };
    edited_meanwhile(&editor_of(at, id, Some((form, errors))).await?)
}

async fn update_from(
    app: &App,
    operator: &Operator,
    (id, seen, fields): (PlanId, Option<i32>, PlanFields),
    now: Now,
) -> Result<Plan, ActionError> {
    let mut tx = app.db.platform_tx().await?;
    let change = new_plan(fields)?;
    let plan = update(&operator.authority, &mut tx, (id, seen), change, now).await?;
    tx.commit().await?;
    Ok(plan)
}

async fn show_retire(State(app): State<App>, operator: Operator, At(id): At<PlanId>) -> Answer {
    let mut tx = app.db.platform_tx().await?;
    let plan = find(&operator.authority, &mut tx, id).await?;
    let count = subscribers(&mut tx, id).await?;
    let place = format!("/admin/plans/{id}");
    let stay = match count {
        0 => "No tenant is on it.".to_owned(),
        1 => "The 1 tenant on it stays on it, with the limits it has.".to_owned(),
        _ => format!(
            "The {} on it stay on it, with the limits they have.",
            plural(count, "tenant")
        ),
    };
    page(&Confirm {
        shell: operator.shell(OperatorTab::Plans),
        title: format!("Retire “{}”?", plan.name),
        intro: "The plan takes no new subscriptions any more.".to_owned(),
        consequences: vec![
            stay,
            "Requests for it that wait cannot be approved.".to_owned(),
            "A retired plan cannot be offered again; its name becomes free.".to_owned(),
        ],
        action: format!("{place}/retire"),
        button: "Retire plan".to_owned(),
        is_danger: true,
        cancel_href: place,
        before: None,
        typed: None,
        errors: FormErrors::default(),
        fields: Vec::new(),
    })
}

async fn retire_here(
    State(app): State<App>,
    operator: Operator,
    At(id): At<PlanId>,
    now: Now,
) -> Answer {
    let mut tx = app.db.platform_tx().await?;
    let plan = retire(&operator.authority, &mut tx, (id, None), now).await?;
    tx.commit().await?;
    let text = format!("Plan “{}” was retired.", plan.name);
    operator.flash(Tone::Good, &text).await?;
    go_to("/admin/plans")
}
