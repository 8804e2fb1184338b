//! What hyper lets pass and the node does not: requests that another server on the way could read
//! differently, and more than the node wants to hold.

use http::header::{self, HeaderMap};
use http::request::Parts;
use http::{Method, Version};

use super::connection::Client;
use super::core::Core;
use super::refusal::EdgeRefusal;

/// `: ` and the line's end, which a field costs on the wire beside its name and value.
const FIELD_OVERHEAD_BYTES: usize = 4;

/// Called before anything else of the request is looked at, while its bytes are the last that came.
pub(super) fn check(core: &Core, client: &Client, parts: &Parts) -> Result<(), EdgeRefusal> {
    let limits = &core.config.limits;
    if matches!(parts.method, Method::CONNECT | Method::TRACE) {
        return Err(EdgeRefusal::MethodNotSupported);
    }
    let target_bytes = parts
        .uri
        .path_and_query()
        .map_or(0, |target| target.as_str().len());
    if target_bytes > limits.uri_bytes_max {
        return Err(EdgeRefusal::UriTooLong);
    }
    let headers = &parts.headers;
    if headers.len() > limits.header_count_max || header_bytes(headers) > limits.header_bytes_max {
        return Err(EdgeRefusal::HeadersTooLarge);
    }
    check_target(parts)?;
    if headers.contains_key(header::TRANSFER_ENCODING) {
        check_coding(client, parts)?;
    }
    if let Some(expectation) = headers.get(header::EXPECT)
        && !expectation.as_bytes().eq_ignore_ascii_case(b"100-continue")
    {
        return Err(EdgeRefusal::ExpectationFailed);
    }
    match headers.get(header::UPGRADE) {
        // Other protocols may be offered to a server that does not know them: it goes on in HTTP/1.1.
        Some(protocol) if protocol.as_bytes().eq_ignore_ascii_case(b"websocket") => {
            Err(EdgeRefusal::UpgradeNotSupported)
        }
        _ => Ok(()),
    }
}

fn header_bytes(headers: &HeaderMap) -> usize {
    headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len() + FIELD_OVERHEAD_BYTES)
        .sum()
}

/// Origin form, or absolute form of a scheme that is served here (RFC 9112, section 3.2).
fn check_target(parts: &Parts) -> Result<(), EdgeRefusal> {
    let is_served = match parts.uri.scheme_str() {
        None => parts.uri.authority().is_none(),
        Some(scheme) => matches!(scheme, "http" | "https"),
    };
    is_served.then_some(()).ok_or(EdgeRefusal::BadTarget)
}

/// One `Transfer-Encoding: chunked`, and no `Content-Length` beside it (RFC 9112, sections 6.1 and
/// 6.3). A request that has both is the usual way to smuggle a second one past a proxy.
fn check_coding(client: &Client, parts: &Parts) -> Result<(), EdgeRefusal> {
    let mut codings = parts.headers.get_all(header::TRANSFER_ENCODING).iter();
    let is_chunked = match (codings.next(), codings.next()) {
        (Some(coding), None) => coding.as_bytes().eq_ignore_ascii_case(b"chunked"),
        _ => false,
    };
    if !is_chunked {
        return Err(EdgeRefusal::CodingNotSupported);
    }
    if parts.version != Version::HTTP_11 {
        return Err(EdgeRefusal::CodingNotSupported);
    }
    let has_length = parts.headers.contains_key(header::CONTENT_LENGTH)
        || client
            .traffic
            .head_has(&parts.method, b" HTTP/1.1", b"content-length");
    (!has_length).then_some(()).ok_or(EdgeRefusal::BothLengths)
}
