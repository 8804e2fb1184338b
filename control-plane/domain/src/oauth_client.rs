//! OAuth clients: the applications that sign people in, or get tokens for themselves.

use snapshot::api_key::mint;
use snapshot::id::{ClientId, TenantId};
use time::OffsetDateTime;

use crate::field::{FieldError, closed_set, names};
use crate::token_key::SigningAlgorithm;

pub const REDIRECT_URIS_MAX: usize = 50;
pub const SCOPES_MAX: usize = 100;
/// Live secrets of a client: one in use and one to change over to.
pub const SECRETS_MAX: usize = 2;
pub const SECRET_PREFIX: &str = "tgs_";

names! {
    ClientName;
}

closed_set! {
    /// Whether it can keep a secret (RFC 6749, section 2.1).
    ClientKind {
        Public = "public",
        Confidential = "confidential",
    }
}

closed_set! {
    /// Ways to get tokens.
    Grant {
        AuthorizationCode = "authorization_code",
        RefreshToken = "refresh_token",
        ClientCredentials = "client_credentials",
    }
}

closed_set! {
    /// Whose members may sign in to it.
    Serves {
        OwnTenant = "own_tenant",
        /// After they consented.
        AnyTenant = "any_tenant",
    }
}

closed_set! {
    /// Who becomes a member of the client's tenant by signing up at it.
    SignUp {
        Nobody = "nobody",
        /// Whose confirmed address is of one of the client's domains.
        Domains = "domains",
        Anybody = "anybody",
    }
}

/// Where a client is answered to, as it was registered.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RedirectUri(String);

const REDIRECT_URI_BYTES_MAX: usize = 2_000;
/// Schemes that a browser runs or that name what is on its own machine.
const NO_SCHEMES: &[&str] = &[
    "javascript",
    "data",
    "file",
    "blob",
    "about",
    "vbscript",
    "ftp",
];

impl RedirectUri {
    /// `https`, `http` on loopback, or a scheme of an application (RFC 8252, section 7): with a dot.
    pub fn parse(raw: &str) -> Result<Self, FieldError> {
        let text = raw.trim();
        let invalid = |message: &str| {
            Err(FieldError::new(
                "redirect_uris",
                "invalid",
                format!("{message} ({text})"),
            ))
        };
        let is_text = text.len() <= REDIRECT_URI_BYTES_MAX
            && text
                .bytes()
                .all(|byte| byte.is_ascii_graphic() && !b"\"<>\\^`{|}*".contains(&byte));
        let Some((scheme, rest)) = text.split_once(':').filter(|_| is_text) else {
            return invalid("Enter an absolute address such as https://app.example.com/callback.");
        };
        if text.contains('#') {
            return invalid("A redirect address has no fragment.");
        }
        let authority = rest
            .strip_prefix("//")
            .map(|rest| rest.split(['/', '?']).next().unwrap_or(""));
        match (scheme, authority) {
            ("https" | "http", Some(authority)) => {
                if authority.contains('@') {
                    return invalid("A redirect address holds no user name.");
                }
                let host = host_of(authority);
                if host.is_empty() {
                    return invalid("A redirect address names a host.");
                }
                if scheme == "http" && !is_loopback(host) {
                    return invalid(
                        "Use https; http is for this machine only, such as http://127.0.0.1/callback.",
                    );
                }
                Ok(Self(text.to_owned()))
            }
            ("https" | "http", None) => invalid("Enter an absolute address."),
            (scheme, _) => {
                let is_scheme = scheme.bytes().all(|byte| {
                    byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+-.".contains(&byte)
                }) && scheme.starts_with(|first: char| first.is_ascii_lowercase());
                if !is_scheme || !scheme.contains('.') || NO_SCHEMES.contains(&scheme) {
                    return invalid(
                        "Use https, or an application's own scheme with a dot in it, such as com.example.app:/callback.",
                    );
                }
                Ok(Self(text.to_owned()))
            }
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Character by character (RFC 9700, section 2.1), but for the port of a loopback address, which
    /// a native application does not know before it listens (RFC 8252, section 7.3).
    pub fn matches(&self, presented: &str) -> bool {
        if self.0 == presented {
            return true;
        }
        match (loopback_parts(&self.0), loopback_parts(presented)) {
            (Some((host, rest)), Some((other_host, other_rest))) => {
                host == other_host && rest == other_rest
            }
            _ => false,
        }
    }
}

/// Host and what follows the port, of an `http` address on loopback.
fn loopback_parts(uri: &str) -> Option<(&str, &str)> {
    let rest = uri.strip_prefix("http://")?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let host = host_of(authority);
    let port = authority[host.len()..].strip_prefix(':');
    let is_port = match port {
        None => authority.len() == host.len(),
        Some(port) => (1..=5).contains(&port.len()) && port.bytes().all(|b| b.is_ascii_digit()),
    };
    (is_loopback(host) && is_port && !path.contains('#')).then_some((host, path))
}

pub(crate) fn host_of(authority: &str) -> &str {
    match authority.find(']') {
        Some(end) if authority.starts_with('[') => &authority[..=end],
        _ => authority.split(':').next().unwrap_or(""),
    }
}

pub(crate) fn is_loopback(host: &str) -> bool {
    matches!(host, "localhost" | "127.0.0.1" | "[::1]")
}

/// A client's secret, `tgs_…`, shown once. Debug shows nothing of it.
pub struct PlainClientSecret(String);

impl std::fmt::Debug for PlainClientSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PlainClientSecret(tgs_…)")
    }
}

impl PlainClientSecret {
    /// Base62 with a checksum, like an API key.
    pub fn mint(random: &[u8; 32]) -> Self {
        let key = mint(true, random);
        Self(format!("{SECRET_PREFIX}{}", &key["tg_live_".len()..]))
    }

    /// A presented secret, if it has the form of one.
    pub fn parse(text: &str) -> Option<Self> {
        let as_key = format!("tg_live_{}", text.strip_prefix(SECRET_PREFIX)?);
        let has_form =
            snapshot::api_key::shape(as_key.as_bytes()) == snapshot::api_key::Shape::Minted;
        has_form.then(|| Self(text.to_owned()))
    }

    /// What is stored: SHA-256, which is enough for 178 random bits.
    pub fn hash(&self) -> [u8; 32] {
        snapshot::chunk::sha256(self.0.as_bytes())
    }

    /// The beginning, by which people tell secrets apart.
    pub fn prefix(&self) -> &str {
        &self.0[..SECRET_PREFIX.len() + 6]
    }

    pub fn reveal(&self) -> &str {
        &self.0
    }
}

/// A secret without its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientSecret {
    pub id: uuid::Uuid,
    pub prefix: String,
    /// `None`: until it is taken back.
    pub expires_at: Option<OffsetDateTime>,
    pub last_used_at: Option<OffsetDateTime>,
    pub created_at: OffsetDateTime,
}

/// What a tenant says of a client; kind and id never change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientTerms {
    pub name: ClientName,
    pub serves: Serves,
    pub sign_up: SignUp,
    /// Lower case, for [`SignUp::Domains`].
    pub sign_up_domains: Vec<String>,
    pub redirect_uris: Vec<RedirectUri>,
    /// Where people may be sent after they signed out.
    pub logout_uris: Vec<RedirectUri>,
    pub grants: Vec<Grant>,
    /// Of APIs; those of OpenID need no leave.
    pub scopes: Vec<String>,
    pub requires_pkce: bool,
    pub signing_algorithm: SigningAlgorithm,
    pub encrypts_access_tokens: bool,
    pub access_token_seconds: u32,
    pub id_token_seconds: u32,
    pub refresh_token_seconds: u32,
    pub is_enabled: bool,
}

impl ClientTerms {
    /// Refuses what contradicts itself.
    pub fn check(&self, kind: ClientKind) -> Result<(), Vec<FieldError>> {
        let mut errors = Vec::new();
        let mut wrong = |field, message: &str| {
            errors.push(FieldError::new(field, "invalid", message));
        };
        let has = |grant| self.grants.contains(&grant);
        if self.grants.is_empty() {
            wrong("grants", "Choose at least one grant.");
        }
        if has(Grant::ClientCredentials) && kind == ClientKind::Public {
            wrong(
                "grants",
                "Only a confidential client can get tokens for itself.",
            );
        }
        if has(Grant::RefreshToken) && !has(Grant::AuthorizationCode) {
            wrong("grants", "Refresh tokens come with authorization codes.");
        }
        if has(Grant::AuthorizationCode) && self.redirect_uris.is_empty() {
            wrong(
                "redirect_uris",
                "Enter where people come back to after they signed in.",
            );
        }
        if !self.requires_pkce && kind == ClientKind::Public {
            wrong(
                "requires_pkce",
                "A public client has nothing but PKCE to prove itself.",
            );
        }
        if self.redirect_uris.len() > REDIRECT_URIS_MAX
            || self.logout_uris.len() > REDIRECT_URIS_MAX
        {
            wrong("redirect_uris", "There can be 50 addresses.");
        }
        if self.scopes.len() > SCOPES_MAX {
            wrong("scopes", "There can be 100 scopes.");
        }
        if self.sign_up == SignUp::Domains && self.sign_up_domains.is_empty() {
            wrong(
                "sign_up_domains",
                "Enter the domains whose people may sign up.",
            );
        }
        for (field, seconds, least, most) in [
            (
                "access_token_seconds",
                self.access_token_seconds,
                60,
                86_400,
            ),
            ("id_token_seconds", self.id_token_seconds, 60, 86_400),
            (
                "refresh_token_seconds",
                self.refresh_token_seconds,
                3_600,
                315_360_000,
            ),
        ] {
            if !(least..=most).contains(&seconds) {
                wrong(field, &format!("Enter {least} to {most} seconds."));
            }
        }
        if errors.is_empty() {
            Ok(())
        } else {
            Err(errors)
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OauthClient {
    pub id: ClientId,
    pub tenant_id: TenantId,
    pub name: String,
    pub kind: ClientKind,
    pub serves: Serves,
    pub sign_up: SignUp,
    pub sign_up_domains: Vec<String>,
    pub redirect_uris: Vec<RedirectUri>,
    pub logout_uris: Vec<RedirectUri>,
    pub grants: Vec<Grant>,
    pub scopes: Vec<String>,
    pub requires_pkce: bool,
    pub signing_algorithm: SigningAlgorithm,
    pub encrypts_access_tokens: bool,
    pub access_token_seconds: u32,
    pub id_token_seconds: u32,
    pub refresh_token_seconds: u32,
    pub is_enabled: bool,
    /// What it was given before this instant is over.
    pub cut_off_at: Option<OffsetDateTime>,
    pub edition: i32,
    pub created_at: OffsetDateTime,
}

impl OauthClient {
    pub fn may_redirect_to(&self, presented: &str) -> bool {
        self.redirect_uris.iter().any(|uri| uri.matches(presented))
    }

    pub fn may_sign_out_to(&self, presented: &str) -> bool {
        self.logout_uris.iter().any(|uri| uri.matches(presented))
    }

    /// Whether what it was given then is over.
    pub fn is_cut_off(&self, given_at: OffsetDateTime) -> bool {
        self.cut_off_at.is_some_and(|cut| given_at <= cut)
    }

    /// Whether somebody with this confirmed address may join the client's tenant through it.
    pub fn may_join(&self, email: &str) -> bool {
        match self.sign_up {
            SignUp::Nobody => false,
            SignUp::Anybody => true,
            SignUp::Domains => email
                .rsplit_once('@')
                .is_some_and(|(_, domain)| self.sign_up_domains.iter().any(|own| own == domain)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects_go_to_https_to_loopback_or_to_an_application() {
        for (raw, is_valid) in [
            ("https://app.example.com/callback", true),
            ("https://app.example.com:8443/cb?x=1", true),
            ("http://localhost:3000/cb", true),
            ("http://127.0.0.1/cb", true),
            ("http://[::1]:9/cb", true),
            ("com.example.app:/callback", true),
            ("com.example.app://callback", true),
            ("http://app.example.com/cb", false),
            ("http://localhost.evil.example/cb", false),
            ("http://127.0.0.1@evil.example/", false),
            ("https://user@app.example.com/", false),
            ("https://app.example.com/#f", false),
            ("https://*.example.com/", false),
            ("https:///cb", false),
            ("https:cb", false),
            ("javascript:alert(1)", false),
            ("data:text/html,x", false),
            ("myapp:/cb", false),
            ("/callback", false),
            ("https://app.example.com/a b", false),
            ("https://app.example.com\\@evil.example/", false),
            ("", false),
        ] {
            assert_eq!(RedirectUri::parse(raw).is_ok(), is_valid, "{raw}");
        }
    }

    #[test]
    fn redirects_match_exactly_but_for_a_loopback_port() {
        for (registered, presented, expected) in [
            ("https://a.example/cb", "https://a.example/cb", true),
            ("https://a.example/cb", "https://a.example/cb/", false),
            ("https://a.example/cb", "https://a.example/cb?x=1", false),
            ("https://a.example/cb", "https://a.example:443/cb", false),
            ("https://a.example/cb", "https://A.example/cb", false),
            ("http://127.0.0.1/cb", "http://127.0.0.1:51234/cb", true),
            ("http://127.0.0.1:1/cb", "http://127.0.0.1/cb", true),
            ("http://[::1]/cb", "http://[::1]:7/cb", true),
            ("http://127.0.0.1/cb", "http://127.0.0.1:51234/cb2", false),
            (
                "http://127.0.0.1/cb",
                "http://127.0.0.1:51234@evil.example/cb",
                false,
            ),
            ("http://127.0.0.1/cb", "http://127.0.0.1:5x/cb", false),
            (
                "http://127.0.0.1/cb",
                "http://127.0.0.1.evil.example/cb",
                false,
            ),
            ("http://127.0.0.1/cb", "http://localhost/cb", false),
            ("http://127.0.0.1/cb", "https://127.0.0.1:3/cb", false),
        ] {
            let uri = RedirectUri::parse(registered).expect("valid");
            assert_eq!(uri.matches(presented), expected, "{registered} {presented}");
        }
    }

    #[test]
    fn a_secret_has_one_form_and_a_mistyped_one_costs_no_look_up() {
        let secret = PlainClientSecret::mint(&[3; 32]);
        assert!(PlainClientSecret::parse(secret.reveal()).is_some());
        assert!(PlainClientSecret::parse(&secret.reveal().to_lowercase()).is_none());
        assert!(PlainClientSecret::parse("tgs_").is_none());
    }
}
