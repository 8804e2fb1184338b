//! `POST /node/v1/enroll`: a token and the node's own keys for an identity.

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::response::Response;
use axum::routing::post;
use domain::id::NodeId;
use http::StatusCode;
use snapshot::enrol::{EnrolRequest, EnrolResponse, EnrolToken, PATH};
use snapshot::seal::{DataKey, SealedDataKey};
use store::nodes::{EnrolError, NewNode};

use super::call::malformed;
use super::protobuf;
use crate::app::App;
use crate::clock::Now;
use crate::fleet;
use crate::problem::Problem;
use crate::publish::publisher::load_trust;
use crate::secret_box::{Purpose, SecretBox};

const BODY_BYTES_MAX: usize = 16 << 10;
const NAME_LENGTH_MAX: usize = 253;
const VERSION_LENGTH_MAX: usize = 64;

pub fn router() -> Router<App> {
    Router::new().route(
        PATH,
        post(create).layer(DefaultBodyLimit::max(BODY_BYTES_MAX)),
    )
}

async fn create(State(app): State<App>, now: Now, body: Bytes) -> Result<Response, Problem> {
    let request: EnrolRequest =
        snapshot::decode("enrolment", &body, BODY_BYTES_MAX).map_err(|cause| malformed(&cause))?;
    let token = EnrolToken::parse(&request.token).map_err(|cause| refused(cause.to_string()))?;
    let new = checked(&request)?;
    let mut tx = app.db.platform_tx().await?;
    let trust = load_trust(&mut tx, &app.secrets).await?;
    if token.root_fingerprint != trust.root_fingerprint {
        return Err(refused("this token belongs to another deployment"));
    }
    let (node, is_new) = store::nodes::enrol(&mut tx, &token.hash(), &new, now.0)
        .await
        .map_err(|cause| match cause {
            EnrolError::Store(store::Error::Conflict(conflict)) => {
                Problem::new(StatusCode::CONFLICT, conflict.code(), conflict.to_string())
            }
            EnrolError::Store(cause) => cause.into(),
            EnrolError::Refused(refusal) => refused(refusal.to_string()),
        })?;
    if is_new {
        fleet::note_enrolled(&mut tx, &node, now)
            .await
            .map_err(internal)?;
    }
    let data_keys = sealed_data_keys(&mut tx, &app.secrets, &request.seal_key).await?;
    tx.commit().await?;
    tracing::info!(node = %node.id, name = node.name, is_new, "a node was enrolled");
    Ok(protobuf(&EnrolResponse {
        node_id: node.id.to_bytes(),
        deployment_id: trust.statement.deployment_id,
        root_chain: trust.root_chain,
        data_keys,
    }))
}

fn checked(request: &EnrolRequest) -> Result<NewNode<'_>, Problem> {
    let invalid = |detail: &str| {
        Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "enrolment_invalid",
            detail,
        )
    };
    UnparsedPublicKey::new(&ED25519, &request.signing_key)
        .verify(request.token.as_bytes(), &request.proof)
        .map_err(|_| invalid("the proof is not a signature over the token by signing_key"))?;
    let key = |bytes: &[u8]| <[u8; 32]>::try_from(bytes).ok();
    let signing_key = key(&request.signing_key)
        .ok_or_else(|| invalid("signing_key must be an Ed25519 public key of 32 bytes"))?;
    let seal_key = key(&request.seal_key)
        .ok_or_else(|| invalid("seal_key must be an X25519 public key of 32 bytes"))?;
    let is_plain = |text: &str| !text.is_empty() && text.chars().all(|c| !c.is_control());
    if !is_plain(&request.name) || request.name.len() > NAME_LENGTH_MAX {
        return Err(invalid("name must be 1 to 253 characters"));
    }
    let software_version = request.software_version.as_str();
    if software_version.len() > VERSION_LENGTH_MAX || software_version.contains(char::is_control) {
        return Err(invalid("software_version must be at most 64 characters"));
    }
    Ok(NewNode {
        id: NodeId(uuid::Uuid::now_v7()),
        name: &request.name,
        signing_key,
        seal_key,
        software_version,
    })
}

/// Every data key in force, sealed to one node.
pub async fn sealed_data_keys(
    tx: &mut store::PlatformTx,
    secrets: &SecretBox,
    seal_key: &[u8],
) -> Result<Vec<SealedDataKey>, Problem> {
    let stored = store::deployment::list_data_keys(tx).await?;
    let mut sealed = Vec::with_capacity(stored.len());
    for row in stored {
        let data_key = DataKey {
            generation: row.generation,
            bytes: secrets
                .open(Purpose::DataKey, &row.sealed)
                .map_err(internal)?,
        };
        sealed.push(data_key.seal_to_node(seal_key).map_err(internal)?);
    }
    Ok(sealed)
}

fn internal(cause: impl std::error::Error) -> Problem {
    Problem::internal(&cause)
}

fn refused(detail: impl Into<String>) -> Problem {
    Problem::unauthorized("enroll_token_invalid", detail)
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
    use axum::body::Body;
    use domain::role::PlatformRole;
    use http::Request;
    use prost::Message;
    use serde_json::json;
    use tower::ServiceExt;

    use super::*;
    use crate::testing::Stack;

    #[tokio::test]
    async fn enrolling_a_node_leaves_one_event_however_often_it_is_repeated() {
        let stack = Stack::new().await;
        let operator = stack
            .person("op@example.com", Some(PlatformRole::Operator))
            .await;
        let program = stack.program_of(operator, &[]).await;
        let made = program
            .post("/nodes/enroll-tokens", json!({"name": "edge"}))
            .await;
        let token = made.body["value"].as_str().expect("a token").to_owned();
        let key = Ed25519KeyPair::generate().expect("a key");
        let request = EnrolRequest {
            proof: key.sign(token.as_bytes()).as_ref().to_vec(),
            signing_key: key.public_key().as_ref().to_vec(),
            seal_key: crate::random::bytes::<32>().to_vec(),
            name: "edge-1".to_owned(),
            software_version: "test".to_owned(),
            token,
        };
        for _ in 0..2 {
            let call = Request::post(PATH)
                .body(Body::from(request.encode_to_vec()))
                .expect("a request");
            let answer = crate::router(&stack.app).oneshot(call).await;
            let answer = answer.expect("the router answers");
            assert_eq!(answer.status(), StatusCode::OK, "{answer:?}");
        }
        let events = program.get("/audit-events?action=nodes.enroll").await;
        let items = events.body["items"].as_array().expect("items");
        assert_eq!(items.len(), 1, "{events:?}");
        assert_eq!(items[0]["actor"]["label"], "edge-1", "{events:?}");
    }
}
