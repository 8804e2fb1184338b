//! What operators do to a tenant from its page.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum_extra::extract::Form;
use domain::FieldError;
use domain::id::{ApiKeyId, PlanId, SubscriptionId, TenantId};
use domain::tenant::Tenant;
use http::header;
use store::PlatformTx;
use web::format::plural;
use web::forms::FormErrors;
use web::forms::confirm::ConfirmForm;
use web::forms::tenants::SubscriptionForm;
use web::layout::{OperatorTab, Tone};
use web::pages::confirm::{Confirm, ConfirmLink};

use super::pages::detail;
use super::{delete, export, get as find, plan_change, resume, suspend};
use crate::action::ActionError;
use crate::api_keys;
use crate::app::App;
use crate::clock::Now;
use crate::json::At;
use crate::page::{Answer, Failure, Operator, form_errors, go_to, invalid, page};
use crate::problem::Problem;
use crate::subscriptions::{self, Conflicting, Order};

/// A question about a step that harms, with nothing wrong yet.
fn question(operator: &Operator, tenant: TenantId, step: &str) -> Confirm {
    Confirm {
        shell: operator.shell(OperatorTab::Tenants),
        title: String::new(),
        intro: String::new(),
        consequences: Vec::new(),
        action: format!("/admin/tenants/{tenant}/{step}"),
        button: String::new(),
        is_danger: true,
        cancel_href: format!("/admin/tenants/{tenant}"),
        before: None,
        typed: None,
        errors: FormErrors::default(),
        fields: Vec::new(),
    }
}

async fn back(operator: &Operator, tenant: TenantId, text: &str) -> Answer {
    operator.flash(Tone::Good, text).await?;
    go_to(&format!("/admin/tenants/{tenant}"))
}

pub async fn show_suspend(
    State(app): State<App>,
    operator: Operator,
    At(id): At<TenantId>,
) -> Answer {
    let mut tx = app.db.platform_tx().await?;
    let tenant = find(&operator.authority, &mut tx, id).await?;
    let keys = plural(store::api_keys::count(&mut tx, id).await?, "API key");
    page(&Confirm {
        title: format!("Suspend {}?", tenant.name),
        intro: "All requests of the tenant are refused until it is resumed.".to_owned(),
        consequences: vec![
            format!(
                "Requests with its {keys} are answered with 403 on every node within about a second."
            ),
            "Its members can look at the console and change nothing.".to_owned(),
            "Nothing is deleted. Quotas and their periods go on as they are.".to_owned(),
        ],
        button: "Suspend tenant".to_owned(),
        ..question(&operator, id, "suspend")
    })
}

pub async fn suspend_here(
    State(app): State<App>,
    operator: Operator,
    At(id): At<TenantId>,
    now: Now,
) -> Answer {
    let mut tx = app.db.platform_tx().await?;
    let tenant = suspend(&operator.authority, &mut tx, (id, None), now).await?;
    tx.commit().await?;
    back(&operator, id, &format!("{} is suspended.", tenant.name)).await
}

pub async fn resume_here(
    State(app): State<App>,
    operator: Operator,
    At(id): At<TenantId>,
    now: Now,
) -> Answer {
    let mut tx = app.db.platform_tx().await?;
    let tenant = resume(&operator.authority, &mut tx, (id, None), now).await?;
    tx.commit().await?;
    back(&operator, id, &format!("{} is active again.", tenant.name)).await
}

async fn delete_question(
    operator: &Operator,
    tx: &mut PlatformTx,
    tenant: &Tenant,
    errors: FormErrors,
) -> Result<Confirm, Failure> {
    let id = tenant.id;
    let keys = plural(store::api_keys::count(tx, id).await?, "API key");
    let people = store::members::list(tx, id, None, 1_000).await?.len();
    Ok(Confirm {
        title: format!("Delete {}?", tenant.name),
        intro: "The tenant and everything that is its own is removed.".to_owned(),
        consequences: vec![
            format!(
                "Requests with its {keys} are refused on every node within about a second, with 401."
            ),
            format!(
                "{} can no longer open its console; their accounts stay.",
                plural(people as u64, "person").replace("persons", "people")
            ),
            "Its subscriptions and all of its usage are deleted for good.".to_owned(),
            "The audit log keeps who changed what.".to_owned(),
        ],
        button: "Delete tenant".to_owned(),
        before: Some(ConfirmLink {
            text: "Keep a copy first: members, subscriptions, keys without their values, usage."
                .to_owned(),
            label: "Download export".to_owned(),
            href: format!("/admin/tenants/{id}/export"),
        }),
        typed: Some(tenant.name.clone()),
        errors,
        ..question(operator, id, "delete")
    })
}

pub async fn show_delete(
    State(app): State<App>,
    operator: Operator,
    At(id): At<TenantId>,
) -> Answer {
    let mut tx = app.db.platform_tx().await?;
    let tenant = find(&operator.authority, &mut tx, id).await?;
    page(&delete_question(&operator, &mut tx, &tenant, FormErrors::default()).await?)
}

pub async fn delete_here(
    State(app): State<App>,
    operator: Operator,
    At(id): At<TenantId>,
    now: Now,
    Form(form): Form<ConfirmForm>,
) -> Answer {
    let mut tx = app.db.platform_tx().await?;
    let tenant = find(&operator.authority, &mut tx, id).await?;
    if let Err(errors) = form.parse(&tenant.name) {
        return invalid(&delete_question(&operator, &mut tx, &tenant, errors).await?);
    }
    delete(&operator.authority, &mut tx, (id, None), now).await?;
    tx.commit().await?;
    let text = format!("{} was deleted.", tenant.name);
    operator.flash(Tone::Good, &text).await?;
    go_to("/admin/tenants")
}

pub async fn export_here(
    State(app): State<App>,
    operator: Operator,
    At(id): At<TenantId>,
    now: Now,
) -> Result<Response, Failure> {
    let mut tx = app.db.platform_tx().await?;
    let document = export::export(&operator.authority, &mut tx, id, now).await?;
    let text = serde_json::to_string_pretty(&document).map_err(|e| Problem::internal(&e))?;
    let name = export::file_name(id, now.0);
    let headers = [
        (header::CONTENT_TYPE, "application/json".to_owned()),
        (
            header::CONTENT_DISPOSITION,
            format!("attachment; filename=\"{name}\""),
        ),
    ];
    Ok((headers, text).into_response())
}

fn plan_of(form: &SubscriptionForm) -> Result<PlanId, FormErrors> {
    let id = form.parse()?;
    id.parse()
        .map_err(|_| FormErrors::of("plan_id", "Choose a plan."))
}

pub async fn subscribe_here(
    State(app): State<App>,
    operator: Operator,
    At(id): At<TenantId>,
    now: Now,
    Form(form): Form<SubscriptionForm>,
) -> Answer {
    let errors = match plan_of(&form) {
        Err(errors) => errors,
        Ok(plan) => {
            let order = Order {
                plan,
                conflicting: Conflicting::Refuse,
            };
            let mut tx = app.db.platform_tx().await?;
            let authority = &operator.authority;
            match subscriptions::subscribe(authority, &mut tx, id, order, now).await {
                Ok(made) => {
                    tx.commit().await?;
                    let text = format!("“{}” is in force.", made.plan_name);
                    return back(&operator, id, &text).await;
                }
                Err(cause) => beside_plan(cause)?,
            }
        }
    };
    invalid(&detail(&app, &operator, id, errors, now).await?)
}

/// Of these forms the plan is the only field.
fn beside_plan(cause: ActionError) -> Result<FormErrors, Failure> {
    let cause = match cause {
        ActionError::Conflict(conflict) => {
            FieldError::new("plan_id", conflict.code(), conflict.to_string()).into()
        }
        cause => cause,
    };
    form_errors(cause)
}

pub async fn change_plan_here(
    State(app): State<App>,
    operator: Operator,
    At((tenant, id)): At<(TenantId, SubscriptionId)>,
    now: Now,
    Form(form): Form<SubscriptionForm>,
) -> Answer {
    let errors = match plan_of(&form) {
        Err(errors) => errors,
        Ok(plan) => {
            let mut tx = app.db.platform_tx().await?;
            let at = (tenant, id, None);
            match plan_change::change(&operator.authority, &mut tx, at, plan, now).await {
                Ok(after) => {
                    tx.commit().await?;
                    let text = format!("The tenant is on “{}” now.", after.plan_name);
                    return back(&operator, tenant, &text).await;
                }
                Err(cause) => beside_plan(cause)?,
            }
        }
    };
    invalid(&detail(&app, &operator, tenant, errors, now).await?)
}

pub async fn show_cancel(
    State(app): State<App>,
    operator: Operator,
    At((tenant, id)): At<(TenantId, SubscriptionId)>,
) -> Answer {
    let mut tx = app.db.platform_tx().await?;
    let found = find(&operator.authority, &mut tx, tenant).await?;
    let subscription = store::subscriptions::get(&mut tx, tenant, id).await?;
    let (plan, step) = (
        &subscription.plan_name,
        format!("subscriptions/{id}/cancel"),
    );
    page(&Confirm {
        title: format!("End {plan} for {}?", found.name),
        intro: "The tenant loses what this plan opens.".to_owned(),
        consequences: vec![
            "Requests to its APIs are refused with 403 within about a second.".to_owned(),
            "What was used of the quota stays counted, also if it subscribes again.".to_owned(),
        ],
        button: "End subscription".to_owned(),
        ..question(&operator, tenant, &step)
    })
}

pub async fn cancel_here(
    State(app): State<App>,
    operator: Operator,
    At((tenant, id)): At<(TenantId, SubscriptionId)>,
    now: Now,
) -> Answer {
    let mut tx = app.db.platform_tx().await?;
    let at = (tenant, id);
    let ended = subscriptions::end(&operator.authority, &mut tx, at, None, now).await?;
    tx.commit().await?;
    back(
        &operator,
        tenant,
        &format!("“{}” has ended.", ended.plan_name),
    )
    .await
}

pub async fn show_revoke_key(
    State(app): State<App>,
    operator: Operator,
    At((tenant, id)): At<(TenantId, ApiKeyId)>,
) -> Answer {
    let mut tx = app.db.platform_tx().await?;
    let key = api_keys::show(&operator.authority, &mut tx, tenant, id).await?;
    let step = format!("keys/{id}/revoke");
    page(&Confirm {
        title: format!("Revoke “{}”?", key.name),
        intro: format!("The key {}… stops working for good.", key.prefix),
        consequences: vec![
            "Every gateway node refuses it within about a second, with 401.".to_owned(),
            "Its usage stays visible. The key cannot be brought back.".to_owned(),
        ],
        button: "Revoke key".to_owned(),
        ..question(&operator, tenant, &step)
    })
}

pub async fn revoke_key_here(
    State(app): State<App>,
    operator: Operator,
    At((tenant, id)): At<(TenantId, ApiKeyId)>,
    now: Now,
) -> Answer {
    let mut tx = app.db.platform_tx().await?;
    let at = (tenant, id);
    let key = api_keys::revoke(&operator.authority, &mut tx, at, None, now).await?;
    tx.commit().await?;
    back(&operator, tenant, &format!("“{}” is revoked.", key.name)).await
}
