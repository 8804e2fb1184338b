//! What `tollgate up` makes sure of: an operator, a place for each node, and something to try.
//! All of it through the same actions that pages and API use.

mod identity;
mod world;

use domain::email::Email;
use domain::id::{ApiKeyId, PlanId, TenantId, UserId};
use domain::node::{EnrolTokenName, Labels};
use domain::personal_token::TokenName;
use domain::role::PlatformRole;
use domain::user::PersonName;
pub use identity::DemoIdentity;
use serde::{Deserialize, Serialize};
use store::PlatformTx;
use time::Duration;

use crate::action::ActionError;
use crate::authority::Authority;
use crate::clock::Now;
use crate::commands::{CommandError, hash, random_password};
use crate::fleet::EnrolTerms;
use crate::personal_tokens::NewToken;
use crate::{App, ControlPlane, fleet, people, personal_tokens};

const ADMIN_EMAIL: &str = "operator@tollgate.example";
const TOKEN_NAME: &str = "tollgate up";
const TOKEN_LIFETIME: Duration = Duration::days(365);
const NODE_TOKEN_LIFETIME: Duration = Duration::hours(1);

/// What the stack should have.
pub struct Wishes {
    pub has_demo: bool,
    /// Where the demo upstream listens.
    pub upstream_url: String,
    /// Per node, whether it has yet to be enrolled.
    pub nodes_to_enrol: Vec<bool>,
    /// The secrets of an earlier start, if they were kept.
    pub kept: Option<Secrets>,
}

/// Secrets that a later start shows again; kept in a file that only its owner reads.
#[derive(Clone, Serialize, Deserialize)]
pub struct Secrets {
    pub admin_email: String,
    pub admin_password: String,
    pub admin_api_token: String,
    pub demo: Option<DemoSecrets>,
}

#[derive(Clone, Serialize, Deserialize)]
pub struct DemoSecrets {
    pub tenant_id: TenantId,
    pub plan_id: PlanId,
    pub key_id: ApiKeyId,
    pub api_key: String,
    /// Missing where an earlier version kept them.
    #[serde(default)]
    pub identity: Option<DemoIdentity>,
}

/// What the stack has.
pub struct Stack {
    pub secrets: Secrets,
    /// Per node; none where it is enrolled.
    pub enroll_tokens: Vec<Option<String>>,
    /// There was an operator, but the file with the secrets was gone.
    pub were_secrets_rotated: bool,
}

/// Makes sure of what `wishes` says. Nothing is made twice.
pub async fn prepare(control_plane: &ControlPlane, wishes: Wishes) -> anyhow::Result<Stack> {
    let (app, now) = (control_plane.app(), Now::read());
    let system = Authority::system();
    let (mut secrets, were_secrets_rotated) =
        ensure_operator(app, &system, wishes.kept, now).await?;
    if wishes.has_demo {
        let kept = secrets.demo.take();
        let identity = kept.as_ref().and_then(|kept| kept.identity.clone());
        let mut demo = world::ensure(app, &wishes.upstream_url, kept, now).await?;
        demo.identity = Some(identity::ensure(app, demo.tenant_id, identity, now).await?);
        secrets.demo = Some(demo);
    }
    let mut enroll_tokens = Vec::with_capacity(wishes.nodes_to_enrol.len());
    for (index, is_wanted) in wishes.nodes_to_enrol.into_iter().enumerate() {
        let token = match is_wanted {
            true => Some(node_token(app, &system, index, now).await?),
            false => None,
        };
        enroll_tokens.push(token);
    }
    Ok(Stack {
        secrets,
        enroll_tokens,
        were_secrets_rotated,
    })
}

async fn ensure_operator(
    app: &App,
    system: &Authority,
    kept: Option<Secrets>,
    now: Now,
) -> Result<(Secrets, bool), CommandError> {
    let email = Email::parse(ADMIN_EMAIL)?;
    let mut tx = app.db.platform_tx().await?;
    let found = store::users::find_by_email(&mut tx, &email).await?;
    if let (Some(_), Some(kept)) = (&found, &kept) {
        return Ok((kept.clone(), false));
    }
    let password = random_password();
    let hash = hash(app, &password, &email).await?;
    let user = match &found {
        Some(user) => {
            store::users::set_password(&mut tx, user.id, Some(hash.as_str()), now.0).await?;
            revoke_old_token(system, &mut tx, user.id, now).await?;
            user.id
        }
        None => {
            let new = people::NewPerson {
                email,
                name: PersonName::parse("Operator")?,
                password_hash: Some(hash),
                is_email_confirmed: true,
                role: Some(PlatformRole::Operator),
            };
            people::create_user(system, &mut tx, new, now).await?.id
        }
    };
    let token = NewToken {
        name: TokenName::parse(TOKEN_NAME)?,
        scopes: Vec::new(),
        expires_at: now.0 + TOKEN_LIFETIME,
    };
    let (_, token) = personal_tokens::create(system, &mut tx, user, token, now).await?;
    tx.commit().await?;
    let secrets = Secrets {
        admin_email: ADMIN_EMAIL.to_owned(),
        admin_password: password,
        admin_api_token: token.reveal().to_owned(),
        demo: None,
    };
    Ok((secrets, found.is_some()))
}

async fn revoke_old_token(
    system: &Authority,
    tx: &mut PlatformTx,
    user: UserId,
    now: Now,
) -> Result<(), ActionError> {
    for token in personal_tokens::list(system, tx, user).await? {
        if token.name == TOKEN_NAME {
            personal_tokens::revoke(system, tx, user, token.id, now).await?;
        }
    }
    Ok(())
}

async fn node_token(
    app: &App,
    system: &Authority,
    index: usize,
    now: Now,
) -> Result<String, ActionError> {
    let terms = EnrolTerms {
        name: EnrolTokenName::parse(&format!("node-{}", index + 1))?,
        labels: Labels::default(),
        uses_max: 1,
        lifetime: NODE_TOKEN_LIFETIME,
    };
    let mut tx = app.db.platform_tx().await?;
    let (_, token) = fleet::create_enroll_token(system, &mut tx, &app.secrets, terms, now).await?;
    tx.commit().await?;
    Ok(token.reveal())
}
