//! `/admin`: what operators see first, and the pages of all that is theirs.

#[cfg(test)]
mod tests;

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use domain::id::TenantId;
use domain::node::Node;
use domain::permission::Action;
use domain::tenant::TenantStatus;
use domain::usage::{Counts, GroupKey, UsageRow};
use snapshot::manifest::Version;
use store::PlatformTx;
use store::manifests::StoredManifest;
use store::plans::Listed;
use store::usage_reports::Range;
use time::Time;
use web::chart::Chart;
use web::format::{percent, plural, relative, thousands};
use web::forms::usage::UsageBucket;
use web::layout::{OperatorTab, Tone};
use web::pages::admin::{AdminOverview, Alert, BusyTenant, SetupStep};

use crate::app::App;
use crate::clock::Now;
use crate::fleet::{self, Standing};
use crate::page::{Answer, Failure, Operator, page};
use crate::{
    apis, audit_events, identity_providers, outbox, plan_requests, plans, routes, tenants,
    token_keys, upstreams, usage, users,
};

const BUSIEST: u32 = 5;
const PENDING_MAX: u32 = 100;

pub(crate) fn pages() -> Router<App> {
    Router::new()
        .route("/admin", get(show))
        .merge(apis::pages())
        .merge(audit_events::pages())
        .merge(fleet::pages())
        .merge(identity_providers::operator_pages())
        .merge(outbox::pages())
        .merge(plan_requests::pages())
        .merge(plans::pages())
        .merge(routes::pages())
        .merge(crate::tenant_domains::operator_pages())
        .merge(tenants::pages())
        .merge(token_keys::pages())
        .merge(upstreams::pages())
        .merge(users::pages())
}

async fn show(State(app): State<App>, operator: Operator, now: Now) -> Answer {
    operator.authority.require(Action::ListTenants)?;
    let mut tx = app.db.platform_tx().await?;
    let nodes = fleet::list(&operator.authority, &mut tx, None, fleet::ALL).await?;
    let newest = store::manifests::find_latest(&mut tx).await?;
    let version = newest.as_ref().map(|manifest| manifest.version);
    let fleet = Fleet::of(&nodes, version, now);
    let suspended = store::overview::all_tenants_count_in(&mut tx, TenantStatus::Suspended).await?;
    let range = usage::last_day(now);
    let hours = hours(&mut tx, range).await?;
    let today = usage::sum(hours.iter().filter(|row| row.at >= midnight(now)));
    let title = "Requests of all tenants in the last 24 hours";
    let bars = usage::bars(&hours, range, UsageBucket::Hour);
    let first_steps = first_steps(&mut tx, &nodes).await?;
    page(&AdminOverview {
        alerts: alerts(&mut tx, &operator, &fleet).await?,
        first_steps,
        nodes: fleet.summary(),
        nodes_note: fleet.note(),
        revision: version.map_or_else(|| "–".to_owned(), |it| thousands(it.revision)),
        revision_note: revision_note(newest.as_ref(), now),
        tenants: thousands(store::tenants::all_tenants_count(&mut tx).await?),
        tenants_note: match suspended {
            0 => String::new(),
            count => format!("{} suspended", thousands(count)),
        },
        requests_today: thousands(usage::total(&today)),
        requests_note: throttled_note(&today),
        chart: Chart::new("fleet-day", title, &bars),
        busiest: busiest(&mut tx, now).await?,
        shell: operator.shell(OperatorTab::Overview),
    })
}

fn midnight(now: Now) -> time::OffsetDateTime {
    now.0.replace_time(Time::MIDNIGHT)
}

async fn hours(tx: &mut PlatformTx, range: Range) -> Result<Vec<UsageRow>, Failure> {
    let hours = store::overview::all_tenants_usage_by_hour(tx, range).await?;
    let rows = hours.into_iter().map(|(at, counts)| UsageRow {
        at,
        group: GroupKey::Whole,
        counts,
    });
    Ok(rows.collect())
}

fn throttled_note(counts: &Counts) -> String {
    match usage::total(counts) {
        0 => String::new(),
        total => format!("{} throttled", percent(usage::throttled(counts), total)),
    }
}

fn revision_note(newest: Option<&StoredManifest>, now: Now) -> String {
    match newest {
        Some(manifest) => format!("published {}", relative(manifest.created_at, now.0)),
        None => "nothing published yet".to_owned(),
    }
}

/// The nodes that count, by how they stand.
struct Fleet {
    enrolled: u64,
    live: u64,
    refusing: Vec<String>,
    silent: u64,
}

impl Fleet {
    fn of(nodes: &[Node], newest: Option<Version>, now: Now) -> Self {
        let mut fleet = Self {
            enrolled: 0,
            live: 0,
            refusing: Vec::new(),
            silent: 0,
        };
        for node in nodes {
            let standing = fleet::standing(node, newest, now);
            fleet.enrolled += u64::from(standing != Standing::Revoked);
            match standing {
                // Behind by a moment, while a revision is on its way.
                Standing::Live | Standing::Behind => fleet.live += 1,
                Standing::Refusing => {
                    fleet.live += 1;
                    fleet.refusing.push(node.name.clone());
                }
                Standing::Silent => fleet.silent += 1,
                Standing::Revoked => {}
            }
        }
        fleet
    }

    fn summary(&self) -> String {
        match self.enrolled {
            0 => "0".to_owned(),
            enrolled => format!("{} of {enrolled} live", self.live),
        }
    }

    fn note(&self) -> String {
        match (self.enrolled, self.refusing.len(), self.silent) {
            (0, _, _) => "none enrolled".to_owned(),
            (_, 0, 0) => String::new(),
            (_, 0, silent) => format!("{silent} silent"),
            (_, refusing, 0) => format!("{refusing} refusing its snapshot"),
            (_, refusing, silent) => format!("{refusing} refusing, {silent} silent"),
        }
    }
}

/// What needs a person, most urgent first.
async fn alerts(
    tx: &mut PlatformTx,
    operator: &Operator,
    fleet: &Fleet,
) -> Result<Vec<Alert>, Failure> {
    let alert = |tone, text: String, page: &str, action: &str| Alert {
        tone,
        text,
        href: format!("/admin/{page}"),
        action: action.to_owned(),
    };
    let mut alerts = Vec::new();
    if let Some(reason) = store::witness::find_alarm(tx).await? {
        let text = format!(
            "Publishing is stopped: {reason}. After a restore from backup, run control-plane recover."
        );
        alerts.push(alert(Tone::Danger, text, "nodes", "See nodes"));
    }
    for name in &fleet.refusing {
        let text = format!("Node {name} refuses the newest revision and serves an older one.");
        alerts.push(alert(Tone::Danger, text, "nodes", "See nodes"));
    }
    if fleet.silent > 0 {
        let silent = plural(fleet.silent, "node");
        let text = format!("Nothing was heard of {silent} for over a minute.");
        alerts.push(alert(Tone::Warning, text, "nodes", "See nodes"));
    }
    let authority = &operator.authority;
    let waiting = plan_requests::list(authority, tx, None, PENDING_MAX)
        .await?
        .len();
    if waiting > 0 {
        let text = match waiting {
            1 => "1 plan request waits for an answer.".to_owned(),
            count => format!("{count} plan requests wait for an answer."),
        };
        alerts.push(alert(Tone::Warning, text, "requests", "Review"));
    }
    Ok(alerts)
}

/// Until there is everything that a first request needs.
async fn first_steps(tx: &mut PlatformTx, nodes: &[Node]) -> Result<Vec<SetupStep>, Failure> {
    let upstreams = store::upstreams::list(tx, None, 1).await?;
    let apis = store::apis::list(tx, None, 1).await?;
    let routes = store::routes::count_by_api(tx).await?;
    let plans = store::plans::list(tx, Listed::Offered, None, 1).await?;
    let has_node = nodes.iter().any(|node| node.revoked_at.is_none());
    let step = |title: &str, text: &str, page: &str, is_done| SetupStep {
        title: title.to_owned(),
        text: text.to_owned(),
        href: format!("/admin/{page}"),
        is_done,
    };
    let api_page = apis
        .first()
        .map_or("apis/new".to_owned(), |api| format!("apis/{}", api.id));
    let has_api = !apis.is_empty() && !routes.is_empty();
    let steps = vec![
        step(
            "Add an upstream",
            "Where requests are forwarded to.",
            "upstreams/new",
            !upstreams.is_empty(),
        ),
        step(
            "Publish an API",
            "Host, base path and routes.",
            &api_page,
            has_api,
        ),
        step(
            "Create a plan",
            "Limits, and the APIs it opens.",
            "plans/new",
            !plans.is_empty(),
        ),
        step(
            "Enroll a node",
            "The process that serves traffic.",
            "nodes/enroll",
            has_node,
        ),
    ];
    Ok(match steps.iter().all(|step| step.is_done) {
        true => Vec::new(),
        false => steps,
    })
}

async fn busiest(tx: &mut PlatformTx, now: Now) -> Result<Vec<BusyTenant>, Failure> {
    let today = Range {
        from: midnight(now),
        to: usage::last_day(now).to,
    };
    let found = store::overview::all_tenants_busiest(tx, today, BUSIEST).await?;
    let ids: Vec<TenantId> = found.iter().map(|(id, _)| *id).collect();
    let held = store::subscriptions::all_tenants_active_of(tx, &ids).await?;
    let used = store::overview::all_tenants_usage_of(tx, &ids, today).await?;
    let rows = found.into_iter().map(|(id, name)| {
        let counts = used.iter().find(|(tenant, _)| *tenant == id);
        let counts = counts.map_or_else(Counts::default, |(_, counts)| *counts);
        BusyTenant {
            id: id.to_string(),
            name,
            plan: tenants::plan_names(id, &held),
            requests: thousands(usage::total(&counts)),
            throttled: thousands(usage::throttled(&counts)),
        }
    });
    Ok(rows.collect())
}
