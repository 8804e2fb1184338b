//! A person's own account: password, and tokens of their programs.

use askama::Template;
use domain::password::CHARS_MIN;
use time::Duration;

use super::users::Lock;
use crate::format::Moment;
use crate::forms::account::{LIFETIMES, TokenForm};
use crate::forms::{Choice, FormErrors};
use crate::layout::Shell;
use crate::samples;

/// `GET`, `POST /account`: the form changes the password. Revoking a token asks at
/// `/account/tokens/{token}/revoke`.
#[derive(Debug, Clone, Template)]
#[template(path = "account/show.html")]
pub struct Account {
    pub shell: Shell,
    pub email: String,
    pub errors: FormErrors,
    /// Wrong passwords pause sign-in.
    pub lock: Option<Lock>,
    pub tokens: Vec<TokenRow>,
    /// Other providers that sign the person in.
    pub connected: Vec<ConnectedProvider>,
    /// Those that could.
    pub offered: Vec<OfferedProvider>,
    /// Whether the person belongs to a tenant or runs the platform.
    pub has_console: bool,
    pub has_password: bool,
    pub can_have_passkeys: bool,
    pub passkeys: Vec<PasskeyRow>,
    /// None: sign-in asks for the password only.
    pub recovery_codes_left: Option<u32>,
    pub sign_ins: Vec<SignInRow>,
}

#[derive(Debug, Clone)]
pub struct PasskeyRow {
    pub id: String,
    pub name: String,
    pub created_at: Moment,
    pub last_used_at: Option<Moment>,
}

/// A browser in which the person is signed in.
#[derive(Debug, Clone)]
pub struct SignInRow {
    pub id: String,
    /// `Firefox on Linux`.
    pub device: String,
    pub address: String,
    pub signed_in_at: Moment,
    pub seen_at: Moment,
    /// The one that shows this page.
    pub is_here: bool,
}

/// `GET`, `POST /account/email`.
#[derive(Debug, Clone, Template)]
#[template(path = "account/email.html")]
pub struct ChangeEmail {
    pub shell: Shell,
    pub present: String,
    pub email: String,
    pub errors: FormErrors,
}

/// `GET`, `POST /account/email/confirm`.
#[derive(Debug, Clone, Template)]
#[template(path = "account/confirm_email.html")]
pub struct ConfirmEmail {
    pub shell: Shell,
    /// Where the code went.
    pub email: String,
    pub code: String,
    pub errors: FormErrors,
    /// Mails are not sent: an operator of this stack reads them in the outbox.
    pub has_outbox: bool,
}

impl ChangeEmail {
    #[must_use]
    pub fn sample() -> Self {
        Self {
            shell: samples::person_shell(),
            present: samples::PERSON.to_owned(),
            email: samples::HOSTILE.to_owned(),
            errors: FormErrors::of("email", "Enter an email address, such as ada@example.com."),
        }
    }
}

impl ConfirmEmail {
    #[must_use]
    pub fn sample() -> Self {
        Self {
            shell: samples::person_shell(),
            email: samples::HOSTILE.to_owned(),
            code: String::new(),
            errors: FormErrors::of("code", "This code is wrong or has expired."),
            has_outbox: true,
        }
    }
}

#[derive(Debug, Clone)]
pub struct ConnectedProvider {
    pub id: String,
    pub name: String,
    /// Who the person is there; may be empty.
    pub email: String,
    pub last_used_at: Option<Moment>,
}

#[derive(Debug, Clone)]
pub struct OfferedProvider {
    pub id: String,
    pub name: String,
}

#[derive(Debug, Clone)]
pub struct TokenRow {
    pub id: String,
    pub name: String,
    /// `Everything you may do` or `Read only`.
    pub access: String,
    pub created_at: Moment,
    pub last_used_at: Option<Moment>,
    pub expires_at: Moment,
}

/// `GET`, `POST /account/tokens/new`; the POST answers with [`TokenCreated`].
#[derive(Debug, Clone, Template)]
#[template(path = "account/new_token.html")]
pub struct NewToken {
    pub shell: Shell,
    pub form: TokenForm,
    pub errors: FormErrors,
}

impl NewToken {
    fn accesses(&self) -> Vec<Choice> {
        let selected = match self.form.access.as_str() {
            "" => "read",
            chosen => chosen,
        };
        let mut choices = Choice::one_of(
            &[("read", "Read only"), ("all", "Everything you may do")],
            selected,
        );
        for (choice, hint) in choices.iter_mut().zip([
            "Lists and shows; changes nothing.",
            "Never more than you: what you may not, the token may not.",
        ]) {
            hint.clone_into(&mut choice.hint);
        }
        choices
    }

    fn lifetimes(&self) -> Vec<Choice> {
        let selected = match self.form.lifetime.as_str() {
            "" => "90d",
            chosen => chosen,
        };
        let pairs = LIFETIMES.map(|(value, label, _)| (value, label));
        Choice::one_of(&pairs, selected)
    }
}

/// The answer that carries a token's value, once: to be sent with `cache-control: no-store`.
#[derive(Clone, Template)]
#[template(path = "account/token_created.html")]
pub struct TokenCreated {
    pub shell: Shell,
    pub name: String,
    pub value: String,
    pub expires_at: Moment,
    /// A call of the API with it.
    pub curl: String,
}

impl Account {
    #[must_use]
    pub fn sample() -> Self {
        let token = |name: &str, access: &str, last_used_at| TokenRow {
            id: "key_01kb3mh5".to_owned(),
            name: name.to_owned(),
            access: access.to_owned(),
            created_at: samples::ago(Duration::days(20)),
            last_used_at,
            expires_at: samples::ahead(Duration::days(70)),
        };
        Self {
            shell: samples::person_shell(),
            email: samples::PERSON.to_owned(),
            errors: FormErrors::default(),
            lock: None,
            tokens: vec![
                token(
                    "deploy",
                    "Everything you may do",
                    Some(samples::ago(Duration::minutes(3))),
                ),
                token(samples::HOSTILE, "Read only", None),
            ],
            connected: vec![ConnectedProvider {
                id: "idp_1".to_owned(),
                name: samples::HOSTILE.to_owned(),
                email: samples::PERSON.to_owned(),
                last_used_at: Some(samples::ago(Duration::hours(2))),
            }],
            offered: vec![OfferedProvider {
                id: "idp_2".to_owned(),
                name: "Northwind ID".to_owned(),
            }],
            has_console: true,
            has_password: true,
            can_have_passkeys: true,
            passkeys: vec![PasskeyRow {
                id: "1".to_owned(),
                name: samples::HOSTILE.to_owned(),
                created_at: samples::ago(Duration::days(40)),
                last_used_at: Some(samples::ago(Duration::hours(2))),
            }],
            recovery_codes_left: Some(9),
            sign_ins: vec![
                SignInRow {
                    id: "1".to_owned(),
                    device: "Firefox on Linux".to_owned(),
                    address: "192.0.2.7".to_owned(),
                    signed_in_at: samples::ago(Duration::hours(2)),
                    seen_at: samples::ago(Duration::minutes(1)),
                    is_here: true,
                },
                SignInRow {
                    id: "2".to_owned(),
                    device: samples::HOSTILE.to_owned(),
                    address: "2001:db8::7".to_owned(),
                    signed_in_at: samples::ago(Duration::days(9)),
                    seen_at: samples::ago(Duration::days(2)),
                    is_here: false,
                },
            ],
        }
    }

    #[must_use]
    pub fn sample_without_password() -> Self {
        Self {
            has_password: false,
            recovery_codes_left: None,
            ..Self::sample()
        }
    }

    #[must_use]
    pub fn sample_errors() -> Self {
        Self {
            errors: FormErrors::of("current_password", "This is not your password."),
            lock: Some(Lock {
                until: crate::format::absolute(samples::NOW + Duration::minutes(17)),
                reason: "6 wrong passwords or codes".to_owned(),
            }),
            tokens: Vec::new(),
            connected: Vec::new(),
            offered: Vec::new(),
            has_console: false,
            can_have_passkeys: false,
            passkeys: Vec::new(),
            recovery_codes_left: None,
            sign_ins: Vec::new(),
            ..Self::sample()
        }
    }
}

impl NewToken {
    #[must_use]
    pub fn sample() -> Self {
        Self {
            shell: samples::person_shell(),
            form: TokenForm {
                form_nonce: "sample-nonce".to_owned(),
                ..TokenForm::default()
            },
            errors: FormErrors::default(),
        }
    }

    #[must_use]
    pub fn sample_errors() -> Self {
        let form = TokenForm {
            access: samples::HOSTILE.to_owned(),
            ..TokenForm::default()
        };
        Self {
            errors: form.parse().err().unwrap_or_default(),
            form,
            ..Self::sample()
        }
    }
}

impl TokenCreated {
    #[must_use]
    pub fn sample() -> Self {
        Self {
            shell: samples::person_shell(),
            name: samples::HOSTILE.to_owned(),
            value: "tgp_9fKq2mX7bR4vT1wZ8sL5cN3dH6jP0yGaQeUi".to_owned(),
            expires_at: samples::ahead(Duration::days(90)),
            curl: "curl -H 'Authorization: Bearer tgp_…' https://console.example.com/api/v1/plans"
                .to_owned(),
        }
    }
}
