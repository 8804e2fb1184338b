//! What providers say of themselves (OpenID Connect Discovery 1.0) and the keys that they sign
//! with, remembered for a while.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use domain::identity_provider::Issuer;
use jsonwebtoken::Algorithm;
use jsonwebtoken::jwk::Jwk;
use reqwest::Url;
use serde::Deserialize;
use time::{Duration, OffsetDateTime};

use crate::clock::Now;
use crate::outbound::{CallError, NamedBy, Outbound};

/// What is older is read again before it is used.
const FRESH_FOR: Duration = Duration::hours(1);
/// Where that fails, what was read is used for so long.
const USABLE_FOR: Duration = Duration::days(1);
/// A token that names an unknown key makes us look for new keys, at most this often.
const LOOK_AGAIN_AFTER: Duration = Duration::seconds(30);
const PROVIDERS_MAX: usize = 500;
const KEYS_MAX: usize = 50;

/// Signatures that we take: what only the provider can make. An HMAC is made with the secret that
/// we have too, and `none` with nothing.
const ALGORITHMS: &[(&str, Algorithm)] = &[
    ("RS256", Algorithm::RS256),
    ("RS384", Algorithm::RS384),
    ("RS512", Algorithm::RS512),
    ("PS256", Algorithm::PS256),
    ("PS384", Algorithm::PS384),
    ("PS512", Algorithm::PS512),
    ("ES256", Algorithm::ES256),
    ("ES384", Algorithm::ES384),
    ("EdDSA", Algorithm::EdDSA),
];

/// The discovery document, as far as it is used (section 3; RFC 9207, section 3).
#[derive(Debug, Deserialize)]
struct Document {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    userinfo_endpoint: Option<String>,
    #[serde(default)]
    response_types_supported: Vec<String>,
    #[serde(default)]
    id_token_signing_alg_values_supported: Vec<String>,
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

/// One at a time is read: a key of a kind that we do not know spoils no other.
#[derive(Debug, Deserialize)]
struct KeySet {
    keys: Vec<serde_json::Value>,
}

/// How we prove who we are at the token endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ClientAuth {
    Basic,
    Post,
}

/// A provider as it described itself.
#[derive(Debug)]
pub(crate) struct Described {
    pub(super) issuer: Issuer,
    pub(super) authorization_url: Url,
    pub(super) token_url: Url,
    pub(super) userinfo_url: Option<Url>,
    pub(super) algorithms: Vec<Algorithm>,
    pub(super) client_auth: ClientAuth,
    /// Its answers say whose they are (RFC 9207).
    pub(super) names_itself: bool,
    pub(super) keys: Vec<Jwk>,
    read_at: OffsetDateTime,
}

/// Why a provider cannot be used, in words for who set it up.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DiscoveryError {
    #[error("{url} cannot be read: {cause}.")]
    Call {
        url: String,
        #[source]
        cause: CallError,
    },
    #[error(
        "{url} says that the issuer is {found}. Enter it exactly so, if that is the one you mean."
    )]
    OtherIssuer { url: String, found: String },
    #[error("{url} names {endpoint} as {what}, which cannot be used: {cause}.")]
    Endpoint {
        url: String,
        what: &'static str,
        endpoint: String,
        #[source]
        cause: CallError,
    },
    #[error("{url} does not offer the authorization code flow (response type code).")]
    NoCode { url: String },
    #[error(
        "{url} offers no signature of ID tokens that is taken here: RS256 to RS512, PS256 to PS512, ES256, ES384 or EdDSA."
    )]
    NoAlgorithm { url: String },
    #[error("{url} holds no key that is known here.")]
    NoKeys { url: String },
}

/// Providers that were read lately. Clones share them.
pub(crate) struct Directory {
    pub(super) outbound: Outbound,
    known: Mutex<HashMap<(Issuer, NamedBy), Arc<Described>>>,
}

impl Directory {
    pub(crate) fn new(public_url: &str) -> Result<Self, reqwest::Error> {
        Ok(Self {
            outbound: Outbound::new(public_url)?,
            known: Mutex::default(),
        })
    }

    /// As it was read lately, or as it is now.
    pub(super) async fn find(
        &self,
        issuer: &Issuer,
        named_by: NamedBy,
        now: Now,
    ) -> Result<Arc<Described>, DiscoveryError> {
        let known = self.remembered(issuer, named_by);
        if let Some(known) = &known
            && now.0 - known.read_at < FRESH_FOR
        {
            return Ok(known.clone());
        }
        match (self.read(issuer, named_by, now).await, known) {
            (Err(cause), Some(known)) if now.0 - known.read_at < USABLE_FOR => {
                tracing::warn!(error = %cause, "an identity provider is used as it was read before");
                Ok(known)
            }
            (read, _) => read,
        }
    }

    /// As it is now, because it signs with a key that was not there; `None`: that was looked for
    /// just before.
    pub(super) async fn find_anew(
        &self,
        known: &Described,
        named_by: NamedBy,
        now: Now,
    ) -> Result<Option<Arc<Described>>, DiscoveryError> {
        if now.0 - known.read_at < LOOK_AGAIN_AFTER {
            return Ok(None);
        }
        self.read(&known.issuer, named_by, now).await.map(Some)
    }

    /// Reads it and remembers it. Also the check of what somebody set up.
    pub(super) async fn read(
        &self,
        issuer: &Issuer,
        named_by: NamedBy,
        now: Now,
    ) -> Result<Arc<Described>, DiscoveryError> {
        let url = issuer.discovery_url();
        let failed = |url: &str, cause| DiscoveryError::Call {
            url: url.to_owned(),
            cause,
        };
        let document: Document = self
            .outbound
            .read(named_by, &url, None)
            .await
            .map_err(|cause| failed(&url, cause))?;
        // Section 4.3: exactly the one that was asked for.
        if document.issuer != issuer.as_str() {
            let found = document.issuer.chars().take(200).collect();
            return Err(DiscoveryError::OtherIssuer { url, found });
        }
        if !document
            .response_types_supported
            .iter()
            .any(|it| it == "code")
        {
            return Err(DiscoveryError::NoCode { url });
        }
        let offered = &document.id_token_signing_alg_values_supported;
        let algorithms: Vec<Algorithm> = ALGORITHMS
            .iter()
            .filter(|(name, _)| offered.iter().any(|it| it == name))
            .map(|(_, algorithm)| *algorithm)
            .collect();
        if algorithms.is_empty() {
            return Err(DiscoveryError::NoAlgorithm { url });
        }
        let endpoint = |what, text: &str| self.endpoint(named_by, &url, (what, text));
        let authorization_url =
            endpoint("authorization_endpoint", &document.authorization_endpoint)?;
        let token_url = endpoint("token_endpoint", &document.token_endpoint)?;
        let keys_url = endpoint("jwks_uri", &document.jwks_uri)?;
        let userinfo_url = document
            .userinfo_endpoint
            .as_deref()
            .map(|text| endpoint("userinfo_endpoint", text))
            .transpose()?;
        let keys = self.keys(named_by, &keys_url).await?;
        let described = Arc::new(Described {
            issuer: issuer.clone(),
            authorization_url,
            token_url,
            userinfo_url,
            algorithms,
            client_auth: client_auth(document.token_endpoint_auth_methods_supported.as_deref()),
            names_itself: document.authorization_response_iss_parameter_supported,
            keys,
            read_at: now.0,
        });
        self.remember(named_by, described.clone());
        Ok(described)
    }

    async fn keys(&self, named_by: NamedBy, url: &Url) -> Result<Vec<Jwk>, DiscoveryError> {
        let found: Result<KeySet, CallError> =
            self.outbound.read(named_by, url.as_str(), None).await;
        let url = url.to_string();
        let found = found.map_err(|cause| DiscoveryError::Call {
            url: url.clone(),
            cause,
        })?;
        let keys: Vec<Jwk> = found
            .keys
            .into_iter()
            .take(KEYS_MAX)
            .filter_map(|key| serde_json::from_value(key).ok())
            .collect();
        if keys.is_empty() {
            return Err(DiscoveryError::NoKeys { url });
        }
        Ok(keys)
    }

    fn endpoint(
        &self,
        named_by: NamedBy,
        url: &str,
        (what, text): (&'static str, &str),
    ) -> Result<Url, DiscoveryError> {
        let parsed = Url::parse(text).map_err(|_| CallError::Plain);
        parsed
            .and_then(|url| self.outbound.check(named_by, &url).map(|()| url))
            .map_err(|cause| DiscoveryError::Endpoint {
                url: url.to_owned(),
                what,
                endpoint: text.chars().take(200).collect(),
                cause,
            })
    }

    fn remembered(&self, issuer: &Issuer, named_by: NamedBy) -> Option<Arc<Described>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(&(issuer.clone(), named_by)).cloned()
    }

    fn remember(&self, named_by: NamedBy, described: Arc<Described>) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let place = (described.issuer.clone(), named_by);
        if known.len() >= PROVIDERS_MAX && !known.contains_key(&place) {
            let oldest = known.iter().min_by_key(|(_, one)| one.read_at);
            if let Some(oldest) = oldest.map(|(place, _)| place.clone()) {
                known.remove(&oldest);
            }
        }
        known.insert(place, described);
    }
}

/// Basic is what is meant where nothing is said (section 3).
fn client_auth(supported: Option<&[String]>) -> ClientAuth {
    let has = |name: &str| supported.is_none_or(|all| all.iter().any(|it| it == name));
    match !has("client_secret_basic") && has("client_secret_post") {
        true => ClientAuth::Post,
        false => ClientAuth::Basic,
    }
}
