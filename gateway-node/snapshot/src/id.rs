//! Ids: UUID v7, shown as a prefix and 26 lower-case Crockford base32 characters.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

/// Crockford's alphabet without i, l, o and u, so that an id survives being read aloud.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// A text that is not an id of the kind that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an id of the form {prefix}_<26 characters> was expected")]
pub struct InvalidId {
    pub prefix: &'static str,
}

/// A prefix of three letters, an underscore, 26 characters.
const TEXT_BYTES: usize = 30;

fn show(prefix: &str, uuid: Uuid) -> [u8; TEXT_BYTES] {
    let mut rest = uuid.as_u128();
    let mut text = [b'_'; TEXT_BYTES];
    text[..3].copy_from_slice(prefix.as_bytes());
    for place in text[4..].iter_mut().rev() {
        *place = ALPHABET[(rest & 31) as usize];
        rest >>= 5;
    }
    text
}

fn decode(text: &[u8]) -> Option<Uuid> {
    // 26 characters carry 130 bits: the first one may only use its low three.
    if text.len() != 26 || text[0] > b'7' {
        return None;
    }
    text.iter()
        .try_fold(0u128, |value, byte| {
            let digit = ALPHABET.iter().position(|letter| letter == byte)?;
            Some(value << 5 | digit as u128)
        })
        .map(Uuid::from_u128)
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub Uuid);

        impl $name {
            pub const PREFIX: &'static str = $prefix;

            /// The id as it is shown, ASCII: for where many are written.
            pub fn to_text(self) -> [u8; TEXT_BYTES] {
                show($prefix, self.0)
            }

            /// The id in a document: the UUID's 16 bytes.
            pub fn to_bytes(self) -> Vec<u8> {
                self.0.as_bytes().to_vec()
            }

            /// Reads the id of a document.
            pub fn from_bytes(bytes: &[u8]) -> Result<Self, crate::DecodeError> {
                Uuid::from_slice(bytes).map(Self).map_err(|_| crate::DecodeError::Length {
                    what: stringify!($name),
                    expected: 16,
                    found: bytes.len(),
                })
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(std::str::from_utf8(&self.to_text()).map_err(|_| fmt::Error)?)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                text.strip_prefix(concat!($prefix, "_"))
                    .and_then(|rest| decode(rest.as_bytes()))
                    .map(Self)
                    .ok_or(InvalidId { prefix: $prefix })
            }
        }

        impl From<Uuid> for $name {
            fn from(uuid: Uuid) -> Self {
                Self(uuid)
            }
        }

        impl From<$name> for Uuid {
            fn from(id: $name) -> Uuid {
                id.0
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(from)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}

ids! {
    /// A customer.
    TenantId = "ten";
    /// A person.
    UserId = "usr";
    /// A person in a tenant.
    MemberId = "mem";
    PlanId = "pln";
    /// A tenant on a plan.
    SubscriptionId = "sub";
    ApiKeyId = "key";
    ApiId = "api";
    RouteId = "rte";
    UpstreamId = "ups";
    AuthorizerId = "atz";
    /// People of a tenant under one name.
    GroupId = "grp";
    InvitationId = "inv";
    /// An OAuth client.
    ClientId = "cli";
    /// Somebody else's OpenID provider, for sign-in.
    ProviderId = "idp";
    /// A domain that a tenant says is its own.
    DomainId = "dom";
    /// An enrolled gateway process.
    NodeId = "nod";
    EnrolTokenId = "enr";
    SessionId = "ses";
    /// An entry of the audit log.
    EventId = "evt";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_survives_being_shown_and_read() {
        for value in [0, 1, u128::MAX, 0x0192_7b3e_5d4c_7abc_8def_0123_4567_89ab] {
            let id = TenantId(Uuid::from_u128(value));
            assert_eq!(id.to_string().parse(), Ok(id));
            assert_eq!(id.to_string().len(), 30);
        }
    }

    #[test]
    fn a_text_that_is_not_an_id_is_refused() {
        for text in [
            "",
            "ten_",
            "key_00000000000000000000000000",
            "ten_80000000000000000000000000",
            "ten_0000000000000000000000000l",
        ] {
            assert_eq!(
                text.parse::<TenantId>(),
                Err(InvalidId { prefix: "ten" }),
                "{text}"
            );
        }
    }
}
