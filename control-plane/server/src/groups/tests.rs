//! Guarantees about groups.

use domain::role::Role;
use serde_json::json;

use crate::testing::Stack;

#[tokio::test]
async fn groups_hold_members_of_their_own_tenant_and_names_are_used_once() {
    let stack = Stack::new().await;
    let tenant = stack.tenant("Northwind").await;
    let other = stack.tenant("Contoso").await;
    let owner = stack.member(tenant, "owner@example.com", Role::Owner).await;
    let ada = stack.member(tenant, "ada@example.com", Role::User).await;
    stack.member(other, "eve@example.com", Role::Owner).await;
    let (mut ids, mut tx) = (
        Vec::new(),
        stack.app.db.platform_tx().await.expect("begins"),
    );
    for tenant in [tenant, other] {
        let list = store::members::list(&mut tx, tenant, None, 9).await;
        ids.push(list.expect("reads").pop().expect("a member").id);
    }
    tx.commit().await.expect("commits");
    let [member, stranger] = [ids[0], ids[1]];

    let program = stack.program_of(owner, &[]).await;
    let groups = format!("/tenants/{tenant}/groups");
    let made = program.post(&groups, json!({"name": "Drivers"})).await;
    assert_eq!(made.status, 201, "{}", made.body);
    let group = format!("{groups}/{}", made.body["id"].as_str().expect("an id"));
    let again = program.post(&groups, json!({"name": "drivers"})).await;
    assert_eq!((again.status, again.code()), (409, "name_taken"));
    for name in [String::new(), "x".repeat(101)] {
        let wrong = program.post(&groups, json!({"name": name})).await;
        assert_eq!(wrong.status, 422, "{}", wrong.body);
    }

    for _ in 0..2 {
        let path = format!("{group}/members/{member}");
        let added = program.send(http::Method::PUT, &path, &[], None).await;
        assert_eq!(added.status, 204, "{}", added.body);
    }
    let path = format!("{group}/members/{stranger}");
    let refused = program.send(http::Method::PUT, &path, &[], None).await;
    assert_eq!(refused.status, 404, "{}", refused.body);
    let list = program.get(&format!("{group}/members")).await;
    assert_eq!(list.body["items"][0]["email"], "ada@example.com");
    assert_eq!(list.body["items"].as_array().map(Vec::len), Some(1));

    let renamed = program.patch(&group, json!({"name": "Couriers"})).await;
    assert_eq!(
        (renamed.status, renamed.body["members"].as_u64()),
        (200, Some(1))
    );
    let mut tx = stack.app.db.platform_tx().await.expect("begins");
    let holder = store::oauth_grants::find_holder(&mut tx, tenant, ada).await;
    let holder = holder.expect("reads").expect("a member");
    assert_eq!(holder.groups, ["Couriers"]);
    tx.commit().await.expect("commits");
    let removed = program.delete(&format!("{group}/members/{member}")).await;
    assert_eq!(removed.status, 204, "{}", removed.body);
    assert_eq!(program.delete(&group).await.status, 204);
    assert_eq!(program.get(&group).await.status, 404);
}

#[tokio::test]
async fn groups_are_kept_on_pages() {
    let stack = Stack::new().await;
    let tenant = stack.tenant("Northwind").await;
    stack.member(tenant, "owner@example.com", Role::Owner).await;
    stack.member(tenant, "ada@example.com", Role::User).await;
    let mut browser = stack.browser_of("owner@example.com").await;
    let list = format!("/t/{tenant}/groups");
    let made = browser.submit(&list, &[("name", "Drivers")]).await;
    assert_eq!(made.status, 303, "{}", made.body);
    let group = made.location().to_owned();
    let again = browser.submit(&list, &[("name", "drivers")]).await;
    assert_eq!(again.status, 422);
    assert!(again.body.contains("f-name-error"), "{}", again.body);

    let shown = browser.get(&group).await;
    let members = format!("{group}/members");
    let email = [("email", "nobody@example.com")];
    let wrong = browser.fill(&shown, &members, &email).await;
    assert_eq!(wrong.status, 422);
    assert!(wrong.body.contains("No member of this tenant"));
    let email = [("email", " Ada@example.com ")];
    let added = browser.fill(&shown, &members, &email).await;
    assert_eq!(added.location(), group, "{}", added.body);
    let shown = browser.get(&group).await;
    assert!(shown.body.contains("1 person in this group"));

    let stale = browser.fill(&shown, &group, &[("name", "Couriers")]).await;
    assert_eq!(stale.location(), group, "{}", stale.body);
    let stale = browser.fill(&shown, &group, &[("name", "Pilots")]).await;
    assert_eq!(stale.status, 412);
    assert!(stale.body.contains("Saved now:</span> Couriers"));

    let remove = shown.between("action=\"", "/remove\"").expect("a form");
    let remove = remove.rsplit("action=\"").next().expect("a path");
    let remove = format!("{remove}/remove");
    let out = browser.fill(&shown, &remove, &[]).await;
    assert_eq!(out.location(), group, "{}", out.body);
    let shown = browser.get(&group).await;
    assert!(shown.body.contains("Nobody in this group"));
    let gone = browser.submit(&format!("{group}/delete"), &[]).await;
    assert_eq!(gone.location(), list, "{}", gone.body);
    assert!(browser.get(&list).await.body.contains("No groups yet"));
}
