//! Who acts, as a value. Actions take it, ask the table of permissions, and name it in the audit
//! log.

use domain::audit::{Actor, ActorKind};
use domain::id::{TenantId, UserId};
use domain::permission::{self, Action, Reach};
use domain::role::{PlatformRole, Role};

use crate::action::ActionError;

/// Somebody who was authenticated, in one role.
#[derive(Debug, Clone)]
pub struct Authority {
    who: Who,
    /// By which means: in person, or by a personal token.
    kind: ActorKind,
    /// Names of the actions that a token is for; `None`: all that the role may.
    scopes: Option<Vec<String>>,
    /// Of the request that the action is part of.
    pub request_id: Option<String>,
}

#[derive(Debug, Clone)]
enum Who {
    Member {
        user: UserId,
        email: String,
        tenant: TenantId,
        role: Role,
    },
    Platform {
        user: UserId,
        email: String,
        role: PlatformRole,
    },
    /// Somebody signed in, as themselves.
    Person { user: UserId, email: String },
    /// The program itself, when it starts or when a visitor signs up.
    System,
}

impl Authority {
    pub fn member(user: UserId, email: String, tenant: TenantId, role: Role) -> Self {
        Self::new(Who::Member {
            user,
            email,
            tenant,
            role,
        })
    }

    pub fn platform(user: UserId, email: String, role: PlatformRole) -> Self {
        Self::new(Who::Platform { user, email, role })
    }

    pub fn person(user: UserId, email: String) -> Self {
        Self::new(Who::Person { user, email })
    }

    pub fn system() -> Self {
        Self {
            kind: ActorKind::System,
            ..Self::new(Who::System)
        }
    }

    fn new(who: Who) -> Self {
        Self {
            who,
            kind: ActorKind::User,
            scopes: None,
            request_id: None,
        }
    }

    /// The same person through a token that is for these actions only.
    pub fn by_token(mut self, scopes: Vec<String>) -> Self {
        self.kind = ActorKind::Token;
        self.scopes = Some(scopes);
        self
    }

    pub fn of_request(mut self, id: Option<String>) -> Self {
        self.request_id = id;
        self
    }

    /// Refuses an action on the platform that this authority may not take.
    pub fn require(&self, action: Action) -> Result<(), ActionError> {
        let may = match &self.who {
            Who::Member { role, .. } => {
                permission::may(permission::Authority::Member(*role), action)
            }
            Who::Platform { role, .. } => {
                permission::may(permission::Authority::Platform(*role), action)
            }
            Who::Person { .. } => permission::may(permission::Authority::Person, action),
            Who::System => true,
        };
        if may && self.is_in_scope(action) {
            return Ok(());
        }
        Err(ActionError::Forbidden(action))
    }

    /// Refuses an action in a tenant. Another tenant's members learn no more than that there is
    /// none.
    pub fn require_in(&self, action: Action, tenant: TenantId) -> Result<(), ActionError> {
        debug_assert_eq!(action.reach(), Reach::Tenant);
        match &self.who {
            Who::Member { tenant: own, .. } if *own != tenant => {
                Err(ActionError::NotFound("tenant"))
            }
            _ => self.require(action),
        }
    }

    /// Refuses an action on somebody else's account, and any that a program would take with a
    /// token: a token makes no tokens.
    pub fn require_own(&self, action: Action, owner: UserId) -> Result<(), ActionError> {
        debug_assert_eq!(action.reach(), Reach::Own);
        match &self.who {
            Who::System => Ok(()),
            Who::Person { user, .. } if *user == owner && self.kind == ActorKind::User => {
                self.require(action)
            }
            _ => Err(ActionError::Forbidden(action)),
        }
    }

    /// For pages, which show what may be done.
    pub fn may(&self, action: Action) -> bool {
        self.require(action).is_ok()
    }

    pub fn user(&self) -> Option<UserId> {
        match &self.who {
            Who::Member { user, .. } | Who::Platform { user, .. } | Who::Person { user, .. } => {
                Some(*user)
            }
            Who::System => None,
        }
    }

    /// Whose rows the database shows; `None`: work across tenants.
    pub fn own_tenant(&self) -> Option<TenantId> {
        match &self.who {
            Who::Member { tenant, .. } => Some(*tenant),
            Who::Platform { .. } | Who::Person { .. } | Who::System => None,
        }
    }

    pub fn actor(&self) -> Actor {
        let actor = match &self.who {
            Who::Member { user, email, .. }
            | Who::Platform { user, email, .. }
            | Who::Person { user, email } => Actor::user(*user, email),
            Who::System => Actor::system(),
        };
        Actor {
            kind: self.kind,
            ..actor
        }
    }

    fn is_in_scope(&self, action: Action) -> bool {
        self.scopes.as_ref().is_none_or(|scopes| {
            scopes
                .iter()
                .any(|scope| scope == "*" || scope == action.name())
        })
    }
}
