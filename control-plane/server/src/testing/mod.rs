//! What tests of handlers need: a control plane on a database of its own, browsers with cookies,
//! programs with tokens. Requests go through the real router, without sockets.

mod browser;
mod program;

use axum::Router;
use domain::email::Email;
use domain::id::{ApiId, PlanId, TenantId, UserId};
use domain::password::NewPassword;
use domain::personal_token::TokenName;
use domain::plan::{PlanName, PlanTerms};
use domain::role::{PlatformRole, Role};
use domain::tenant::TenantName;
use domain::user::PersonName;
use store::plans::PlanEdit;
use time::Duration;
use uuid::Uuid;

use crate::authority::Authority;
use crate::people::NewPerson;
use crate::personal_tokens::NewToken;
use crate::{App, Config, Now, SecretKey, open, people, personal_tokens, router};

pub(crate) use browser::{Browser, Seen};
pub(crate) use program::{Program, Reply};

pub(crate) const PASSWORD: &str = "correct horse battery";

/// A control plane that serves nothing but what a test sends it.
pub(crate) struct Stack {
    pub(crate) app: App,
    router: Router,
}

impl Stack {
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// Changed before anything is served.
    pub(crate) async fn with(change: impl FnOnce(&mut App)) -> Self {
        let config = Config {
            database_url: store::testing::database_url().await,
            public_url: "http://localhost:8080".to_owned(),
            listen: Vec::new(),
            tls: None,
            secret_key: SecretKey::generate(),
            smtp_url: None,
            trusted_proxies: Vec::new(),
            metrics_token: None,
            gateway_url: Some("http://127.0.0.1:8000".to_owned()),
            is_local_stack: true,
        };
        let (mut app, _) = open(&config).await.expect("a control plane");
        change(&mut app);
        let router = router(&app);
        Self { app, router }
    }

    /// Nobody is signed in.
    pub(crate) fn browser(&self) -> Browser {
        Browser::new(self.router.clone())
    }

    /// Signed in through the sign-in page.
    pub(crate) async fn browser_of(&self, email: &str) -> Browser {
        let mut browser = self.browser();
        let seen = browser
            .submit("/login", &[("email", email), ("password", PASSWORD)])
            .await;
        assert_eq!(seen.status, 303, "{}", seen.body);
        browser
    }

    pub(crate) async fn person(&self, email: &str, role: Option<PlatformRole>) -> UserId {
        let email = Email::parse(email).expect("an address");
        let password = NewPassword::parse(PASSWORD, &email).expect("a password");
        let new = NewPerson {
            name: PersonName::default(),
            password_hash: Some(self.app.passwords.hash(&password).await.expect("hashes")),
            is_email_confirmed: true,
            email,
            role,
        };
        let mut tx = self.app.db.platform_tx().await.expect("begins");
        let user = people::create_user(&Authority::system(), &mut tx, new, Now::read())
            .await
            .expect("a person");
        tx.commit().await.expect("commits");
        user.id
    }

    pub(crate) async fn tenant(&self, name: &str) -> TenantId {
        let mut tx = self.app.db.platform_tx().await.expect("begins");
        let name = TenantName::parse(name).expect("a name");
        let id = TenantId(Uuid::now_v7());
        store::tenants::insert(&mut tx, id, &name)
            .await
            .expect("a tenant");
        tx.commit().await.expect("commits");
        id
    }

    /// A new person in this role.
    pub(crate) async fn member(&self, tenant: TenantId, email: &str, role: Role) -> UserId {
        let user = self.person(email, None).await;
        let mut tx = self.app.db.platform_tx().await.expect("begins");
        let id = Uuid::now_v7().into();
        store::members::insert(&mut tx, tenant, id, user, role)
            .await
            .expect("a member");
        tx.commit().await.expect("commits");
        user
    }

    /// A plan that opens these APIs, without limits.
    pub(crate) async fn plan(&self, name: &str, is_self_service: bool, apis: &[ApiId]) -> PlanId {
        let mut tx = self.app.db.platform_tx().await.expect("begins");
        let id = PlanId(Uuid::now_v7());
        let terms = PlanTerms {
            api_ids: apis.to_vec(),
            ..PlanTerms::default()
        };
        let plan = PlanEdit {
            name: &PlanName::parse(name).expect("a name"),
            description: "",
            is_self_service,
            terms: &terms,
        };
        store::plans::insert(&mut tx, id, &plan)
            .await
            .expect("a plan");
        tx.commit().await.expect("commits");
        id
    }

    /// A program of this person, with a token for these actions (none: all).
    pub(crate) async fn program_of(&self, user: UserId, scopes: &[&str]) -> Program {
        let mut tx = self.app.db.platform_tx().await.expect("begins");
        let name = format!("test {}", Uuid::now_v7());
        let now = Now::read();
        let new = NewToken {
            name: TokenName::parse(&name).expect("a name"),
            scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
            expires_at: now.0 + Duration::DAY,
        };
        let (_, token) = personal_tokens::create(&Authority::system(), &mut tx, user, new, now)
            .await
            .expect("a token");
        tx.commit().await.expect("commits");
        Program::new(self.router.clone(), Some(token.reveal().to_owned()))
    }

    /// A program with a token of another kind.
    pub(crate) fn program_with(&self, token: &str) -> Program {
        Program::new(self.router.clone(), Some(token.to_owned()))
    }

    /// A program without any token.
    pub(crate) fn stranger(&self) -> Program {
        Program::new(self.router.clone(), None)
    }

    /// Mails to this address, the newest first: subject and body.
    pub(crate) async fn mails_to(&self, email: &str) -> Vec<(String, String)> {
        let mut tx = self.app.db.platform_tx().await.expect("begins");
        let mails = store::outbox::all_tenants_list(&mut tx, None, 100)
            .await
            .expect("mails");
        mails
            .into_iter()
            .filter(|mail| mail.recipient == email)
            .map(|mail| (mail.subject, mail.body))
            .collect()
    }

    /// The six digits of the newest mail to this address.
    pub(crate) async fn code_for(&self, email: &str) -> String {
        let mails = self.mails_to(email).await;
        let (subject, _) = mails.first().expect("a mail was sent");
        subject.chars().filter(char::is_ascii_digit).collect()
    }
}
