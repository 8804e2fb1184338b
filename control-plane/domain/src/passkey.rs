//! Passkeys: public keys that people sign in with (Web Authentication, level 3).

use time::OffsetDateTime;
use uuid::Uuid;

use crate::field::{FieldError, line};

/// More than anybody has devices.
pub const PASSKEYS_MAX: u32 = 20;

/// What a person calls a passkey, such as after the device that keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PasskeyName(String);

impl PasskeyName {
    pub fn parse(raw: &str) -> Result<Self, FieldError> {
        line("name", raw, 100).map(Self)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct Passkey {
    pub id: Uuid,
    pub name: String,
    pub last_used_at: Option<OffsetDateTime>,
    pub created_at: OffsetDateTime,
}
