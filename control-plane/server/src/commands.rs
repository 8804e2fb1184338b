//! What `control-plane` does besides serving: a first operator, and recovery after a restore.
//! Who may run these has the database and `SECRET_KEY`, and so may do everything.

use domain::email::Email;
use domain::id::UserId;
use domain::node::{EnrolTokenName, Labels};
use domain::password::NewPassword;
use domain::personal_token::TokenName;
use domain::role::PlatformRole;
use domain::user::PersonName;
use prost::Message;
use snapshot::manifest::RootStatement;
use snapshot::sign::{Domain, SigningKey};
use store::PlatformTx;
use store::deployment::{self, KeyPurpose};
use store::dirty::Mark;
use time::Duration;

use crate::action::ActionError;
use crate::app::App;
use crate::authority::Authority;
use crate::clock::Now;
use crate::fleet::{self, EnrolTerms};
use crate::passwords::PasswordHash;
use crate::people;
use crate::personal_tokens::{self, NewToken};
use crate::publish::publisher::load_trust;
use crate::random;
use crate::secret_box::Purpose;

const TOKEN_LIFETIME: Duration = Duration::hours(24);
const API_TOKEN_LIFETIME: Duration = Duration::days(365);

/// Why a command did nothing.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    #[error("{}", invalid(.0))]
    Action(ActionError),
    #[error(transparent)]
    Publish(#[from] crate::publish::publisher::PublishError),
    #[error(
        "the root key is not in this database: sign a statement for a higher epoch where it is kept"
    )]
    RootOffline,
    #[error("the password could not be hashed")]
    Hash(#[source] crate::passwords::HashError),
}

macro_rules! failed_actions {
    ($($cause:ty),*) => {$(
        impl From<$cause> for CommandError {
            fn from(cause: $cause) -> Self {
                CommandError::Action(cause.into())
            }
        }
    )*};
}
failed_actions!(
    ActionError,
    domain::FieldError,
    store::Error,
    snapshot::seal::CannotOpen
);

/// The texts of a command line's wrong values.
fn invalid(cause: &ActionError) -> String {
    match cause {
        ActionError::Invalid(errors) => {
            let texts: Vec<&str> = errors.iter().map(|error| error.message.as_str()).collect();
            texts.join(" ")
        }
        cause => cause.to_string(),
    }
}

/// What to make besides the sign-in.
pub struct Wanted {
    /// An enrolment token for so many.
    pub nodes: u32,
    /// A personal token for the JSON API.
    pub api_token: bool,
}

/// Makes an operator, or gives one a new password, and the tokens that are wanted. Returns the
/// lines to print.
pub async fn bootstrap(
    app: &App,
    email: &str,
    wanted: Wanted,
) -> Result<Vec<String>, CommandError> {
    let (now, system) = (Now::read(), Authority::system());
    let email = Email::parse(email)?;
    let password = random_password();
    let hash = hash(app, &password, &email).await?;
    let mut tx = app.db.platform_tx().await?;
    let operator = ensure_operator(&system, &mut tx, &email, hash, now).await?;
    let mut lines = vec![
        format!("Sign in at   {}/login", app.public_url),
        format!("Email        {}", email.as_str()),
        format!("Password     {password}"),
    ];
    if wanted.api_token {
        let token = NewToken {
            name: TokenName::parse(&format!("bootstrap {}", now.unix_seconds()))?,
            scopes: Vec::new(),
            expires_at: now.0 + API_TOKEN_LIFETIME,
        };
        let (_, token) = personal_tokens::create(&system, &mut tx, operator, token, now).await?;
        lines.push(format!("API token    {}", token.reveal()));
    }
    if wanted.nodes > 0 {
        let terms = EnrolTerms {
            name: EnrolTokenName::parse("bootstrap")?,
            labels: Labels::default(),
            uses_max: wanted.nodes,
            lifetime: TOKEN_LIFETIME,
        };
        let (_, token) =
            fleet::create_enroll_token(&system, &mut tx, &app.secrets, terms, now).await?;
        lines.push(format!("ENROLL_TOKEN {}", token.reveal()));
        lines.push(format!(
            "             for {} nodes, within 24 hours",
            wanted.nodes
        ));
    }
    tx.commit().await?;
    Ok(lines)
}

async fn ensure_operator(
    system: &Authority,
    tx: &mut PlatformTx,
    email: &Email,
    hash: PasswordHash,
    now: Now,
) -> Result<UserId, CommandError> {
    match store::users::find_by_email(tx, email).await? {
        Some(user) => {
            store::users::set_password(tx, user.id, Some(hash.as_str()), now.0).await?;
            // Whoever can start this program is let in.
            store::authenticators::delete(tx, user.id).await?;
            store::users::enable(tx, user.id).await?;
            let role = Some(PlatformRole::Operator);
            store::users::set_platform_role(tx, user.id, role).await?;
            Ok(user.id)
        }
        None => {
            let new = people::NewPerson {
                email: email.clone(),
                name: PersonName::parse("Operator")?,
                password_hash: Some(hash),
                is_email_confirmed: true,
                role: Some(PlatformRole::Operator),
            };
            Ok(people::create_user(system, tx, new, now).await?.id)
        }
    }
}

pub async fn hash(app: &App, password: &str, email: &Email) -> Result<PasswordHash, CommandError> {
    let password = NewPassword::parse(password, email)?;
    app.passwords
        .hash(&password)
        .await
        .map_err(CommandError::Hash)
}

/// 24 characters of base62: 142 bits.
pub fn random_password() -> String {
    snapshot::api_key::mint(true, &random::bytes())
        .chars()
        .skip("tg_live_".len())
        .take(24)
        .collect()
}

/// After a restore from backup: raises the epoch above everything that nodes may hold, clears the
/// alarm and has everything published anew.
///
/// Epoch and sequence come from the clock: what was lost with the backup's later part may have
/// been raised already, and the clock is above it in any case.
pub async fn recover(app: &App) -> Result<Vec<String>, CommandError> {
    let now = Now::read();
    let mut tx = app.db.platform_tx().await?;
    let last = load_trust(&mut tx, &app.secrets).await?.statement;
    let above = |value: u64| (value + 1).max(now.unix_seconds().unsigned_abs());
    let statement = RootStatement {
        sequence: above(last.sequence),
        epoch: above(last.epoch),
        ..last
    };
    let root = root_key(app, &mut tx, &statement.root_key).await?;
    let signed = root.sign(Domain::Root, statement.encode_to_vec());
    let (sequence, epoch) = (statement.sequence, statement.epoch);
    let signed = signed.encode_to_vec();
    deployment::insert_root_statement(&mut tx, sequence, epoch, &signed).await?;
    deployment::raise_epoch(&mut tx, epoch).await?;
    store::witness::clear_alarm(&mut tx).await?;
    store::dirty::mark(&mut tx, &[Mark::All]).await?;
    tx.commit().await?;
    Ok(vec![format!(
        "Epoch {epoch}: every node takes what this database holds with its next poll."
    )])
}

async fn root_key(
    app: &App,
    tx: &mut PlatformTx,
    public_key: &[u8],
) -> Result<SigningKey, CommandError> {
    let keys = deployment::list_signing_keys(tx, KeyPurpose::Root).await?;
    let key = keys.iter().find(|key| key.public_key == public_key);
    let sealed = key.and_then(|key| key.sealed_private.as_deref());
    let sealed = sealed.ok_or(CommandError::RootOffline)?;
    Ok(SigningKey::from_seed(
        &app.secrets.open(Purpose::RootKey, sealed)?,
    ))
}
