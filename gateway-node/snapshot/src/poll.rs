//! Polling: `GET /node/v1/snapshot` with what the node has, and what it says about it.

use base64::Engine;

use crate::chunk::Address;
use crate::manifest::Version;
use crate::sign::Signed;

pub const SNAPSHOT_PATH: &str = "/node/v1/snapshot";
pub const CHUNKS_PATH: &str = "/node/v1/chunks";
pub const DATA_KEYS_PATH: &str = "/node/v1/data-keys";
/// The longest that a poll is held open.
pub const WAIT_SECONDS_MAX: u64 = 25;
/// On 200 and 304: the freshness statement, base64url of its [`Signed`] form.
pub const FRESHNESS_HEADER: &str = "x-tollgate-freshness";
/// A signed manifest in a poll is no longer.
const EVIDENCE_LENGTH_MAX: usize = 4096;
/// A rejection's detail is cut to this many characters.
const DETAIL_LENGTH_MAX: usize = 200;

/// Body of a 200: everything above the chunks.
#[derive(Clone, PartialEq, prost::Message)]
pub struct SnapshotResponse {
    #[prost(message, repeated, tag = "1")]
    pub root_chain: Vec<Signed>,
    #[prost(message, optional, tag = "2")]
    pub manifest: Option<Signed>,
    #[prost(message, optional, tag = "3")]
    pub freshness: Option<Signed>,
}

/// The query of a poll: what is active on the node, how long it will wait, and what it refused.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PollQuery {
    pub applied: Version,
    /// Hash of the active manifest's payload; none at first.
    pub manifest: Option<Address>,
    pub wait_seconds: u64,
    pub rejected: Option<RejectedReport>,
    /// The active manifest, base64url of its [`Signed`] form: a node's word about a revision that
    /// the control plane does not know is evidence then, and no mere claim.
    pub evidence: Option<String>,
}

/// A snapshot that the node did not take, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RejectedReport {
    pub version: Version,
    pub code: String,
    pub detail: String,
}

impl PollQuery {
    /// Puts the active manifest into the poll.
    pub fn with_evidence(mut self, manifest: &Signed) -> Self {
        let bytes = prost::Message::encode_to_vec(manifest);
        self.evidence = Some(base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes));
        self
    }

    /// The manifest that the node shows, unverified.
    pub fn shown_manifest(&self) -> Option<Signed> {
        let text = self.evidence.as_ref()?;
        let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD
            .decode(text)
            .ok()?;
        crate::decode("evidence", &bytes, EVIDENCE_LENGTH_MAX).ok()
    }

    /// The query string, of characters that need no escaping but in `detail`.
    pub fn to_query(&self) -> String {
        let mut query = format!(
            "epoch={}&revision={}&wait={}",
            self.applied.epoch, self.applied.revision, self.wait_seconds
        );
        if let Some(manifest) = &self.manifest {
            query += &format!("&manifest={manifest}");
        }
        if let Some(evidence) = &self.evidence {
            query += &format!("&evidence={evidence}");
        }
        if let Some(rejected) = &self.rejected {
            let detail: String = rejected
                .detail
                .chars()
                .take(DETAIL_LENGTH_MAX)
                .map(plain)
                .collect();
            query += &format!(
                "&rejected_epoch={}&rejected_revision={}&rejected_code={}&rejected_detail={detail}",
                rejected.version.epoch, rejected.version.revision, rejected.code
            );
        }
        query
    }

    /// Reads a query string; unknown parameters are skipped, unreadable values make it `None`.
    pub fn parse(query: &str) -> Option<Self> {
        let mut poll = PollQuery::default();
        let (mut version, mut code, mut detail) = (Version::default(), None, String::new());
        for (name, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
            match name {
                "epoch" => poll.applied.epoch = value.parse().ok()?,
                "revision" => poll.applied.revision = value.parse().ok()?,
                "wait" => poll.wait_seconds = value.parse::<u64>().ok()?.min(WAIT_SECONDS_MAX),
                "manifest" => poll.manifest = Some(Address::from_hex(value)?),
                "evidence" if value.len() <= EVIDENCE_LENGTH_MAX => {
                    poll.evidence = Some(value.to_owned());
                }
                "rejected_epoch" => version.epoch = value.parse().ok()?,
                "rejected_revision" => version.revision = value.parse().ok()?,
                "rejected_code" => code = Some(value.chars().take(64).map(plain).collect()),
                "rejected_detail" => {
                    detail = value.chars().take(DETAIL_LENGTH_MAX).map(plain).collect();
                }
                _ => {}
            }
        }
        poll.rejected = code.map(|code| RejectedReport {
            version,
            code,
            detail: detail.replace('+', " "),
        });
        Some(poll)
    }
}

/// Keeps a report readable and inert: letters, digits and little else; a space becomes `+`.
fn plain(letter: char) -> char {
    match letter {
        ' ' | '+' => '+',
        letter if letter.is_ascii_alphanumeric() || "._-:/,".contains(letter) => letter,
        _ => '_',
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_poll_query_survives_the_wire() {
        let poll = PollQuery {
            applied: Version {
                epoch: 2,
                revision: 77,
            },
            manifest: Some(Address([0xab; 32])),
            wait_seconds: 25,
            rejected: Some(RejectedReport {
                version: Version {
                    epoch: 2,
                    revision: 78,
                },
                code: "wrong_hash".into(),
                detail: "chunk 12 is broken".into(),
            }),
            evidence: Some("c2lnbmVk".into()),
        };
        assert_eq!(PollQuery::parse(&poll.to_query()), Some(poll));
    }

    #[test]
    fn a_query_with_an_unreadable_value_is_refused() {
        for query in ["epoch=x", "revision=-1", "manifest=zz", "wait=soon"] {
            assert_eq!(PollQuery::parse(query), None, "{query}");
        }
    }
}
