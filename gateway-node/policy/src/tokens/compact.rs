//! Reading a token (RFC 7515 section 7.1, RFC 9068), strictly: what the issuer never writes is not
//! read.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use snapshot::id::{ClientId, TenantId, UserId};
use uuid::Uuid;

/// No signed token is longer.
const TOKEN_BYTES_MAX: usize = 8 << 10;

/// The three parts of a token.
pub(crate) struct Compact<'t> {
    header: &'t [u8],
    payload: &'t [u8],
    signature: &'t [u8],
    /// Header, dot and payload.
    pub(crate) signed: &'t [u8],
}

impl<'t> Compact<'t> {
    pub(crate) fn split(token: &'t [u8]) -> Option<Self> {
        if token.len() > TOKEN_BYTES_MAX {
            return None;
        }
        let mut parts = token.split(|byte| *byte == b'.');
        let (header, payload, signature) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() {
            return None;
        }
        Some(Self {
            header,
            payload,
            signature,
            signed: token.get(..header.len() + 1 + payload.len())?,
        })
    }

    pub(crate) fn header(&self) -> Option<Header> {
        read(&decode(self.header)?)
    }

    pub(crate) fn claims(&self) -> Option<Claims> {
        let raw = decode(self.payload)?;
        let raw: RawClaims<'_> = read(&raw)?;
        Claims::parse(&raw)
    }

    pub(crate) fn signature(&self) -> Option<Vec<u8>> {
        decode(self.signature)
    }
}

fn decode(part: &[u8]) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(part).ok()
}

/// Reads an object. Of a member that stands in it twice no reading is the right one: it is refused.
fn read<'b, T: Deserialize<'b>>(bytes: &'b [u8]) -> Option<T> {
    // Structures could be read from arrays too.
    (bytes.first() == Some(&b'{')).then(|| serde_json::from_slice(bytes).ok())?
}

/// Nothing else: no `crit`, and no key or address of one from the sender.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Header {
    pub(crate) alg: String,
    pub(crate) typ: String,
    pub(crate) kid: String,
}

impl Header {
    /// RFC 9068 section 2.1: an id token is none.
    pub(crate) fn is_access_token(&self) -> bool {
        self.typ.eq_ignore_ascii_case("at+jwt")
    }
}

/// What a node reads of the claims; instants in Unix seconds.
#[derive(Deserialize)]
struct RawClaims<'c> {
    #[serde(borrow)]
    iss: Cow<'c, str>,
    #[serde(borrow)]
    sub: Cow<'c, str>,
    client_id: ClientId,
    aud: Vec<String>,
    exp: i64,
    iat: i64,
    nbf: i64,
    #[serde(borrow)]
    jti: Cow<'c, str>,
    #[serde(borrow)]
    origin_jti: Cow<'c, str>,
    #[serde(borrow, default)]
    scope: Cow<'c, str>,
    #[serde(borrow)]
    token_use: Cow<'c, str>,
    tenant_id: TenantId,
}

/// The claims of an access token.
pub(crate) struct Claims {
    pub(crate) issuer: String,
    pub(crate) subject: Subject,
    pub(crate) client_id: ClientId,
    pub(crate) audience: Vec<String>,
    pub(crate) expires_at_s: i64,
    pub(crate) issued_at_s: i64,
    pub(crate) not_before_s: i64,
    pub(crate) id: Uuid,
    pub(crate) origin: Uuid,
    pub(crate) scopes: Vec<String>,
    pub(crate) tenant_id: TenantId,
}

/// Whom a token is about.
#[derive(Clone, Copy)]
pub(crate) enum Subject {
    User(UserId),
    /// A machine, for itself.
    Client(ClientId),
}

impl Claims {
    fn parse(raw: &RawClaims<'_>) -> Option<Self> {
        let subject = match raw.sub.parse() {
            Ok(user) => Subject::User(user),
            Err(_) => Subject::Client(raw.sub.parse().ok()?),
        };
        let is_its_own = match subject {
            Subject::User(_) => true,
            Subject::Client(client) => client == raw.client_id,
        };
        if raw.token_use != "access" || !is_its_own {
            return None;
        }
        let scopes = raw.scope.split(' ').filter(|scope| !scope.is_empty());
        Some(Self {
            issuer: raw.iss.clone().into_owned(),
            subject,
            client_id: raw.client_id,
            audience: raw.aud.clone(),
            expires_at_s: raw.exp,
            issued_at_s: raw.iat,
            not_before_s: raw.nbf,
            id: Uuid::try_parse(&raw.jti).ok()?,
            origin: Uuid::try_parse(&raw.origin_jti).ok()?,
            scopes: scopes.map(str::to_owned).collect(),
            tenant_id: raw.tenant_id,
        })
    }
}
