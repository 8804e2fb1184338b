//! Enrolling: once per state directory, with a token that pins the deployment's root key.

use std::time::Duration;

use snapshot::enrol::{self, EnrolRequest, EnrolResponse, EnrolToken};
use snapshot::id::NodeId;
use snapshot::manifest::{Rejection, RootStatement, follow_root_chain};
use snapshot::seal::DataKeys;

use super::client::{Bounds, CallError, ControlPlane};
use super::identity::{Enrolment, NodeKeys};

const BOUNDS: Bounds = Bounds {
    timeout: Duration::from_secs(10),
    answer_bytes_max: 4 << 20,
};

/// Why a node is not enrolled.
#[derive(Debug, thiserror::Error)]
pub enum EnrolError {
    #[error(transparent)]
    Call(#[from] CallError),
    #[error("the control plane is not the one that the enrolment token was made for: {0}")]
    NotPinned(#[from] Rejection),
    #[error("the control plane's answer to enrolment does not hold together: {0}")]
    Inconsistent(&'static str),
}

impl EnrolError {
    /// Asking again with the same token may help.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            EnrolError::Call(CallError::Refused { status, .. }) => {
                status.is_server_error() || status.as_u16() == 429
            }
            EnrolError::Call(_) => true,
            EnrolError::NotPinned(_) | EnrolError::Inconsistent(_) => false,
        }
    }
}

/// What a node has after it was taken in.
#[derive(Debug)]
pub(crate) struct Enrolled {
    pub(crate) enrolment: Enrolment,
    pub(crate) root: RootStatement,
    pub(crate) data_keys: DataKeys,
}

/// Asks to be taken in. Nothing that comes back is believed unless a chain of root statements
/// leads to it from the key that the token pins.
pub(crate) async fn enrol(
    control_plane: &ControlPlane,
    keys: &NodeKeys,
    token: &EnrolToken,
    name: &str,
) -> Result<Enrolled, EnrolError> {
    let text = token.reveal();
    let request = EnrolRequest {
        proof: keys.prove(&text),
        token: text,
        signing_key: keys.signing_public_key().to_vec(),
        seal_key: keys.seal.public_key().to_vec(),
        name: name.to_owned(),
        software_version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    let response: EnrolResponse = control_plane.post(enrol::PATH, &request, BOUNDS).await?;
    let root = follow_root_chain(&response.root_chain, &token.root_fingerprint)?;
    if root.deployment_id != response.deployment_id {
        return Err(EnrolError::NotPinned(Rejection::OtherDeployment));
    }
    let node_id = NodeId::from_bytes(&response.node_id)
        .map_err(|_| EnrolError::Inconsistent("the node id has the wrong length"))?;
    for sealed in &response.data_keys {
        keys.seal
            .open(sealed)
            .map_err(|_| EnrolError::Inconsistent("a data key is not sealed to this node"))?;
    }
    Ok(Enrolled {
        enrolment: Enrolment {
            node_id,
            deployment_id: response.deployment_id,
            root_fingerprint: token.root_fingerprint,
        },
        root,
        data_keys: DataKeys {
            keys: response.data_keys,
        },
    })
}
