//! Enrolled gateway processes.

use std::collections::BTreeMap;

use snapshot::id::{EnrolTokenId, NodeId, UserId};
use snapshot::manifest::Version;
use time::OffsetDateTime;

use crate::field::{FieldError, names};

names! {
    EnrolTokenName;
}

pub const TOKEN_USES_MAX: u32 = 1000;

/// Labels of a node: `region=eu-1`.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Labels(pub BTreeMap<String, String>);

impl Labels {
    /// From `name=value` pairs; names of lower-case letters, digits, `-`, `_`, `.`; values of up
    /// to 63 visible characters.
    pub fn parse<'a>(pairs: impl IntoIterator<Item = &'a str>) -> Result<Self, FieldError> {
        let mut labels = BTreeMap::new();
        for pair in pairs {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let is_name = (1..=63).contains(&name.len())
                && name.bytes().all(|byte| {
                    byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.".contains(&byte)
                });
            let is_value = (1..=63).contains(&value.len())
                && value.bytes().all(|byte| byte.is_ascii_graphic());
            if !is_name || !is_value {
                return Err(FieldError::new(
                    "labels",
                    "invalid",
                    "Enter labels such as region=eu-1.",
                ));
            }
            labels.insert(name.to_owned(), value.to_owned());
        }
        if labels.len() > snapshot::enrol::LABELS_MAX {
            return Err(FieldError::new("labels", "too_many", "Use fewer labels."));
        }
        Ok(Self(labels))
    }
}

/// A snapshot that a node did not take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    pub version: Version,
    pub code: String,
    pub detail: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    pub id: NodeId,
    pub name: String,
    pub labels: Labels,
    /// Ed25519.
    pub signing_key: [u8; 32],
    /// X25519.
    pub seal_key: [u8; 32],
    pub software_version: String,
    /// The process that may draw leases.
    pub incarnation: u64,
    pub applied: Version,
    pub rejected: Option<Rejected>,
    pub enrolled_at: OffsetDateTime,
    pub last_seen_at: Option<OffsetDateTime>,
    pub revoked_at: Option<OffsetDateTime>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnrolTokenRecord {
    pub id: EnrolTokenId,
    pub name: String,
    pub labels: Labels,
    pub uses_max: u32,
    pub uses: u32,
    pub expires_at: OffsetDateTime,
    pub revoked_at: Option<OffsetDateTime>,
    pub created_by: Option<UserId>,
    pub created_at: OffsetDateTime,
}

/// Why a token does not enrol a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenRefusal {
    #[error("the enrolment token is not known here")]
    Unknown,
    #[error("the enrolment token has expired")]
    Expired,
    #[error("the enrolment token was revoked")]
    Revoked,
    #[error("the enrolment token has no uses left")]
    UsedUp,
    #[error("the node was revoked")]
    NodeRevoked,
}

impl EnrolTokenRecord {
    /// Whether a further node may be enrolled with it.
    pub fn admit(&self, now: OffsetDateTime) -> Result<(), TokenRefusal> {
        if self.revoked_at.is_some() {
            Err(TokenRefusal::Revoked)
        } else if now >= self.expires_at {
            Err(TokenRefusal::Expired)
        } else if self.uses >= self.uses_max {
            Err(TokenRefusal::UsedUp)
        } else {
            Ok(())
        }
    }
}
