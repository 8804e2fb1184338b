//! The list of all samples.

use askama::Template;

use crate::language::Language;
use crate::pages::{
    account, admin, api_keys, apis, audit, authenticator, branding, confirm, consent, groups,
    identity_providers, invitations, landing, members, nodes, oauth_clients, outbox, overview,
    passkeys, password, plan_requests, plans, problem, routes, settings, sign_in, sign_up,
    tenant_domains, tenants, token_keys, upstreams, usage, users,
};

type Rendered = Vec<(&'static str, String)>;

/// `(name, HTML)` of every page in every state.
pub fn all() -> Result<Rendered, askama::Error> {
    let mut pages = public()?;
    pages.extend(hosted(Language::English)?);
    pages.extend(tenant()?);
    pages.extend(operator()?);
    Ok(pages)
}

fn public() -> Result<Rendered, askama::Error> {
    Ok(vec![
        ("landing", landing::Landing::sample().render()?),
        (
            "landing-signed-in",
            landing::Landing::sample_signed_in().render()?,
        ),
        (
            "authenticator",
            authenticator::SetUpAuthenticator::sample().render()?,
        ),
        (
            "authenticator-errors",
            authenticator::SetUpAuthenticator::sample_errors().render()?,
        ),
        (
            "recovery-codes",
            authenticator::RecoveryCodes::sample().render()?,
        ),
        ("account-email", account::ChangeEmail::sample().render()?),
        (
            "account-email-confirm",
            account::ConfirmEmail::sample().render()?,
        ),
        ("account", account::Account::sample().render()?),
        (
            "account-without-password",
            account::Account::sample_without_password().render()?,
        ),
        (
            "account-errors",
            account::Account::sample_errors().render()?,
        ),
        ("token-new", account::NewToken::sample().render()?),
        (
            "token-new-errors",
            account::NewToken::sample_errors().render()?,
        ),
        ("token-created", account::TokenCreated::sample().render()?),
    ])
}

/// Renders a sample as somebody sees it who reads this language.
macro_rules! in_language {
    ($language:expr, $sample:expr) => {{
        let mut page = $sample;
        page.shell.way.language = $language;
        page.render()?
    }};
}

/// What people of applications see, in every language that it is there in.
pub fn hosted(language: Language) -> Result<Rendered, askama::Error> {
    Ok(vec![
        ("signup", in_language!(language, sign_up::SignUp::sample())),
        (
            "signup-errors",
            in_language!(language, sign_up::SignUp::sample_errors()),
        ),
        (
            "signup-confirm",
            in_language!(language, sign_up::ConfirmSignUp::sample()),
        ),
        (
            "signup-confirm-errors",
            in_language!(language, sign_up::ConfirmSignUp::sample_errors()),
        ),
        ("login", in_language!(language, sign_in::SignIn::sample())),
        (
            "login-branded",
            in_language!(language, sign_in::SignIn::sample_branded()),
        ),
        (
            "login-errors",
            in_language!(language, sign_in::SignIn::sample_errors()),
        ),
        ("logout", in_language!(language, sign_in::SignOut::sample())),
        (
            "forgot",
            in_language!(language, password::ForgotPassword::sample()),
        ),
        (
            "forgot-reset",
            in_language!(language, password::ResetPassword::sample()),
        ),
        (
            "forgot-reset-errors",
            in_language!(language, password::ResetPassword::sample_errors()),
        ),
        (
            "consent",
            in_language!(language, consent::Consent::sample()),
        ),
        (
            "consent-choice",
            in_language!(language, consent::Consent::sample_choice()),
        ),
        ("go-on", in_language!(language, consent::GoOn::sample())),
        (
            "invitation",
            in_language!(language, invitations::AcceptInvitation::sample()),
        ),
        (
            "invitation-errors",
            in_language!(language, invitations::AcceptInvitation::sample_errors()),
        ),
        (
            "invitation-signed-in",
            in_language!(language, invitations::AcceptInvitation::sample_signed_in()),
        ),
        (
            "problem",
            in_language!(language, problem::Problem::sample()),
        ),
        (
            "invitation-somebody-else",
            in_language!(
                language,
                invitations::AcceptInvitation::sample_somebody_else()
            ),
        ),
        (
            "login-again",
            in_language!(language, sign_in::SignIn::sample_again()),
        ),
        (
            "passkey-new",
            in_language!(language, passkeys::NewPasskey::sample()),
        ),
        (
            "passkey-new-errors",
            in_language!(language, passkeys::NewPasskey::sample_errors()),
        ),
        (
            "login-code",
            in_language!(language, sign_in::SecondStep::sample()),
        ),
        (
            "login-recovery",
            in_language!(language, sign_in::SecondStep::sample_recovery()),
        ),
        (
            "signup-application",
            in_language!(language, sign_up::SignUp::sample_at_application()),
        ),
        (
            "signup-closed",
            in_language!(language, sign_up::SignUpClosed::sample()),
        ),
        (
            "problem-unavailable",
            in_language!(language, problem::Problem::sample_unavailable()),
        ),
    ])
}

fn tenant() -> Result<Rendered, askama::Error> {
    Ok(vec![
        (
            "identity-providers",
            identity_providers::IdentityProviders::sample().render()?,
        ),
        (
            "identity-provider",
            identity_providers::ProviderEditor::sample().render()?,
        ),
        ("domains", tenant_domains::TenantDomains::sample().render()?),
        (
            "domains-errors",
            tenant_domains::TenantDomains::sample_errors().render()?,
        ),
        (
            "oauth-clients",
            oauth_clients::OauthClients::sample().render()?,
        ),
        (
            "oauth-clients-empty",
            oauth_clients::OauthClients::sample_empty().render()?,
        ),
        (
            "oauth-client-new-errors",
            oauth_clients::ClientEditor::sample_new().render()?,
        ),
        (
            "oauth-client",
            oauth_clients::ClientEditor::sample().render()?,
        ),
        (
            "oauth-client-created",
            oauth_clients::ClientCreated::sample().render()?,
        ),
        ("overview", overview::TenantOverview::sample().render()?),
        (
            "overview-first-steps",
            overview::TenantOverview::sample_first_steps().render()?,
        ),
        (
            "overview-suspended",
            overview::TenantOverview::sample_suspended().render()?,
        ),
        ("plans", plans::ChoosePlan::sample().render()?),
        (
            "plans-pending",
            plans::ChoosePlan::sample_pending().render()?,
        ),
        ("plans-empty", plans::ChoosePlan::sample_empty().render()?),
        ("plan-request", plans::RequestPlan::sample().render()?),
        ("keys", api_keys::ApiKeys::sample().render()?),
        ("keys-empty", api_keys::ApiKeys::sample_empty().render()?),
        (
            "keys-without-plan",
            api_keys::ApiKeys::sample_without_plan().render()?,
        ),
        ("key-new", api_keys::NewApiKey::sample().render()?),
        (
            "key-new-errors",
            api_keys::NewApiKey::sample_errors().render()?,
        ),
        ("key-created", api_keys::ApiKeyCreated::sample().render()?),
        (
            "key-created-rotated",
            api_keys::ApiKeyCreated::sample_rotated().render()?,
        ),
        ("key", api_keys::ApiKeyPage::sample().render()?),
        (
            "key-revoked",
            api_keys::ApiKeyPage::sample_revoked().render()?,
        ),
        ("key-rotate", api_keys::RotateApiKey::sample().render()?),
        ("confirm", confirm::Confirm::sample().render()?),
        ("confirm-typed", confirm::Confirm::sample_typed().render()?),
        ("usage", usage::Usage::sample().render()?),
        ("usage-days", usage::Usage::sample_days().render()?),
        ("usage-empty", usage::Usage::sample_empty().render()?),
        ("members", members::Members::sample().render()?),
        (
            "members-errors",
            members::Members::sample_errors().render()?,
        ),
        (
            "members-read-only",
            members::Members::sample_read_only().render()?,
        ),
        ("member", members::MemberPage::sample().render()?),
        (
            "member-errors",
            members::MemberPage::sample_errors().render()?,
        ),
        (
            "member-read-only",
            members::MemberPage::sample_read_only().render()?,
        ),
        ("groups", groups::Groups::sample().render()?),
        ("groups-empty", groups::Groups::sample_empty().render()?),
        (
            "groups-read-only",
            groups::Groups::sample_read_only().render()?,
        ),
        ("group", groups::GroupPage::sample().render()?),
        (
            "group-read-only",
            groups::GroupPage::sample_read_only().render()?,
        ),
        ("branding", branding::BrandingEditor::sample().render()?),
        (
            "branding-errors",
            branding::BrandingEditor::sample_errors().render()?,
        ),
        (
            "branding-read-only",
            branding::BrandingEditor::sample_read_only().render()?,
        ),
        ("settings", settings::Settings::sample().render()?),
        (
            "settings-errors",
            settings::Settings::sample_errors().render()?,
        ),
        (
            "settings-read-only",
            settings::Settings::sample_read_only().render()?,
        ),
    ])
}

fn operator() -> Result<Rendered, askama::Error> {
    Ok(vec![
        (
            "admin-identity-providers-empty",
            identity_providers::IdentityProviders::sample_empty().render()?,
        ),
        (
            "admin-identity-provider-new-errors",
            identity_providers::ProviderEditor::sample_new().render()?,
        ),
        ("admin", admin::AdminOverview::sample().render()?),
        (
            "admin-empty",
            admin::AdminOverview::sample_empty().render()?,
        ),
        ("admin-plans", plans::Plans::sample().render()?),
        ("admin-plans-empty", plans::Plans::sample_empty().render()?),
        ("admin-plan", plans::PlanEditor::sample().render()?),
        (
            "admin-plan-existing",
            plans::PlanEditor::sample_existing().render()?,
        ),
        (
            "admin-plan-edited-meanwhile",
            plans::PlanEditor::sample_edited_meanwhile().render()?,
        ),
        (
            "admin-plan-errors",
            plans::PlanEditor::sample_errors().render()?,
        ),
        (
            "admin-requests",
            plan_requests::PlanRequests::sample().render()?,
        ),
        (
            "admin-requests-empty",
            plan_requests::PlanRequests::sample_empty().render()?,
        ),
        (
            "admin-request-decline",
            plan_requests::DeclineRequest::sample().render()?,
        ),
        ("admin-apis", apis::Apis::sample().render()?),
        ("admin-apis-empty", apis::Apis::sample_empty().render()?),
        ("admin-api", apis::ApiEditor::sample().render()?),
        (
            "admin-api-existing",
            apis::ApiEditor::sample_existing().render()?,
        ),
        (
            "admin-api-errors",
            apis::ApiEditor::sample_errors().render()?,
        ),
        ("admin-route", routes::RouteEditor::sample().render()?),
        (
            "admin-route-errors",
            routes::RouteEditor::sample_errors().render()?,
        ),
        ("admin-upstreams", upstreams::Upstreams::sample().render()?),
        (
            "admin-upstreams-empty",
            upstreams::Upstreams::sample_empty().render()?,
        ),
        (
            "admin-upstream",
            upstreams::UpstreamEditor::sample().render()?,
        ),
        (
            "admin-upstream-errors",
            upstreams::UpstreamEditor::sample_errors().render()?,
        ),
        ("admin-tenants", tenants::Tenants::sample().render()?),
        (
            "admin-tenants-empty",
            tenants::Tenants::sample_empty().render()?,
        ),
        (
            "admin-tenants-not-found",
            tenants::Tenants::sample_not_found().render()?,
        ),
        ("admin-tenant", tenants::TenantDetail::sample().render()?),
        (
            "admin-tenant-suspended",
            tenants::TenantDetail::sample_suspended().render()?,
        ),
        ("admin-users", users::Users::sample().render()?),
        (
            "admin-users-not-found",
            users::Users::sample_not_found().render()?,
        ),
        ("admin-user", users::UserDetail::sample().render()?),
        (
            "admin-user-disabled",
            users::UserDetail::sample_disabled().render()?,
        ),
        (
            "admin-user-read-only",
            users::UserDetail::sample_read_only().render()?,
        ),
        ("admin-user-new", users::NewUser::sample().render()?),
        (
            "admin-user-new-errors",
            users::NewUser::sample_errors().render()?,
        ),
        ("admin-users-import", users::ImportUsers::sample().render()?),
        (
            "admin-users-import-report",
            users::ImportUsers::sample_report().render()?,
        ),
        ("admin-nodes", nodes::Nodes::sample().render()?),
        ("admin-nodes-empty", nodes::Nodes::sample_empty().render()?),
        ("admin-node-enroll", nodes::EnrollNode::sample().render()?),
        (
            "admin-node-enroll-errors",
            nodes::EnrollNode::sample_errors().render()?,
        ),
        (
            "admin-node-created",
            nodes::EnrollTokenCreated::sample().render()?,
        ),
        ("admin-audit", audit::Audit::sample().render()?),
        ("admin-audit-empty", audit::Audit::sample_empty().render()?),
        ("admin-outbox", outbox::Outbox::sample().render()?),
        (
            "admin-outbox-empty",
            outbox::Outbox::sample_empty().render()?,
        ),
        ("token-keys", token_keys::TokenKeys::sample().render()?),
    ])
}
