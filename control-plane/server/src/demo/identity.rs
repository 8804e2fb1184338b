//! Somebody who signs in to an application of the demo tenant, the application, and a part of the
//! demo API that takes its tokens.

use domain::email::Email;
use domain::id::{ApiId, ClientId, MemberId, TenantId};
use domain::oauth_client::{
    ClientKind, ClientName, ClientTerms, Grant, RedirectUri, Serves, SignUp,
};
use domain::role::Role;
use domain::route::{PathTemplate, RouteTerms};
use domain::token_key::SigningAlgorithm;
use domain::user::PersonName;
use serde::{Deserialize, Serialize};
use store::PlatformTx;
use uuid::Uuid;

use super::world;
use crate::action::ActionError;
use crate::authority::Authority;
use crate::clock::Now;
use crate::commands::{CommandError, hash, random_password};
use crate::{App, apis, oauth_clients, people, routes};

const EMAIL: &str = "ada@tollgate.example";
const CLIENT: &str = "Demo app";
/// Native applications and command lines listen on any port of this machine.
const CALLBACKS: [&str; 2] = ["http://127.0.0.1/callback", "http://localhost/callback"];
const PATH: &str = "/people/{rest+}";

#[derive(Clone, Serialize, Deserialize)]
pub struct DemoIdentity {
    pub user_email: String,
    pub user_password: String,
    pub oauth_client_id: ClientId,
}

/// Finds them or makes them. A password that is not known any more is replaced.
pub(super) async fn ensure(
    app: &App,
    tenant: TenantId,
    kept: Option<DemoIdentity>,
    now: Now,
) -> Result<DemoIdentity, CommandError> {
    let system = Authority::system();
    let mut tx = app.db.platform_tx().await?;
    let email = Email::parse(EMAIL)?;
    let found = store::users::find_by_email(&mut tx, &email).await?;
    let password = match (&found, kept) {
        (Some(_), Some(kept)) => kept.user_password,
        (found, _) => {
            let password = random_password();
            let password_hash = hash(app, &password, &email).await?;
            let user = match found {
                Some(user) => {
                    let stored = Some(password_hash.as_str());
                    store::users::set_password(&mut tx, user.id, stored, now.0).await?;
                    user.id
                }
                None => {
                    let new = people::NewPerson {
                        email,
                        name: PersonName::parse("Ada")?,
                        password_hash: Some(password_hash),
                        is_email_confirmed: true,
                        role: None,
                    };
                    people::create_user(&system, &mut tx, new, now).await?.id
                }
            };
            if store::members::find_by_user(&mut tx, tenant, user)
                .await?
                .is_none()
            {
                let member = MemberId(Uuid::now_v7());
                store::members::insert(&mut tx, tenant, member, user, Role::User).await?;
            }
            password
        }
    };
    let oauth_client_id = client(&system, &mut tx, tenant, now).await?;
    route(&system, &mut tx, now).await?;
    tx.commit().await?;
    Ok(DemoIdentity {
        user_email: EMAIL.to_owned(),
        user_password: password,
        oauth_client_id,
    })
}

async fn client(
    system: &Authority,
    tx: &mut PlatformTx,
    tenant: TenantId,
    now: Now,
) -> Result<ClientId, ActionError> {
    let all = oauth_clients::list(system, tx, tenant, (None, 1_000)).await?;
    if let Some(found) = all.iter().find(|client| client.name == CLIENT) {
        return Ok(found.id);
    }
    let redirect_uris: Result<Vec<RedirectUri>, _> = CALLBACKS
        .iter()
        .map(|uri| RedirectUri::parse(uri))
        .collect();
    let terms = ClientTerms {
        name: ClientName::parse(CLIENT)?,
        serves: Serves::OwnTenant,
        sign_up: SignUp::Nobody,
        sign_up_domains: Vec::new(),
        logout_uris: redirect_uris.clone()?,
        redirect_uris: redirect_uris?,
        grants: vec![Grant::AuthorizationCode, Grant::RefreshToken],
        scopes: Vec::new(),
        requires_pkce: true,
        signing_algorithm: SigningAlgorithm::Rs256,
        encrypts_access_tokens: false,
        access_token_seconds: 3_600,
        id_token_seconds: 3_600,
        refresh_token_seconds: 30 * 86_400,
        is_enabled: true,
    };
    let new = (ClientKind::Public, terms);
    let made = oauth_clients::create(system, tx, tenant, new, now).await?;
    Ok(made.client.id)
}

/// The part of the demo API that is for people with tokens.
async fn route(system: &Authority, tx: &mut PlatformTx, now: Now) -> Result<(), ActionError> {
    let all = apis::list(system, tx, None, 200).await?;
    let Some(api) = all
        .iter()
        .find(|api| api.name == world::API)
        .map(|api| api.id)
    else {
        return Ok(());
    };
    if has_route(system, tx, api).await? {
        return Ok(());
    }
    let authorizers = store::authorizers::list(tx, None, 1).await?;
    let terms = RouteTerms {
        authorizer_id: authorizers.first().map(|one| one.id),
        ..world::route(PathTemplate::parse(PATH)?)
    };
    if terms.authorizer_id.is_some() {
        routes::create(system, tx, api, terms, now).await?;
    }
    Ok(())
}

async fn has_route(
    system: &Authority,
    tx: &mut PlatformTx,
    api: ApiId,
) -> Result<bool, ActionError> {
    let all = routes::list(system, tx, api).await?;
    Ok(all.iter().any(|route| route.path == PATH))
}
