//! Tokens of our own issuer: which are taken, for what, and which never are.

use std::sync::OnceLock;

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proptest::prelude::*;
use serde_json::{Value, json};
use snapshot::document::SigningAlgorithm;
use snapshot::id::{ApiKeyId, ClientId, TenantId, UserId};

use super::*;
use crate::RefusalCode::{
    ApiKeyAmbiguous, ApiKeyInvalid, ApiKeyMissing, ApiUnavailable, CredentialsDisagree,
    InsufficientScope, TenantSuspended, TenantUnavailable, TokenAmbiguous, TokenAudience,
    TokenExpired, TokenInvalid, TokenMissing, TokenRevoked, TooManyFailures, VerificationBusy,
};

mod encrypted;

const ISSUER: &str = "https://id.example.com";
const AUDIENCE: &str = "https://id.example.com/apis/orders";
/// `NOW` in Unix seconds.
const NOW_S: i64 = NOW.unix_ms / 1000;
const ISSUED_S: i64 = NOW_S - 10;

struct Keys {
    rsa: RsaKeyPair,
    ecdsa: EcdsaKeyPair,
    ed25519: Ed25519KeyPair,
}

/// Made once: making an RSA key takes a while.
fn keys() -> &'static Keys {
    static KEYS: OnceLock<Keys> = OnceLock::new();
    KEYS.get_or_init(|| Keys {
        rsa: RsaKeyPair::generate(KeySize::Rsa2048).expect("a key"),
        ecdsa: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key"),
        ed25519: Ed25519KeyPair::generate().expect("a key"),
    })
}

fn user() -> UserId {
    UserId(Uuid::from_u128(91))
}

fn client() -> ClientId {
    ClientId(Uuid::from_u128(92))
}

fn tenant() -> TenantId {
    TenantId(Uuid::from_u128(51))
}

fn jti() -> Uuid {
    Uuid::from_u128(93)
}

fn grant() -> Uuid {
    Uuid::from_u128(94)
}

fn key(kid: &str, algorithm: SigningAlgorithm, public_key: &[u8]) -> document::TokenKey {
    document::TokenKey {
        kid: kid.into(),
        algorithm: algorithm as i32,
        public_key: public_key.to_vec(),
        verifies_until_ms: None,
    }
}

/// A world whose route takes tokens and needs the scope `read`.
fn world() -> World {
    let mut world = World::new();
    world.api.audience = AUDIENCE.into();
    world.api.routes[0].api_key_required = false;
    world.api.routes[0].authorizer_id = Some(id(81));
    world.api.routes[0].scopes = vec!["read".into()];
    let keys = keys();
    world.issuer = Some(document::OwnIssuer {
        issuer: ISSUER.into(),
        keys: vec![
            key(
                "ed",
                SigningAlgorithm::EdDsa,
                keys.ed25519.public_key().as_ref(),
            ),
            key(
                "es",
                SigningAlgorithm::Es256,
                keys.ecdsa.public_key().as_ref(),
            ),
            key(
                "rs",
                SigningAlgorithm::Rs256,
                keys.rsa.public_key().as_ref(),
            ),
        ],
        encryption_keys: vec![],
    });
    world.plan.rate = None;
    world
}

fn claims() -> Value {
    json!({
        "iss": ISSUER,
        "sub": user(),
        "client_id": client(),
        "aud": ["https://elsewhere.example.com", AUDIENCE],
        "exp": NOW_S + 100,
        "iat": ISSUED_S,
        "nbf": ISSUED_S,
        "jti": jti(),
        "origin_jti": grant(),
        "auth_time": ISSUED_S,
        "scope": "openid read",
        "token_use": "access",
        "username": "ada@example.com",
        "tenant_id": tenant(),
        "roles": ["developer"],
        "groups": [],
    })
}

/// The claims with one of them another; `Value::Null` leaves it out.
fn with(name: &str, value: impl Into<Value>) -> Value {
    let mut claims = claims();
    match value.into() {
        Value::Null => drop(claims.as_object_mut().expect("an object").remove(name)),
        value => claims[name] = value,
    }
    claims
}

fn base64url(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn signature(kid: &str, message: &[u8]) -> Vec<u8> {
    let (keys, random) = (keys(), SystemRandom::new());
    match kid {
        "rs" => {
            let mut signature = vec![0; keys.rsa.public_modulus_len()];
            keys.rsa
                .sign(&RSA_PKCS1_SHA256, &random, message, &mut signature)
                .expect("signs");
            signature
        }
        "es" => {
            let signed = keys.ecdsa.sign(&random, message).expect("signs");
            signed.as_ref().to_vec()
        }
        _ => keys.ed25519.sign(message).as_ref().to_vec(),
    }
}

/// Signed by the key, whatever header and payload say.
fn sign_raw(kid: &str, header: &str, payload: &str) -> String {
    let message = format!("{}.{}", base64url(header), base64url(payload));
    format!(
        "{message}.{}",
        base64url(signature(kid, message.as_bytes()))
    )
}

fn header(alg: &str, kid: &str) -> String {
    json!({ "typ": "at+jwt", "alg": alg, "kid": kid }).to_string()
}

fn sign(claims: &Value) -> String {
    sign_raw("ed", &header("EdDSA", "ed"), &claims.to_string())
}

fn bearing(token: &str) -> Ask {
    Ask::get("/orders/v1/orders/7").with("authorization", format!("Bearer {token}"))
}

#[track_caller]
fn check_token(token: &str, expected: Result<(), RefusalCode>) {
    check(&world(), &bearing(token), expected);
}

#[track_caller]
fn check_claims(claims: &Value, expected: Result<(), RefusalCode>) {
    check_token(&sign(claims), expected);
}

#[test]
fn a_token_of_each_algorithm_is_taken() {
    for (alg, kid) in [("RS256", "rs"), ("ES256", "es"), ("EdDSA", "ed")] {
        check_token(
            &sign_raw(kid, &header(alg, kid), &claims().to_string()),
            Ok(()),
        );
    }
}

#[test]
fn the_upstream_hears_of_subject_tenant_and_scopes_and_not_the_token() {
    let mut world = world();
    let decide = |world: &World, claims: &Value| match decide_at(
        &world.snapshot(),
        &bearing(&sign(claims)),
        NOW,
    ) {
        Decision::Forward(permit) => permit,
        other => panic!("{other:?}"),
    };
    let permit = decide(&world, &claims());
    assert_eq!(permit.credential_header(), Some("authorization"));
    assert_eq!(permit.key_header(), Some("x-api-key"));
    let identity = permit.identity().expect("a token");
    assert_eq!(identity.tenant_id, tenant());
    assert_eq!(
        identity.subject.as_deref(),
        Some(user().to_string().as_str())
    );
    assert_eq!(identity.key_id, None);
    // `openid` is none of the plan's.
    assert_eq!(identity.scopes(), ["read"]);

    let machine = with("sub", client().to_string());
    let permit = decide(&world, &machine);
    let subject = permit
        .identity()
        .and_then(|identity| identity.subject.clone());
    assert_eq!(subject.as_deref(), Some(client().to_string().as_str()));

    world.api.routes[0].forward_credentials = true;
    let permit = decide(&world, &claims());
    assert_eq!(
        (permit.credential_header(), permit.key_header()),
        (None, None)
    );
}

#[test]
fn without_exactly_one_bearer_token_there_is_none() {
    let bare = Ask::get("/orders/v1/orders/7");
    check(&world(), &bare, Err(TokenMissing));
    let token = sign(&claims());
    for value in ["", "Bearer", "Bearer ", "Basic dTpw", token.as_str()] {
        check(
            &world(),
            &bare.clone().with("authorization", value),
            Err(TokenMissing),
        );
    }
    let twice = bearing(&token).with("authorization", format!("Bearer {token}"));
    check(&world(), &twice, Err(TokenAmbiguous));
    let any_case = bare.with("authorization", format!("bEARER   {token}"));
    check(&world(), &any_case, Ok(()));
    // A key is no token.
    check(&world(), &Ask::order(&world()), Err(TokenMissing));
    check_token(&world().plain, Err(TokenInvalid));
}

#[test]
fn what_is_not_three_parts_of_base64url_is_no_token() {
    let good = sign(&claims());
    for token in [
        "a",
        "..",
        "a.b.c",
        "a.b.c.d",
        "\u{e4}\u{f6}.b.c",
        "a b.c.d",
        "====.==.==",
    ] {
        check_token(token, Err(TokenInvalid));
    }
    check_token(&format!("{good}."), Err(TokenInvalid));
    check_token(&format!("{good}="), Err(TokenInvalid));
    check_token(&good.replace('.', ".."), Err(TokenInvalid));
    check_token(&format!("{good}, {good}"), Err(TokenInvalid));
    let (unsigned, _) = good.rsplit_once('.').expect("three parts");
    check_token(&format!("{unsigned}."), Err(TokenInvalid));
    check_token(unsigned, Err(TokenInvalid));
}

#[test]
fn a_token_over_8_kib_is_not_looked_at() {
    let mut claims = with("groups", vec!["g".repeat(4_000)]);
    check_claims(&claims, Ok(()));
    claims["groups"] = json!(["g".repeat(6_200)]);
    assert!(sign(&claims).len() > 8 << 10);
    check_claims(&claims, Err(TokenInvalid));
    check_token(&"a".repeat(1 << 20), Err(TokenInvalid));
}

#[test]
fn the_algorithm_is_the_keys_and_never_the_senders_choice() {
    let payload = claims().to_string();
    for alg in [
        "none", "None", "", "HS256", "RS256", "ES256", "RS512", "eddsa",
    ] {
        check_token(
            &sign_raw("ed", &header(alg, "ed"), &payload),
            Err(TokenInvalid),
        );
    }
    // Unsigned.
    let none = format!(
        "{}.{}.",
        base64url(header("none", "ed")),
        base64url(&payload)
    );
    check_token(&none, Err(TokenInvalid));
    // HMAC with what everybody knows: the public key, in every form of it.
    let keys = keys();
    let spki: PublicKeyX509Der<'_> = keys.rsa.public_key().as_der().expect("encodes");
    for secret in [keys.rsa.public_key().as_ref(), spki.as_ref()] {
        let message = format!(
            "{}.{}",
            base64url(header("HS256", "rs")),
            base64url(&payload)
        );
        let tag = hmac::sign(
            &hmac::Key::new(hmac::HMAC_SHA256, secret),
            message.as_bytes(),
        );
        check_token(&format!("{message}.{}", base64url(tag)), Err(TokenInvalid));
        let message = format!(
            "{}.{}",
            base64url(header("RS256", "rs")),
            base64url(&payload)
        );
        let tag = hmac::sign(
            &hmac::Key::new(hmac::HMAC_SHA256, secret),
            message.as_bytes(),
        );
        check_token(&format!("{message}.{}", base64url(tag)), Err(TokenInvalid));
    }
    // The right algorithm of another key.
    check_token(
        &sign_raw("es", &header("ES256", "rs"), &payload),
        Err(TokenInvalid),
    );
    check_token(
        &sign_raw("es", &header("RS256", "rs"), &payload),
        Err(TokenInvalid),
    );
    check_token(
        &sign_raw("rs", &header("RS256", "unknown"), &payload),
        Err(TokenInvalid),
    );
}

#[test]
fn a_header_says_nothing_but_type_algorithm_and_key() {
    let payload = claims().to_string();
    for header in [
        r#"{"typ":"at+jwt","alg":"EdDSA","kid":"ed","crit":["exp"]}"#,
        r#"{"typ":"at+jwt","alg":"EdDSA","kid":"ed","jku":"https://evil.example.com"}"#,
        r#"{"typ":"at+jwt","alg":"EdDSA","kid":"ed","jwk":{}}"#,
        r#"{"typ":"at+jwt","alg":"EdDSA","kid":"ed","kid":"ed"}"#,
        r#"{"typ":"at+jwt","alg":"none","alg":"EdDSA","kid":"ed"}"#,
        r#"{"typ":"JWT","alg":"EdDSA","kid":"ed"}"#,
        r#"{"alg":"EdDSA","kid":"ed"}"#,
        r#"{"typ":"at+jwt","alg":"EdDSA"}"#,
        r#"["EdDSA","at+jwt","ed"]"#,
        r#"{"typ":"at+jwt","alg":"EdDSA","kid":"ed"} {}"#,
        "",
    ] {
        check_token(&sign_raw("ed", header, &payload), Err(TokenInvalid));
    }
}

#[test]
fn a_token_lives_from_its_begin_to_its_end() {
    check_claims(&with("exp", NOW_S), Err(TokenExpired));
    check_claims(&with("exp", NOW_S + 1), Ok(()));
    check_claims(&with("exp", i64::MIN), Err(TokenExpired));
    for name in ["nbf", "iat"] {
        check_claims(&with(name, NOW_S + 5), Ok(()));
        check_claims(&with(name, NOW_S + 6), Err(TokenInvalid));
        check_claims(&with(name, i64::MAX), Err(TokenInvalid));
    }
    // Seen before any cryptography: the signature is another's.
    let payload = with("exp", NOW_S).to_string();
    check_token(
        &sign_raw("es", &header("EdDSA", "ed"), &payload),
        Err(TokenExpired),
    );
}

#[test]
fn every_claim_must_be_there_once_and_right() {
    for name in [
        "iss",
        "sub",
        "client_id",
        "aud",
        "exp",
        "iat",
        "nbf",
        "jti",
        "origin_jti",
        "token_use",
        "tenant_id",
    ] {
        check_claims(&with(name, Value::Null), Err(TokenInvalid));
        check_claims(&with(name, json!({})), Err(TokenInvalid));
        let twice = claims()
            .to_string()
            .replacen('{', &format!("{{\"{name}\":0,"), 1);
        check_token(
            &sign_raw("ed", &header("EdDSA", "ed"), &twice),
            Err(TokenInvalid),
        );
        let same = claims()[name].clone();
        let twice = claims()
            .to_string()
            .replacen('{', &format!("{{\"{name}\":{same},"), 1);
        check_token(
            &sign_raw("ed", &header("EdDSA", "ed"), &twice),
            Err(TokenInvalid),
        );
    }
    for (name, value) in [
        ("iss", json!("https://evil.example.com")),
        ("iss", json!("https://id.example.com/")),
        ("sub", json!("ada")),
        ("sub", json!(tenant())),
        // A machine speaks for itself only.
        ("sub", json!(ClientId(Uuid::from_u128(1)))),
        ("client_id", json!("other")),
        ("exp", json!("2000")),
        ("exp", json!(1e30)),
        ("jti", json!("1")),
        ("token_use", json!("id")),
        ("token_use", json!("refresh")),
        ("tenant_id", json!("51")),
    ] {
        check_claims(&with(name, value), Err(TokenInvalid));
    }
    for aud in [
        json!([]),
        json!(["https://id.example.com/apis/orders/"]),
        json!(["orders"]),
    ] {
        check_claims(&with("aud", aud), Err(TokenAudience));
    }
    let array = r#"["a","b"]"#;
    check_token(
        &sign_raw("ed", &header("EdDSA", "ed"), array),
        Err(TokenInvalid),
    );
}

#[test]
fn an_id_token_opens_nothing() {
    let mut id_token = with("token_use", "id");
    id_token["aud"] = json!(client());
    check_claims(&id_token, Err(TokenInvalid));
    let typed = r#"{"typ":"JWT","alg":"EdDSA","kid":"ed"}"#;
    check_token(
        &sign_raw("ed", typed, &id_token.to_string()),
        Err(TokenInvalid),
    );
}

#[test]
fn a_changed_byte_is_noticed_in_every_part() {
    for (alg, kid) in [("RS256", "rs"), ("ES256", "es"), ("EdDSA", "ed")] {
        let good = sign_raw(kid, &header(alg, kid), &claims().to_string());
        let (rest, signature) = good.rsplit_once('.').expect("three parts");
        let signature = URL_SAFE_NO_PAD.decode(signature).expect("base64url");
        for place in 0..signature.len() {
            let mut changed = signature.clone();
            changed[place] ^= 1;
            check_token(&format!("{rest}.{}", base64url(changed)), Err(TokenInvalid));
        }
        let (head, _) = rest.split_once('.').expect("three parts");
        let other = base64url(with("scope", "openid read write").to_string());
        let signature = base64url(signature);
        check_token(&format!("{head}.{other}.{signature}"), Err(TokenInvalid));
    }
}

#[test]
fn a_key_that_was_replaced_or_taken_out_verifies_nothing() {
    let token = bearing(&sign(&claims()));
    let mut world = world();
    let issuer = world.issuer.as_mut().expect("an issuer");
    issuer.keys[0].verifies_until_ms = Some(NOW.unix_ms + 1);
    check(&world, &token, Ok(()));
    let core = Core::default();
    assert!(matches!(
        decide_on(&core, &world.snapshot(), &token, NOW),
        Decision::Forward(_)
    ));
    let issuer = world.issuer.as_mut().expect("an issuer");
    issuer.keys[0].verifies_until_ms = Some(NOW.unix_ms);
    check_refused(
        &decide_on(&core, &world.snapshot(), &token, NOW),
        TokenInvalid,
    );
    world.issuer.as_mut().expect("an issuer").keys.remove(0);
    check_refused(
        &decide_on(&core, &world.snapshot(), &token, NOW),
        TokenInvalid,
    );
    world.issuer = None;
    check_refused(
        &decide_on(&core, &world.snapshot(), &token, NOW),
        TokenInvalid,
    );
}

fn revocations() -> [RevocationKey; 6] {
    [
        RevocationKey::token(jti()),
        RevocationKey::grant(grant()),
        RevocationKey::user(user()),
        RevocationKey::member(tenant(), user()),
        RevocationKey::client(client()),
        RevocationKey::tenant(tenant()),
    ]
}

#[test]
fn a_revoked_token_is_refused_also_when_it_is_remembered() {
    for revocation in revocations() {
        let (core, mut world) = (Core::default(), world());
        let token = bearing(&sign(&claims()));
        assert!(matches!(
            decide_on(&core, &world.snapshot(), &token, NOW),
            Decision::Forward(_)
        ));
        world.revocations = vec![(revocation, ISSUED_S * 1000)];
        check_refused(
            &decide_on(&core, &world.snapshot(), &token, NOW),
            TokenRevoked,
        );
        check(&world, &token, Err(TokenRevoked));
    }
}

#[test]
fn a_watermark_spares_what_was_issued_after_it_and_what_is_others() {
    let token = bearing(&sign(&claims()));
    let mut world = world();
    for revocation in &revocations()[1..] {
        world.revocations = vec![(*revocation, ISSUED_S * 1000 - 1)];
        check(&world, &token, Ok(()));
    }
    // A single token is refused whenever it was issued.
    world.revocations = vec![(RevocationKey::token(jti()), 0)];
    check(&world, &token, Err(TokenRevoked));
    let another = Uuid::from_u128(99);
    world.revocations = vec![
        (RevocationKey::token(another), i64::MAX),
        (RevocationKey::grant(another), i64::MAX),
        (RevocationKey::user(UserId(another)), i64::MAX),
        (RevocationKey::member(TenantId(another), user()), i64::MAX),
        (RevocationKey::member(tenant(), UserId(another)), i64::MAX),
        (RevocationKey::client(ClientId(another)), i64::MAX),
        (RevocationKey::tenant(TenantId(another)), i64::MAX),
        // The same id, but of another kind.
        (RevocationKey::grant(jti()), i64::MAX),
    ];
    check(&world, &token, Ok(()));
}

#[test]
fn a_remembered_token_is_checked_again_for_all_that_may_change() {
    let (core, token) = (Core::default(), bearing(&sign(&claims())));
    let first = world();
    assert!(matches!(
        decide_on(&core, &first.snapshot(), &token, NOW),
        Decision::Forward(_)
    ));
    #[track_caller]
    fn vary(core: &Core, token: &Ask, change: impl FnOnce(&mut World), expected: RefusalCode) {
        let mut world = world();
        change(&mut world);
        check_refused(&decide_on(core, &world.snapshot(), token, NOW), expected);
    }
    vary(
        &core,
        &token,
        |w| w.tenant.is_suspended = true,
        TenantSuspended,
    );
    vary(
        &core,
        &token,
        |w| w.tenant.refused = Some("broken".into()),
        TenantUnavailable,
    );
    vary(
        &core,
        &token,
        |w| w.api.audience = "another".into(),
        TokenAudience,
    );
    vary(
        &core,
        &token,
        |w| w.plan.scopes = vec!["write".into()],
        InsufficientScope,
    );
    vary(
        &core,
        &token,
        |w| w.api.routes[0].scopes = vec!["write".into()],
        InsufficientScope,
    );
    vary(
        &core,
        &token,
        |w| w.issuer.as_mut().expect("an issuer").issuer = "https://other.example.com".into(),
        TokenInvalid,
    );
    let later = Now {
        unix_ms: (NOW_S + 100) * 1000,
        ..NOW
    };
    check_refused(
        &decide_on(&core, &first.snapshot(), &token, later),
        TokenExpired,
    );
    assert!(matches!(
        decide_on(&core, &first.snapshot(), &token, NOW),
        Decision::Forward(_)
    ));
}

#[test]
fn scopes_are_those_of_token_and_plan_alike() {
    let mut world = world();
    let ask = |scope: &str| bearing(&sign(&with("scope", scope)));
    check(&world, &ask(""), Err(InsufficientScope));
    check(&world, &ask("readwrite"), Err(InsufficientScope));
    check(&world, &ask("write"), Err(InsufficientScope));
    world.api.routes[0].scopes = vec!["admin".into()];
    check(&world, &ask("admin"), Err(InsufficientScope));
    world.api.routes[0].scopes = vec!["read".into(), "write".into()];
    check(&world, &ask("read write"), Ok(()));
    match decide_at(&world.snapshot(), &ask("read"), NOW) {
        Decision::Refuse(refusal) => {
            let challenge =
                "Bearer realm=\"tollgate\", error=\"insufficient_scope\", scope=\"read write\"";
            assert_eq!(refusal.challenge().as_deref(), Some(challenge));
            assert_eq!(refusal.tenant_id, Some(tenant()));
        }
        other => panic!("{other:?}"),
    }
    world.api.routes[0].scopes.clear();
    check(&world, &bearing(&sign(&with("scope", Value::Null))), Ok(()));
}

#[test]
fn key_and_token_are_both_needed_where_the_route_says_so_and_of_one_tenant() {
    let mut world = world();
    world.api.routes[0].api_key_required = true;
    let token = sign(&claims());
    let both = bearing(&token).with("x-api-key", &world.plain);
    check(&world, &both, Ok(()));
    check(&world, &bearing(&token), Err(ApiKeyMissing));
    check(&world, &Ask::order(&world), Err(TokenMissing));
    let wrong = bearing(&token).with("x-api-key", mint(true, &[4; 32]));
    check(&world, &wrong, Err(ApiKeyInvalid));
    let twice = both.clone().with("x-api-key", &world.plain);
    check(&world, &twice, Err(ApiKeyAmbiguous));
    match decide_at(&world.snapshot(), &both, NOW) {
        Decision::Forward(permit) => {
            let identity = permit.identity().expect("a caller");
            assert_eq!(identity.key_id, Some(ApiKeyId(Uuid::from_u128(71))));
            assert!(identity.subject.is_some());
            assert_eq!(permit.credential_header(), Some("authorization"));
            assert_eq!(permit.key_header(), Some("x-api-key"));
        }
        other => panic!("{other:?}"),
    }
    world.key.scopes = Some(document::Scopes {
        items: vec!["write".into()],
    });
    check(&world, &both, Err(InsufficientScope));
    world.key.scopes = None;
    world.key.tenant_id = id(52);
    check(&world, &both, Err(CredentialsDisagree));
    world.api.api_key_header = "authorization".into();
    check(&world, &bearing(&token), Err(ApiKeyMissing));
}

#[test]
fn an_authorizer_that_is_not_known_lets_nobody_in() {
    let token = bearing(&sign(&claims()));
    let mut world = world();
    world.authorizer.own_tokens = None;
    check(&world, &token, Err(ApiUnavailable));
    world.authorizer.own_tokens = Some(document::OwnTokens {});
    world.api.routes[0].authorizer_id = Some(id(82));
    check(&world, &token, Err(ApiUnavailable));
    world.api.routes[0].authorizer_id = Some(vec![1]);
    check(&world, &token, Err(ApiUnavailable));
}

#[test]
fn guessing_tokens_is_slowed_and_expired_ones_are_no_guesses() {
    let (core, snapshot) = (Core::default(), world().snapshot());
    let expired = bearing(&sign(&with("exp", NOW_S)));
    for _ in 0..100 {
        check_refused(&decide_on(&core, &snapshot, &expired, NOW), TokenExpired);
    }
    let forged = bearing(&sign_raw(
        "es",
        &header("EdDSA", "ed"),
        &claims().to_string(),
    ));
    for _ in 0..60 {
        check_refused(&decide_on(&core, &snapshot, &forged, NOW), TokenInvalid);
    }
    check_refused(&decide_on(&core, &snapshot, &forged, NOW), TooManyFailures);
}

#[test]
fn a_core_over_its_budget_takes_known_tokens_only() {
    let (core, snapshot) = (Core::default(), world().snapshot());
    let known = bearing(&sign(&claims()));
    assert!(matches!(
        decide_on(&core, &snapshot, &known, NOW),
        Decision::Forward(_)
    ));
    while core.tokens.may_check(NOW.mono_ns) {}
    assert!(matches!(
        decide_on(&core, &snapshot, &known, NOW),
        Decision::Forward(_)
    ));
    let unknown = bearing(&sign(&with("jti", Uuid::from_u128(7).to_string())));
    match decide_on(&core, &snapshot, &unknown, NOW) {
        Decision::Refuse(refusal) => {
            assert_eq!(refusal.code, VerificationBusy);
            assert_eq!(refusal.retry_after_s, Some(1));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn challenges_say_what_is_wrong_with_a_token() {
    let bare = Ask::get("/orders/v1/orders/7");
    let token = sign(&claims());
    let realm = "Bearer realm=\"tollgate\"";
    for (ask, challenge) in [
        (bare, realm.to_owned()),
        (bearing("x"), format!("{realm}, error=\"invalid_token\"")),
        (
            bearing(&token).with("authorization", "Bearer x"),
            format!("{realm}, error=\"invalid_request\""),
        ),
    ] {
        match decide_at(&world().snapshot(), &ask, NOW) {
            Decision::Refuse(refusal) => {
                assert_eq!(refusal.challenge().as_deref(), Some(challenge.as_str()));
            }
            other => panic!("{other:?}"),
        }
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_are_refused_and_never_panic(
        header in prop::collection::vec(any::<u8>(), 0..64),
        payload in prop::collection::vec(any::<u8>(), 0..64),
        signature in prop::collection::vec(any::<u8>(), 0..80),
        text in ".{0,64}",
    ) {
        let snapshot = world().snapshot();
        let typed = self::header("EdDSA", "ed");
        for token in [
            text.clone(),
            format!("{}.{}.{}", base64url(&header), base64url(&payload), base64url(&signature)),
            format!("{}.{}.{}", base64url(&typed), base64url(&payload), base64url(&signature)),
            format!("{}.{}.{}", base64url(&typed), base64url(claims().to_string()), base64url(&signature)),
            format!("{}.{text}", sign(&claims())),
        ] {
            let decision = decide_at(&snapshot, &bearing(&token), NOW);
            prop_assert!(matches!(decision, Decision::Refuse(_)), "{decision:?}");
        }
    }

    #[test]
    fn what_the_issuer_signed_is_read_whatever_else_it_says(extra in ".{0,40}", number in any::<i64>()) {
        let mut claims = with("username", extra.clone());
        claims["custom"] = json!({ "deep": [extra, number] });
        let decision = decide_at(&world().snapshot(), &bearing(&sign(&claims)), NOW);
        prop_assert!(matches!(decision, Decision::Forward(_)), "{decision:?}");
    }
}
