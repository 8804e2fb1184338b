//! Which client calls: by HTTP Basic or by fields of the form (RFC 6749, section 2.3.1), or a public
//! one by its id.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use domain::id::ClientId;
use domain::oauth_client::{ClientKind, OauthClient, PlainClientSecret};
use http::{HeaderMap, header};
use percent_encoding::percent_decode_str;
use store::PlatformTx;

use super::error::{Code, OauthError};
use super::parameters::Parameters;
use crate::clock::Now;

const WRONG: &str = "the client is unknown, disabled, or its secret is wrong";

struct Presented {
    id: String,
    secret: Option<String>,
    is_basic: bool,
}

/// The client that a request proves to come from. Whatever is wrong, the answer is the same.
pub(super) async fn authenticate(
    tx: &mut PlatformTx,
    headers: &HeaderMap,
    form: &Parameters,
    now: Now,
) -> Result<OauthClient, OauthError> {
    let presented = presented(headers, form)?;
    let wrong = || OauthError::client(WRONG, presented.is_basic);
    let id: ClientId = presented.id.parse().map_err(|_| wrong())?;
    let found = store::oauth_clients::all_tenants_find(tx, id, now.0).await?;
    let (client, secrets) = found.ok_or_else(wrong)?;
    if !client.is_enabled {
        return Err(wrong());
    }
    let is_proven = match (client.kind, &presented.secret) {
        (ClientKind::Public, None) => true,
        (ClientKind::Public, Some(_)) | (ClientKind::Confidential, None) => false,
        // Comparing hashes tells nothing about secrets of 178 random bits.
        (ClientKind::Confidential, Some(secret)) => {
            PlainClientSecret::parse(secret).is_some_and(|secret| secrets.contains(&secret.hash()))
        }
    };
    is_proven.then_some(client).ok_or_else(wrong)
}

fn presented(headers: &HeaderMap, form: &Parameters) -> Result<Presented, OauthError> {
    let in_form = form.get("client_id");
    let Some(basic) = basic(headers)? else {
        let id = in_form.ok_or_else(|| OauthError::client("name the client", false))?;
        return Ok(Presented {
            id: id.to_owned(),
            secret: form.get("client_secret").map(str::to_owned),
            is_basic: false,
        });
    };
    if form.get("client_secret").is_some() || in_form.is_some_and(|id| id != basic.0) {
        let text = "use one way only to name and prove the client";
        return Err(OauthError::new(Code::InvalidRequest, text));
    }
    let (id, secret) = basic;
    Ok(Presented {
        id,
        secret: Some(secret).filter(|secret| !secret.is_empty()),
        is_basic: true,
    })
}

/// Id and secret, each form-encoded within (RFC 6749, section 2.3.1).
fn basic(headers: &HeaderMap) -> Result<Option<(String, String)>, OauthError> {
    let malformed = || OauthError::client("the Authorization header is not HTTP Basic", true);
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(malformed());
    }
    let text = value.to_str().map_err(|_| malformed())?;
    let (scheme, encoded) = text.split_once(' ').ok_or_else(malformed)?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return Err(malformed());
    }
    let decoded = STANDARD.decode(encoded.trim()).map_err(|_| malformed())?;
    let decoded = String::from_utf8(decoded).map_err(|_| malformed())?;
    let (id, secret) = decoded.split_once(':').ok_or_else(malformed)?;
    let plain = |text: &str| {
        let text = text.replace('+', " ");
        percent_decode_str(&text)
            .decode_utf8()
            .map(|text| text.into_owned())
            .map_err(|_| malformed())
    };
    Ok(Some((plain(id)?, plain(secret)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(
        authorization: Option<&str>,
        form: &str,
        expected: Result<(&str, Option<&str>), Code>,
    ) {
        let mut headers = HeaderMap::new();
        if let Some(text) = authorization {
            headers.insert(header::AUTHORIZATION, text.parse().expect("a header"));
        }
        let form = Parameters::parse(form.as_bytes()).expect("a form");
        let found = presented(&headers, &form);
        let found = found.map(|found| (found.id, found.secret));
        let expected = expected.map(|(id, secret)| (id.to_owned(), secret.map(str::to_owned)));
        assert_eq!(found.map_err(|error| error.code), expected);
    }

    #[test]
    fn a_client_is_named_in_one_place() {
        let basic = |text: &str| format!("Basic {}", STANDARD.encode(text));
        check(None, "client_id=a", Ok(("a", None)));
        check(None, "client_id=a&client_secret=b", Ok(("a", Some("b"))));
        check(Some(&basic("a:b%3Ac")), "", Ok(("a", Some("b:c"))));
        check(Some(&basic("a:b")), "client_id=a", Ok(("a", Some("b"))));
        check(Some(&basic("a:")), "", Ok(("a", None)));
        let twice = "client_id=a&client_secret=b";
        check(Some(&basic("a:b")), twice, Err(Code::InvalidRequest));
        check(
            Some(&basic("a:b")),
            "client_id=c",
            Err(Code::InvalidRequest),
        );
        for wrong in ["Bearer x", "Basic", "Basic !", &basic("nocolon")] {
            check(Some(wrong), "client_id=a", Err(Code::InvalidClient));
        }
        check(None, "", Err(Code::InvalidClient));
    }
}
