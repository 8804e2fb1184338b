//! People in tenants.

use snapshot::id::{MemberId, TenantId, UserId};
use time::OffsetDateTime;

use crate::role::Role;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    pub id: MemberId,
    pub tenant_id: TenantId,
    pub user_id: UserId,
    pub email: String,
    pub name: String,
    pub role: Role,
    pub edition: i32,
    pub created_at: OffsetDateTime,
    pub last_signed_in_at: Option<OffsetDateTime>,
}

/// A tenant must keep an owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the tenant's last owner cannot go or step down")]
pub struct LastOwner;

/// Checks that a member of role `from` may become `to` (`None`: leave) where the tenant has
/// `owners` owners now.
pub fn change_role(from: Role, to: Option<Role>, owners: u64) -> Result<(), LastOwner> {
    if from == Role::Owner && to != Some(Role::Owner) && owners <= 1 {
        Err(LastOwner)
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_owner_stays() {
        for (from, to, owners, expected) in [
            (Role::Owner, None, 1, Err(LastOwner)),
            (Role::Owner, Some(Role::Admin), 1, Err(LastOwner)),
            (Role::Owner, Some(Role::Owner), 1, Ok(())),
            (Role::Owner, None, 2, Ok(())),
            (Role::Admin, None, 1, Ok(())),
        ] {
            assert_eq!(
                change_role(from, to, owners),
                expected,
                "{from} {to:?} {owners}"
            );
        }
    }
}
