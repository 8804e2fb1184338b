//! The fleet: tokens with which nodes are enrolled, nodes, and their end.

pub(crate) mod json;
mod pages;
pub(crate) mod rotation;

use domain::FieldError;
use domain::audit::{Actor, Event};
use domain::id::{EnrolTokenId, EventId, NodeId};
use domain::node::{EnrolTokenName, EnrolTokenRecord, Labels, Node, TOKEN_USES_MAX};
use domain::permission::Action;
use snapshot::enrol::EnrolToken;
use store::PlatformTx;
use store::nodes::NewEnrolToken;
use time::Duration;
use uuid::Uuid;

use crate::action::{self, ActionError, Change, Subject};
use crate::authority::Authority;
use crate::clock::Now;
use crate::keyring::{Trust, TrustError};
use crate::publish::publisher::{PublishError, load_trust};
use crate::random;
use crate::secret_box::SecretBox;
use json::{EnrolTokenView, NodeView};

pub(crate) use json::api;
pub(crate) use pages::{ALL, Standing, pages, standing};

pub(crate) const TOKEN_LIFETIME_MAX: Duration = Duration::days(30);

/// What an operator says of an enrolment token.
#[derive(Debug, Clone)]
pub(crate) struct EnrolTerms {
    pub name: EnrolTokenName,
    pub labels: Labels,
    /// How many nodes may be enrolled with it.
    pub uses_max: u32,
    pub lifetime: Duration,
}

impl EnrolTerms {
    pub(crate) fn check(&self) -> Result<(), FieldError> {
        if !(1..=TOKEN_USES_MAX).contains(&self.uses_max) {
            let message = format!("Enter 1 to {TOKEN_USES_MAX}.");
            return Err(FieldError::new("uses", "out_of_range", message));
        }
        if self.lifetime < Duration::MINUTE || self.lifetime > TOKEN_LIFETIME_MAX {
            let message = "A token lives for at least a minute and at most 30 days.";
            return Err(FieldError::new("lifetime_seconds", "out_of_range", message));
        }
        Ok(())
    }
}

/// Makes a token. Its text is shown now and never again.
pub(crate) async fn create_enroll_token(
    authority: &Authority,
    tx: &mut PlatformTx,
    secrets: &SecretBox,
    terms: EnrolTerms,
    now: Now,
) -> Result<(EnrolTokenRecord, EnrolToken), ActionError> {
    authority.require(Action::CreateEnrolToken)?;
    terms.check()?;
    let trust = trust(tx, secrets).await?;
    let token = EnrolToken::mint(&random::bytes(), trust.root_fingerprint);
    let record = EnrolTokenRecord {
        id: EnrolTokenId(Uuid::now_v7()),
        name: terms.name.as_str().to_owned(),
        labels: terms.labels,
        uses_max: terms.uses_max,
        uses: 0,
        expires_at: now.0 + terms.lifetime,
        revoked_at: None,
        created_by: authority.user(),
        created_at: now.0,
    };
    let row = NewEnrolToken {
        id: record.id,
        name: &terms.name,
        hash: token.hash(),
        labels: &record.labels,
        uses_max: record.uses_max,
        expires_at: record.expires_at,
        created_by: record.created_by,
    };
    store::nodes::insert_enrol_token(tx, &row).await?;
    let change = Change::created(&EnrolTokenView::of(&record));
    let event = (token_subject(&record), change);
    action::audit(tx, authority, Action::CreateEnrolToken, event, now).await?;
    Ok((record, token))
}

async fn trust(tx: &mut PlatformTx, secrets: &SecretBox) -> Result<Trust, ActionError> {
    load_trust(tx, secrets).await.map_err(|cause| match cause {
        PublishError::Store(cause) => cause.into(),
        PublishError::Trust(TrustError::SecretKey(cause)) => cause.into(),
        // The deployment's keys were checked when this process started.
        _ => ActionError::Secret(snapshot::seal::CannotOpen),
    })
}

/// The newest first.
pub(crate) async fn list_enroll_tokens(
    authority: &Authority,
    tx: &mut PlatformTx,
    before: Option<EnrolTokenId>,
    limit: u32,
) -> Result<Vec<EnrolTokenRecord>, ActionError> {
    authority.require(Action::ListEnrolTokens)?;
    Ok(store::nodes::list_enrol_tokens(tx, before, limit).await?)
}

/// No further node is enrolled with it; those that were stay.
pub(crate) async fn revoke_enroll_token(
    authority: &Authority,
    tx: &mut PlatformTx,
    id: EnrolTokenId,
    now: Now,
) -> Result<(), ActionError> {
    authority.require(Action::RevokeEnrolToken)?;
    let before = store::nodes::get_enrol_token(tx, id).await?;
    if before.revoked_at.is_some() {
        return Ok(());
    }
    store::nodes::revoke_enrol_token(tx, id, now.0).await?;
    let change = Change::removed(&EnrolTokenView::of(&before));
    let event = (token_subject(&before), change);
    action::audit(tx, authority, Action::RevokeEnrolToken, event, now).await
}

pub(crate) async fn get(
    authority: &Authority,
    tx: &mut PlatformTx,
    id: NodeId,
) -> Result<Node, ActionError> {
    authority.require(Action::ListNodes)?;
    Ok(store::nodes::get(tx, id).await?)
}

/// Oldest first, revoked ones too.
pub(crate) async fn list(
    authority: &Authority,
    tx: &mut PlatformTx,
    after: Option<NodeId>,
    limit: u32,
) -> Result<Vec<Node>, ActionError> {
    authority.require(Action::ListNodes)?;
    Ok(store::nodes::list(tx, after, limit).await?)
}

/// Writes down that a node was enrolled, by the node itself.
pub(crate) async fn note_enrolled(tx: &mut PlatformTx, node: &Node, now: Now) -> store::Result<()> {
    let event = Event {
        id: EventId(Uuid::now_v7()),
        tenant_id: None,
        actor: Actor::node(node.id, &node.name),
        action: Action::EnrolNode.name().to_owned(),
        noun: "node".to_owned(),
        noun_id: Some(node.id.0),
        noun_label: node.name.clone(),
        before: None,
        after: serde_json::to_value(NodeView::of(node)).ok(),
        request_id: None,
        at: now.0,
    };
    store::audit::insert(tx, &event).await
}

/// Refuses the node from now on and rotates what it knew: secrets are sealed under a new data key,
/// and keys that are made from now on are hashed under a pepper that it never saw.
pub(crate) async fn revoke(
    authority: &Authority,
    tx: &mut PlatformTx,
    secrets: &SecretBox,
    id: NodeId,
    now: Now,
) -> Result<Node, ActionError> {
    authority.require(Action::RevokeNode)?;
    let before = store::nodes::get(tx, id).await?;
    if before.revoked_at.is_some() {
        return Ok(before);
    }
    let after = store::nodes::revoke(tx, id, now.0).await?;
    rotation::rotate(tx, secrets, now).await?;
    let change = Change::updated(&NodeView::of(&before), &NodeView::of(&after));
    let event = (node_subject(&after), change);
    action::audit(tx, authority, Action::RevokeNode, event, now).await?;
    Ok(after)
}

fn token_subject(token: &EnrolTokenRecord) -> Subject<'_> {
    Subject {
        tenant: None,
        noun: "enroll_token",
        id: token.id.0,
        label: &token.name,
    }
}

fn node_subject(node: &Node) -> Subject<'_> {
    Subject {
        tenant: None,
        noun: "node",
        id: node.id.0,
        label: &node.name,
    }
}
