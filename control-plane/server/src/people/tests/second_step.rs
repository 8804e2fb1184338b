//! Guarantees of the second step of sign-in.

use domain::authenticator::AuthenticatorSecret;
use domain::role::PlatformRole;

use super::EMAIL;
use crate::Now;
use crate::testing::{Browser, PASSWORD, Seen, Stack};

struct Phone(AuthenticatorSecret);

impl Phone {
    /// As a person does who types the key that the page shows.
    fn of(shown: &Seen) -> Self {
        let text = shown
            .between("id=\"authenticator-secret\" tabindex=\"0\"><code>", "<")
            .expect("a key");
        let letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
        let mut bits = String::new();
        for letter in text.chars().filter(|c| !c.is_whitespace()) {
            let value = letters.find(letter).expect("base 32");
            bits.push_str(&format!("{value:05b}"));
        }
        let bytes: Vec<u8> = (0..20)
            .map(|at| u8::from_str_radix(&bits[at * 8..at * 8 + 8], 2).expect("bits"))
            .collect();
        Self(AuthenticatorSecret::from_bytes(
            bytes.try_into().expect("20 bytes"),
        ))
    }

    /// What it shows so many steps from now.
    fn code(&self, steps: i32) -> String {
        self.0
            .code_at(Now::read().0 + time::Duration::seconds(30) * steps)
    }
}

/// A six-digit code that is none of the three that count now.
fn wrong_code(phone: &Phone) -> String {
    let right = [phone.code(-1), phone.code(0), phone.code(1)];
    (0..4)
        .map(|n| format!("{n:06}"))
        .find(|code| !right.contains(code))
        .expect("one of four")
}

/// Sets a second step up; the code of the present time step is used up by it.
async fn set_up(browser: &mut Browser) -> (Phone, Vec<String>) {
    let shown = browser.get("/account").await;
    let begun = browser.fill(&shown, "/account/authenticator", &[]).await;
    assert_eq!(begun.location(), "/account/authenticator", "{}", begun.body);
    let shown = browser.get("/account/authenticator").await;
    let phone = Phone::of(&shown);
    let code = phone.code(0);
    let done = browser
        .fill(&shown, "/account/authenticator/confirm", &[("code", &code)])
        .await;
    assert_eq!(done.status, 200, "{}", done.body);
    let list = done
        .between("id=\"recovery-codes\">", "</ul>")
        .expect("codes");
    let codes: Vec<String> = list
        .split("<li>")
        .skip(1)
        .map(|item| item.split('<').next().unwrap_or("").trim().to_owned())
        .collect();
    assert_eq!(codes.len(), 10);
    (phone, codes)
}

async fn first_step(stack: &Stack) -> Browser {
    let mut browser = stack.browser();
    let fields = [("email", EMAIL), ("password", PASSWORD)];
    let seen = browser.submit("/login", &fields).await;
    assert_eq!(seen.location(), "/login/code", "{}", seen.body);
    browser
}

async fn is_in(browser: &mut Browser) -> bool {
    browser.get("/account").await.status == 200
}

#[tokio::test]
async fn a_password_alone_does_not_sign_in_who_has_a_second_step() {
    let stack = Stack::new().await;
    stack.person(EMAIL, None).await;
    let mut inside = stack.browser_of(EMAIL).await;
    let (phone, _) = set_up(&mut inside).await;
    assert!(is_in(&mut inside).await, "who set it up stays signed in");
    let mails = stack.mails_to(EMAIL).await;
    assert!(mails[0].0.contains("second step"), "{mails:?}");

    let mut browser = first_step(&stack).await;
    assert!(!is_in(&mut browser).await);
    let wrong = wrong_code(&phone);
    let refused = browser.submit("/login/code", &[("code", &wrong)]).await;
    assert_eq!(refused.status, 422);
    let used = phone.code(0);
    let refused = browser.submit("/login/code", &[("code", &used)]).await;
    assert_eq!(refused.status, 422, "each code works once");
    let next = phone.code(1);
    let done = browser.submit("/login/code", &[("code", &next)]).await;
    assert_eq!(done.location(), "/console", "{}", done.body);
    assert!(is_in(&mut browser).await);
    // Nothing is pending any more.
    let again = stack.browser().get("/login/code").await;
    assert_eq!(again.location(), "/login");
}

#[tokio::test]
async fn who_goes_somewhere_arrives_there_after_the_second_step() {
    let stack = Stack::new().await;
    stack.person(EMAIL, None).await;
    let (phone, _) = set_up(&mut stack.browser_of(EMAIL).await).await;
    let mut browser = stack.browser();
    let fields = [("email", EMAIL), ("password", PASSWORD)];
    browser
        .submit("/login?next=/account/tokens/new", &fields)
        .await;
    let code = phone.code(1);
    let done = browser.submit("/login/code", &[("code", &code)]).await;
    assert_eq!(done.location(), "/account/tokens/new");
}

#[tokio::test]
async fn a_recovery_code_works_once_and_its_owner_is_told() {
    let stack = Stack::new().await;
    stack.person(EMAIL, None).await;
    let (_, codes) = set_up(&mut stack.browser_of(EMAIL).await).await;
    let code = codes[3].to_uppercase().replace('-', " ");
    let fields = [("code", code.as_str()), ("recovery", "1")];
    let mut browser = first_step(&stack).await;
    let done = browser.submit("/login/code?recovery=1", &fields).await;
    assert_eq!(done.status, 303, "{}", done.body);
    assert!(is_in(&mut browser).await);
    let mails = stack.mails_to(EMAIL).await;
    assert!(mails[0].1.contains("9 of them are left"), "{mails:?}");

    let mut browser = first_step(&stack).await;
    let again = browser.submit("/login/code?recovery=1", &fields).await;
    assert_eq!(again.status, 422);
}

#[tokio::test]
async fn knowing_the_password_buys_no_more_guesses_at_codes() {
    let stack = Stack::new().await;
    stack.person(EMAIL, None).await;
    let (phone, codes) = set_up(&mut stack.browser_of(EMAIL).await).await;
    let wrong = wrong_code(&phone);
    let mut between = first_step(&stack).await;
    for _ in 0..5 {
        // The right password in between forgives nothing.
        let mut browser = first_step(&stack).await;
        let seen = browser.submit("/login/code", &[("code", &wrong)]).await;
        assert_eq!(seen.status, 422);
    }
    let mut browser = stack.browser();
    let fields = [("email", EMAIL), ("password", PASSWORD)];
    assert_eq!(
        browser.submit("/login", &fields).await.status,
        422,
        "sign-in pauses"
    );
    let mails = stack.mails_to(EMAIL).await;
    assert!(mails[0].0.contains("pauses"), "{mails:?}");
    // Also for whoever is between the steps, and with what would be right.
    for code in [phone.code(1), codes[0].clone()] {
        let seen = between.submit("/login/code", &[("code", &code)]).await;
        assert_eq!(seen.status, 422);
    }
}

#[tokio::test]
async fn the_second_step_is_turned_off_by_who_may() {
    let stack = Stack::new().await;
    stack.person(EMAIL, None).await;
    let mut inside = stack.browser_of(EMAIL).await;
    let (_, old) = set_up(&mut inside).await;
    let renewed = inside.submit("/account/recovery-codes", &[]).await;
    assert_eq!(renewed.status, 200);
    let mut browser = first_step(&stack).await;
    let fields = [("code", old[0].as_str()), ("recovery", "1")];
    let seen = browser.submit("/login/code", &fields).await;
    assert_eq!(seen.status, 422, "new codes replace the old ones");
    let off = inside.submit("/account/authenticator/remove", &[]).await;
    assert_eq!(off.location(), "/account");
    assert!(is_in(&mut stack.browser_of(EMAIL).await).await);
}

#[tokio::test]
async fn how_one_signs_in_is_changed_only_soon_after_signing_in() {
    let stack = Stack::new().await;
    let user = stack.person(EMAIL, None).await;
    let mut browser = stack.browser_of(EMAIL).await;
    let shown = browser.get("/account").await;
    let mut tx = stack.app.db.platform_tx().await.expect("begins");
    store::testing::age_sign_ins(&mut tx, user, 16 * 60)
        .await
        .expect("ages");
    tx.commit().await.expect("commits");
    for path in [
        "/account/authenticator",
        "/account/authenticator/remove",
        "/account/recovery-codes",
        "/account/passkeys/new",
        "/account/password/remove",
        "/account/email",
    ] {
        let seen = browser.get(path).await;
        assert!(
            seen.location().starts_with("/login?again=1&next="),
            "{path}"
        );
    }
    for path in [
        "/account/authenticator",
        "/account/authenticator/confirm",
        "/account/authenticator/remove",
        "/account/recovery-codes",
        "/account/passkeys",
        "/account/password/remove",
        "/account/email",
        "/account/email/confirm",
    ] {
        let fields = [("code", "123456"), ("email", "new@example.com")];
        let seen = browser.fill(&shown, path, &fields).await;
        assert!(
            seen.location().starts_with("/login?again=1&next="),
            "{path}"
        );
    }
    let again = browser.get("/account/authenticator").await;
    let fields = [("email", EMAIL), ("password", PASSWORD)];
    let back = browser.submit(again.location(), &fields).await;
    assert_eq!(back.location(), "/account/authenticator");
}

#[tokio::test]
async fn operators_let_somebody_in_who_lost_their_second_step() {
    let stack = Stack::new().await;
    let operator = stack
        .person("op@example.com", Some(PlatformRole::Operator))
        .await;
    let user = stack.person(EMAIL, None).await;
    let path = format!("/users/{user}/reset-second-step");
    let program = stack.program_of(operator, &[]).await;
    let none = program.post(&path, serde_json::json!({})).await;
    assert_eq!((none.status, none.code()), (409, "no_second_step"));
    set_up(&mut stack.browser_of(EMAIL).await).await;
    first_step(&stack).await;
    let mut console = stack.browser_of("op@example.com").await;
    let page = format!("/admin/users/{user}");
    let shown = console.get(&page).await;
    let step = format!("{page}/reset-second-step");
    assert!(shown.body.contains(&step), "{}", shown.body);
    assert_eq!(console.fill(&shown, &step, &[]).await.location(), page);
    assert!(is_in(&mut stack.browser_of(EMAIL).await).await);
    let mails = stack.mails_to(EMAIL).await;
    assert!(mails[0].0.contains("second step"), "{mails:?}");
    let log = program
        .get("/audit-events?action=users.reset_second_step")
        .await;
    assert_eq!(log.body["items"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn a_half_done_sign_in_ends_with_the_password_that_began_it() {
    let stack = Stack::new().await;
    stack.person(EMAIL, None).await;
    let mut inside = stack.browser_of(EMAIL).await;
    let (phone, _) = set_up(&mut inside).await;
    let mut between = first_step(&stack).await;
    let shown = between.get("/login/code").await;
    let fields = [
        ("current_password", PASSWORD),
        ("password", "quite another sentence"),
    ];
    let changed = inside.submit("/account", &fields).await;
    assert_eq!(changed.location(), "/account", "{}", changed.body);
    let code = phone.code(1);
    let late = between
        .fill(&shown, "/login/code", &[("code", &code)])
        .await;
    assert_eq!(late.location(), "/login");
    assert!(!is_in(&mut between).await);
}
