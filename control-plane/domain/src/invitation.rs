//! Invitations: by mail into a tenant.

use snapshot::id::{InvitationId, TenantId};
use time::{Duration, OffsetDateTime};

use crate::conflict::Conflict;
use crate::role::Role;

/// How long the mailed link works.
pub const LIFETIME: Duration = Duration::days(7);
/// A tenant has at most this many open ones.
pub const OPEN_MAX: u32 = 200;
/// A mail is sent again after this long at the soonest.
pub const RESEND_AFTER: Duration = Duration::minutes(5);

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invitation {
    pub id: InvitationId,
    pub tenant_id: TenantId,
    pub email: String,
    pub role: Role,
    pub sent_at: OffsetDateTime,
    pub expires_at: OffsetDateTime,
    pub created_at: OffsetDateTime,
}

impl Invitation {
    /// Whether another mail may go out.
    pub fn resend(&self, now: OffsetDateTime) -> Result<(), Conflict> {
        if now < self.sent_at + RESEND_AFTER {
            return Err(Conflict::SentJustNow);
        }
        Ok(())
    }
}

/// The secret in the mailed link. Debug shows nothing of it.
pub struct InvitationToken(String);

impl std::fmt::Debug for InvitationToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("InvitationToken(…)")
    }
}

impl InvitationToken {
    pub fn mint(random: [u8; 32]) -> Self {
        Self(snapshot::chunk::Address(random).to_string())
    }

    /// What came with a link; anything else than what was mailed has the hash of nothing.
    pub fn presented(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// What is stored: SHA-256, which is enough for 256 random bits.
    pub fn hash(&self) -> [u8; 32] {
        snapshot::chunk::sha256(self.0.as_bytes())
    }

    pub fn reveal(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn a_mail_is_not_sent_again_at_once() {
        let sent_at = datetime!(2026-11-27 12:00 UTC);
        let invitation = Invitation {
            id: uuid::Uuid::from_u128(1).into(),
            tenant_id: uuid::Uuid::from_u128(2).into(),
            email: "ada@example.com".to_owned(),
            role: Role::Viewer,
            sent_at,
            expires_at: sent_at + LIFETIME,
            created_at: sent_at,
        };
        let soon = sent_at + RESEND_AFTER - Duration::SECOND;
        assert_eq!(invitation.resend(soon), Err(Conflict::SentJustNow));
        assert_eq!(invitation.resend(sent_at + RESEND_AFTER), Ok(()));
    }

    #[test]
    fn a_token_is_found_by_what_was_mailed() {
        let token = InvitationToken::mint([7; 32]);
        assert_eq!(
            InvitationToken::presented(token.reveal()).hash(),
            token.hash()
        );
        assert!(!format!("{token:?}").contains(token.reveal()));
    }
}
