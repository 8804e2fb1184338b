//! Which tokens open, and that no other does.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const TOKEN: &str = "eyJhbGciOiJFZERTQSJ9.e30.c2lnbmF0dXJl";

/// A key pair that is always the same.
fn key() -> (OpeningKey, PointBytes) {
    let key = OpeningKey::new("enc-1", &[7; 32]).expect("a scalar");
    let public = key.public().expect("a point");
    (key, public)
}

fn sealed() -> String {
    seal(TOKEN, "enc-1", &key().1, [3; 12]).expect("seals")
}

fn open(token: &str) -> Option<Vec<u8>> {
    let opened = Encrypted::parse(token.as_bytes())?.open(&key().0);
    opened.ok()
}

#[track_caller]
fn check_refused(token: &str) {
    assert_eq!(open(token), None, "{token}");
}

fn parts(token: &str) -> Vec<String> {
    token.split('.').map(str::to_owned).collect()
}

fn header(token: &str) -> Value {
    let bytes = URL_SAFE_NO_PAD.decode(&parts(token)[0]).expect("base64url");
    serde_json::from_slice(&bytes).expect("JSON")
}

fn with_header(token: &str, header: &str) -> String {
    let mut parts = parts(token);
    parts[0] = URL_SAFE_NO_PAD.encode(header);
    parts.join(".")
}

/// Encrypted as we do it, under a header of the sender's choice: the tag fits.
fn forged(header: impl Fn(Value) -> String, content: &str) -> String {
    let ephemeral = PrivateKey::generate(&ECDH_P256).expect("a key");
    let epk = point(&ephemeral).expect("a point");
    let (x, y) = epk[1..].split_at(32);
    let honest = json!({
        "alg": ALG, "cty": CTY, "enc": ENC, "kid": "enc-1", "typ": TYP,
        "epk": {
            "crv": CRV, "kty": KTY,
            "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y),
        },
    });
    let header = URL_SAFE_NO_PAD.encode(header(honest));
    let cipher = agreed_cipher(&ephemeral, &key().1).expect("agrees");
    let mut bytes = content.as_bytes().to_vec();
    let nonce = Nonce::assume_unique_for_key([1; 12]);
    let aad = Aad::from(header.as_bytes());
    cipher
        .seal_in_place_append_tag(nonce, aad, &mut bytes)
        .expect("seals");
    let (ciphertext, tag) = bytes.split_at(bytes.len() - 16);
    let [iv, ciphertext, tag] =
        [&[1; 12], ciphertext, tag].map(|part| URL_SAFE_NO_PAD.encode(part));
    format!("{header}..{iv}.{ciphertext}.{tag}")
}

/// RFC 7518, appendix C.
#[test]
fn the_key_of_the_standards_example_is_agreed_on() {
    let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).expect("base64url");
    let alice = decode("0_NxaRPUMQoAJt50Gz8YiTr8gRTwyEaCumd-MToTmIo");
    let alice = PrivateKey::from_private_key(&ECDH_P256, &alice).expect("a key");
    let x = decode("weNJy2HscCSM6AEDTDg04biOvhFhyyWvOHQfeF_PxMQ");
    let y = decode("e8lnCO-AlStT-NJVX-crhB7QRYhiix03illJOVAOyck");
    let bob = [vec![4], x, y].concat();
    let bob = UnparsedPublicKey::new(&ECDH_P256, bob);
    let derived = agree(&alice, bob, CannotOpen, |secret| {
        Ok(derive(secret, ("A128GCM", b"Alice", b"Bob"), 128))
    });
    let derived = derived.expect("agrees");
    let text = URL_SAFE_NO_PAD.encode(&derived.as_ref()[..16]);
    assert_eq!(text, "VqqN6vgjbSBcIijNcacQGg");
}

#[test]
fn a_token_opens_with_its_key_and_with_no_other() {
    let token = sealed();
    assert!(has_five_parts(token.as_bytes()) && !has_five_parts(TOKEN.as_bytes()));
    assert_eq!(open(&token).as_deref(), Some(TOKEN.as_bytes()));
    assert_ne!(token, sealed(), "every one has a key of its own");
    let read = || Encrypted::parse(token.as_bytes()).expect("a token");
    assert_eq!(read().kid(), "enc-1");
    let (secret, public) = generate().expect("a key");
    let same_name = OpeningKey::new("enc-1", &secret).expect("a key");
    assert!(read().open(&same_name).is_err());
    let other_name = OpeningKey::new("enc-2", &[7; 32]).expect("a key");
    assert!(read().open(&other_name).is_err());
    assert_eq!(same_name.public(), Ok(public));
    for no_scalar in [&[0; 32][..], &[0xff; 32], &[7; 31], &[]] {
        assert!(OpeningKey::new("enc-1", no_scalar).is_err());
    }
    assert!(!format!("{same_name:?}").contains(&format!("{secret:?}")));
}

#[test]
fn the_algorithm_is_ours_and_never_the_senders_choice() {
    let same = forged(|header| header.to_string(), TOKEN);
    assert!(open(&same).is_some(), "{same}");
    for (name, value) in [
        ("alg", json!("dir")),
        ("alg", json!("none")),
        ("alg", json!("ECDH-ES+A256KW")),
        ("alg", json!("RSA-OAEP-256")),
        ("alg", json!("RSA1_5")),
        ("alg", json!("A256KW")),
        ("alg", json!("PBES2-HS512+A256KW")),
        ("alg", json!("ecdh-es")),
        ("enc", json!("A128GCM")),
        ("enc", json!("A256CBC-HS512")),
        ("enc", json!("none")),
        ("typ", json!("JWT")),
        ("cty", json!("at+jwt")),
        ("kid", json!("enc-2")),
        ("kid", json!(null)),
        // What costs the reader, or leads it elsewhere.
        ("zip", json!("DEF")),
        ("p2c", json!(2_000_000_000)),
        ("p2s", json!("c2FsdA")),
        ("crit", json!(["exp"])),
        ("jku", json!("https://evil.example.com")),
        ("jwk", json!({})),
        ("x5u", json!("https://evil.example.com")),
        ("apu", json!("QWxpY2U")),
        ("apv", json!("Qm9i")),
        ("b64", json!(false)),
    ] {
        let changed = |mut header: Value| {
            header[name] = value.clone();
            header.to_string()
        };
        check_refused(&forged(changed, TOKEN));
    }
    for name in ["alg", "enc", "typ", "cty", "kid", "epk"] {
        let without = |mut header: Value| {
            header.as_object_mut().expect("an object").remove(name);
            header.to_string()
        };
        check_refused(&forged(without, TOKEN));
        let twice = |header: Value| {
            let again = &header[name];
            let start = format!("{{\"{name}\":{again},");
            header.to_string().replacen('{', &start, 1)
        };
        check_refused(&forged(twice, TOKEN));
    }
    check_refused(&forged(|header| format!("{header} {{}}"), TOKEN));
    check_refused(&forged(|header| json!([header]).to_string(), TOKEN));
}

#[test]
fn what_is_no_point_of_the_curve_agrees_on_nothing() {
    let (key, public) = key();
    assert!(agreed_cipher(&key.private, &public).is_ok());
    let mut next_to_it = public;
    next_to_it[POINT_BYTES - 1] ^= 1;
    let mut compressed = public;
    compressed[0] = 2;
    let mut zero = [0; POINT_BYTES];
    zero[0] = 4;
    for point in [
        next_to_it,
        compressed,
        zero,
        [0; POINT_BYTES],
        [0xff; POINT_BYTES],
    ] {
        assert!(agreed_cipher(&key.private, &point).is_err(), "{point:?}");
    }
    let token = sealed();
    let coordinate = |bytes: &[u8]| json!(URL_SAFE_NO_PAD.encode(bytes));
    let honest = header(&token)["epk"].clone();
    let infinity = json!({ "crv": CRV, "kty": KTY, "x": "", "y": "" });
    let zero = coordinate(&[0; 32]);
    let mut points = vec![
        infinity,
        json!({ "crv": CRV, "kty": KTY, "x": zero, "y": zero }),
    ];
    for (name, value) in [
        // Of another curve, most likely: invalid-curve attacks begin so.
        ("y", coordinate(&[1; 32])),
        ("x", coordinate(&[0xff; 32])),
        ("x", coordinate(&[1; 33])),
        ("x", coordinate(&[1; 31])),
        ("crv", json!("P-384")),
        ("crv", json!("X25519")),
        ("kty", json!("OKP")),
        ("d", coordinate(&[1; 32])),
    ] {
        let mut point = honest.clone();
        point[name] = value;
        points.push(point);
    }
    for point in points {
        let mut header = header(&token);
        header["epk"] = point;
        check_refused(&with_header(&token, &header.to_string()));
    }
}

#[test]
fn a_token_that_is_cut_or_added_to_does_not_open() {
    let token = sealed();
    let change = |index: usize, text: &str| {
        let mut parts = parts(&token);
        parts[index] = text.to_owned();
        parts.join(".")
    };
    let parts = parts(&token);
    for length in [0, 12, 15, 17] {
        let tag = URL_SAFE_NO_PAD.encode(vec![0; length]);
        check_refused(&change(4, &tag));
    }
    check_refused(&change(4, &parts[4][..20]));
    check_refused(&change(2, &URL_SAFE_NO_PAD.encode([3; 16])));
    check_refused(&change(1, "AAAA"));
    check_refused(&change(3, ""));
    check_refused(&change(0, ""));
    check_refused(&change(0, &"e30".repeat(500)));
    check_refused(&format!("{token}."));
    check_refused(&format!("{token}="));
    check_refused(TOKEN);
    check_refused(&".".repeat(4));
    let large = seal(&"a".repeat(9_000), "enc-1", &key().1, [3; 12]).expect("seals");
    assert!(large.len() > ENCRYPTED_BYTES_MAX);
    check_refused(&large);
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let read = Encrypted::parse(&bytes);
        prop_assert!(read.is_none_or(|read| read.open(&key().0).is_err()));
    }

    #[test]
    fn any_five_parts_are_read_without_a_panic(
        header in "\\{(\"(alg|enc|kid|epk|zip)\":(\"[A-Za-z0-9+-]{0,9}\"|\\{\\}|[0-9]{1,9}),?){0,6}\\}",
        rest in "[A-Za-z0-9_-]{0,4}\\.[A-Za-z0-9_-]{0,20}\\.[A-Za-z0-9_-]{0,60}\\.[A-Za-z0-9_-]{0,24}",
    ) {
        let token = format!("{}.{rest}", URL_SAFE_NO_PAD.encode(header));
        prop_assert!(open(&token).is_none());
    }

    #[test]
    fn a_changed_byte_anywhere_is_noticed(place in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let token = sealed();
        let mut bytes = token.into_bytes();
        let place = place.index(bytes.len());
        prop_assume!(bytes[place] != byte);
        bytes[place] = byte;
        let read = Encrypted::parse(&bytes);
        prop_assert!(read.is_none_or(|read| read.open(&key().0).is_err()));
    }
}
