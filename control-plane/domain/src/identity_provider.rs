//! Somebody else's OpenID providers, through which people sign in here; and what comes of somebody
//! whom one of them vouches for.
//!
//! A provider of the platform is managed by operators, who are believed. One of a tenant is managed
//! by the tenant's admins, who could let it claim any address: it counts for addresses in domains
//! that the tenant has proven, and for nobody who runs the platform.

use std::collections::BTreeMap;

use snapshot::id::{ProviderId, TenantId, UserId};
use time::OffsetDateTime;

use crate::email::Email;
use crate::field::{FieldError, line, names};
use crate::member::MemberStatus;
use crate::oauth_client::{host_of, is_loopback};
use crate::role::Role;
use crate::tenant_domain::DomainName;

pub const PROVIDERS_OF_TENANT_MAX: usize = 20;
const SCOPES_MAX: usize = 20;
const DOMAINS_MAX: usize = 100;
const GROUPS_MAX: usize = 100;
/// OpenID Connect Core, section 2: a subject has at most 255 ASCII characters.
pub const SUBJECT_BYTES_MAX: usize = 255;
const ISSUER_BYTES_MAX: usize = 1_000;
const CLIENT_ID_CHARS_MAX: usize = 500;

names! {
    /// Stands on the button: "Continue with NAME".
    ProviderName;
}

/// Roles that somebody may get by coming in: never one that lets others in.
pub const ROLES: &[Role] = &[Role::User, Role::Viewer, Role::Developer];

/// Who a provider says it is, character by character: an address of its own (OpenID Connect
/// Discovery, section 2).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Issuer(String);

impl Issuer {
    /// `https`, or `http` on loopback, without user, query and fragment. Whether loopback may be
    /// reached is for the deployment to say.
    pub fn parse(raw: &str) -> Result<Self, FieldError> {
        let invalid = |message: &str| Err(FieldError::new("issuer", "invalid", message));
        let text = raw.trim();
        let is_text = text.len() <= ISSUER_BYTES_MAX
            && text
                .bytes()
                .all(|byte| byte.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&byte));
        let Some((scheme, rest)) = text.split_once("://").filter(|_| is_text) else {
            return invalid("Enter the provider's address, such as https://accounts.example.com.");
        };
        if text.contains(['?', '#']) {
            return invalid("An issuer has no query and no fragment.");
        }
        let authority = rest.split('/').next().unwrap_or("");
        let host = host_of(authority);
        if host.is_empty() || authority.contains('@') {
            return invalid("Enter the provider's address, such as https://accounts.example.com.");
        }
        match scheme {
            "https" => Ok(Self(text.to_owned())),
            "http" if is_loopback(host) => Ok(Self(text.to_owned())),
            _ => invalid("Use https; http is for this machine only."),
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn is_plain_http(&self) -> bool {
        self.0.starts_with("http://")
    }

    /// Where the provider describes itself (OpenID Connect Discovery, section 4).
    pub fn discovery_url(&self) -> String {
        let base = self.0.trim_end_matches('/');
        format!("{base}/.well-known/openid-configuration")
    }
}

/// What is said of a provider beside its issuer, its secret and whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderTerms {
    pub name: ProviderName,
    pub client_id: String,
    /// Asked for beside `openid`.
    pub scopes: Vec<String>,
    /// The claim with a person's name.
    pub name_claim: String,
    /// The claim with the names of a person's groups; empty: none.
    pub groups_claim: String,
    /// Groups of the provider, and the tenant's group that each of them stands for. Who is in those
    /// groups is up to the provider.
    pub groups: BTreeMap<String, String>,
    /// Domains whose addresses the provider answers for.
    pub domains: Vec<DomainName>,
    /// Of the platform's: whatever address it calls verified is believed.
    pub links_by_address: bool,
    /// People who come for the first time are taken in.
    pub makes_people: bool,
    /// As what, in the provider's tenant.
    pub role: Role,
    pub is_enabled: bool,
}

impl ProviderTerms {
    /// Refuses what contradicts itself, for a provider of this tenant (`None`: of the platform).
    pub fn check(&self, tenant: Option<TenantId>) -> Result<(), Vec<FieldError>> {
        let mut errors = Vec::new();
        let mut wrong = |field, message: &str| {
            errors.push(FieldError::new(field, "invalid", message));
        };
        let is_client = (1..=CLIENT_ID_CHARS_MAX).contains(&self.client_id.len())
            && self
                .client_id
                .bytes()
                .all(|byte| (0x20..0x7f).contains(&byte));
        if !is_client {
            wrong(
                "client_id",
                "Enter the client id that the provider gave you.",
            );
        }
        let is_scope = |scope: &String| {
            (1..=100).contains(&scope.len())
                && scope
                    .bytes()
                    .all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\')
        };
        if self.scopes.len() > SCOPES_MAX || !self.scopes.iter().all(is_scope) {
            wrong("scopes", "Enter up to 20 scopes, such as email profile.");
        }
        for (field, claim) in [
            ("name_claim", &self.name_claim),
            ("groups_claim", &self.groups_claim),
        ] {
            if claim.len() > 100 || !claim.bytes().all(|byte| byte.is_ascii_graphic()) {
                wrong(
                    field,
                    "Enter the name of a claim, such as name or cognito:groups.",
                );
            }
        }
        if self.groups.len() > GROUPS_MAX {
            wrong("groups", "There can be 100 groups.");
        }
        let is_line = |text: &String| line("groups", text, 200).is_ok();
        if !self
            .groups
            .iter()
            .all(|(theirs, ours)| is_line(theirs) && is_line(ours))
        {
            wrong(
                "groups",
                "Enter the provider's group and yours, each 1 to 200 characters.",
            );
        }
        if self.domains.len() > DOMAINS_MAX {
            wrong("domains", "There can be 100 domains.");
        }
        if !ROLES.contains(&self.role) {
            wrong("role", "Nobody becomes an owner or admin by coming in.");
        }
        match tenant {
            Some(_) if self.links_by_address => wrong(
                "links_by_address",
                "Only a provider of the platform is believed about any address.",
            ),
            None if !self.groups.is_empty() => {
                wrong("groups", "Groups belong to tenants: leave this empty.");
            }
            None if self.role != Role::User => {
                wrong("role", "A provider of the platform makes nobody a member.");
            }
            _ => {}
        }
        if errors.is_empty() {
            Ok(())
        } else {
            Err(errors)
        }
    }
}

#[derive(Clone, PartialEq, Eq)]
pub struct IdentityProvider {
    pub id: ProviderId,
    /// `None`: of the platform.
    pub tenant_id: Option<TenantId>,
    pub issuer: Issuer,
    pub terms: ProviderTerms,
    /// Under `SECRET_KEY`; `None`: we are a public client there.
    pub sealed_client_secret: Option<Vec<u8>>,
    pub edition: i32,
    pub created_at: OffsetDateTime,
}

impl std::fmt::Debug for IdentityProvider {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "IdentityProvider({} {})", self.id, self.issuer.as_str())
    }
}

impl IdentityProvider {
    fn answers_for(&self, address: &str) -> bool {
        self.terms
            .domains
            .iter()
            .any(|domain| domain.holds(address))
    }
}

/// Somebody's account at a provider that is theirs here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentityLink {
    pub provider_id: ProviderId,
    pub subject: String,
    pub user_id: UserId,
    /// What the provider said last, to tell accounts apart.
    pub email: String,
    /// The person connected it; else it came of an address, or the account was made by it.
    pub is_by_person: bool,
    pub created_at: OffsetDateTime,
    pub last_signed_in_at: Option<OffsetDateTime>,
}

/// Whose doing a link is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkedBy {
    Person,
    Provider,
}

/// What a provider said of somebody, in a token that was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    pub subject: String,
    pub email: Option<Email>,
    /// The provider vouches for the address. Nothing but `true` counts.
    pub is_email_verified: bool,
    pub name: String,
    pub groups: Vec<String>,
    /// When they proved there who they are, if the provider says so.
    pub auth_time: Option<OffsetDateTime>,
}

impl Claims {
    /// The address, if the provider vouches for it.
    pub fn proven_address(&self) -> Option<&Email> {
        self.email.as_ref().filter(|_| self.is_email_verified)
    }
}

/// An account here, as far as it matters to a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    pub user: UserId,
    pub email: String,
    pub is_confirmed: bool,
    /// By those who run the platform.
    pub is_disabled: bool,
    pub runs_platform: bool,
    /// In the tenant that the provider is of.
    pub membership: Option<MemberStatus>,
    pub is_in_other_tenants: bool,
}

/// What is known here when somebody comes back from a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// Linked to the subject.
    pub linked: Option<Account>,
    /// Whose doing that was.
    pub linked_by: LinkedBy,
    /// With the address that the provider vouches for.
    pub addressed: Option<Account>,
    /// Domains that the provider's tenant has proven.
    pub proven: Vec<DomainName>,
}

/// What comes of somebody whom a provider vouches for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Linked before.
    SignIn(UserId),
    /// The account with the address is theirs: linked from now on.
    Link(UserId),
    /// An account is made for them.
    Make,
    Refuse(Refused),
}

/// Why somebody does not come in through a provider. Pages have the words for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// The provider does not vouch for the address.
    Unverified,
    /// The address's domain is not proven.
    Domain,
    /// There is an account with the address already.
    ConnectFirst,
    /// There is none, and the provider makes none.
    NoAccount,
    /// Not of the provider's tenant.
    NoMember,
    /// The membership is disabled.
    Disabled,
    AccountDisabled,
    RunsPlatform,
}

/// Decides over a sign-in. What the provider said was verified before.
pub fn decide(provider: &IdentityProvider, claims: &Claims, known: &Known) -> Verdict {
    let address = claims.proven_address().map(Email::as_str);
    if provider.tenant_id.is_some() {
        let Some(address) = address else {
            return Verdict::Refuse(Refused::Unverified);
        };
        if !counts_for(provider, address, known) {
            return Verdict::Refuse(Refused::Domain);
        }
    }
    if let Some(linked) = &known.linked {
        // An account that came to other tenants since is opened to this tenant's admins only if its
        // person wanted that.
        let is_wanted = provider.tenant_id.is_none()
            || !linked.is_in_other_tenants
            || known.linked_by == LinkedBy::Person;
        return match may_enter(provider, linked, known) {
            Ok(()) if !is_wanted => Verdict::Refuse(Refused::ConnectFirst),
            Ok(()) => Verdict::SignIn(linked.user),
            Err(refused) => Verdict::Refuse(refused),
        };
    }
    let Some(address) = address else {
        return Verdict::Refuse(Refused::Unverified);
    };
    match &known.addressed {
        None if provider.terms.makes_people => Verdict::Make,
        None => Verdict::Refuse(Refused::NoAccount),
        Some(account) => {
            let is_trusted = match provider.tenant_id {
                None => provider.terms.links_by_address || provider.answers_for(address),
                // What is others' is not opened to this tenant's admins unasked.
                Some(_) => !account.is_in_other_tenants,
            };
            match may_enter(provider, account, known) {
                Err(refused) => Verdict::Refuse(refused),
                Ok(()) if is_trusted && account.is_confirmed => Verdict::Link(account.user),
                Ok(()) => Verdict::Refuse(Refused::ConnectFirst),
            }
        }
    }
}

/// Decides whether somebody who is signed in may connect their account.
pub fn may_connect(
    provider: &IdentityProvider,
    claims: &Claims,
    account: &Account,
    known: &Known,
) -> Result<(), Refused> {
    if provider.tenant_id.is_some() {
        let address = claims.proven_address().ok_or(Refused::Unverified)?;
        if !counts_for(provider, address.as_str(), known) {
            return Err(Refused::Domain);
        }
    }
    may_enter(provider, account, known)
}

/// Whether a tenant's provider may say anything about an address.
fn counts_for(provider: &IdentityProvider, address: &str, known: &Known) -> bool {
    provider.answers_for(address) && known.proven.iter().any(|domain| domain.holds(address))
}

/// Whether an account may be entered through the provider at all.
fn may_enter(provider: &IdentityProvider, account: &Account, known: &Known) -> Result<(), Refused> {
    if account.is_disabled {
        return Err(Refused::AccountDisabled);
    }
    if provider.tenant_id.is_none() {
        return Ok(());
    }
    if account.runs_platform {
        return Err(Refused::RunsPlatform);
    }
    if !counts_for(provider, &account.email, known) {
        return Err(Refused::Domain);
    }
    match account.membership {
        Some(MemberStatus::Active) => Ok(()),
        Some(MemberStatus::Disabled) => Err(Refused::Disabled),
        None if provider.terms.makes_people => Ok(()),
        None => Err(Refused::NoMember),
    }
}

#[cfg(test)]
mod tests;
