//! What the sweep sends: bodies that would be taken from somebody who may.

use serde_json::{Value, json};

/// Method, path, body with `{parameters}`.
pub(super) fn of(method: &str, path: &str) -> Value {
    match (method, path) {
        ("POST", "/apis") => json!({ "name": "Taken over", "upstream_id": "{upstream}" }),
        ("POST", "/apis/{api}/routes") => json!({ "path": "/taken" }),
        ("PATCH", "/apis/{api}/routes/{route}") => json!({ "api_key_required": false }),
        ("POST", "/identity-providers" | "/tenants/{tenant}/identity-providers") => json!({
            "name": "mine", "issuer": "https://evil.example", "client_id": "x",
            "is_enabled": false,
        }),
        ("PATCH", "/identity-providers/{provider}")
        | ("PATCH", "/tenants/{tenant}/identity-providers/{provider}") => {
            json!({ "name": "Taken over", "makes_people": true })
        }
        ("POST", "/tenants/{tenant}/domains") => json!({ "domain": "taken.example" }),
        ("POST", "/nodes/enroll-tokens") => json!({ "name": "mine" }),
        ("POST", "/plan-requests/{request}/decline") => json!({ "reason": "no" }),
        ("POST", "/plans") => json!({ "name": "Without limits", "is_self_service": true }),
        ("PATCH", "/plans/{plan}") => json!({ "rate_limit": null, "burst_limit": null }),
        ("POST", "/tenants") => json!({ "name": "Another", "plan_id": "{plan}" }),
        ("POST", "/tenants/{tenant}/api-keys") => json!({ "name": "mine" }),
        ("POST", "/tenants/{tenant}/api-keys/{key}/rotate") => json!({ "grace_seconds": 0 }),
        ("POST", "/tenants/{tenant}/oauth-clients") => {
            json!({ "name": "mine", "redirect_uris": ["https://evil.example/cb"] })
        }
        ("POST", "/tenants/{tenant}/oauth-clients/{client}/secrets") => json!({}),
        ("PATCH", "/tenants/{tenant}/members/{member}") => json!({ "role": "admin" }),
        ("POST", "/tenants/{tenant}/invitations") => {
            json!({ "email": "mallory@example.com", "role": "admin" })
        }
        ("PUT", "/tenants/{tenant}/branding") => json!({ "name": "Taken over" }),
        ("POST", "/tenants/{tenant}/groups") => json!({ "name": "Taken over" }),
        ("PATCH", "/tenants/{tenant}/groups/{group}") => json!({ "name": "Taken over too" }),
        ("POST", "/tenants/{tenant}/subscriptions") => {
            json!({ "plan_id": "{plan}", "replaces_conflicting": true })
        }
        ("PATCH", "/tenants/{tenant}/subscriptions/{subscription}") => {
            json!({ "plan_id": "{plan_by_approval}" })
        }
        ("POST", "/token-keys") => json!({ "algorithm": "RS256" }),
        ("POST", "/upstreams") => json!({
            "name": "mine",
            "targets": [{ "url": "http://127.0.0.1:9" }],
        }),
        ("POST", "/users") => json!({ "email": "mallory@example.com" }),
        ("POST", "/users/import") => json!([{ "email": "mallory@example.com" }]),
        ("PATCH", "/apis/{api}" | "/upstreams/{upstream}" | "/tenants/{tenant}")
        | ("PATCH", "/tenants/{tenant}/api-keys/{key}")
        | ("PATCH", "/tenants/{tenant}/oauth-clients/{client}") => json!({ "name": "Taken over" }),
        _ => panic!("the sweep has no body for {method} {path}"),
    }
}
