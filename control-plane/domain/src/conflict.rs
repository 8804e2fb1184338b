//! What cannot stand beside what is already there. The store recognises these by the constraints
//! of the schema.

use crate::field::FieldError;

/// A closed list, so that every conflict has a text that helps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Conflict {
    #[error("An account with this address exists already.")]
    EmailTaken,
    #[error("There is no second step to turn off.")]
    NoSecondStep,
    #[error("This passkey is here already.")]
    PasskeyTaken,
    #[error("You have as many passkeys as there may be. Remove one first.")]
    TooManyPasskeys,
    #[error("This is the only way in to the account. Set up another one first.")]
    LastWayIn,
    #[error("This person is a member already.")]
    AlreadyMember,
    #[error("Another API key of this tenant has this name.")]
    KeyNameTaken,
    #[error("This value is in use already.")]
    KeyValueTaken,
    #[error("Another OAuth client of this tenant has this name.")]
    ClientNameTaken,
    #[error("Another plan has this name.")]
    PlanNameTaken,
    #[error("Another API has this name.")]
    ApiNameTaken,
    #[error("Another API is served at this host and base path.")]
    PlaceTaken,
    #[error("Another route of this API has this path and method.")]
    RouteTaken,
    #[error("Another upstream has this name.")]
    UpstreamNameTaken,
    #[error("Routes or APIs still send requests to this upstream.")]
    UpstreamInUse,
    #[error("There is no such upstream.")]
    UnknownUpstream,
    #[error("There is no such authorizer.")]
    UnknownAuthorizer,
    #[error("There is no such API.")]
    UnknownApi,
    #[error("There is no such plan.")]
    UnknownPlan,
    #[error("This plan is retired and takes no new subscriptions.")]
    PlanRetired,
    #[error("There is no such tenant.")]
    UnknownTenant,
    #[error("The subscription is not waiting or active any more.")]
    SubscriptionOver,
    #[error("The API key is revoked.")]
    KeyRevoked,
    #[error("This address is invited already.")]
    AlreadyInvited,
    #[error("The tenant has as many open invitations as there may be.")]
    TooManyInvitations,
    #[error("The mail was sent just now. Wait a few minutes.")]
    SentJustNow,
    #[error("Another group of this tenant has this name.")]
    GroupNameTaken,
    #[error("A person is in at most 100 groups of a tenant.")]
    TooManyGroups,
    #[error("Another provider has this name.")]
    ProviderNameTaken,
    #[error("There are as many providers as there may be.")]
    TooManyProviders,
    #[error("The domain is in the list already.")]
    DomainListed,
    #[error("Another tenant has proven that this domain is its own.")]
    DomainTaken,
    #[error("There are as many domains as there may be.")]
    TooManyDomains,
    #[error("This account of the provider is connected to somebody already.")]
    SubjectLinked,
    #[error("You have connected another account of this provider.")]
    ProviderLinked,
    #[error("The tenant's last owner cannot go, step down or be disabled.")]
    LastOwner,
    #[error("The platform's last operator cannot be disabled.")]
    LastOperator,
    #[error("Nobody disables their own account: ask another operator.")]
    OwnAccount,
    #[error("This person is disabled. Enable them first.")]
    UserDisabled,
    #[error("Another plan of the tenant opens one of these APIs already.")]
    ApiOpenedTwice,
    #[error("The tenant already has a plan whose quota is counted in this group.")]
    QuotaGroupTaken,
    #[error("The tenant is on this plan, or has asked for it, already.")]
    AlreadySubscribed,
    #[error("Another of your tokens has this name.")]
    TokenNameTaken,
    #[error("This revision was published already.")]
    RevisionTaken,
    #[error("A node with this key is enrolled already.")]
    NodeKeyTaken,
}

impl Conflict {
    /// Stable, for programs.
    pub fn code(self) -> &'static str {
        match self {
            Conflict::EmailTaken => "email_taken",
            Conflict::AlreadyMember => "already_member",
            Conflict::KeyNameTaken
            | Conflict::PlanNameTaken
            | Conflict::ApiNameTaken
            | Conflict::UpstreamNameTaken
            | Conflict::TokenNameTaken
            | Conflict::ProviderNameTaken
            | Conflict::ClientNameTaken
            | Conflict::GroupNameTaken => "name_taken",
            Conflict::KeyValueTaken => "value_taken",
            Conflict::PlaceTaken => "place_taken",
            Conflict::RouteTaken => "route_taken",
            Conflict::UpstreamInUse => "upstream_in_use",
            Conflict::UnknownUpstream => "unknown_upstream",
            Conflict::UnknownAuthorizer => "unknown_authorizer",
            Conflict::UnknownApi => "unknown_api",
            Conflict::UnknownPlan => "unknown_plan",
            Conflict::PlanRetired => "plan_retired",
            Conflict::UnknownTenant => "unknown_tenant",
            Conflict::SubscriptionOver => "subscription_over",
            Conflict::KeyRevoked => "key_revoked",
            Conflict::AlreadyInvited => "already_invited",
            Conflict::TooManyInvitations => "too_many_invitations",
            Conflict::SentJustNow => "sent_just_now",
            Conflict::TooManyGroups => "too_many_groups",
            Conflict::NoSecondStep => "no_second_step",
            Conflict::PasskeyTaken => "passkey_taken",
            Conflict::TooManyPasskeys => "too_many_passkeys",
            Conflict::TooManyProviders => "too_many_providers",
            Conflict::DomainListed => "domain_listed",
            Conflict::DomainTaken => "domain_taken",
            Conflict::TooManyDomains => "too_many_domains",
            Conflict::SubjectLinked => "subject_linked",
            Conflict::ProviderLinked => "provider_linked",
            Conflict::LastWayIn => "last_way_in",
            Conflict::LastOwner => "last_owner",
            Conflict::LastOperator => "last_operator",
            Conflict::OwnAccount => "own_account",
            Conflict::UserDisabled => "user_disabled",
            Conflict::ApiOpenedTwice => "api_opened_twice",
            Conflict::QuotaGroupTaken => "quota_group_taken",
            Conflict::AlreadySubscribed => "already_subscribed",
            Conflict::RevisionTaken => "revision_taken",
            Conflict::NodeKeyTaken => "node_key_taken",
        }
    }

    /// The field to say it at; `None`: of the input as a whole.
    pub fn field(self) -> Option<&'static str> {
        match self {
            Conflict::EmailTaken | Conflict::AlreadyMember | Conflict::AlreadyInvited => {
                Some("email")
            }
            Conflict::KeyNameTaken
            | Conflict::PlanNameTaken
            | Conflict::ApiNameTaken
            | Conflict::UpstreamNameTaken
            | Conflict::TokenNameTaken
            | Conflict::ProviderNameTaken
            | Conflict::ClientNameTaken
            | Conflict::GroupNameTaken => Some("name"),
            Conflict::KeyValueTaken => Some("value"),
            Conflict::PlaceTaken => Some("base_path"),
            Conflict::RouteTaken => Some("path"),
            Conflict::UnknownUpstream => Some("upstream_id"),
            Conflict::UnknownAuthorizer => Some("authorizer_id"),
            Conflict::UnknownApi => Some("api_ids"),
            Conflict::UnknownPlan | Conflict::PlanRetired => Some("plan_id"),
            Conflict::DomainListed | Conflict::DomainTaken => Some("domain"),
            Conflict::UpstreamInUse
            | Conflict::TooManyProviders
            | Conflict::TooManyDomains
            | Conflict::SubjectLinked
            | Conflict::ProviderLinked
            | Conflict::LastWayIn
            | Conflict::UnknownTenant
            | Conflict::SubscriptionOver
            | Conflict::KeyRevoked
            | Conflict::NoSecondStep
            | Conflict::PasskeyTaken
            | Conflict::TooManyPasskeys
            | Conflict::TooManyInvitations
            | Conflict::SentJustNow
            | Conflict::TooManyGroups
            | Conflict::LastOwner
            | Conflict::LastOperator
            | Conflict::OwnAccount
            | Conflict::UserDisabled
            | Conflict::ApiOpenedTwice
            | Conflict::QuotaGroupTaken
            | Conflict::AlreadySubscribed
            | Conflict::RevisionTaken
            | Conflict::NodeKeyTaken => None,
        }
    }

    /// As an error of the field it belongs to.
    pub fn as_field_error(self) -> Option<FieldError> {
        self.field()
            .map(|field| FieldError::new(field, self.code(), self.to_string()))
    }
}
