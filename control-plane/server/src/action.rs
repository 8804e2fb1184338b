//! What all actions share: the transaction they work in, what can go wrong, and the audit entry
//! that each change leaves.

use std::ops::{Deref, DerefMut};

use domain::FieldError;
use domain::audit::Event;
use domain::conflict::Conflict;
use domain::id::{EventId, TenantId};
use domain::permission::Action;
use domain::tenant::TenantStatus;
use http::StatusCode;
use serde::Serialize;
use store::{Conn, PlatformTx, TenantTx};
use uuid::Uuid;

use crate::app::App;
use crate::authority::Authority;
use crate::clock::Now;
use crate::problem::{FieldProblem, Problem};

/// The transaction of an action: a member's sees its tenant only.
pub enum Tx {
    Tenant(TenantTx),
    Platform(PlatformTx),
}

impl Tx {
    /// Opens the narrowest transaction that the authority needs.
    pub async fn open(app: &App, authority: &Authority) -> Result<Self, ActionError> {
        Ok(match authority.own_tenant() {
            Some(tenant) => Tx::Tenant(app.db.tenant_tx(tenant).await?),
            None => Tx::Platform(app.db.platform_tx().await?),
        })
    }

    pub async fn commit(self) -> Result<(), ActionError> {
        match self {
            Tx::Tenant(tx) => tx.commit().await?,
            Tx::Platform(tx) => tx.commit().await?,
        }
        Ok(())
    }
}

impl Tx {
    /// For actions on the platform. Members of a tenant, who may take none of them, are refused
    /// before; what they would find here is nothing.
    pub fn platform(&mut self) -> Result<&mut PlatformTx, ActionError> {
        match self {
            Tx::Platform(tx) => Ok(tx),
            Tx::Tenant(_) => Err(ActionError::NotFound("resource")),
        }
    }
}

impl Deref for Tx {
    type Target = Conn;

    fn deref(&self) -> &Conn {
        match self {
            Tx::Tenant(tx) => tx,
            Tx::Platform(tx) => tx,
        }
    }
}

impl DerefMut for Tx {
    fn deref_mut(&mut self) -> &mut Conn {
        match self {
            Tx::Tenant(tx) => tx,
            Tx::Platform(tx) => tx,
        }
    }
}

/// Why an action did not take place. Nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum ActionError {
    #[error("there is no such {0}")]
    NotFound(&'static str),
    #[error("the role does not allow {}", .0.name())]
    Forbidden(Action),
    #[error("the tenant is suspended")]
    Suspended,
    #[error("{} fields are not valid", .0.len())]
    Invalid(Vec<FieldError>),
    #[error(transparent)]
    Conflict(#[from] Conflict),
    #[error("it was edited by somebody else in the meantime")]
    EditedMeanwhile,
    #[error(transparent)]
    Store(store::Error),
    #[error("a secret could not be sealed or opened")]
    Secret(#[from] snapshot::seal::CannotOpen),
    #[error(transparent)]
    TokenKey(crate::oauth::keys::KeyError),
}

impl From<FieldError> for ActionError {
    fn from(cause: FieldError) -> Self {
        ActionError::Invalid(vec![cause])
    }
}

impl From<store::Error> for ActionError {
    fn from(cause: store::Error) -> Self {
        match cause {
            store::Error::NotFound { what } => ActionError::NotFound(what),
            store::Error::Conflict(conflict) => ActionError::Conflict(conflict),
            store::Error::EditedMeanwhile => ActionError::EditedMeanwhile,
            cause => ActionError::Store(cause),
        }
    }
}

impl From<crate::oauth::keys::KeyError> for ActionError {
    fn from(cause: crate::oauth::keys::KeyError) -> Self {
        match cause {
            crate::oauth::keys::KeyError::Store(cause) => cause.into(),
            cause => ActionError::TokenKey(cause),
        }
    }
}

/// The one place that gives failed actions their status.
impl From<ActionError> for Problem {
    fn from(cause: ActionError) -> Self {
        match cause {
            ActionError::NotFound(what) => Problem::not_found(what),
            ActionError::Forbidden(action) => Problem::new(
                StatusCode::FORBIDDEN,
                "forbidden",
                format!("your role does not allow {}", action.name()),
            ),
            ActionError::Suspended => Problem::new(
                StatusCode::FORBIDDEN,
                "tenant_suspended",
                "the tenant is suspended: its people may look but not change anything",
            ),
            ActionError::Invalid(errors) => {
                let mut problem = Problem::new(
                    StatusCode::UNPROCESSABLE_ENTITY,
                    "invalid",
                    "some fields are not valid; errors names each of them",
                );
                problem.errors = errors.into_iter().map(field_problem).collect();
                problem
            }
            ActionError::Conflict(conflict) => conflicting(conflict),
            ActionError::EditedMeanwhile => Problem::new(
                StatusCode::PRECONDITION_FAILED,
                "edited_meanwhile",
                "somebody else edited it in the meantime; read it again and repeat your change",
            ),
            ActionError::Store(cause) => cause.into(),
            cause @ (ActionError::Secret(_) | ActionError::TokenKey(_)) => {
                Problem::internal(&cause)
            }
        }
    }
}

fn conflicting(conflict: Conflict) -> Problem {
    let status = match conflict {
        // The input names what is not there: its own fault.
        Conflict::UnknownApi
        | Conflict::UnknownAuthorizer
        | Conflict::UnknownPlan
        | Conflict::UnknownUpstream => StatusCode::UNPROCESSABLE_ENTITY,
        _ => StatusCode::CONFLICT,
    };
    let mut problem = Problem::new(status, conflict.code(), conflict.to_string());
    let field = conflict.as_field_error().map(field_problem);
    problem.errors = field.into_iter().collect();
    problem
}

/// Refuses a change in a tenant that this authority may not make; a suspended tenant's members
/// change nothing.
pub async fn require_change_in(
    authority: &Authority,
    tx: &mut Conn,
    action: Action,
    tenant: TenantId,
) -> Result<(), ActionError> {
    authority.require_in(action, tenant)?;
    let found = store::tenants::get(tx, tenant).await?;
    if found.status == TenantStatus::Suspended && authority.own_tenant().is_some() {
        return Err(ActionError::Suspended);
    }
    Ok(())
}

/// Refuses an edit of what the editor has not seen. `None`: the editor does not care.
pub fn check_seen(present: i32, seen: Option<i32>) -> Result<(), ActionError> {
    match seen {
        Some(seen) if seen != present => Err(ActionError::EditedMeanwhile),
        _ => Ok(()),
    }
}

fn field_problem(error: FieldError) -> FieldProblem {
    FieldProblem {
        pointer: format!("/{}", error.field.replace('.', "/")),
        code: error.code.to_owned(),
        message: error.message,
    }
}

/// What an audit entry is about.
pub struct Subject<'a> {
    pub tenant: Option<TenantId>,
    pub noun: &'static str,
    pub id: Uuid,
    pub label: &'a str,
}

/// Before and after of a change, without secrets.
#[derive(Clone, Default)]
pub struct Change {
    before: Option<serde_json::Value>,
    after: Option<serde_json::Value>,
}

impl Change {
    pub fn created(after: &impl Serialize) -> Self {
        Self {
            before: None,
            after: serde_json::to_value(after).ok(),
        }
    }

    pub fn updated(before: &impl Serialize, after: &impl Serialize) -> Self {
        Self {
            before: serde_json::to_value(before).ok(),
            after: serde_json::to_value(after).ok(),
        }
    }

    pub fn removed(before: &impl Serialize) -> Self {
        Self {
            before: serde_json::to_value(before).ok(),
            after: None,
        }
    }
}

/// Writes the audit entry of a change, in the change's own transaction.
pub async fn audit(
    tx: &mut Conn,
    authority: &Authority,
    action: Action,
    (subject, change): (Subject<'_>, Change),
    now: Now,
) -> Result<(), ActionError> {
    let event = Event {
        id: EventId(Uuid::now_v7()),
        tenant_id: subject.tenant,
        actor: authority.actor(),
        action: action.name().to_owned(),
        noun: subject.noun.to_owned(),
        noun_id: Some(subject.id),
        noun_label: subject.label.to_owned(),
        before: change.before,
        after: change.after,
        request_id: authority.request_id.clone(),
        at: now.0,
    };
    store::audit::insert(tx, &event).await?;
    Ok(())
}
