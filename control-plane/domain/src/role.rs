//! Roles of people: within a tenant and on the platform.

use crate::field::closed_set;

closed_set! {
    /// A member's role in a tenant.
    Role {
        Owner = "owner",
        Admin = "admin",
        Developer = "developer",
        Viewer = "viewer",
        /// Signs in to the tenant's applications; has no console.
        User = "user",
    }
}

closed_set! {
    /// A role over all tenants.
    PlatformRole {
        /// May do all of it.
        Operator = "operator",
        /// May read all of it.
        Auditor = "auditor",
    }
}
