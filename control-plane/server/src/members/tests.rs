//! Guarantees about the people of a tenant.

use domain::id::{TenantId, UserId};
use domain::member::{Attributes, MemberStatus, Standing};
use domain::role::Role;
use serde_json::{Value, json};
use time::Duration;

use crate::clock::Now;
use crate::testing::{Program, Stack};

/// A tenant with an owner, whose program this is, and somebody in another role.
async fn tenant(stack: &Stack, role: Role) -> (TenantId, Program, UserId) {
    let tenant = stack.tenant("Northwind").await;
    let owner = stack.member(tenant, "owner@example.com", Role::Owner).await;
    let other = stack.member(tenant, "ada@example.com", role).await;
    let program = stack.program_of(owner, &[]).await;
    (tenant, program, other)
}

/// The path of the member with this address.
async fn member(program: &Program, tenant: TenantId, email: &str) -> String {
    let list = program.get(&format!("/tenants/{tenant}/members")).await;
    let found = list.body["items"].as_array().expect("a list");
    let found = found.iter().find(|one| one["email"] == email);
    let id = found.expect("a member")["id"].as_str().expect("an id");
    format!("/tenants/{tenant}/members/{id}")
}

#[tokio::test]
async fn a_disabled_member_comes_in_neither_by_page_nor_by_program() {
    let stack = Stack::new().await;
    let (tenant, owner, ada) = tenant(&stack, Role::Admin).await;
    let theirs = stack.program_of(ada, &[]).await;
    let mut browser = stack.browser_of("ada@example.com").await;
    let home = format!("/t/{tenant}");
    assert_eq!(browser.get(&home).await.status, 200);

    let path = member(&owner, tenant, "ada@example.com").await;
    let disabled = owner.patch(&path, json!({"status": "disabled"})).await;
    assert_eq!(disabled.status, 200, "{}", disabled.body);
    assert_eq!(disabled.body["status"], "disabled");
    assert_eq!(browser.get(&home).await.status, 404);
    let list = format!("/tenants/{tenant}/members");
    assert_eq!(theirs.get(&list).await.status, 404);
    assert_eq!(theirs.get("/account").await.body["tenants"], json!([]));

    let enabled = owner.patch(&path, json!({"status": "active"})).await;
    assert_eq!(enabled.status, 200, "{}", enabled.body);
    assert_eq!(browser.get(&home).await.status, 200);
    assert_eq!(theirs.get(&list).await.status, 200);
}

#[tokio::test]
async fn the_last_owner_who_can_come_in_is_neither_disabled_nor_removed() {
    let stack = Stack::new().await;
    let (tenant, owner, _) = tenant(&stack, Role::Owner).await;
    let ada = member(&owner, tenant, "ada@example.com").await;
    let own = member(&owner, tenant, "owner@example.com").await;
    let disabled = owner.patch(&ada, json!({"status": "disabled"})).await;
    assert_eq!(disabled.status, 200, "{}", disabled.body);
    for change in [json!({"status": "disabled"}), json!({"role": "admin"})] {
        let refused = owner.patch(&own, change).await;
        assert_eq!((refused.status, refused.code()), (409, "last_owner"));
    }
    let refused = owner.delete(&own).await;
    assert_eq!((refused.status, refused.code()), (409, "last_owner"));
    assert_eq!(owner.delete(&ada).await.status, 204);
}

#[tokio::test]
async fn an_admin_neither_makes_owners_nor_disables_them() {
    let stack = Stack::new().await;
    let (tenant, owner, ada) = tenant(&stack, Role::Admin).await;
    let admin = stack.program_of(ada, &[]).await;
    let boss = member(&owner, tenant, "owner@example.com").await;
    let own = member(&owner, tenant, "ada@example.com").await;
    let refused = admin.patch(&boss, json!({"status": "disabled"})).await;
    assert_eq!(refused.status, 403, "{}", refused.body);
    let refused = admin.patch(&own, json!({"role": "owner"})).await;
    assert_eq!(refused.status, 403, "{}", refused.body);
}

/// Whether nodes are told to refuse what was issued to the person for the tenant a minute ago.
async fn is_cut_off(stack: &Stack, tenant: TenantId, user: UserId) -> bool {
    let mut tx = stack.app.db.platform_tx().await.expect("begins");
    let token = store::revocations::TokenOf {
        jti: uuid::Uuid::now_v7(),
        grant: uuid::Uuid::now_v7(),
        tenant,
        client: uuid::Uuid::now_v7().into(),
        user: Some(user),
        issued_at_s: (Now::read().0 - Duration::MINUTE).unix_timestamp(),
    };
    store::revocations::covers(&mut tx, &token)
        .await
        .expect("reads")
}

#[tokio::test]
async fn tokens_of_who_loses_something_end_and_those_of_others_go_on() {
    let stack = Stack::new().await;
    for (change, expected) in [
        (Some(json!({"role": "owner"})), false),
        (Some(json!({"attributes": {"team": "east"}})), false),
        (Some(json!({"role": "viewer"})), true),
        (Some(json!({"status": "disabled"})), true),
        (None, true),
    ] {
        let tenant = stack.tenant("Northwind").await;
        let email = format!("{tenant}@example.com");
        let owner = stack
            .member(tenant, &format!("o-{email}"), Role::Owner)
            .await;
        let ada = stack.member(tenant, &email, Role::Admin).await;
        let owner = stack.program_of(owner, &[]).await;
        let path = member(&owner, tenant, &email).await;
        let done = match change.clone() {
            Some(change) => owner.patch(&path, change).await,
            None => owner.delete(&path).await,
        };
        assert!([200, 204].contains(&done.status), "{}", done.body);
        let found = is_cut_off(&stack, tenant, ada).await;
        assert_eq!(found, expected, "{change:?}");
    }
}

#[tokio::test]
async fn who_waits_for_the_tenant_cuts_off_what_was_issued_meanwhile() {
    let stack = Stack::new().await;
    for is_removed in [false, true] {
        let tenant = stack.tenant("Northwind").await;
        let email = format!("{tenant}@example.com");
        let ada = stack.member(tenant, &email, Role::Admin).await;
        let mut tx = stack.app.db.platform_tx().await.expect("begins");
        let found = store::members::find_by_user(&mut tx, tenant, ada).await;
        let id = found.expect("reads").expect("a member").id;
        let authority = crate::authority::Authority::system();
        // As if the lock had been had ten minutes after the request began.
        let began = Now(Now::read().0 - Duration::minutes(10));
        let at = (tenant, id);
        if is_removed {
            let done = super::remove(&authority, &mut tx, at, began).await;
            done.expect("is taken out");
        } else {
            let edit = super::MemberEdit {
                standing: Standing {
                    role: Role::User,
                    status: MemberStatus::Active,
                },
                attributes: Attributes::default(),
            };
            let done = super::update(&authority, &mut tx, at, (edit, None), began).await;
            done.expect("is changed");
        }
        tx.commit().await.expect("commits");
        assert!(is_cut_off(&stack, tenant, ada).await, "{is_removed}");
    }
}

#[tokio::test]
async fn a_token_that_says_the_old_role_is_finished_before_the_role_changes() {
    let stack = Stack::new().await;
    let tenant = stack.tenant("Northwind").await;
    let ada = stack.member(tenant, "ada@example.com", Role::Admin).await;
    let mut issuing = stack.app.db.platform_tx().await.expect("begins");
    let found = store::members::find_by_user(&mut issuing, tenant, ada).await;
    let id = found.expect("reads").expect("a member").id;
    let holder = store::oauth_grants::find_holder(&mut issuing, tenant, ada).await;
    assert_eq!(holder.expect("reads").expect("a member").role, Role::Admin);
    let app = stack.app.clone();
    let demotion = tokio::spawn(async move {
        let mut tx = app.db.platform_tx().await.expect("begins");
        let to = Standing {
            role: Role::User,
            status: MemberStatus::Active,
        };
        let now = Now::read().0;
        let held = store::members::hold(&mut tx, (tenant, id), Some(to), None, now).await;
        let at = Now::read();
        let (held, none) = (held.expect("holds"), Attributes::default());
        let edited = store::members::update(&mut tx, held, &none, at.0).await;
        edited.expect("changes");
        tx.commit().await.expect("commits");
        at
    });
    store::testing::until_somebody_waits(&stack.app.db).await;
    let issued_at = Now::read();
    issuing.commit().await.expect("commits");
    assert!(demotion.await.expect("no panic") >= issued_at);
    let mut tx = stack.app.db.platform_tx().await.expect("begins");
    let holder = store::oauth_grants::find_holder(&mut tx, tenant, ada).await;
    assert_eq!(holder.expect("reads").expect("a member").role, Role::User);
}

#[tokio::test]
async fn attributes_are_merged_checked_and_kept_out_of_the_audit_log() {
    let stack = Stack::new().await;
    let (tenant, owner, _) = tenant(&stack, Role::User).await;
    let path = member(&owner, tenant, "ada@example.com").await;
    let first = json!({"attributes": {"team": "east", "phone": "+44 1"}});
    let set = owner.patch(&path, first).await;
    assert_eq!(set.status, 200, "{}", set.body);
    let next = json!({"attributes": {"team": "west", "phone": null}});
    let set = owner.patch(&path, next).await;
    assert_eq!(set.body["attributes"], json!({"team": "west"}));
    let wrong = owner
        .patch(&path, json!({"attributes": {"Team": "x"}}))
        .await;
    assert_eq!(wrong.status, 422, "{}", wrong.body);
    assert_eq!(wrong.body["errors"][0]["code"], "invalid_name");
    let events = owner.get(&format!("/tenants/{tenant}/audit-events")).await;
    let Value::Object(body) = &events.body else {
        panic!("{}", events.body);
    };
    let text = json!(body).to_string();
    assert!(text.contains("members.update"), "{text}");
    assert!(!text.contains("west") && !text.contains("+44"), "{text}");
}

#[tokio::test]
async fn who_only_uses_applications_has_no_console() {
    let stack = Stack::new().await;
    let (tenant, _, ada) = tenant(&stack, Role::User).await;
    let mut browser = stack.browser_of("ada@example.com").await;
    assert_eq!(browser.get(&format!("/t/{tenant}")).await.status, 404);
    let console = browser.get("/console").await;
    assert_eq!((console.status, console.location()), (303, "/account"));
    let account = browser.get("/account").await;
    assert!(account.body.contains("there is no console for it"));
    let theirs = stack.program_of(ada, &[]).await;
    let refused = theirs.get(&format!("/tenants/{tenant}/members")).await;
    assert_eq!(refused.status, 403, "{}", refused.body);
}

#[tokio::test]
async fn a_member_is_changed_grouped_and_taken_out_on_their_page() {
    let stack = Stack::new().await;
    let (tenant, owner, _) = tenant(&stack, Role::Admin).await;
    let id = member(&owner, tenant, "ada@example.com").await;
    let own = member(&owner, tenant, "owner@example.com").await;
    let page = |path: &str| path.replace("/tenants/", "/t/");
    let (ada, boss) = (page(&id), page(&own));
    let mut browser = stack.browser_of("owner@example.com").await;
    assert!(
        browser
            .get(&format!("/t/{tenant}/members"))
            .await
            .body
            .contains(&ada)
    );

    let fields = [
        ("role", "developer"),
        ("is_enabled", "on"),
        ("attributes", "team=east\r\nnote=a\\nb"),
    ];
    let shown = browser.get(&ada).await;
    let saved = browser.fill(&shown, &ada, &fields).await;
    assert_eq!(saved.location(), ada, "{}", saved.body);
    let now = owner.get(&id).await.body;
    assert_eq!(now["role"], "developer");
    assert_eq!(now["attributes"], json!({"team": "east", "note": "a\nb"}));
    let stale = browser.fill(&shown, &ada, &fields).await;
    assert_eq!(stale.status, 412, "edited meanwhile");
    let wrong = [
        ("role", "developer"),
        ("is_enabled", "on"),
        ("attributes", "Team=east"),
    ];
    let wrong = browser.submit(&ada, &wrong).await;
    assert_eq!(wrong.status, 422);
    assert!(wrong.body.contains("f-attributes-error"), "{}", wrong.body);
    let alone = browser.submit(&boss, &[("role", "viewer")]).await;
    assert_eq!(alone.status, 422, "{}", alone.body);

    let group = json!({"name": "Drivers"});
    let group = owner
        .post(&format!("/tenants/{tenant}/groups"), group)
        .await;
    let group = group.body["id"].as_str().expect("an id").to_owned();
    let shown = browser.get(&ada).await;
    let fields = [("group_id", group.as_str())];
    let put = browser
        .fill(&shown, &format!("{ada}/groups"), &fields)
        .await;
    assert_eq!(put.location(), ada, "{}", put.body);
    let shown = browser.get(&ada).await;
    let remove = format!(
        "/t/{tenant}/groups/{group}/members/{}/remove",
        ada.rsplit('/').next().expect("an id")
    );
    assert!(shown.body.contains(&remove), "{}", shown.body);
    let out = browser.fill(&shown, &remove, &[("next", &ada)]).await;
    assert_eq!(out.location(), ada);
    let evil = browser.fill(&shown, &remove, &[("next", "//evil.example")]);
    assert_ne!(evil.await.location(), "//evil.example");

    // An admin looks at an owner and changes nothing.
    let changed = owner.patch(&id, json!({"role": "admin"})).await;
    assert_eq!(changed.status, 200, "{}", changed.body);
    let mut admin = stack.browser_of("ada@example.com").await;
    let shown = admin.get(&boss).await;
    assert!(shown.body.contains("owners are changed by owners"));
    let token = admin.token().await;
    let fields = [("csrf_token", token.as_str()), ("role", "viewer")];
    assert_eq!(admin.post(&boss, &fields).await.status, 403);
    let fields = [("csrf_token", token.as_str())];
    let remove = format!("{boss}/remove");
    assert_eq!(admin.post(&remove, &fields).await.status, 403);

    let gone = browser.submit(&format!("{ada}/remove"), &[]).await;
    assert_eq!(gone.location(), format!("/t/{tenant}/members"));
    assert_eq!(owner.get(&id).await.status, 404);
}
