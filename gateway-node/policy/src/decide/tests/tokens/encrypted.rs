//! Encrypted tokens: opened once, then everything else holds of them too.

use snapshot::jwe;
use snapshot::seal::{DataKey, ENCRYPTION_KEY};

use super::*;

const OPENS: [u8; 32] = [11; 32];

fn public(secret: &[u8; 32]) -> jwe::PointBytes {
    let key = jwe::OpeningKey::new("any", secret).expect("a scalar");
    key.public().expect("a point")
}

fn encryption_key(kid: &str, secret: &[u8; 32]) -> document::EncryptionKey {
    let sealed = DATA_KEY.seal(ENCRYPTION_KEY, secret, [5; 12]);
    document::EncryptionKey {
        kid: kid.into(),
        secret: Some(sealed.expect("seals")),
        opens_until_ms: None,
    }
}

/// The world of tokens, where they may be encrypted.
fn world() -> World {
    let mut world = super::world();
    let issuer = world.issuer.as_mut().expect("an issuer");
    issuer.encryption_keys = vec![encryption_key("enc-1", &OPENS)];
    world
}

fn encrypt(token: &str) -> String {
    jwe::seal(token, "enc-1", &public(&OPENS), [6; 12]).expect("seals")
}

#[track_caller]
fn check_token(token: &str, expected: Result<(), RefusalCode>) {
    check(&world(), &bearing(token), expected);
}

#[test]
fn an_encrypted_token_is_as_good_as_what_it_holds() {
    check_token(&encrypt(&sign(&claims())), Ok(()));
    check_token(&sign(&claims()), Ok(()));
    for (name, value, refusal) in [
        ("exp", json!(NOW_S), TokenExpired),
        ("aud", json!(["another"]), TokenAudience),
        ("iss", json!("https://evil.example.com"), TokenInvalid),
        ("scope", json!("openid"), InsufficientScope),
    ] {
        check_token(&encrypt(&sign(&with(name, value))), Err(refusal));
    }
    let mut revoked = world();
    let key = RevocationKey::token(jti());
    revoked.revocations = vec![(key, i64::MAX)];
    let token = bearing(&encrypt(&sign(&claims())));
    check(&revoked, &token, Err(TokenRevoked));
    // A large one is bounded by what it holds.
    let large = sign(&with("groups", vec!["g".repeat(5_500)]));
    assert!(encrypt(&large).len() > 8 << 10);
    check_token(&encrypt(&large), Ok(()));
    let larger = sign(&with("groups", vec!["g".repeat(6_200)]));
    check_token(&encrypt(&larger), Err(TokenInvalid));
}

#[test]
fn encrypting_makes_nothing_a_token_that_is_none() {
    let payload = claims().to_string();
    let good = sign(&claims());
    let (unsigned, _) = good.rsplit_once('.').expect("three parts");
    let none = format!(
        "{}.{}.",
        base64url(header("none", "ed")),
        base64url(&payload)
    );
    let id_token = sign_raw(
        "ed",
        r#"{"typ":"JWT","alg":"EdDSA","kid":"ed"}"#,
        &with("token_use", "id").to_string(),
    );
    let foreign = sign_raw("es", &header("EdDSA", "ed"), &payload);
    for inner in [
        none.as_str(),
        &id_token,
        &foreign,
        &encrypt(&good),
        &format!("{unsigned}."),
        &payload,
        "",
    ] {
        check_token(&encrypt(inner), Err(TokenInvalid));
    }
}

#[test]
fn what_does_not_open_is_refused() {
    let token = encrypt(&sign(&claims()));
    let parts: Vec<&str> = token.split('.').collect();
    let change = |index: usize, part: &str| {
        let mut parts = parts.clone();
        parts[index] = part;
        parts.join(".")
    };
    let with_header = |name: &str, value: Value| {
        let header = URL_SAFE_NO_PAD.decode(parts[0]).expect("base64url");
        let mut header: Value = serde_json::from_slice(&header).expect("JSON");
        header[name] = value;
        change(0, &base64url(header.to_string()))
    };
    for (name, value) in [
        ("alg", json!("dir")),
        ("alg", json!("PBES2-HS512+A256KW")),
        ("enc", json!("A128GCM")),
        ("kid", json!("enc-2")),
        ("zip", json!("DEF")),
        ("p2c", json!(u32::MAX)),
    ] {
        check_token(&with_header(name, value), Err(TokenInvalid));
    }
    check_token(&change(4, &parts[4][..16]), Err(TokenInvalid));
    check_token(&change(4, &base64url([0; 16])), Err(TokenInvalid));
    check_token(&change(1, "AAAA"), Err(TokenInvalid));
    check_token(&format!("{token}.e30"), Err(TokenInvalid));
    // To another key under the name of ours.
    let other = jwe::seal(&sign(&claims()), "enc-1", &public(&[12; 32]), [6; 12]);
    check_token(&other.expect("seals"), Err(TokenInvalid));
    // To no key at all, where no key opens anything.
    check(&super::world(), &bearing(&token), Err(TokenInvalid));
}

#[test]
fn keys_change_hands_while_both_open() {
    let mut world = world();
    let issuer = world.issuer.as_mut().expect("an issuer");
    issuer.encryption_keys[0].opens_until_ms = Some(NOW.unix_ms + 1);
    issuer
        .encryption_keys
        .push(encryption_key("enc-2", &[12; 32]));
    let old = bearing(&encrypt(&sign(&claims())));
    let new = jwe::seal(&sign(&claims()), "enc-2", &public(&[12; 32]), [6; 12]);
    let new = bearing(&new.expect("seals"));
    check(&world, &old, Ok(()));
    check(&world, &new, Ok(()));
    let issuer = world.issuer.as_mut().expect("an issuer");
    issuer.encryption_keys[0].opens_until_ms = Some(NOW.unix_ms);
    check(&world, &old, Err(TokenInvalid));
    check(&world, &new, Ok(()));
}

#[test]
fn a_remembered_token_is_not_opened_again() {
    let (core, token) = (Core::default(), bearing(&encrypt(&sign(&claims()))));
    let forwards = |world: &World| {
        let decision = decide_on(&core, &world.snapshot(), &token, NOW);
        matches!(decision, Decision::Forward(_))
    };
    assert!(forwards(&world()));
    while core.tokens.may_check(NOW.mono_ns) {}
    assert!(forwards(&world()));
    // It is signed: who has it in hand may be believed, whatever became of the key.
    assert!(forwards(&super::world()));
    let other = encrypt(&sign(&with("jti", Uuid::from_u128(7).to_string())));
    let decision = decide_on(&core, &world().snapshot(), &bearing(&other), NOW);
    check_refused(&decision, VerificationBusy);
}

#[test]
fn a_snapshot_whose_keys_do_not_open_asks_for_the_data_key() {
    let mut world = world();
    let issuer = world.issuer.as_mut().expect("an issuer");
    let next = DataKey {
        generation: 2,
        bytes: [9; 32],
    };
    let sealed = next.seal(ENCRYPTION_KEY, &OPENS, [5; 12]).expect("seals");
    issuer.encryption_keys[0].secret = Some(sealed);
    let refused = crate::tokens::Issuer::compile(issuer.clone(), &[DATA_KEY]).err();
    assert_eq!(refused.map(|cause| cause.code()), Some("missing_data_key"));
    issuer.encryption_keys[0].secret = None;
    let refused = crate::tokens::Issuer::compile(issuer.clone(), &[DATA_KEY]).err();
    assert_eq!(
        refused.map(|cause| cause.code()),
        Some("cannot_open_secret")
    );
}
