//! What the edge itself refuses: requests that are not HTTP as it must be, and those that it could
//! not bring to an upstream. Rules about keys, plans and limits are refused by `policy`.

macro_rules! refusals {
    ($($name:ident = $code:literal, $status:literal, $message:literal, $detail:literal;)*) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum EdgeRefusal { $($name,)* }

        impl EdgeRefusal {
            #[cfg(test)]
            pub(super) const ALL: &'static [EdgeRefusal] = &[$(EdgeRefusal::$name,)*];

            /// Stable: in answers, logs and metrics.
            pub(super) fn code(self) -> &'static str {
                match self { $(EdgeRefusal::$name => $code,)* }
            }

            pub(super) fn status(self) -> u16 {
                match self { $(EdgeRefusal::$name => $status,)* }
            }

            pub(super) fn message(self) -> &'static str {
                match self { $(EdgeRefusal::$name => $message,)* }
            }

            pub(super) fn detail(self) -> &'static str {
                match self { $(EdgeRefusal::$name => $detail,)* }
            }
        }
    };
}

refusals! {
    MalformedRequest = "malformed_request", 400, "Bad Request", "what came is not an HTTP/1.1 request";
    BadHost = "bad_host", 400, "Bad Request", "a request has exactly one Host, and it names a host";
    BadTarget = "bad_target", 400, "Bad Request", "the request's target is not a path or a URL";
    BothLengths = "both_lengths", 400, "Bad Request", "Content-Length and Transfer-Encoding exclude each other";
    BadPath = "bad_path", 400, "Bad Request", "the path is not in a form that has one meaning";
    BadBody = "bad_body", 400, "Bad Request", "the body broke off or is not in the announced form";
    RequestTimeout = "request_timeout", 408, "Request Timeout", "the request did not come in time, or too slowly";
    BodyTooLarge = "body_too_large", 413, "Request Too Long", "the body is larger than this route takes";
    UriTooLong = "uri_too_long", 414, "URI Too Long", "the request's target is longer than the node takes";
    ExpectationFailed = "expectation_failed", 417, "Expectation Failed", "100-continue is the only expectation that is met";
    HeadersTooLarge = "headers_too_large", 431, "Request Header Fields Too Large", "there are more header fields than the node takes, or larger ones";
    MethodNotSupported = "method_not_supported", 501, "Not Implemented", "CONNECT and TRACE are not served";
    CodingNotSupported = "transfer_coding_not_supported", 501, "Not Implemented", "chunked is the only transfer coding that is understood";
    UpgradeNotSupported = "upgrade_not_supported", 501, "Not Implemented", "connections cannot be upgraded";
    UpstreamUnreachable = "upstream_unreachable", 502, "Bad Gateway", "no connection to the upstream came about; the call was not counted";
    UpstreamBadResponse = "upstream_bad_response", 502, "Bad Gateway", "the upstream broke off or did not answer in HTTP";
    NotReady = "not_ready", 503, "Service Unavailable", "the node has no configuration yet";
    NodeRevoked = "node_revoked", 503, "Service Unavailable", "the node was taken out of service";
    UpstreamTimeout = "upstream_timeout", 504, "Endpoint request timed out", "the upstream did not answer in time";
}

impl EdgeRefusal {
    /// Whether the connection ends with the answer: where its next byte may not be what it seems.
    pub(super) fn closes_connection(self) -> bool {
        matches!(
            self,
            EdgeRefusal::MalformedRequest
                | EdgeRefusal::BadHost
                | EdgeRefusal::BadTarget
                | EdgeRefusal::BothLengths
                | EdgeRefusal::BadBody
                | EdgeRefusal::RequestTimeout
                | EdgeRefusal::BodyTooLarge
                | EdgeRefusal::UriTooLong
                | EdgeRefusal::ExpectationFailed
                | EdgeRefusal::HeadersTooLarge
                | EdgeRefusal::MethodNotSupported
                | EdgeRefusal::CodingNotSupported
                | EdgeRefusal::UpgradeNotSupported
        )
    }

    /// Seconds after which trying again makes sense.
    pub(super) fn retry_after_s(self) -> Option<u64> {
        (self == EdgeRefusal::NotReady).then_some(1)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_refusal_of_the_edge_has_a_code_of_its_own() {
        let codes: BTreeSet<&str> = EdgeRefusal::ALL.iter().map(|code| code.code()).collect();
        assert_eq!(codes.len(), EdgeRefusal::ALL.len());
        for refusal in EdgeRefusal::ALL {
            assert!((400..600).contains(&refusal.status()), "{refusal:?}");
            let of_policy = policy::RefusalCode::ALL
                .iter()
                .find(|code| code.code() == refusal.code());
            // One code is one meaning, whoever says it.
            assert!(of_policy.is_none_or(|code| code.detail() == refusal.detail()));
        }
    }
}
