//! Who changed what.

use snapshot::id::{EventId, NodeId, TenantId, UserId};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::field::closed_set;

closed_set! {
    ActorKind {
        User = "user",
        /// A person's program, by personal token.
        Token = "token",
        Node = "node",
        /// The control plane itself.
        System = "system",
    }
}

/// Who did it, with a label that stays readable after the person is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    pub kind: ActorKind,
    pub id: Option<Uuid>,
    pub label: String,
}

impl Actor {
    pub fn user(id: UserId, email: &str) -> Self {
        Self {
            kind: ActorKind::User,
            id: Some(id.0),
            label: email.to_owned(),
        }
    }

    pub fn node(id: NodeId, name: &str) -> Self {
        Self {
            kind: ActorKind::Node,
            id: Some(id.0),
            label: name.to_owned(),
        }
    }

    pub fn system() -> Self {
        Self {
            kind: ActorKind::System,
            id: None,
            label: "tollgate".to_owned(),
        }
    }
}

/// An entry of the log. `before` and `after` hold what changed, without secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    pub id: EventId,
    /// None: of the platform.
    pub tenant_id: Option<TenantId>,
    pub actor: Actor,
    /// `api_keys.revoke`: the name of a permission's action.
    pub action: String,
    /// `api_key`.
    pub noun: String,
    pub noun_id: Option<Uuid>,
    pub noun_label: String,
    pub before: Option<serde_json::Value>,
    pub after: Option<serde_json::Value>,
    pub request_id: Option<String>,
    pub at: OffsetDateTime,
}
