//! People in tenants.

use std::collections::BTreeMap;

use snapshot::id::{MemberId, TenantId, UserId};
use time::OffsetDateTime;

use crate::field::{FieldError, closed_set};
use crate::role::Role;

closed_set! {
    /// Whether a member may come in.
    MemberStatus {
        Active = "active",
        /// Neither opens the console nor signs in to the tenant's applications.
        Disabled = "disabled",
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    pub id: MemberId,
    pub tenant_id: TenantId,
    pub user_id: UserId,
    pub email: String,
    pub name: String,
    pub standing: Standing,
    pub attributes: Attributes,
    pub edition: i32,
    pub created_at: OffsetDateTime,
    pub last_signed_in_at: Option<OffsetDateTime>,
}

/// What a member may do here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    pub role: Role,
    pub status: MemberStatus,
}

impl Standing {
    fn is_enabled_owner(self) -> bool {
        self.role == Role::Owner && self.status == MemberStatus::Active
    }

    /// Whether `next` (`None`: no member any more) takes something away that tokens given out
    /// before still say.
    pub fn loses(self, next: Option<Standing>) -> bool {
        next.is_none_or(|next| {
            // The highest role comes first.
            next.role > self.role
                || (self.status == MemberStatus::Active && next.status == MemberStatus::Disabled)
        })
    }
}

/// A tenant must keep an owner who can come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the tenant's last owner cannot go, step down or be disabled")]
pub struct LastOwner;

/// Checks that a member may become `to` (`None`: leave) where the tenant has `owners` enabled
/// owners now.
pub fn change_standing(from: Standing, to: Option<Standing>, owners: u64) -> Result<(), LastOwner> {
    let stays = to.is_some_and(Standing::is_enabled_owner);
    if from.is_enabled_owner() && !stays && owners <= 1 {
        Err(LastOwner)
    } else {
        Ok(())
    }
}

/// What a tenant keeps of a person, as text by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attributes(BTreeMap<String, String>);

impl Attributes {
    pub const COUNT_MAX: usize = 50;
    pub const NAME_BYTES_MAX: usize = 40;
    pub const VALUE_BYTES_MAX: usize = 2048;
    /// Names and values together: tokens carry all of them, and proxies on the way take few KB of
    /// headers.
    pub const BYTES_MAX: usize = 4096;

    /// Names are of `a-z`, `0-9` and `_`; values are any text without NUL.
    pub fn parse(raw: BTreeMap<String, String>) -> Result<Self, Vec<FieldError>> {
        let mut errors = Vec::new();
        if raw.len() > Self::COUNT_MAX {
            let message = format!("Keep at most {} attributes.", Self::COUNT_MAX);
            errors.push(FieldError::new("attributes", "too_many", message));
        }
        let bytes: usize = raw
            .iter()
            .map(|(name, value)| name.len() + value.len())
            .sum();
        if bytes > Self::BYTES_MAX {
            let message = format!(
                "Names and values together have at most {} bytes.",
                Self::BYTES_MAX
            );
            errors.push(FieldError::new("attributes", "too_large", message));
        }
        for (name, value) in &raw {
            if let Some((code, message)) = wrong(name, value) {
                let place = format!("attributes.{name}");
                errors.push(FieldError::new("attributes", code, message).at(place));
            }
        }
        if errors.is_empty() {
            Ok(Self(raw))
        } else {
            Err(errors)
        }
    }

    /// What was checked when it was kept.
    pub fn of_stored(stored: BTreeMap<String, String>) -> Self {
        Self(stored)
    }

    pub fn as_map(&self) -> &BTreeMap<String, String> {
        &self.0
    }
}

fn wrong(name: &str, value: &str) -> Option<(&'static str, String)> {
    let is_word = |byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_');
    if !(1..=Attributes::NAME_BYTES_MAX).contains(&name.len()) || !name.bytes().all(is_word) {
        let message = format!(
            "Names have 1 to {} characters of a to z, 0 to 9 and _.",
            Attributes::NAME_BYTES_MAX
        );
        return Some(("invalid_name", message));
    }
    if value.len() > Attributes::VALUE_BYTES_MAX {
        let message = format!("Values have at most {} bytes.", Attributes::VALUE_BYTES_MAX);
        return Some(("too_long", message));
    }
    // PostgreSQL stores no NUL in text.
    value
        .contains('\0')
        .then(|| ("invalid", "Values are text without NUL.".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn standing(role: Role, status: MemberStatus) -> Standing {
        Standing { role, status }
    }

    const OWNER: Standing = standing(Role::Owner, MemberStatus::Active);
    const ADMIN: Standing = standing(Role::Admin, MemberStatus::Active);
    const LOCKED_OWNER: Standing = standing(Role::Owner, MemberStatus::Disabled);

    #[test]
    fn the_last_owner_who_can_come_in_stays() {
        for (from, to, owners, expected) in [
            (OWNER, None, 1, Err(LastOwner)),
            (OWNER, Some(ADMIN), 1, Err(LastOwner)),
            (OWNER, Some(LOCKED_OWNER), 1, Err(LastOwner)),
            (OWNER, Some(OWNER), 1, Ok(())),
            (OWNER, None, 2, Ok(())),
            (ADMIN, None, 1, Ok(())),
            (LOCKED_OWNER, None, 1, Ok(())),
            (LOCKED_OWNER, Some(OWNER), 0, Ok(())),
        ] {
            let found = change_standing(from, to, owners);
            assert_eq!(found, expected, "{from:?} {to:?} {owners}");
        }
    }

    #[test]
    fn a_lower_role_a_lock_and_leaving_take_something_away() {
        for (from, to, expected) in [
            (OWNER, None, true),
            (OWNER, Some(ADMIN), true),
            (ADMIN, Some(OWNER), false),
            (OWNER, Some(LOCKED_OWNER), true),
            (LOCKED_OWNER, Some(OWNER), false),
            (ADMIN, Some(ADMIN), false),
        ] {
            assert_eq!(from.loses(to), expected, "{from:?} {to:?}");
        }
    }

    #[test]
    fn attributes_are_bounded_in_number_name_and_value() {
        let check = |pairs: &[(&str, &str)]| {
            let pairs = pairs
                .iter()
                .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()));
            let errors = Attributes::parse(pairs.collect()).err().unwrap_or_default();
            errors.first().map(|error| error.code)
        };
        let (longest, longer) = ("x".repeat(2048), "x".repeat(2049));
        assert_eq!(check(&[("cost_center", "42"), ("a", "")]), None);
        assert_eq!(check(&[("a", &longest)]), None);
        assert_eq!(check(&[("a", &longer)]), Some("too_long"));
        assert_eq!(check(&[("a", "x\0")]), Some("invalid"));
        for name in ["", "Ada", "a-b", "\u{e4}", &"n".repeat(41)] {
            assert_eq!(check(&[(name, "")]), Some("invalid_name"), "{name}");
        }
        let many: Vec<String> = (0..51).map(|number| format!("a{number}")).collect();
        let pairs: Vec<(&str, &str)> = many.iter().map(|name| (name.as_str(), "")).collect();
        assert_eq!(check(&pairs), Some("too_many"));
        assert_eq!(check(&pairs[..50]), None);
    }
}
