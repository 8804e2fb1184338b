//! The first start: makes the deployment and its keys, once, whoever comes first.

use domain::authorizer::{self, AuthorizerType};
use domain::id::AuthorizerId;
use store::deployment::{KeyPurpose, StoredDataKey};
use store::{Db, PlatformTx};

use crate::keyring::{FIRST_EPOCH, FIRST_GENERATION, Genesis};
use crate::publish::publisher::load_trust;
use crate::secret_box::SecretBox;

/// Leaves a deployment with keys that this `SECRET_KEY` opens, or says that it does not.
pub async fn ensure(db: &Db, secrets: &SecretBox) -> anyhow::Result<()> {
    let mut tx = db.platform_tx().await?;
    let wished = uuid::Uuid::now_v7();
    let deployment = store::deployment::ensure(&mut tx, wished).await?;
    if deployment.id == wished {
        let genesis = Genesis::new(deployment.id, secrets)?;
        insert(&mut tx, &genesis).await?;
    }
    let own = AuthorizerId(uuid::Uuid::now_v7());
    store::authorizers::ensure(&mut tx, own, authorizer::OWN, AuthorizerType::Jwt).await?;
    // Also proves on every start that the key is the right one.
    load_trust(&mut tx, secrets).await?;
    tx.commit().await?;
    Ok(())
}

/// Has nodes take tokens that this control plane issues.
pub async fn set_issuer(db: &Db, public_url: &str) -> store::Result<()> {
    let mut tx = db.platform_tx().await?;
    store::deployment::set_issuer(&mut tx, public_url.trim_end_matches('/')).await?;
    tx.commit().await
}

async fn insert(tx: &mut PlatformTx, genesis: &Genesis) -> store::Result<()> {
    use store::deployment::{
        insert_data_key, insert_pepper, insert_root_statement, insert_signing_key,
    };
    let root = Some(genesis.sealed_root_key.as_slice());
    insert_signing_key(tx, KeyPurpose::Root, &genesis.root_public_key, root).await?;
    let online = Some(genesis.sealed_online_key.as_slice());
    insert_signing_key(tx, KeyPurpose::Online, &genesis.online_public_key, online).await?;
    insert_root_statement(tx, 1, FIRST_EPOCH, &genesis.root_statement).await?;
    let data_key = StoredDataKey {
        generation: FIRST_GENERATION,
        sealed: genesis.sealed_data_key.clone(),
    };
    insert_data_key(tx, &data_key).await?;
    let pepper = &genesis.pepper;
    insert_pepper(tx, &pepper.for_database, &pepper.for_nodes).await?;
    Ok(())
}
