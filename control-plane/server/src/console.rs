//! Where the console starts: `/console` sends everybody to their own first page, `/t/{tenant}` is
//! a tenant's.

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use domain::id::TenantId;
use domain::permission::Action;
use domain::usage::By;
use time::Duration;
use web::chart::Chart;
use web::format::{percent, thousands};
use web::forms::usage::UsageBucket;
use web::layout::TenantTab;
use web::pages::overview::{FirstSteps, Step, TenantOverview};

use crate::action::Tx;
use crate::api_keys;
use crate::app::App;
use crate::clock::Now;
use crate::page::{Answer, Member, SignedIn, go_to, page};
use crate::subscriptions;
use crate::usage::{self, Question};

/// Whether anything was ever sent is looked up over this long.
const EVER: Duration = Duration::days(365);

pub(crate) fn pages() -> Router<App> {
    Router::new()
        .route("/console", get(go_home))
        .route("/t/{tenant}", get(show))
}

async fn go_home(signed_in: SignedIn) -> Answer {
    go_to(&signed_in.person.home())
}

async fn show(State(app): State<App>, member: Member, now: Now) -> Answer {
    let (authority, tenant) = (&member.authority, member.tenant.id);
    let range = usage::last_day(now);
    let question = Question {
        range,
        by: By::Hour,
        group: None,
    };
    let mut tx = Tx::open(&app, authority).await?;
    let rows = usage::show(authority, &mut tx, tenant, question).await?;
    let cards = subscriptions::cards(authority, &mut tx, tenant, now).await?;
    let keys = store::api_keys::count(&mut tx, tenant).await?;
    let counts = usage::sum(rows.iter());
    let has_sent = usage::total(&counts) > 0 || {
        let ever = store::usage_reports::Range {
            from: range.to - EVER,
            to: range.to,
        };
        usage::total(&store::usage_reports::sum(&mut tx, tenant, ever).await?) > 0
    };
    let curl = api_keys::example(&app, &mut tx, tenant, "YOUR_KEY").await?;
    tx.commit().await?;
    let first_steps = (!has_sent).then(|| FirstSteps {
        steps: steps(&member, tenant, [!cards.is_empty(), keys > 0]),
        curl,
    });
    page(&TenantOverview {
        shell: member.shell(TenantTab::Overview),
        tenant_id: tenant.to_string(),
        tenant_name: member.tenant.name.clone(),
        first_steps,
        subscriptions: cards,
        total: thousands(usage::total(&counts)),
        success_share: percent(usage::succeeded(&counts), usage::total(&counts)),
        throttled: thousands(usage::throttled(&counts)),
        active_keys: thousands(keys),
        chart: Chart::new(
            "last-day",
            "Requests in the last 24 hours",
            &usage::bars(&rows, range, UsageBucket::Hour),
        ),
    })
}

fn steps(member: &Member, tenant: TenantId, [has_plan, has_key]: [bool; 2]) -> Vec<Step> {
    let step = |title: &str, text: &str, path: &str, action: &str, is_done| Step {
        title: title.to_owned(),
        text: text.to_owned(),
        is_done,
        is_next: false,
        href: format!("/t/{tenant}/{path}"),
        action: action.to_owned(),
    };
    let mut steps = vec![
        step(
            "Take a plan",
            "A plan opens APIs and sets your limits.",
            "plans",
            "Choose a plan",
            has_plan,
        ),
        step(
            "Create an API key",
            "Your programs send it with every request.",
            if member.may(Action::CreateApiKey) {
                "keys/new"
            } else {
                "keys"
            },
            "Create key",
            has_key,
        ),
        step(
            "Send the first request",
            "It shows here a few seconds later.",
            "keys",
            "See keys",
            false,
        ),
    ];
    if let Some(next) = steps.iter_mut().find(|step| !step.is_done) {
        next.is_next = true;
    }
    steps
}
