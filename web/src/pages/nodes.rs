//! The fleet.

use askama::Template;
use time::Duration;

use crate::format::Moment;
use crate::forms::nodes::EnrollForm;
use crate::forms::{Choice, FormErrors};
use crate::layout::{Badge, OperatorTab, Shell, Tone};
use crate::samples;

/// `GET /admin/nodes`. Revoking asks at `/admin/nodes/{node}/revoke`; a token is withdrawn by a
/// POST to `/admin/nodes/enroll-tokens/{token}/revoke`.
#[derive(Debug, Clone, Template)]
#[template(path = "nodes/list.html")]
pub struct Nodes {
    pub shell: Shell,
    /// The latest published: `epoch 1, revision 1,208`.
    pub revision: String,
    pub published_at: Option<Moment>,
    pub nodes: Vec<NodeRow>,
    /// Tokens that may still be used.
    pub tokens: Vec<EnrollTokenRow>,
}

#[derive(Debug, Clone)]
pub struct NodeRow {
    pub id: String,
    pub name: String,
    /// `zone=eu-1`.
    pub labels: Vec<String>,
    /// `Live`, `Behind`, `Refusing`, `Silent`, `Revoked`.
    pub badge: Badge,
    pub last_seen_at: Option<Moment>,
    /// `1,208`, or `–` before the first.
    pub revision: String,
    /// `up to date`, `3 revisions behind`.
    pub behind: String,
    pub version: String,
    /// Why it keeps an older snapshot, if it does.
    pub refused: Option<String>,
    pub may_revoke: bool,
}

#[derive(Debug, Clone)]
pub struct EnrollTokenRow {
    pub id: String,
    pub name: String,
    pub labels: Vec<String>,
    /// `1 of 3`.
    pub uses_left: String,
    pub expires_at: Moment,
    pub created_by: String,
}

/// `GET`, `POST /admin/nodes/enroll`; the POST answers with [`EnrollTokenCreated`].
#[derive(Debug, Clone, Template)]
#[template(path = "nodes/enroll.html")]
pub struct EnrollNode {
    pub shell: Shell,
    /// Its `form_nonce` travels along as a hidden field.
    pub form: EnrollForm,
    pub errors: FormErrors,
}

/// The answer that carries an enrollment token, once: to be sent with `cache-control: no-store`.
#[derive(Clone, Template)]
#[template(path = "nodes/created.html")]
pub struct EnrollTokenCreated {
    pub shell: Shell,
    pub token: String,
    /// Starts a node with the token.
    pub command: String,
    /// `1 node`.
    pub uses: String,
    pub expires_at: Moment,
}

impl EnrollNode {
    fn lifetimes(&self) -> Vec<Choice> {
        let pairs = [
            ("15m", "15 minutes"),
            ("1h", "1 hour"),
            ("24h", "24 hours"),
            ("7d", "7 days"),
        ];
        Choice::one_of(&pairs, &self.form.lifetime)
    }

    #[must_use]
    pub fn sample() -> Self {
        Self {
            shell: samples::operator_shell(OperatorTab::Nodes),
            form: EnrollForm {
                form_nonce: "sample-nonce".to_owned(),
                ..EnrollForm::default()
            },
            errors: FormErrors::default(),
        }
    }

    #[must_use]
    pub fn sample_errors() -> Self {
        let form = EnrollForm {
            labels: samples::HOSTILE.to_owned(),
            uses: "0".to_owned(),
            ..EnrollForm::default()
        };
        Self {
            errors: form.parse().err().unwrap_or_default(),
            form,
            ..Self::sample()
        }
    }
}

impl EnrollTokenCreated {
    #[must_use]
    pub fn sample() -> Self {
        Self {
            shell: samples::operator_shell(OperatorTab::Nodes),
            token: "tge_sample_9fK2mZr7TtN4xYbC6vHd9sLpA3eGuJ0k".to_owned(),
            command: "CONTROL_PLANE_URL=https://tollgate.example.com \\\nENROLL_TOKEN=tge_sample_9fK2mZr7TtN4xYbC6vHd9sLpA3eGuJ0k \\\nSTATE_DIR=/var/lib/tollgate gateway-node".to_owned(),
            uses: "1 node".to_owned(),
            expires_at: samples::ahead(Duration::hours(1)),
        }
    }
}

impl Nodes {
    #[must_use]
    pub fn sample() -> Self {
        let node = |name: &str, tone, state: &str, behind: &str| NodeRow {
            id: format!("nod_{name}"),
            name: name.to_owned(),
            labels: vec!["zone=eu-1".to_owned(), "role=edge".to_owned()],
            badge: Badge::new(tone, state),
            last_seen_at: Some(samples::ago(Duration::seconds(2))),
            revision: "1,208".to_owned(),
            behind: behind.to_owned(),
            version: "0.1.0".to_owned(),
            refused: None,
            may_revoke: true,
        };
        Self {
            shell: samples::operator_shell(OperatorTab::Nodes),
            revision: "epoch 1, revision 1,208".to_owned(),
            published_at: Some(samples::ago(Duration::seconds(40))),
            nodes: vec![
                node("edge-1", Tone::Good, "Live", "up to date"),
                node("edge-2", Tone::Warning, "Behind", "3 revisions behind"),
                NodeRow {
                    revision: "1,190".to_owned(),
                    refused: Some(format!(
                        "API “Tracking” does not compile: {}",
                        samples::HOSTILE
                    )),
                    ..node("edge-3", Tone::Danger, "Refusing", "18 revisions behind")
                },
                NodeRow {
                    last_seen_at: None,
                    labels: Vec::new(),
                    revision: "–".to_owned(),
                    may_revoke: false,
                    ..node("edge-0", Tone::Neutral, "Revoked", "")
                },
            ],
            tokens: vec![EnrollTokenRow {
                id: "enr_1".to_owned(),
                name: samples::HOSTILE.to_owned(),
                labels: vec!["zone=us-1".to_owned()],
                uses_left: "1 of 3".to_owned(),
                expires_at: samples::ahead(Duration::minutes(40)),
                created_by: "operator@tollgate.example".to_owned(),
            }],
        }
    }

    #[must_use]
    pub fn sample_empty() -> Self {
        Self {
            nodes: Vec::new(),
            tokens: Vec::new(),
            published_at: None,
            revision: "nothing published yet".to_owned(),
            ..Self::sample()
        }
    }
}
