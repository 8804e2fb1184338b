//! Every page that belongs to somebody, and what its form sends.

/// What a page's form sends: names and values with `{parameters}`.
type Form = &'static [(&'static str, &'static str)];

pub(super) struct Page {
    pub(super) path: &'static str,
    pub(super) is_shown: bool,
    /// `None`: it has no form.
    pub(super) form: Option<Form>,
}

const fn shown(path: &'static str) -> Page {
    Page {
        path,
        is_shown: true,
        form: None,
    }
}

const fn both(path: &'static str, form: Form) -> Page {
    Page {
        path,
        is_shown: true,
        form: Some(form),
    }
}

const fn sent(path: &'static str, form: Form) -> Page {
    Page {
        path,
        is_shown: false,
        form: Some(form),
    }
}

/// A value that forms which show a secret carry: 16 bytes, base64url.
const NONCE: (&str, &str) = ("form_nonce", "c3dlZXBzd2VlcHN3ZWVwcw");
const PLAN: Form = &[("plan_id", "{plan}")];
const UPSTREAM: Form = &[
    ("name", "Taken over"),
    ("target_url", "http://127.0.0.1:9"),
    ("target_weight", "1"),
];
const API: Form = &[
    ("name", "Taken over"),
    ("upstream_id", "{upstream}"),
    ("api_key_header", "x-api-key"),
];
const CLIENT: Form = &[
    ("name", "Taken over"),
    ("kind", "public"),
    ("serves", "any_tenant"),
    ("sign_up", "anybody"),
    ("grants", "authorization_code"),
    ("redirect_uris", "https://evil.example/cb"),
    ("requires_pkce", "on"),
    ("signing_algorithm", "RS256"),
    ("access_token_seconds", "3600"),
    ("id_token_seconds", "3600"),
    ("refresh_token_seconds", "3600"),
    NONCE,
];
const PROVIDER: Form = &[
    ("name", "Taken over"),
    ("issuer", "https://evil.example"),
    ("client_id", "x"),
    ("makes_people", "on"),
];
const ROUTE: Form = &[("path", "/taken")];
const PLAN_TERMS: Form = &[("name", "Taken over"), ("apply_to", "all")];

/// Pages for anybody, and one's own that name nobody.
pub(super) const OPEN: &[&str] = &[
    "/",
    "/account",
    "/account/authenticator",
    "/account/authenticator/confirm",
    "/account/authenticator/remove",
    "/account/email",
    "/account/email/confirm",
    "/account/passkeys",
    "/account/passkeys/new",
    "/account/passkeys/options",
    // Of whom they are is tested where they are made: there is no passkey without a device.
    "/account/passkeys/{id}/remove",
    "/account/password/remove",
    "/account/recovery-codes",
    "/account/sign-ins/end",
    "/account/sign-ins/{id}/end",
    "/account/tokens/new",
    "/branding/{file}",
    "/branding/{tenant}/{file}",
    "/console",
    "/forgot",
    "/forgot/reset",
    "/healthz",
    "/invitations/{token}",
    "/language",
    "/login",
    "/login/callback",
    "/login/code",
    "/login/passkey",
    "/login/passkey/options",
    "/login/with/{provider}",
    "/.well-known/jwks.json",
    "/.well-known/oauth-authorization-server",
    "/.well-known/openid-configuration",
    "/logout",
    "/metrics",
    "/oauth/authorize",
    "/oauth2/authorize",
    "/oauth2/consent",
    "/oauth2/introspect",
    "/oauth2/revoke",
    "/oauth2/token",
    "/oauth2/userInfo",
    "/readyz",
    "/signup",
    "/signup/confirm",
    "/signup/resend",
    "/static/{*file}",
];

pub(super) const OWN: &[Page] = &[
    both("/account/tokens/{token}/revoke", &[]),
    sent("/account/providers/{provider}/connect", &[]),
    sent("/account/providers/{provider}/disconnect", &[]),
];

/// What ends something comes last.
pub(super) const TENANT: &[Page] = &[
    shown("/t/{tenant}"),
    shown("/t/{tenant}/usage"),
    both(
        "/t/{tenant}/members",
        &[("email", "mallory@example.com"), ("role", "viewer")],
    ),
    sent("/t/{tenant}/invitations/{invitation}/resend", &[]),
    both(
        "/t/{tenant}/members/{member}",
        &[("role", "admin"), ("is_enabled", "on"), ("attributes", "")],
    ),
    both("/t/{tenant}/groups", &[("name", "Taken over")]),
    both("/t/{tenant}/groups/{group}", &[("name", "Taken over too")]),
    sent(
        "/t/{tenant}/members/{member}/groups",
        &[("group_id", "{group}")],
    ),
    sent(
        "/t/{tenant}/groups/{group}/members",
        &[("email", "viewing@example.com")],
    ),
    sent("/t/{tenant}/groups/{group}/members/{member}/remove", &[]),
    both("/t/{tenant}/branding", &[("name", "Taken over")]),
    sent("/t/{tenant}/branding/logo", &[]),
    sent("/t/{tenant}/branding/logo/remove", &[]),
    both("/t/{tenant}/settings", &[("name", "Taken over")]),
    shown("/t/{tenant}/keys"),
    both("/t/{tenant}/keys/new", &[("name", "mine"), NONCE]),
    both("/t/{tenant}/keys/{key}", &[("name", "Taken over")]),
    both("/t/{tenant}/keys/{key}/rotate", &[("grace", "0"), NONCE]),
    both("/t/{tenant}/plans", PLAN),
    both("/t/{tenant}/plans/{plan}/request", &[("message", "please")]),
    both("/t/{tenant}/plans/{plan}/switch", &[]),
    sent("/t/{tenant}/plans/requests/{subscription}/withdraw", &[]),
    both("/t/{tenant}/subscriptions/{subscription}/end", &[]),
    sent("/t/{tenant}/invitations/{invitation}/revoke", &[]),
    both("/t/{tenant}/keys/{key}/revoke", &[]),
    shown("/t/{tenant}/oauth-clients"),
    both("/t/{tenant}/oauth-clients/new", CLIENT),
    both("/t/{tenant}/oauth-clients/{client}", CLIENT),
    sent("/t/{tenant}/oauth-clients/{client}/secrets", &[NONCE]),
    sent(
        "/t/{tenant}/oauth-clients/{client}/secrets/{secret}/revoke",
        &[],
    ),
    both("/t/{tenant}/oauth-clients/{client}/delete", &[]),
    both("/t/{tenant}/groups/{group}/delete", &[]),
    both("/t/{tenant}/members/{member}/remove", &[]),
    shown("/t/{tenant}/identity-providers"),
    both("/t/{tenant}/identity-providers/new", PROVIDER),
    both("/t/{tenant}/identity-providers/{provider}", PROVIDER),
    both("/t/{tenant}/identity-providers/{provider}/delete", &[]),
    both("/t/{tenant}/domains", &[("domain", "taken.example")]),
    sent("/t/{tenant}/domains/{domain}/prove", &[]),
    both("/t/{tenant}/domains/{domain}/remove", &[]),
];

pub(super) const ADMIN: &[Page] = &[
    shown("/admin"),
    shown("/admin/audit"),
    shown("/admin/outbox"),
    shown("/admin/requests"),
    sent("/admin/tenants/{tenant}/domains/{domain}/confirm", &[]),
    shown("/admin/identity-providers"),
    both("/admin/identity-providers/new", PROVIDER),
    both("/admin/identity-providers/{provider}", PROVIDER),
    both("/admin/identity-providers/{provider}/delete", &[]),
    both("/admin/token-keys", &[("algorithm", "RS256")]),
    shown("/admin/tenants"),
    shown("/admin/tenants/{tenant}"),
    shown("/admin/tenants/{tenant}/export"),
    both("/admin/tenants/{tenant}/suspend", &[]),
    sent("/admin/tenants/{tenant}/resume", &[]),
    sent("/admin/tenants/{tenant}/subscriptions", PLAN),
    sent("/admin/tenants/{tenant}/subscriptions/{subscription}", PLAN),
    both(
        "/admin/tenants/{tenant}/subscriptions/{subscription}/cancel",
        &[],
    ),
    both("/admin/tenants/{tenant}/keys/{key}/revoke", &[]),
    shown("/admin/users"),
    both("/admin/users/new", &[("email", "mallory@example.com")]),
    both(
        "/admin/users/import",
        &[("people", "email\nmallory@example.com")],
    ),
    shown("/admin/users/{user}"),
    sent("/admin/users/{user}/unlock", &[]),
    sent("/admin/users/{user}/reset-password", &[]),
    sent("/admin/users/{user}/sign-out", &[]),
    sent("/admin/users/{user}/reset-second-step", &[]),
    both("/admin/users/{user}/disable", &[]),
    sent("/admin/users/{user}/enable", &[]),
    shown("/admin/plans"),
    both("/admin/plans/new", PLAN_TERMS),
    both("/admin/plans/{plan}", PLAN_TERMS),
    shown("/admin/apis"),
    both("/admin/apis/new", API),
    both("/admin/apis/{api}", API),
    both("/admin/apis/{api}/routes/new", ROUTE),
    both("/admin/apis/{api}/routes/{route}", ROUTE),
    shown("/admin/upstreams"),
    both("/admin/upstreams/new", UPSTREAM),
    both("/admin/upstreams/{upstream}", UPSTREAM),
    shown("/admin/nodes"),
    both(
        "/admin/nodes/enroll",
        &[("name", "mine"), ("uses", "1"), ("lifetime", "1h"), NONCE],
    ),
    sent("/admin/nodes/enroll-tokens/{token}/revoke", &[]),
    both("/admin/requests/{request}/decline", &[("reason", "no")]),
    both("/admin/requests/{request}/approve", &[]),
    both("/admin/nodes/{node}/revoke", &[]),
    both("/admin/plans/{plan}/retire", &[]),
    both("/admin/apis/{api}/routes/{route}/delete", &[]),
    both("/admin/apis/{api}/delete", &[]),
    both("/admin/upstreams/{upstream}/delete", &[]),
    both(
        "/admin/tenants/{tenant}/delete",
        &[("confirmation", "swept")],
    ),
];
