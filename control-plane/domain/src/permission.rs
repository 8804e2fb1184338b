//! Who may do what: one table over every action. Handlers, the API's description and the sweep
//! over all routes read it.

use crate::role::{PlatformRole, Role};

/// Where an action takes place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reach {
    /// In one tenant.
    Tenant,
    /// Over all tenants.
    Platform,
    /// On the person's own account, whatever their roles.
    Own,
}

/// Whether an action changes anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Effect {
    Read,
    Write,
}

/// In which role somebody acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Authority {
    Member(Role),
    Platform(PlatformRole),
    /// A signed-in person as themselves, outside any tenant.
    Person,
}

/// A row of the table.
#[derive(Debug, Clone, Copy)]
struct Rule {
    name: &'static str,
    reach: Reach,
    effect: Effect,
    /// Roles of members that may; empty for actions of the platform.
    members: &'static [Role],
}

macro_rules! actions {
    ($($(#[$doc:meta])* $action:ident = $name:literal, $reach:ident, $effect:ident, $members:expr;)*) => {
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Action { $($(#[$doc])* $action,)* }

        impl Action {
            pub const ALL: &'static [Action] = &[$(Action::$action,)*];

            fn rule(self) -> Rule {
                match self {
                    $(Action::$action => Rule {
                        name: $name,
                        reach: Reach::$reach,
                        effect: Effect::$effect,
                        members: $members,
                    },)*
                }
            }
        }
    };
}

const EVERYBODY: &[Role] = &[Role::Owner, Role::Admin, Role::Developer, Role::Viewer];
const BUILDERS: &[Role] = &[Role::Owner, Role::Admin, Role::Developer];
const ADMINS: &[Role] = &[Role::Owner, Role::Admin];
const OWNERS: &[Role] = &[Role::Owner];
const NOBODY: &[Role] = &[];

actions! {
    ShowTenant = "tenant.show", Tenant, Read, EVERYBODY;
    RenameTenant = "tenant.rename", Tenant, Write, ADMINS;
    ShowBranding = "branding.show", Tenant, Read, EVERYBODY;
    UpdateBranding = "branding.update", Tenant, Write, ADMINS;
    ListMembers = "members.list", Tenant, Read, EVERYBODY;
    AddMember = "members.add", Tenant, Write, ADMINS;
    UpdateMember = "members.update", Tenant, Write, ADMINS;
    /// To make an owner, to take an owner's role or membership.
    ManageOwners = "members.manage_owners", Tenant, Write, OWNERS;
    ListInvitations = "invitations.list", Tenant, Read, ADMINS;
    CreateInvitation = "invitations.create", Tenant, Write, ADMINS;
    RevokeInvitation = "invitations.revoke", Tenant, Write, ADMINS;
    ListGroups = "groups.list", Tenant, Read, EVERYBODY;
    CreateGroup = "groups.create", Tenant, Write, ADMINS;
    UpdateGroup = "groups.update", Tenant, Write, ADMINS;
    DeleteGroup = "groups.delete", Tenant, Write, ADMINS;
    ListProviders = "identity_providers.list", Tenant, Read, ADMINS;
    CreateProvider = "identity_providers.create", Tenant, Write, ADMINS;
    UpdateProvider = "identity_providers.update", Tenant, Write, ADMINS;
    DeleteProvider = "identity_providers.delete", Tenant, Write, ADMINS;
    ListDomains = "domains.list", Tenant, Read, ADMINS;
    AddDomain = "domains.add", Tenant, Write, ADMINS;
    ProveDomain = "domains.prove", Tenant, Write, ADMINS;
    RemoveDomain = "domains.remove", Tenant, Write, ADMINS;
    RemoveMember = "members.remove", Tenant, Write, ADMINS;
    ListOfferedPlans = "offered_plans.list", Tenant, Read, EVERYBODY;
    ListSubscriptions = "subscriptions.list", Tenant, Read, EVERYBODY;
    Subscribe = "subscriptions.create", Tenant, Write, ADMINS;
    EndSubscription = "subscriptions.end", Tenant, Write, ADMINS;
    ListApiKeys = "api_keys.list", Tenant, Read, EVERYBODY;
    CreateApiKey = "api_keys.create", Tenant, Write, BUILDERS;
    UpdateApiKey = "api_keys.update", Tenant, Write, BUILDERS;
    RotateApiKey = "api_keys.rotate", Tenant, Write, BUILDERS;
    RevokeApiKey = "api_keys.revoke", Tenant, Write, BUILDERS;
    ListClients = "oauth_clients.list", Tenant, Read, EVERYBODY;
    CreateClient = "oauth_clients.create", Tenant, Write, BUILDERS;
    UpdateClient = "oauth_clients.update", Tenant, Write, BUILDERS;
    DeleteClient = "oauth_clients.delete", Tenant, Write, BUILDERS;
    AddClientSecret = "oauth_clients.add_secret", Tenant, Write, BUILDERS;
    RevokeClientSecret = "oauth_clients.revoke_secret", Tenant, Write, BUILDERS;
    ShowUsage = "usage.show", Tenant, Read, EVERYBODY;
    ListTenantEvents = "audit_events.list", Tenant, Read, ADMINS;

    ListTenants = "tenants.list", Platform, Read, NOBODY;
    CreateTenant = "tenants.create", Platform, Write, NOBODY;
    SuspendTenant = "tenants.suspend", Platform, Write, NOBODY;
    ResumeTenant = "tenants.resume", Platform, Write, NOBODY;
    DeleteTenant = "tenants.delete", Platform, Write, NOBODY;
    ExportTenant = "tenants.export", Platform, Read, NOBODY;
    ChangeSubscription = "subscriptions.update", Platform, Write, NOBODY;
    ListPlanRequests = "plan_requests.list", Platform, Read, NOBODY;
    ApprovePlanRequest = "plan_requests.approve", Platform, Write, NOBODY;
    DeclinePlanRequest = "plan_requests.decline", Platform, Write, NOBODY;
    ListPlans = "plans.list", Platform, Read, NOBODY;
    CreatePlan = "plans.create", Platform, Write, NOBODY;
    UpdatePlan = "plans.update", Platform, Write, NOBODY;
    RetirePlan = "plans.retire", Platform, Write, NOBODY;
    ListApis = "apis.list", Platform, Read, NOBODY;
    CreateApi = "apis.create", Platform, Write, NOBODY;
    UpdateApi = "apis.update", Platform, Write, NOBODY;
    DeleteApi = "apis.delete", Platform, Write, NOBODY;
    ListRoutes = "routes.list", Platform, Read, NOBODY;
    CreateRoute = "routes.create", Platform, Write, NOBODY;
    UpdateRoute = "routes.update", Platform, Write, NOBODY;
    DeleteRoute = "routes.delete", Platform, Write, NOBODY;
    ListAuthorizers = "authorizers.list", Platform, Read, NOBODY;
    ListUpstreams = "upstreams.list", Platform, Read, NOBODY;
    CreateUpstream = "upstreams.create", Platform, Write, NOBODY;
    UpdateUpstream = "upstreams.update", Platform, Write, NOBODY;
    DeleteUpstream = "upstreams.delete", Platform, Write, NOBODY;
    ListNodes = "nodes.list", Platform, Read, NOBODY;
    /// By the node itself, with an enrolment token.
    EnrolNode = "nodes.enroll", Platform, Write, NOBODY;
    RevokeNode = "nodes.revoke", Platform, Write, NOBODY;
    ListEnrolTokens = "enroll_tokens.list", Platform, Read, NOBODY;
    CreateEnrolToken = "enroll_tokens.create", Platform, Write, NOBODY;
    RevokeEnrolToken = "enroll_tokens.revoke", Platform, Write, NOBODY;
    ListPlatformProviders = "platform_identity_providers.list", Platform, Read, NOBODY;
    CreatePlatformProvider = "platform_identity_providers.create", Platform, Write, NOBODY;
    UpdatePlatformProvider = "platform_identity_providers.update", Platform, Write, NOBODY;
    DeletePlatformProvider = "platform_identity_providers.delete", Platform, Write, NOBODY;
    /// Without a proof in the DNS, on an operator's word.
    ConfirmDomain = "domains.confirm", Platform, Write, NOBODY;
    ListTokenKeys = "token_keys.list", Platform, Read, NOBODY;
    RotateTokenKey = "token_keys.rotate", Platform, Write, NOBODY;
    ListSnapshots = "snapshots.list", Platform, Read, NOBODY;
    ListAllEvents = "all_audit_events.list", Platform, Read, NOBODY;
    /// Codes stand in it: whoever reads them signs in as others.
    ListOutbox = "outbox.list", Platform, Write, NOBODY;
    ListUsers = "users.list", Platform, Read, NOBODY;
    CreateUser = "users.create", Platform, Write, NOBODY;
    ImportUsers = "users.import", Platform, Write, NOBODY;
    DisableUser = "users.disable", Platform, Write, NOBODY;
    EnableUser = "users.enable", Platform, Write, NOBODY;
    ResetPassword = "users.reset_password", Platform, Write, NOBODY;
    SignOutUser = "users.sign_out", Platform, Write, NOBODY;
    /// For who lost their authenticator and their recovery codes.
    ResetSecondStep = "users.reset_second_step", Platform, Write, NOBODY;
    /// A wrong password or code, of somebody who is known here.
    RefuseSession = "sessions.refuse", Platform, Write, NOBODY;
    LockUser = "users.lock", Platform, Write, NOBODY;
    UnlockUser = "users.unlock", Platform, Write, NOBODY;

    /// Because a code or a refresh token of it was used twice.
    RevokeGrant = "oauth_grants.revoke", Platform, Write, NOBODY;

    ShowAccount = "account.show", Own, Read, NOBODY;
    AllowClient = "oauth_clients.allow", Own, Write, NOBODY;
    /// By signing up at one of the tenant's applications.
    AcceptInvitation = "invitations.accept", Own, Write, NOBODY;
    JoinByClient = "members.join_by_client", Own, Write, NOBODY;
    /// By coming in through one of the tenant's identity providers.
    JoinByProvider = "members.join_by_provider", Own, Write, NOBODY;
    ConnectProvider = "identity_links.create", Own, Write, NOBODY;
    DisconnectProvider = "identity_links.delete", Own, Write, NOBODY;
    ChangePassword = "users.change_password", Own, Write, NOBODY;
    /// In a browser, in whatever way.
    BeginSession = "sessions.begin", Own, Write, NOBODY;
    EndSession = "sessions.end", Own, Write, NOBODY;
    ChangeEmail = "users.change_email", Own, Write, NOBODY;
    ChangeAuthenticator = "users.change_authenticator", Own, Write, NOBODY;
    ChangePasskeys = "users.change_passkeys", Own, Write, NOBODY;
    EndSignIns = "users.end_sign_ins", Own, Write, NOBODY;
    ListPersonalTokens = "personal_tokens.list", Own, Read, NOBODY;
    CreatePersonalToken = "personal_tokens.create", Own, Write, NOBODY;
    RevokePersonalToken = "personal_tokens.revoke", Own, Write, NOBODY;
}

impl Action {
    /// `api_keys.revoke`: stable, stands in audit events and token scopes.
    pub fn name(self) -> &'static str {
        self.rule().name
    }

    pub fn reach(self) -> Reach {
        self.rule().reach
    }

    pub fn effect(self) -> Effect {
        self.rule().effect
    }

    pub fn find(name: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|action| action.name() == name)
    }
}

/// Whether somebody in this role may do this. For a member: in their own tenant.
pub fn may(authority: Authority, action: Action) -> bool {
    let rule = action.rule();
    match authority {
        Authority::Platform(PlatformRole::Operator) => true,
        Authority::Platform(PlatformRole::Auditor) => rule.effect == Effect::Read,
        Authority::Member(role) => rule.reach == Reach::Tenant && rule.members.contains(&role),
        Authority::Person => rule.reach == Reach::Own,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_action_has_a_name_of_its_own() {
        let names: HashSet<_> = Action::ALL.iter().map(|action| action.name()).collect();
        assert_eq!(names.len(), Action::ALL.len());
        for action in Action::ALL {
            assert_eq!(Action::find(action.name()), Some(*action));
        }
    }

    #[test]
    fn members_do_nothing_outside_their_tenant_and_users_have_no_console() {
        for action in Action::ALL {
            for role in Role::ALL {
                if action.reach() == Reach::Platform {
                    assert!(!may(Authority::Member(*role), *action), "{role} {action:?}");
                }
            }
            assert!(!may(Authority::Member(Role::User), *action), "{action:?}");
        }
    }

    #[test]
    fn a_person_without_a_role_acts_on_the_own_account_only() {
        for action in Action::ALL {
            assert_eq!(
                may(Authority::Person, *action),
                action.reach() == Reach::Own,
                "{action:?}"
            );
        }
    }

    #[test]
    fn a_higher_role_may_all_that_a_lower_one_may() {
        for pair in [Role::Viewer, Role::Developer, Role::Admin, Role::Owner].windows(2) {
            for action in Action::ALL {
                let (lower, higher) = (Authority::Member(pair[0]), Authority::Member(pair[1]));
                assert!(
                    !may(lower, *action) || may(higher, *action),
                    "{pair:?} {action:?}"
                );
            }
        }
    }

    #[test]
    fn viewers_and_auditors_change_nothing() {
        for action in Action::ALL.iter().filter(|a| a.effect() == Effect::Write) {
            for authority in [
                Authority::Member(Role::Viewer),
                Authority::Platform(PlatformRole::Auditor),
            ] {
                assert!(!may(authority, *action), "{authority:?} {action:?}");
            }
        }
    }
}
