//! Where requests go.

pub(crate) mod json;
mod pages;

use domain::FieldError;
use domain::id::UpstreamId;
use domain::permission::Action;
use domain::upstream::{NewTarget, TARGETS_MAX, Upstream, UpstreamName};
use store::PlatformTx;
use uuid::Uuid;

use crate::action::{self, ActionError, Change, Subject};
use crate::authority::Authority;
use crate::clock::Now;
use json::UpstreamView;

pub(crate) use json::api;
pub(crate) use pages::pages;

/// What an operator says of an upstream.
#[derive(Debug, Clone)]
pub(crate) struct UpstreamTerms {
    pub name: UpstreamName,
    pub targets: Vec<NewTarget>,
}

impl UpstreamTerms {
    /// From a name and addresses with weights.
    pub(crate) fn parse(name: &str, targets: &[(String, u32)]) -> Result<Self, Vec<FieldError>> {
        let mut errors = Vec::new();
        let name = UpstreamName::parse(name).map_err(|error| errors.push(error));
        let mut parsed: Vec<NewTarget> = Vec::new();
        for (place, (url, weight)) in targets.iter().enumerate() {
            match NewTarget::parse(url, *weight) {
                Ok(target) if parsed.iter().any(|known| known.url == target.url) => {
                    let message = "This address is in the list already.";
                    let error = FieldError::new("url", "duplicate", message);
                    errors.push(error.at(format!("targets.{place}.url")));
                }
                Ok(target) => parsed.push(target),
                Err(error) => {
                    let field = format!("targets.{place}.{}", error.field);
                    errors.push(error.at(field));
                }
            }
        }
        if targets.len() > TARGETS_MAX {
            let message = format!("Use at most {TARGETS_MAX} targets.");
            errors.push(FieldError::new("targets", "too_many", message));
        }
        if targets.iter().all(|(_, weight)| *weight == 0) {
            let message = "Enter at least one target with a weight above 0.";
            errors.push(FieldError::new("targets", "required", message));
        }
        match name {
            Ok(name) if errors.is_empty() => Ok(Self {
                name,
                targets: parsed,
            }),
            _ => Err(errors),
        }
    }
}

pub(crate) async fn create(
    authority: &Authority,
    tx: &mut PlatformTx,
    terms: UpstreamTerms,
    now: Now,
) -> Result<Upstream, ActionError> {
    authority.require(Action::CreateUpstream)?;
    let id = UpstreamId(Uuid::now_v7());
    let upstream = store::upstreams::insert(tx, id, &terms.name, &terms.targets).await?;
    let change = Change::created(&UpstreamView::of(&upstream));
    let event = (subject(&upstream), change);
    action::audit(tx, authority, Action::CreateUpstream, event, now).await?;
    Ok(upstream)
}

/// Replaces name and targets. `seen`: the edition that the caller knows.
pub(crate) async fn update(
    authority: &Authority,
    tx: &mut PlatformTx,
    (id, seen): (UpstreamId, Option<i32>),
    terms: UpstreamTerms,
    now: Now,
) -> Result<Upstream, ActionError> {
    authority.require(Action::UpdateUpstream)?;
    let before = store::upstreams::get(tx, id).await?;
    let after = store::upstreams::update(tx, id, &terms.name, &terms.targets, seen).await?;
    let change = Change::updated(&UpstreamView::of(&before), &UpstreamView::of(&after));
    let event = (subject(&after), change);
    action::audit(tx, authority, Action::UpdateUpstream, event, now).await?;
    Ok(after)
}

/// Fails while an API or a route points there.
pub(crate) async fn delete(
    authority: &Authority,
    tx: &mut PlatformTx,
    (id, seen): (UpstreamId, Option<i32>),
    now: Now,
) -> Result<(), ActionError> {
    authority.require(Action::DeleteUpstream)?;
    let before = store::upstreams::get(tx, id).await?;
    action::check_seen(before.edition, seen)?;
    store::upstreams::delete(tx, id).await?;
    let event = (
        subject(&before),
        Change::removed(&UpstreamView::of(&before)),
    );
    action::audit(tx, authority, Action::DeleteUpstream, event, now).await
}

pub(crate) async fn get(
    authority: &Authority,
    tx: &mut PlatformTx,
    id: UpstreamId,
) -> Result<Upstream, ActionError> {
    authority.require(Action::ListUpstreams)?;
    Ok(store::upstreams::get(tx, id).await?)
}

/// Oldest first.
pub(crate) async fn list(
    authority: &Authority,
    tx: &mut PlatformTx,
    after: Option<UpstreamId>,
    limit: u32,
) -> Result<Vec<Upstream>, ActionError> {
    authority.require(Action::ListUpstreams)?;
    Ok(store::upstreams::list(tx, after, limit).await?)
}

fn subject(upstream: &Upstream) -> Subject<'_> {
    Subject {
        tenant: None,
        noun: "upstream",
        id: upstream.id.0,
        label: &upstream.name,
    }
}
