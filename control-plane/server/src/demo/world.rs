//! The demo: an upstream, an API over it, two plans, a tenant on the smaller one, its key.

use domain::api::{ApiName, ApiTerms, BasePath, Cors, KeyHeader};
use domain::api_key::{KeyName, KeyTerms};
use domain::id::{ApiId, PlanId, TenantId, UpstreamId};
use domain::plan::{OnStoreDown, PlanName, PlanTerms, Quota, Rate};
use domain::quota::Period;
use domain::route::{PathTemplate, RouteTerms, Timeouts};
use domain::tenant::TenantName;
use domain::upstream::{NewTarget, UpstreamName};
use store::PlatformTx;

use super::DemoSecrets;
use crate::action::ActionError;
use crate::api_keys::{CurrentPepper, NewKey, Rotation};
use crate::authority::Authority;
use crate::clock::Now;
use crate::plans::NewPlan;
use crate::subscriptions::{Conflicting, Order};
use crate::upstreams::UpstreamTerms;
use crate::{App, api_keys, apis, plans, routes, subscriptions, tenants, upstreams};

const UPSTREAM: &str = "demo-upstream";
pub(super) const API: &str = "Demo API";
const TENANT: &str = "Demo tenant";
const FREE: &str = "Free";
const KEY: &str = "demo";

/// Finds the demo or makes it, with a key whose value is known.
pub async fn ensure(
    app: &App,
    upstream_url: &str,
    kept: Option<DemoSecrets>,
    now: Now,
) -> Result<DemoSecrets, ActionError> {
    let system = Authority::system();
    let mut tx = app.db.platform_tx().await?;
    let found = find_upstream(&system, &mut tx).await?;
    let secrets = match found {
        None => create(app, &system, &mut tx, upstream_url, now).await?,
        Some(upstream) => {
            point_at(&system, &mut tx, upstream, upstream_url, now).await?;
            match kept {
                Some(kept) => kept,
                None => reveal_anew(app, &system, &mut tx, now).await?,
            }
        }
    };
    tx.commit().await?;
    Ok(secrets)
}

async fn find_upstream(
    system: &Authority,
    tx: &mut PlatformTx,
) -> Result<Option<domain::upstream::Upstream>, ActionError> {
    let all = upstreams::list(system, tx, None, 200).await?;
    Ok(all.into_iter().find(|upstream| upstream.name == UPSTREAM))
}

fn upstream_terms(url: &str) -> Result<UpstreamTerms, ActionError> {
    Ok(UpstreamTerms {
        name: UpstreamName::parse(UPSTREAM)?,
        targets: vec![NewTarget::parse(url, 1)?],
    })
}

/// The stack may have moved to other ports since.
async fn point_at(
    system: &Authority,
    tx: &mut PlatformTx,
    upstream: domain::upstream::Upstream,
    url: &str,
    now: Now,
) -> Result<(), ActionError> {
    if upstream.targets.iter().all(|target| target.url == url) {
        return Ok(());
    }
    let terms = upstream_terms(url)?;
    upstreams::update(system, tx, (upstream.id, None), terms, now).await?;
    Ok(())
}

async fn create(
    app: &App,
    system: &Authority,
    tx: &mut PlatformTx,
    upstream_url: &str,
    now: Now,
) -> Result<DemoSecrets, ActionError> {
    let terms = upstream_terms(upstream_url)?;
    let upstream = upstreams::create(system, tx, terms, now).await?.id;
    let api = create_api(system, tx, upstream, now).await?;
    let free = create_plan(system, tx, api, (FREE, 10_000, 20, 10_000), now).await?;
    create_plan(system, tx, api, ("Pro", 500_000, 1_000, 1_000_000), now).await?;
    let tenant = TenantName::parse(TENANT)?;
    let tenant = tenants::create(system, tx, tenant, now).await?.id;
    let order = Order {
        plan: free,
        conflicting: Conflicting::Refuse,
    };
    subscriptions::subscribe(system, tx, tenant, order, now).await?;
    let new = NewKey {
        terms: KeyTerms::named(KeyName::parse(KEY)?),
        imported: None,
        pepper: CurrentPepper::read(tx, &app.secrets).await?,
    };
    let minted = api_keys::create(system, tx, tenant, new, now).await?;
    Ok(secrets(tenant, free, &minted))
}

fn secrets(tenant_id: TenantId, plan_id: PlanId, minted: &api_keys::Minted) -> DemoSecrets {
    DemoSecrets {
        tenant_id,
        plan_id,
        key_id: minted.key.id,
        api_key: minted.value.reveal().to_owned(),
        identity: None,
    }
}

async fn create_api(
    system: &Authority,
    tx: &mut PlatformTx,
    upstream: UpstreamId,
    now: Now,
) -> Result<ApiId, ActionError> {
    let cors = Cors {
        allow_origins: vec!["*".to_owned()],
        allow_methods: ["GET", "POST", "PUT", "PATCH", "DELETE"]
            .map(str::to_owned)
            .into(),
        allow_headers: ["authorization", "content-type", "x-api-key"]
            .map(str::to_owned)
            .into(),
        expose_headers: ["ratelimit", "ratelimit-policy", "retry-after"]
            .map(str::to_owned)
            .into(),
        allow_credentials: false,
        max_age_seconds: 600,
    };
    let terms = ApiTerms {
        name: ApiName::parse(API)?,
        hosts: Vec::new(),
        base_path: BasePath::parse("/demo")?,
        upstream_id: upstream,
        api_key_header: KeyHeader::parse("x-api-key")?,
        audience: None,
        cors: Some(cors.parse()?),
        max_stale_ms: None,
        scopes: Vec::new(),
    };
    let api = apis::create(system, tx, terms, now).await?.id;
    for (path, api_key_required) in [("/open", false), ("/{rest+}", true)] {
        let route = RouteTerms {
            api_key_required,
            ..route(PathTemplate::parse(path)?)
        };
        routes::create(system, tx, api, route, now).await?;
    }
    Ok(api)
}

/// Open to anybody.
pub(super) fn route(path: PathTemplate) -> RouteTerms {
    RouteTerms {
        path,
        methods: Vec::new(),
        api_key_required: false,
        scopes: Vec::new(),
        upstream_id: None,
        rate: None,
        forward_credentials: false,
        timeouts: Timeouts::default(),
        cors: None,
        body_bytes_max: None,
        lease_wait_ms: None,
        authorizer_id: None,
    }
}

/// Name, thousandths of a request per second, burst, requests per month.
type Sketch = (&'static str, u64, u64, u64);

async fn create_plan(
    system: &Authority,
    tx: &mut PlatformTx,
    api: ApiId,
    (name, rate_milli, burst, per_month): Sketch,
    now: Now,
) -> Result<PlanId, ActionError> {
    let quota = Quota {
        limit: per_month,
        period: Period::Month,
        offset: 0,
        group: "default".to_owned(),
        on_store_down: OnStoreDown::Refuse,
    };
    let terms = PlanTerms {
        rate: Rate::parse(Some(rate_milli), Some(burst))?,
        quota: Some(quota),
        api_ids: vec![api],
        ..PlanTerms::default()
    };
    let new = NewPlan {
        name: PlanName::parse(name)?,
        description: format!(
            "{} requests a month to try Tollgate with.",
            web::format::thousands(per_month)
        ),
        is_self_service: true,
        terms: terms.parse()?,
    };
    Ok(plans::create(system, tx, new, now).await?.id)
}

/// The file with the key's value is gone: another value takes its place.
async fn reveal_anew(
    app: &App,
    system: &Authority,
    tx: &mut PlatformTx,
    now: Now,
) -> Result<DemoSecrets, ActionError> {
    let found = store::tenants::all_tenants_list(tx, Some(TENANT), None, 1).await?;
    let tenant = found.first().ok_or(ActionError::NotFound("tenant"))?.id;
    let subscriptions = subscriptions::list(system, tx, tenant).await?;
    let plan = subscriptions
        .first()
        .ok_or(ActionError::NotFound("subscription"))?
        .plan_id;
    let pepper = CurrentPepper::read(tx, &app.secrets).await?;
    let keys = api_keys::list(system, tx, tenant, None, 200).await?;
    let key = keys
        .iter()
        .find(|key| key.name == KEY && key.revoked_at.is_none());
    let minted = match key {
        Some(key) => {
            let rotation = Rotation {
                imported: None,
                pepper,
                grace: time::Duration::ZERO,
            };
            api_keys::rotate(system, tx, (tenant, key.id), rotation, now).await?
        }
        None => {
            let new = NewKey {
                terms: KeyTerms::named(KeyName::parse(KEY)?),
                imported: None,
                pepper,
            };
            api_keys::create(system, tx, tenant, new, now).await?
        }
    };
    Ok(secrets(tenant, plan, &minted))
}
