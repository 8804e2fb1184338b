//! Calls to addresses that people name: of their OpenID providers. Each has a time and a size
//! limit, follows no redirect, and reaches no address that the guard refuses.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::Policy;
use reqwest::{Client, Request, Url};
use serde::de::DeserializeOwned;
use snapshot::guard::{self, Loopback};

const CONNECT_WITHIN: Duration = Duration::from_secs(3);
/// The whole call. Nothing is tried twice: whoever waits for it tries again.
const ANSWER_WITHIN: Duration = Duration::from_secs(6);
/// No document that is asked for is larger.
const ANSWER_BYTES_MAX: usize = 512 << 10;

/// Who named the address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum NamedBy {
    /// It may be in the networks that the control plane is in.
    Operators,
    /// It is on the internet: tenants are shown nothing of what is behind it.
    Tenants,
}

/// Why there is no answer, in words for who named the address.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    #[error("it is not an https address")]
    Plain,
    #[error("it leads to an address that may not be called from here")]
    Guarded,
    #[error("it took longer than {} seconds", ANSWER_WITHIN.as_secs())]
    Slow,
    #[error("there is no connection to it")]
    Unreachable(#[source] reqwest::Error),
    #[error("it answered with status {0}")]
    Status(u16),
    #[error("its answer is larger than {ANSWER_BYTES_MAX} bytes")]
    Large,
    #[error("its answer is not the JSON that belongs there")]
    Unreadable,
}

/// A status and a body.
pub(crate) struct Answer {
    pub status: http::StatusCode,
    pub headers: http::HeaderMap,
    pub body: Vec<u8>,
}

/// Cheap to share.
pub(crate) struct Outbound {
    for_operators: Client,
    for_tenants: Client,
    loopback: Loopback,
}

impl Outbound {
    /// Where the control plane itself is on loopback, loopback may be called, also by plain http.
    pub(crate) fn new(public_url: &str) -> Result<Self, reqwest::Error> {
        let loopback = match public_url.starts_with("http://") {
            true => Loopback::Allowed,
            false => Loopback::Refused,
        };
        let client = |named_by| {
            Client::builder()
                .user_agent(concat!("tollgate/", env!("CARGO_PKG_VERSION")))
                .connect_timeout(CONNECT_WITHIN)
                .timeout(ANSWER_WITHIN)
                .redirect(Policy::none())
                // A proxy would resolve names where no guard sees it.
                .no_proxy()
                .dns_resolver(Arc::new(GuardedResolver { named_by, loopback }))
                .build()
        };
        Ok(Self {
            for_operators: client(NamedBy::Operators)?,
            for_tenants: client(NamedBy::Tenants)?,
            loopback,
        })
    }

    /// A document by GET, for the bearer of a token if there is one.
    pub(crate) async fn read<T: DeserializeOwned>(
        &self,
        named_by: NamedBy,
        url: &str,
        bearer: Option<&str>,
    ) -> Result<T, CallError> {
        let mut request = http::Request::get(url).header(http::header::ACCEPT, "application/json");
        if let Some(token) = bearer {
            request = request.header(http::header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let request = request
            .body(Vec::new())
            .map_err(|_| CallError::Unreadable)?;
        let answer = self.send(named_by, request).await?;
        if answer.status != http::StatusCode::OK {
            return Err(CallError::Status(answer.status.as_u16()));
        }
        serde_json::from_slice(&answer.body).map_err(|_| CallError::Unreadable)
    }

    pub(crate) async fn send(
        &self,
        named_by: NamedBy,
        request: http::Request<Vec<u8>>,
    ) -> Result<Answer, CallError> {
        let request = Request::try_from(request).map_err(CallError::Unreachable)?;
        self.check(named_by, request.url())?;
        let client = match named_by {
            NamedBy::Operators => &self.for_operators,
            NamedBy::Tenants => &self.for_tenants,
        };
        let mut response = client.execute(request).await.map_err(explain)?;
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(explain)? {
            if body.len() + chunk.len() > ANSWER_BYTES_MAX {
                return Err(CallError::Large);
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer {
            status: response.status(),
            headers: std::mem::take(response.headers_mut()),
            body,
        })
    }

    /// What is checked before anything is resolved: scheme, and an address in place of a name.
    pub(crate) fn check(&self, named_by: NamedBy, url: &Url) -> Result<(), CallError> {
        let host = url.host_str().unwrap_or_default();
        let address: Option<IpAddr> = host
            .trim_start_matches('[')
            .trim_end_matches(']')
            .parse()
            .ok();
        let is_loopback =
            host == "localhost" || address.is_some_and(|it| it.to_canonical().is_loopback());
        match url.scheme() {
            "https" => {}
            "http" if is_loopback && self.loopback == Loopback::Allowed => {}
            _ => return Err(CallError::Plain),
        }
        match address {
            Some(address) if !may_connect(address, named_by, self.loopback) => {
                Err(CallError::Guarded)
            }
            _ => Ok(()),
        }
    }
}

fn may_connect(address: IpAddr, named_by: NamedBy, loopback: Loopback) -> bool {
    match named_by {
        NamedBy::Operators => guard::may_connect(address, loopback),
        NamedBy::Tenants => {
            let is_allowed_loopback =
                address.to_canonical().is_loopback() && loopback == Loopback::Allowed;
            guard::is_public(address) || is_allowed_loopback
        }
    }
}

fn explain(cause: reqwest::Error) -> CallError {
    if cause.is_timeout() {
        return CallError::Slow;
    }
    let mut inner: Option<&(dyn std::error::Error + 'static)> = Some(&cause);
    while let Some(error) = inner {
        if error.is::<Guarded>() {
            return CallError::Guarded;
        }
        inner = error.source();
    }
    CallError::Unreachable(cause)
}

/// Every address of the name is one that may not be called.
#[derive(Debug, thiserror::Error)]
#[error("no address of this name may be called")]
struct Guarded;

/// The system's resolver, behind the guard: what is connected to is what was checked.
struct GuardedResolver {
    named_by: NamedBy,
    loopback: Loopback,
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (named_by, loopback) = (self.named_by, self.loopback);
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let allowed: Vec<SocketAddr> = found
                .filter(|address| may_connect(address.ip(), named_by, loopback))
                .collect();
            if allowed.is_empty() {
                return Err(Guarded.into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(public_url: &str, named_by: NamedBy, url: &str, is_allowed: bool) {
        let outbound = Outbound::new(public_url).expect("a client");
        let url: Url = url.parse().expect("a URL");
        let found = outbound.check(named_by, &url).is_ok();
        assert_eq!(found, is_allowed, "{public_url} {named_by:?} {url}");
    }

    #[test]
    fn only_https_is_called_but_for_loopback_where_we_are_on_loopback_ourselves() {
        use NamedBy::{Operators, Tenants};
        let (away, here) = ("https://console.example", "http://localhost:8080");
        for (public_url, named_by, url, is_allowed) in [
            (away, Operators, "https://id.example/x", true),
            (away, Operators, "http://id.example/x", false),
            (away, Operators, "http://127.0.0.1:3000", false),
            (away, Operators, "https://127.0.0.1:3000", false),
            (away, Operators, "https://169.254.169.254/latest", false),
            (away, Operators, "https://10.1.2.3", true),
            (away, Tenants, "https://10.1.2.3", false),
            (away, Tenants, "https://[fd12::1]", false),
            (away, Tenants, "https://0x7f.1/", false),
            (away, Tenants, "https://id.example", true),
            (here, Operators, "http://127.0.0.1:3000", true),
            (here, Tenants, "http://[::1]:3000", true),
            (here, Tenants, "http://localhost:3000", true),
            (here, Tenants, "http://id.example", false),
            (here, Tenants, "https://10.1.2.3", false),
            (here, Operators, "http://169.254.169.254", false),
        ] {
            check(public_url, named_by, url, is_allowed);
        }
    }

    #[tokio::test]
    async fn a_name_that_leads_to_this_machine_is_not_called() {
        let outbound = Outbound::new("https://console.example").expect("a client");
        let called: Result<serde_json::Value, _> = outbound
            .read(NamedBy::Operators, "https://localhost:1/", None)
            .await;
        assert!(matches!(called, Err(CallError::Guarded)), "{called:?}");
    }
}
