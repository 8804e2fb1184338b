//! Guarantees about invitations.

use domain::id::TenantId;
use domain::role::Role;
use serde_json::json;

use crate::testing::{Program, Stack};

const EMAIL: &str = "grace@example.com";
const PASSWORD: &str = "a sentence that nobody guesses";

struct World {
    stack: Stack,
    tenant: TenantId,
    owner: Program,
}

impl World {
    async fn new() -> Self {
        let stack = Stack::new().await;
        let tenant = stack.tenant("Northwind").await;
        let owner = stack.member(tenant, "owner@example.com", Role::Owner).await;
        let owner = stack.program_of(owner, &[]).await;
        Self {
            stack,
            tenant,
            owner,
        }
    }

    fn list(&self) -> String {
        format!("/tenants/{}/invitations", self.tenant)
    }

    /// Invites; the path of the link that was mailed.
    async fn invite(&self, email: &str, role: &str) -> String {
        let input = json!({"email": email, "role": role});
        let made = self.owner.post(&self.list(), input).await;
        assert_eq!(made.status, 201, "{}", made.body);
        assert!(!made.body.to_string().contains("hash"), "{}", made.body);
        self.link(email).await
    }

    /// The path of the link that was mailed last.
    async fn link(&self, email: &str) -> String {
        let mails = self.stack.mails_to(email).await;
        let (_, body) = mails.first().expect("a mail");
        let rest = body.split("/invitations/").nth(1).expect("a link");
        let token = rest.split_whitespace().next().expect("a token");
        format!("/invitations/{token}")
    }

    /// The role of the member with this address.
    async fn role(&self, email: &str) -> Option<String> {
        let list = format!("/tenants/{}/members", self.tenant);
        let list = self.owner.get(&list).await;
        let found = list.body["items"].as_array().expect("a list");
        let found = found.iter().find(|one| one["email"] == email)?;
        found["role"].as_str().map(str::to_owned)
    }
}

const NEWCOMER: &[(&str, &str)] = &[("name", "Grace"), ("password", PASSWORD)];

#[tokio::test]
async fn somebody_new_sets_name_and_password_and_is_a_member() {
    let world = World::new().await;
    let link = world.invite(EMAIL, "developer").await;
    let mut browser = world.stack.browser();
    let shown = browser.get(&link).await;
    assert_eq!(shown.status, 200, "{}", shown.body);
    assert!(shown.body.contains("Northwind") && shown.body.contains("Developer"));
    assert!(!shown.body.contains("owner@example.com"));
    assert_eq!(world.role(EMAIL).await, None, "looking changes nothing");

    let short = [("name", "Grace"), ("password", "short")];
    assert_eq!(browser.submit(&link, &short).await.status, 422);
    let joined = browser.submit(&link, NEWCOMER).await;
    let home = format!("/t/{}", world.tenant);
    assert_eq!((joined.status, joined.location()), (303, home.as_str()));
    assert_eq!(browser.get(&home).await.status, 200);
    assert_eq!(world.role(EMAIL).await.as_deref(), Some("developer"));
    assert_eq!(browser.get(&link).await.status, 404, "a link works once");
}

#[tokio::test]
async fn a_link_that_is_wrong_used_withdrawn_replaced_or_old_gets_one_answer() {
    let world = World::new().await;
    let mut browser = world.stack.browser();
    let wrong = browser.get("/invitations/0a0b").await;
    assert_eq!(wrong.status, 404);
    let text = "This invitation is not open";
    assert!(wrong.body.contains(text), "{}", wrong.body);

    let withdrawn = world.invite("a@example.com", "viewer").await;
    let list = world.owner.get(&world.list()).await;
    let id = list.body["items"][0]["id"].as_str().expect("an id");
    let gone = world.owner.delete(&format!("{}/{id}", world.list())).await;
    assert_eq!(gone.status, 204, "{}", gone.body);

    let used = world.invite("b@example.com", "viewer").await;
    let joined = world.stack.browser().submit(&used, NEWCOMER).await;
    assert_eq!(joined.status, 303, "{}", joined.body);

    let old = world.invite("c@example.com", "viewer").await;
    let replaced = world.invite("d@example.com", "viewer").await;
    let mut tx = world.stack.app.db.platform_tx().await.expect("begins");
    let now = crate::clock::Now::read().0;
    let open = store::invitations::list(&mut tx, world.tenant, None, 9).await;
    for one in open.expect("reads") {
        let (hash, expires_at) = match one.email.as_str() {
            "c@example.com" => {
                let token = old.rsplit('/').next().expect("a token");
                let token = domain::invitation::InvitationToken::presented(token);
                (token.hash(), now)
            }
            _ => ([7; 32], now + time::Duration::DAY),
        };
        let renewal = store::invitations::Renewal {
            hash,
            invited_by: None,
            expires_at,
        };
        let at = (world.tenant, one.id);
        let renewed = store::invitations::renew(&mut tx, at, &renewal, now).await;
        renewed.expect("renews");
    }
    tx.commit().await.expect("commits");
    for link in [withdrawn, used, old, replaced] {
        let seen = world.stack.browser().get(&link).await;
        assert_eq!(seen.status, 404, "{link}");
        assert!(seen.body.contains(text), "{}", seen.body);
        let sent = browser.post(&link, NEWCOMER).await;
        assert_ne!(sent.status, 303, "{}", sent.body);
    }
}

#[tokio::test]
async fn who_has_an_account_signs_in_and_comes_back_to_accept() {
    let world = World::new().await;
    world.stack.person(EMAIL, None).await;
    let link = world.invite(EMAIL, "user").await;
    let mut browser = world.stack.browser();
    let shown = browser.get(&link).await;
    assert!(shown.body.contains(&format!("/login?next={link}")));
    let refused = browser.submit(&link, NEWCOMER).await;
    assert_eq!(refused.status, 422, "{}", refused.body);

    let mut other = world.stack.browser_of("owner@example.com").await;
    let shown = other.get(&link).await;
    assert!(shown.body.contains("went to another address"));
    let refused = other.submit(&link, &[]).await;
    assert_eq!(refused.status, 422, "{}", refused.body);
    assert!(!refused.body.contains(EMAIL), "{}", refused.body);
    let out = other.fill(&shown, "/logout", &[]).await;
    assert_eq!((out.status, out.location()), (303, link.as_str()));
    let shown = other.get(&link).await;
    assert!(shown.body.contains("Create account and join"));

    let fields = [
        ("email", EMAIL),
        ("password", crate::testing::PASSWORD),
        ("next", link.as_str()),
    ];
    let signed_in = browser.submit("/login", &fields).await;
    assert_eq!(signed_in.location(), link, "{}", signed_in.body);
    let joined = browser.submit(&link, &[]).await;
    assert_eq!((joined.status, joined.location()), (303, "/account"));
    assert_eq!(world.role(EMAIL).await.as_deref(), Some("user"));
}

#[tokio::test]
async fn an_address_is_invited_once_and_members_are_not() {
    let world = World::new().await;
    world.invite(EMAIL, "viewer").await;
    let again = json!({"email": EMAIL, "role": "admin"});
    let again = world.owner.post(&world.list(), again).await;
    assert_eq!((again.status, again.code()), (409, "already_invited"));
    let member = json!({"email": "owner@example.com", "role": "admin"});
    let member = world.owner.post(&world.list(), member).await;
    assert_eq!((member.status, member.code()), (409, "already_member"));
    let list = world.owner.get(&world.list()).await;
    let id = list.body["items"][0]["id"].as_str().expect("an id");
    let resend = format!("{}/{id}/resend", world.list());
    let soon = world.owner.post(&resend, json!({})).await;
    assert_eq!((soon.status, soon.code()), (409, "sent_just_now"));
}

#[tokio::test]
async fn only_owners_invite_owners() {
    let world = World::new().await;
    let admin = world
        .stack
        .member(world.tenant, "admin@example.com", Role::Admin)
        .await;
    let admin = world.stack.program_of(admin, &[]).await;
    let owner = json!({"email": EMAIL, "role": "owner"});
    let refused = admin.post(&world.list(), owner).await;
    assert_eq!(refused.status, 403, "{}", refused.body);
    let mut browser = world.stack.browser_of("admin@example.com").await;
    let page = format!("/t/{}/members", world.tenant);
    let shown = browser.get(&page).await;
    assert!(!shown.body.contains("value=\"owner\""), "{}", shown.body);
    let fields = [("email", EMAIL), ("role", "admin")];
    let invited = browser.submit(&page, &fields).await;
    assert_eq!(invited.status, 303, "{}", invited.body);
    assert!(browser.get(&page).await.body.contains(EMAIL));
    world.link(EMAIL).await;
}

#[tokio::test]
async fn an_admin_does_not_withdraw_what_only_owners_invite_to() {
    let world = World::new().await;
    world.invite(EMAIL, "owner").await;
    let stack = &world.stack;
    let admin = stack
        .member(world.tenant, "admin@example.com", Role::Admin)
        .await;
    let admin = stack.program_of(admin, &[]).await;
    let list = admin.get(&world.list()).await;
    let id = list.body["items"][0]["id"].as_str().expect("an id");
    let one = format!("{}/{id}", world.list());
    let refused = admin.delete(&one).await;
    assert_eq!(refused.status, 403, "{}", refused.body);
    let page = format!("/t/{}/members", world.tenant);
    let mut browser = stack.browser_of("admin@example.com").await;
    let shown = browser.get(&page).await;
    assert!(shown.body.contains(EMAIL) && !shown.body.contains("Withdraw"));
    assert_eq!(world.owner.delete(&one).await.status, 204);
}

#[tokio::test]
async fn nobody_leaves_a_way_in_behind_who_may_not_invite_any_more() {
    let world = World::new().await;
    let stack = &world.stack;
    let members = format!("/tenants/{}/members", world.tenant);
    for (role, change) in [
        ("owner", Some(json!({"role": "admin"}))),
        ("owner", Some(json!({"status": "disabled"}))),
        ("owner", None),
        ("viewer", Some(json!({"role": "developer"}))),
    ] {
        let unique = uuid::Uuid::now_v7().simple().to_string();
        let (bob, mallory) = (
            format!("bob-{unique}@example.com"),
            format!("mallory-{unique}@example.com"),
        );
        let user = stack.member(world.tenant, &bob, Role::Owner).await;
        let theirs = stack.program_of(user, &[]).await;
        let input = json!({"email": mallory, "role": role});
        let made = theirs.post(&world.list(), input).await;
        assert_eq!(made.status, 201, "{}", made.body);
        let link = world.link(&mallory).await;
        assert_eq!(stack.browser().get(&link).await.status, 200);
        let list = world.owner.get(&members).await;
        let found = list.body["items"].as_array().expect("a list");
        let found = found.iter().find(|one| one["email"] == *bob);
        let id = found.expect("a member")["id"].as_str().expect("an id");
        let path = format!("{members}/{id}");
        let done = match change.clone() {
            Some(change) => world.owner.patch(&path, change).await,
            None => world.owner.delete(&path).await,
        };
        assert!([200, 204].contains(&done.status), "{}", done.body);
        let mut browser = stack.browser();
        assert_eq!(browser.get(&link).await.status, 404, "{change:?}");
        let token = browser.token().await;
        let mut fields = NEWCOMER.to_vec();
        fields.push(("csrf_token", &token));
        assert_eq!(browser.post(&link, &fields).await.status, 404);
        assert_eq!(world.role(&mallory).await, None);
    }
}

#[tokio::test]
async fn invitations_that_ran_out_long_ago_are_cleared() {
    let world = World::new().await;
    world.invite(EMAIL, "viewer").await;
    for (days, left) in [(8, 1), (40, 0)] {
        let now = crate::clock::Now::read().0 + time::Duration::days(days);
        crate::upkeep::once(&world.stack.app, now)
            .await
            .expect("keeps up");
        let list = world.owner.get(&world.list()).await;
        let items = list.body["items"].as_array().expect("a list");
        assert_eq!(items.len(), left, "after {days} days");
    }
}

#[tokio::test]
async fn an_invitation_of_somebody_who_is_disabled_everywhere_opens_nothing() {
    let world = World::new().await;
    let bob = world
        .stack
        .member(world.tenant, "bob@example.com", Role::Owner)
        .await;
    let theirs = world.stack.program_of(bob, &[]).await;
    let input = json!({"email": EMAIL, "role": "viewer"});
    let made = theirs.post(&world.list(), input).await;
    assert_eq!(made.status, 201, "{}", made.body);
    let link = world.link(EMAIL).await;
    assert_eq!(world.stack.browser().get(&link).await.status, 200);
    let mut tx = world.stack.app.db.platform_tx().await.expect("begins");
    let now = crate::clock::Now::read().0;
    let disabled = store::users::disable(&mut tx, bob, now).await;
    disabled.expect("is disabled");
    tx.commit().await.expect("commits");
    assert_eq!(world.stack.browser().get(&link).await.status, 404);
}
