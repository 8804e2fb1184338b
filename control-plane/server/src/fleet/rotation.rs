//! A new generation of what nodes know, after one of them was revoked.

use prost::Message;
use snapshot::seal::{DataKey, PEPPER};
use store::PlatformTx;
use store::deployment::{self, StoredDataKey};

use crate::action::ActionError;
use crate::clock::Now;
use crate::keyring::seal_pepper;
use crate::oauth::encryption;
use crate::random;
use crate::secret_box::{Purpose, SecretBox};

/// Generations in force at once: nodes that were away for a rotation still open what they hold.
const GENERATIONS_KEPT: usize = 2;

/// Starts a data-key generation, seals every pepper and every key that opens tokens under it, and
/// adds a pepper and such a key that the revoked node has never seen. Nodes fetch the new data key,
/// sealed to each, when they meet its generation.
pub(crate) async fn rotate(
    tx: &mut PlatformTx,
    secrets: &SecretBox,
    now: Now,
) -> Result<(), ActionError> {
    let known = deployment::list_data_keys(tx).await?;
    let newest = known.iter().map(|key| key.generation).max().unwrap_or(0);
    let data_key = DataKey {
        generation: newest + 1,
        bytes: random::bytes(),
    };
    let stored = StoredDataKey {
        generation: data_key.generation,
        sealed: secrets.seal(Purpose::DataKey, &data_key.bytes)?,
    };
    deployment::insert_data_key(tx, &stored).await?;
    for pepper in deployment::list_peppers(tx).await? {
        let value = secrets.open(Purpose::Pepper, &pepper.sealed)?;
        let sealed = data_key.seal(PEPPER, &value, random::bytes())?;
        deployment::update_pepper_for_nodes(tx, pepper.id, &sealed.encode_to_vec()).await?;
    }
    store::token_keys::lock(tx).await?;
    encryption::seal_anew(tx, secrets, &data_key, now).await?;
    encryption::rotate_in_haste(tx, secrets, now).await?;
    let fresh = seal_pepper(&random::bytes(), secrets, &data_key)?;
    deployment::insert_pepper(tx, &fresh.for_database, &fresh.for_nodes).await?;
    // The list is newest first; the one just made is not in it.
    for old in known.iter().skip(GENERATIONS_KEPT - 1) {
        deployment::retire_data_key(tx, old.generation).await?;
    }
    Ok(())
}
