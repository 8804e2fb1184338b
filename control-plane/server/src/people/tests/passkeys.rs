//! Guarantees of passkeys that need no device; the rest is shown by a browser with one.

use domain::passkey::PasskeyName;
use serde_json::json;
use store::passkeys::NewPasskey;
use uuid::Uuid;

use super::EMAIL;
use crate::testing::{PASSWORD, Stack};

async fn keep_passkey(stack: &Stack, user: domain::id::UserId) -> Uuid {
    let mut tx = stack.app.db.platform_tx().await.expect("begins");
    let id = Uuid::now_v7();
    let new = NewPasskey {
        id,
        user,
        credential_id: id.as_bytes(),
        name: &PasskeyName::parse("Phone").expect("a name"),
        credential: &json!({}),
    };
    store::passkeys::insert(&mut tx, &new).await.expect("kept");
    tx.commit().await.expect("commits");
    id
}

#[tokio::test]
async fn nobody_sees_or_removes_passkeys_of_others() {
    let stack = Stack::new().await;
    let ada = stack.person(EMAIL, None).await;
    stack.person("eve@example.com", None).await;
    let id = keep_passkey(&stack, ada).await;
    let path = format!("/account/passkeys/{id}/remove");
    let mut eve = stack.browser_of("eve@example.com").await;
    assert_eq!(eve.get(&path).await.status, 404);
    let page = eve.get("/account").await;
    assert_eq!(eve.fill(&page, &path, &[]).await.status, 404);
    let mut owner = stack.browser_of(EMAIL).await;
    assert_eq!(owner.submit(&path, &[]).await.location(), "/account");
    assert_eq!(owner.get(&path).await.status, 404, "it is gone");
}

#[tokio::test]
async fn a_password_is_taken_away_only_from_who_has_another_way_in() {
    let stack = Stack::new().await;
    let ada = stack.person(EMAIL, None).await;
    let mut browser = stack.browser_of(EMAIL).await;
    let mut elsewhere = stack.browser_of(EMAIL).await;
    let refused = browser.submit("/account/password/remove", &[]).await;
    assert_eq!(refused.status, 422);
    let id = keep_passkey(&stack, ada).await;
    let done = browser.submit("/account/password/remove", &[]).await;
    assert_eq!(done.location(), "/account", "{}", done.body);
    assert_eq!(browser.get("/account").await.status, 200);
    assert!(
        elsewhere
            .get("/account")
            .await
            .location()
            .starts_with("/login")
    );
    let fields = [("email", EMAIL), ("password", PASSWORD)];
    assert_eq!(stack.browser().submit("/login", &fields).await.status, 422);
    // Now the passkey is the last way in.
    let path = format!("/account/passkeys/{id}/remove");
    assert_eq!(browser.submit(&path, &[]).await.status, 422);
}

#[tokio::test]
async fn what_no_device_answered_signs_nobody_in() {
    let stack = Stack::new().await;
    let ada = stack.person(EMAIL, None).await;
    keep_passkey(&stack, ada).await;
    let forged = json!({
        "id": "AAAA", "rawId": "AAAA", "type": "public-key", "extensions": {},
        "response": {
            "authenticatorData": "AAAA", "clientDataJSON": "AAAA", "signature": "AAAA",
            "userHandle": "AAAAAAAAAAAAAAAAAAAAAA",
        },
    });
    let mut browser = stack.browser();
    let shown = browser.get("/login").await;
    for credential in ["", "{}", "null", &forged.to_string()] {
        // Without having been asked, and after.
        for is_asked in [false, true] {
            if is_asked {
                let asked = browser.fill(&shown, "/login/passkey/options", &[]).await;
                assert_eq!(asked.status, 200);
            }
            let fields = [("credential", credential)];
            let seen = browser.fill(&shown, "/login/passkey", &fields).await;
            assert_eq!(seen.status, 422, "{credential}");
        }
    }
}
