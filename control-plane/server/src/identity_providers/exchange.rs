//! We are a client of other providers (RFC 6749, section 4.1, with PKCE): where people are sent, and
//! what the code that they bring back is exchanged for.

use std::pin::Pin;

use domain::identity_provider::{Claims, IdentityProvider};
use http::Response;
use oauth2::basic::{
    BasicErrorResponse, BasicRevocationErrorResponse, BasicTokenIntrospectionResponse,
    BasicTokenType,
};
use oauth2::{
    AsyncHttpClient, AuthType, AuthUrl, AuthorizationCode, ClientId, ClientSecret, CsrfToken,
    EndpointNotSet, EndpointSet, ExtraTokenFields, HttpRequest, HttpResponse, PkceCodeChallenge,
    PkceCodeVerifier, RedirectUrl, Scope, StandardRevocableToken, StandardTokenResponse,
    TokenResponse, TokenUrl,
};
use reqwest::Url;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use snapshot::seal::CannotOpen;

use super::discovery::{ClientAuth, Described, DiscoveryError};
use super::id_token::{self, Expected, TokenError};
use super::named_by;
use crate::app::App;
use crate::clock::Now;
use crate::outbound::{CallError, NamedBy, Outbound};
use crate::secret_box::Purpose;

/// Where providers send people back to; one address for all of them, so that a provider needs to
/// know one only. Which provider is meant is in the browser's session.
pub(super) const CALLBACK: &str = "/login/callback";

#[derive(Debug, Clone, Serialize, Deserialize)]
struct IdTokenField {
    id_token: Option<String>,
}

impl ExtraTokenFields for IdTokenField {}

type Client = oauth2::Client<
    BasicErrorResponse,
    StandardTokenResponse<IdTokenField, BasicTokenType>,
    BasicTokenIntrospectionResponse,
    StandardRevocableToken,
    BasicRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointSet,
>;

/// Calls of the library, behind the guard.
struct Calls<'a> {
    outbound: &'a Outbound,
    named_by: NamedBy,
}

impl<'c> AsyncHttpClient<'c> for Calls<'_> {
    type Error = CallError;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, CallError>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(async move {
            let answer = self.outbound.send(self.named_by, request).await?;
            let mut response = Response::new(answer.body);
            *response.status_mut() = answer.status;
            *response.headers_mut() = answer.headers;
            Ok(response)
        })
    }
}

/// Why nothing is known of somebody who came back; for the log.
#[derive(Debug, thiserror::Error)]
pub(super) enum ExchangeError {
    #[error(transparent)]
    Discovery(#[from] DiscoveryError),
    #[error("the provider's client secret does not open")]
    Secret(#[from] CannotOpen),
    #[error("the address of this control plane is no redirect address")]
    Redirect,
    #[error("the provider refused the code: {0}")]
    Refused(String),
    #[error("the provider's token endpoint gives no answer that is one")]
    NoAnswer,
    #[error("the provider sent no ID token")]
    NoIdToken,
    #[error(transparent)]
    Token(#[from] TokenError),
    #[error("the provider's userinfo endpoint cannot be read")]
    UserInfo(#[source] CallError),
    #[error("the provider's userinfo endpoint speaks of somebody else")]
    OtherSubject,
}

/// What goes along with a person, and is compared when they come back.
#[derive(Clone, Copy)]
pub(super) struct Proof<'a> {
    pub state: &'a str,
    pub nonce: &'a str,
    pub verifier: &'a str,
}

fn client(
    app: &App,
    provider: &IdentityProvider,
    described: &Described,
) -> Result<Client, ExchangeError> {
    let redirect = RedirectUrl::new(format!("{}{CALLBACK}", app.public_url))
        .map_err(|_| ExchangeError::Redirect)?;
    let client = oauth2::Client::new(ClientId::new(provider.terms.client_id.clone()))
        .set_auth_uri(AuthUrl::from_url(described.authorization_url.clone()))
        .set_token_uri(TokenUrl::from_url(described.token_url.clone()))
        .set_redirect_uri(redirect)
        .set_auth_type(match described.client_auth {
            ClientAuth::Basic => AuthType::BasicAuth,
            ClientAuth::Post => AuthType::RequestBody,
        });
    let Some(sealed) = &provider.sealed_client_secret else {
        return Ok(client);
    };
    let secret = app.secrets.open_bytes(Purpose::ProviderSecret, sealed)?;
    let secret = String::from_utf8(secret).map_err(|_| CannotOpen)?;
    Ok(client.set_client_secret(ClientSecret::new(secret)))
}

/// Where the person is sent, with `more` parameters.
pub(super) async fn authorize_url(
    app: &App,
    provider: &IdentityProvider,
    proof: Proof<'_>,
    more: &[(&str, &str)],
    now: Now,
) -> Result<Url, ExchangeError> {
    let described = app
        .providers
        .find(&provider.issuer, named_by(provider.tenant_id), now)
        .await?;
    let client = client(app, provider, &described)?;
    let verifier = PkceCodeVerifier::new(proof.verifier.to_owned());
    let mut request = client
        .authorize_url(|| CsrfToken::new(proof.state.to_owned()))
        .set_pkce_challenge(PkceCodeChallenge::from_code_verifier_sha256(&verifier))
        .add_extra_param("nonce", proof.nonce)
        .add_scope(Scope::new("openid".to_owned()));
    for scope in provider.terms.scopes.iter().filter(|it| *it != "openid") {
        request = request.add_scope(Scope::new(scope.clone()));
    }
    for (name, value) in more {
        request = request.add_extra_param(*name, *value);
    }
    Ok(request.url().0)
}

/// Who the person is, as the provider says in exchange for the code.
pub(super) async fn redeem(
    app: &App,
    provider: &IdentityProvider,
    described: &Described,
    (code, proof): (&str, Proof<'_>),
    now: Now,
) -> Result<Claims, ExchangeError> {
    let named_by = named_by(provider.tenant_id);
    let call = Calls {
        outbound: &app.providers.outbound,
        named_by,
    };
    let tokens = client(app, provider, described)?
        .exchange_code(AuthorizationCode::new(code.to_owned()))
        .set_pkce_verifier(PkceCodeVerifier::new(proof.verifier.to_owned()))
        .request_async(&call)
        .await
        .map_err(|cause| match cause {
            oauth2::RequestTokenError::ServerResponse(said) => {
                // A stranger's text: bounded, and for the log only.
                ExchangeError::Refused(said.to_string().chars().take(300).collect())
            }
            _ => ExchangeError::NoAnswer,
        })?;
    let id_token = tokens
        .extra_fields()
        .id_token
        .as_deref()
        .ok_or(ExchangeError::NoIdToken)?;
    let mut claims = verified(app, provider, described, (id_token, proof.nonce), now).await?;
    if let (None, Some(url)) = (claims.get("email"), &described.userinfo_url) {
        let token = Some(tokens.access_token().secret().as_str());
        let more: Map<String, Value> = app
            .providers
            .outbound
            .read(named_by, url.as_str(), token)
            .await
            .map_err(ExchangeError::UserInfo)?;
        // OpenID Connect Core, section 5.3.2.
        if more.get("sub") != claims.get("sub") {
            return Err(ExchangeError::OtherSubject);
        }
        for (name, value) in more {
            claims.entry(name).or_insert(value);
        }
    }
    Ok(id_token::read(&claims, &provider.terms))
}

/// The claims of an ID token; one that is signed with an unknown key makes us look for new ones.
async fn verified(
    app: &App,
    provider: &IdentityProvider,
    described: &Described,
    (token, nonce): (&str, &str),
    now: Now,
) -> Result<Map<String, Value>, ExchangeError> {
    let verify = |described: &Described| {
        let expected = Expected {
            provider: described,
            client_id: &provider.terms.client_id,
            nonce,
        };
        id_token::verify(token, &expected, now)
    };
    match verify(described) {
        Err(TokenError::UnknownKey) => {
            let named_by = named_by(provider.tenant_id);
            match app.providers.find_anew(described, named_by, now).await? {
                Some(described) => Ok(verify(&described)?),
                None => Err(TokenError::UnknownKey.into()),
            }
        }
        found => Ok(found?),
    }
}
