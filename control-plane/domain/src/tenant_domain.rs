//! Domains that a tenant says are its own, and how it proves that.

use snapshot::id::{DomainId, TenantId};
use time::OffsetDateTime;

use crate::field::FieldError;

/// Before the domain, where the proof stands in DNS.
pub const CHALLENGE_LABEL: &str = "_tollgate-challenge";
/// Before the token, in the text of the record.
const PROOF_PREFIX: &str = "tollgate-domain=";
pub const DOMAINS_OF_TENANT_MAX: usize = 100;

/// A name of the DNS in lower case, as it stands in addresses of mail; other scripts in their
/// ASCII form (`xn--`, RFC 5890).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct DomainName(String);

impl DomainName {
    /// Bounds are those of RFC 1035, section 2.3.4.
    pub fn parse(raw: &str) -> Result<Self, FieldError> {
        let text = raw.trim().trim_end_matches('.').to_ascii_lowercase();
        let is_label = |label: &str| {
            (1..=63).contains(&label.len())
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        };
        let is_name = text.len() <= 253 && text.contains('.') && text.split('.').all(is_label);
        // An address of four numbers is no domain.
        let is_number = text
            .split('.')
            .next_back()
            .is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()));
        if is_name && !is_number {
            return Ok(Self(text));
        }
        let message = "Enter a domain, such as example.com.";
        Err(FieldError::new("domain", "invalid", message))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name whose TXT record holds the proof.
    pub fn challenge_name(&self) -> String {
        format!("{CHALLENGE_LABEL}.{}", self.0)
    }

    /// Whether an address of mail is one of this domain itself; those below it are others.
    pub fn holds(&self, address: &str) -> bool {
        address
            .rsplit_once('@')
            .is_some_and(|(_, domain)| domain == self.0)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantDomain {
    pub id: DomainId,
    pub tenant_id: TenantId,
    pub domain: DomainName,
    /// What the tenant writes into the DNS; no secret.
    pub token: String,
    pub proven_at: Option<OffsetDateTime>,
    pub created_at: OffsetDateTime,
}

impl TenantDomain {
    /// The text of the TXT record.
    pub fn proof(&self) -> String {
        format!("{PROOF_PREFIX}{}", self.token)
    }

    /// Whether one of the texts that were found is the proof.
    pub fn is_proven_by(&self, texts: &[String]) -> bool {
        let proof = self.proof();
        texts.iter().any(|text| text.trim() == proof)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_is_a_name_of_the_dns() {
        for (raw, expected) in [
            ("Example.COM.", Some("example.com")),
            (" xn--bcher-kva.example ", Some("xn--bcher-kva.example")),
            ("a.b-c.example", Some("a.b-c.example")),
            ("localhost", None),
            ("", None),
            ("192.0.2.1", None),
            ("-a.example", None),
            ("a..example", None),
            ("a_b.example", None),
            ("b\u{fc}cher.example", None),
            ("*.example.com", None),
            ("https://example.com", None),
        ] {
            let found = DomainName::parse(raw).ok();
            assert_eq!(found.as_ref().map(DomainName::as_str), expected, "{raw}");
        }
    }

    #[test]
    fn a_domain_holds_addresses_of_its_own_and_of_no_other() {
        let domain = DomainName::parse("example.com").expect("a domain");
        for (address, expected) in [
            ("ada@example.com", true),
            ("ada@sub.example.com", false),
            ("ada@notexample.com", false),
            ("example.com@evil.example", false),
            ("example.com", false),
        ] {
            assert_eq!(domain.holds(address), expected, "{address}");
        }
    }

    #[test]
    fn the_proof_is_one_text_among_others() {
        let domain = TenantDomain {
            id: DomainId(uuid::Uuid::nil()),
            tenant_id: TenantId(uuid::Uuid::nil()),
            domain: DomainName::parse("example.com").expect("a domain"),
            token: "abc".to_owned(),
            proven_at: None,
            created_at: OffsetDateTime::UNIX_EPOCH,
        };
        let texts = |texts: &[&str]| {
            texts
                .iter()
                .map(|text| (*text).to_owned())
                .collect::<Vec<_>>()
        };
        assert!(domain.is_proven_by(&texts(&["v=spf1", "tollgate-domain=abc "])));
        assert!(!domain.is_proven_by(&texts(&["abc", "tollgate-domain=abcd"])));
        assert!(!domain.is_proven_by(&[]));
    }
}
