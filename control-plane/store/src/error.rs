//! What can go wrong, and which constraint of the schema says what.

use domain::conflict::Conflict;

pub type Result<T> = std::result::Result<T, Error>;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such row, or it is another tenant's.
    #[error("there is no such {what}")]
    NotFound { what: &'static str },
    /// It cannot stand beside what is there.
    #[error(transparent)]
    Conflict(#[from] Conflict),
    /// The edition that the caller had seen is not the current one.
    #[error("it was edited by somebody else in the meantime")]
    EditedMeanwhile,
    /// The database cannot be reached or is too busy; the same call may succeed later.
    #[error("the database is not available")]
    Unavailable(#[source] sqlx::Error),
    /// Two transactions waited for each other; the same transaction may succeed when repeated.
    #[error("a transaction gave way to another")]
    Contended(#[source] sqlx::Error),
    /// A stored value is not what this version writes.
    #[error("a stored {what} cannot be read")]
    Corrupt { what: &'static str },
    #[error("the database refused a statement")]
    Database(#[source] sqlx::Error),
}

impl Error {
    pub(crate) fn corrupt(what: &'static str) -> Self {
        Error::Corrupt { what }
    }
}

impl From<sqlx::Error> for Error {
    fn from(cause: sqlx::Error) -> Self {
        match &cause {
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed => Error::Unavailable(cause),
            sqlx::Error::Database(database) => {
                if let Some(conflict) = database.constraint().and_then(explain) {
                    return Error::Conflict(conflict);
                }
                match database.code().as_deref() {
                    // serialization_failure, deadlock_detected, lock_not_available
                    Some("40001" | "40P01" | "55P03") => Error::Contended(cause),
                    // Class 08, 53 and 57P: connection, resources, shutting down or starting up.
                    Some(code)
                        if code.starts_with("08")
                            || code.starts_with("53")
                            || code.starts_with("57P") =>
                    {
                        Error::Unavailable(cause)
                    }
                    _ => Error::Database(cause),
                }
            }
            _ => Error::Database(cause),
        }
    }
}

/// The meaning of a constraint that was violated.
fn explain(constraint: &str) -> Option<Conflict> {
    Some(match constraint {
        "passkeys_credential_key" => Conflict::PasskeyTaken,
        "users_email_key" => Conflict::EmailTaken,
        "members_user_key" => Conflict::AlreadyMember,
        "invitations_email_key" => Conflict::AlreadyInvited,
        "identity_providers_name" => Conflict::ProviderNameTaken,
        "identity_links_pkey" => Conflict::SubjectLinked,
        "identity_links_user_key" => Conflict::ProviderLinked,
        "tenant_domains_domain_key" => Conflict::DomainListed,
        "tenant_domains_proven" => Conflict::DomainTaken,
        "groups_name" => Conflict::GroupNameTaken,
        "oauth_clients_name" => Conflict::ClientNameTaken,
        "api_keys_name" => Conflict::KeyNameTaken,
        "api_key_values_pkey" => Conflict::KeyValueTaken,
        "plans_name" => Conflict::PlanNameTaken,
        "apis_name" => Conflict::ApiNameTaken,
        "api_hosts_pkey" => Conflict::PlaceTaken,
        "route_methods_pkey" => Conflict::RouteTaken,
        "upstreams_name" => Conflict::UpstreamNameTaken,
        "apis_upstream_id_fkey" | "routes_upstream_id_fkey" => Conflict::UnknownUpstream,
        "routes_authorizer_id_fkey" => Conflict::UnknownAuthorizer,
        "plan_version_apis_api_id_fkey" => Conflict::UnknownApi,
        "subscriptions_plan_id_plan_version_fkey" => Conflict::UnknownPlan,
        "subscriptions_tenant_id_fkey" | "members_tenant_id_fkey" | "api_keys_tenant_id_fkey" => {
            Conflict::UnknownTenant
        }
        "subscription_apis_pkey" => Conflict::ApiOpenedTwice,
        "subscriptions_one_per_group" => Conflict::QuotaGroupTaken,
        "subscriptions_one_per_plan" => Conflict::AlreadySubscribed,
        "personal_tokens_name" => Conflict::TokenNameTaken,
        "manifests_pkey" => Conflict::RevisionTaken,
        "nodes_signing_key_key" => Conflict::NodeKeyTaken,
        _ => return None,
    })
}
