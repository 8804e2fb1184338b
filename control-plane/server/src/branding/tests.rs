//! Guarantees of how pages look on the way to a tenant's applications.

use std::io::Cursor;

use domain::id::{ClientId, TenantId};
use domain::oauth_client::{
    ClientKind, ClientName, ClientTerms, Grant, RedirectUri, Serves, SignUp,
};
use domain::role::Role;
use domain::token_key::SigningAlgorithm;
use image::{DynamicImage, ImageFormat};
use serde_json::json;
use uuid::Uuid;

use crate::testing::{Browser, Stack};

struct World {
    stack: Stack,
    tenant: TenantId,
    browser: Browser,
}

impl World {
    async fn new() -> Self {
        let stack = Stack::new().await;
        let tenant = stack.tenant("Northwind Freight").await;
        stack.member(tenant, "ada@example.com", Role::Owner).await;
        let browser = stack.browser_of("ada@example.com").await;
        Self {
            stack,
            tenant,
            browser,
        }
    }

    fn path(&self) -> String {
        format!("/t/{}/branding", self.tenant)
    }

    async fn token(&mut self) -> String {
        let shown = self.browser.get(&self.path()).await;
        assert_eq!(shown.status, 200, "{}", shown.body);
        shown.field("csrf_token").expect("a form").to_owned()
    }

    /// The path of a sign-in on the way to an application of the tenant.
    async fn login_path(&self) -> String {
        let terms = ClientTerms {
            name: ClientName::parse("Orders").expect("a name"),
            serves: Serves::OwnTenant,
            sign_up: SignUp::Nobody,
            sign_up_domains: Vec::new(),
            redirect_uris: vec![RedirectUri::parse("https://app.example.com/cb").expect("one")],
            logout_uris: Vec::new(),
            grants: vec![Grant::AuthorizationCode],
            scopes: Vec::new(),
            requires_pkce: false,
            signing_algorithm: SigningAlgorithm::Rs256,
            encrypts_access_tokens: false,
            access_token_seconds: 3600,
            id_token_seconds: 1800,
            refresh_token_seconds: 86_400,
            is_enabled: true,
        };
        let id = ClientId(Uuid::now_v7());
        let mut tx = self.stack.app.db.platform_tx().await.expect("begins");
        let new = (id, ClientKind::Public);
        store::oauth_clients::insert(&mut tx, self.tenant, new, &terms)
            .await
            .expect("a client");
        tx.commit().await.expect("commits");
        let request = format!(
            "/oauth2/authorize?client_id={id}&redirect_uri=https%3A%2F%2Fapp.example.com%2Fcb\
             &response_type=code"
        );
        let sent = self.stack.browser().get(&request).await;
        assert_eq!(sent.status, 303, "{}", sent.body);
        sent.location().to_owned()
    }
}

fn picture(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    DynamicImage::new_rgb8(width, height)
        .write_to(&mut bytes, ImageFormat::Png)
        .expect("encodes");
    bytes.into_inner()
}

#[tokio::test]
async fn sign_in_looks_as_the_applications_tenant_says_and_nobody_elses_does() {
    let mut world = World::new().await;
    let login = world.login_path().await;
    let plain = world.stack.browser().get(&login).await;
    assert!(!plain.body.contains("/branding/"));
    let fields = [
        ("name", "Northwind <b>"),
        ("accent", "#FFD400"),
        ("support_url", "https://northwind.example/help"),
    ];
    let path = world.path();
    let saved = world.browser.submit(&path, &fields).await;
    assert_eq!(saved.status, 303, "{}", saved.body);
    let token = world.token().await;
    let upload = [("csrf_token", token.as_str())];
    let saved = world
        .browser
        .upload(&format!("{path}/logo"), &upload, &picture(1024, 512))
        .await;
    assert_eq!(saved.status, 303, "{}", saved.body);

    let mut stranger = world.stack.browser();
    let shown = stranger.get(&login).await;
    assert!(shown.body.contains("Northwind &#60;b&#62;"));
    assert!(shown.body.contains("https://northwind.example/help"));
    let css = shown.between("<link rel=\"stylesheet\" href=\"/branding/", "\"");
    let css = stranger
        .get(&format!("/branding/{}", css.expect("a colour")))
        .await;
    assert_eq!(css.status, 200);
    assert!(css.header("content-type").starts_with("text/css"));
    assert!(css.body.contains("--accent: #ffd400;"), "{}", css.body);
    assert!(css.body.contains("--on-accent: #000000;"), "{}", css.body);
    let logo = shown.between("<img class=\"brand-logo\" src=\"", "\"");
    let logo = stranger.get(logo.expect("a logo")).await;
    assert_eq!(logo.status, 200);
    assert_eq!(logo.header("content-type"), "image/png");
    assert_eq!(logo.header("x-content-type-options"), "nosniff");
    assert!(logo.header("cache-control").contains("immutable"));
    for path in ["/login", "/signup", "/login?next=%2Faccount"] {
        let other = stranger.get(path).await;
        assert!(!other.body.contains("/branding/"), "{path}");
    }
    let refused = stranger
        .fill(
            &shown,
            "/login",
            &[("email", "a@b.example"), ("password", "x")],
        )
        .await;
    assert_eq!(refused.status, 422);
    assert!(refused.body.contains("Northwind &#60;b&#62;"));

    let program = world.stack.stranger();
    assert_eq!(
        program
            .get(&format!("/tenants/{}/branding", world.tenant))
            .await
            .status,
        401
    );
    let removed = [("csrf_token", token.as_str())];
    let removed = world
        .browser
        .post(&format!("{path}/logo/remove"), &removed)
        .await;
    assert_eq!(removed.status, 303, "{}", removed.body);
    let shown = stranger.get(&login).await;
    assert!(!shown.body.contains("brand-logo"));
}

#[tokio::test]
async fn a_form_with_a_file_is_taken_from_our_own_pages_only() {
    let mut world = World::new().await;
    let path = format!("{}/logo", world.path());
    let png = picture(8, 8);
    let without = world.browser.upload(&path, &[], &png).await;
    assert_eq!(without.status, 403, "{}", without.body);
    let wrong = [("csrf_token", "AAAA")];
    assert_eq!(world.browser.upload(&path, &wrong, &png).await.status, 403);
    let foreign = world.stack.browser().token().await;
    let foreign = [("csrf_token", foreign.as_str())];
    let refused = world.browser.upload(&path, &foreign, &png).await;
    assert_eq!(refused.status, 403);
    let token = world.token().await;
    let right = [("csrf_token", token.as_str())];
    for site in [Some("cross-site"), Some("same-site"), None] {
        world.browser.site = site;
        let refused = world.browser.upload(&path, &right, &png).await;
        assert_eq!(refused.status, 403, "{site:?}");
    }
    world.browser.site = Some("same-origin");
    assert_eq!(world.browser.upload(&path, &right, &png).await.status, 303);

    // The token of a file's form is no field of a file's content.
    let forged = format!("csrf_token={token}");
    let refused = world.browser.upload(&path, &[], forged.as_bytes()).await;
    assert_eq!(refused.status, 403);
}

#[tokio::test]
async fn what_is_no_picture_or_too_large_is_refused_with_a_reason() {
    let mut world = World::new().await;
    let path = format!("{}/logo", world.path());
    let token = world.token().await;
    let fields = [("csrf_token", token.as_str())];
    let svg = b"<svg xmlns=\"http://www.w3.org/2000/svg\" onload=\"alert(1)\"/>";
    for (file, reason) in [
        (svg.to_vec(), "Choose a PNG, JPEG or WebP picture."),
        (picture(2049, 4), "2048 pixels"),
        (vec![7; (1 << 20) + 1], "larger than 1 MiB"),
    ] {
        let seen = world.browser.upload(&path, &fields, &file).await;
        assert_eq!(seen.status, 422, "{reason}: {}", seen.body);
        assert!(seen.body.contains(reason), "{reason}");
    }
    let huge = vec![7; 2 << 20];
    let seen = world.browser.upload(&path, &fields, &huge).await;
    assert_eq!(seen.status, 413);
    // Strangers send nothing large.
    let mut stranger = world.stack.browser();
    let token = stranger.token().await;
    let fields = [("csrf_token", token.as_str())];
    let large = vec![7; 512 << 10];
    assert_eq!(stranger.upload("/login", &fields, &large).await.status, 413);
}

#[tokio::test]
async fn owners_and_admins_change_it_and_programs_replace_it_as_a_whole() {
    let world = World::new().await;
    let path = format!("/tenants/{}/branding", world.tenant);
    let admin = world
        .stack
        .member(world.tenant, "admin@example.com", Role::Admin)
        .await;
    let developer = world
        .stack
        .member(world.tenant, "dev@example.com", Role::Developer)
        .await;
    let admin = world.stack.program_of(admin, &[]).await;
    let developer = world.stack.program_of(developer, &[]).await;
    let put = http::Method::PUT;
    let body = json!({ "name": "Northwind", "accent": "4347C9" });
    let refused = developer
        .send(put.clone(), &path, &[], Some(body.clone()))
        .await;
    assert_eq!(refused.status, 403);
    let saved = admin.send(put.clone(), &path, &[], Some(body)).await;
    assert_eq!(saved.status, 200, "{}", saved.body);
    assert_eq!(saved.body["accent"], "#4347c9");
    let shown = developer.get(&path).await;
    assert_eq!(shown.body["name"], "Northwind");
    let tag = shown.headers["etag"].to_str().expect("ASCII").to_owned();

    let body = json!({ "terms_url": "https://northwind.example/terms" });
    let headers = [("if-match", tag.as_str())];
    let saved = admin
        .send(put.clone(), &path, &headers, Some(body.clone()))
        .await;
    assert_eq!(saved.status, 200, "{}", saved.body);
    assert!(saved.body["name"].is_null(), "{}", saved.body);
    let late = admin.send(put.clone(), &path, &headers, Some(body)).await;
    assert_eq!(late.status, 412);

    let wrong = json!({ "accent": "red", "support_url": "javascript:alert(1)" });
    let refused = admin.send(put, &path, &[], Some(wrong)).await;
    assert_eq!(refused.status, 422, "{}", refused.body);
    let errors = refused.body["errors"].as_array().expect("a list");
    let at: Vec<&str> = errors
        .iter()
        .filter_map(|one| one["pointer"].as_str())
        .collect();
    assert_eq!(at, ["/accent", "/support_url"]);
}
