//! People.

use snapshot::id::UserId;
use time::{Duration, OffsetDateTime};

use crate::field::{FieldError, line};

/// What a person is called; may be empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PersonName(String);

impl PersonName {
    pub fn parse(raw: &str) -> Result<Self, FieldError> {
        if raw.trim().is_empty() {
            return Ok(Self::default());
        }
        line("name", raw, 100).map(Self)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[derive(Clone, PartialEq, Eq)]
pub struct User {
    pub id: UserId,
    pub email: String,
    pub name: String,
    /// argon2id in PHC form, or another system's hash that was imported.
    pub password_hash: Option<String>,
    pub email_confirmed_at: Option<OffsetDateTime>,
    pub failed_sign_ins: u32,
    pub locked_until: Option<OffsetDateTime>,
    pub last_signed_in_at: Option<OffsetDateTime>,
    /// Since when they come in nowhere.
    pub disabled_at: Option<OffsetDateTime>,
    pub created_at: OffsetDateTime,
}

/// How a person stands; where several are true, the one that has to go first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UserState {
    Disabled,
    /// Wrong passwords pause sign-in until then.
    Paused(OffsetDateTime),
    /// The address was never confirmed: nobody has signed in yet.
    Unconfirmed,
    Active,
}

impl std::fmt::Debug for User {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("User")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl User {
    pub fn is_locked(&self, now: OffsetDateTime) -> bool {
        self.locked_until.is_some_and(|until| now < until)
    }

    pub fn is_disabled(&self) -> bool {
        self.disabled_at.is_some()
    }

    pub fn state(&self, now: OffsetDateTime) -> UserState {
        match self.locked_until.filter(|until| now < *until) {
            _ if self.is_disabled() => UserState::Disabled,
            Some(until) => UserState::Paused(until),
            None if self.email_confirmed_at.is_none() => UserState::Unconfirmed,
            None => UserState::Active,
        }
    }
}

/// Wrong passwords that are forgiven before a pause.
pub const FAILED_SIGN_INS_FREE: u32 = 5;

/// How long sign-in pauses after this many wrong passwords in a row: a minute, doubling, at most
/// an hour. Nobody is locked out for good by somebody else's guessing.
pub fn lockout_after(failed_sign_ins: u32) -> Option<Duration> {
    let over = failed_sign_ins.checked_sub(FAILED_SIGN_INS_FREE)?;
    Some(Duration::minutes(1 << over.min(6)).min(Duration::hours(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sign_in_pauses_longer_with_every_wrong_password() {
        for (failed, minutes) in [
            (0, None),
            (4, None),
            (5, Some(1)),
            (6, Some(2)),
            (10, Some(32)),
            (11, Some(60)),
            (u32::MAX, Some(60)),
        ] {
            assert_eq!(
                lockout_after(failed),
                minutes.map(Duration::minutes),
                "{failed}"
            );
        }
    }
}
