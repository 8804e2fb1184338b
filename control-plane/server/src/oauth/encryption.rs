//! The keys that access tokens are encrypted to: made when one is missing, sealed for the database
//! and for the nodes, replaced while both open.

use domain::encryption_key::{
    EncryptionKey, KNOWN_BEFORE, KNOWN_BEFORE_IN_HASTE, OPENS_AFTER, current,
};
use domain::token::base64url;
use prost::Message;
use serde_json::json;
use snapshot::chunk::sha256;
use snapshot::jwe::{self, PointBytes, SecretBytes};
use snapshot::seal::{CannotOpen, DataKey, ENCRYPTION_KEY};
use store::{Db, PlatformTx, deployment, encryption_keys};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::keys::KeyError;
use crate::clock::Now;
use crate::random;
use crate::secret_box::{Purpose, SecretBox};

/// Makes the key that a deployment does not have yet, once, whoever comes first.
pub(crate) async fn ensure(db: &Db, secrets: &SecretBox, now: Now) -> Result<(), KeyError> {
    let mut tx = db.platform_tx().await?;
    store::token_keys::lock(&mut tx).await?;
    let live = encryption_keys::list_live(&mut tx, now.0).await?;
    if current(&live, now.0).is_none() {
        make(&mut tx, secrets, Duration::ZERO, now).await?;
    }
    tx.commit().await?;
    Ok(())
}

/// A key that takes over when every node can have it; the one before opens until the last token that
/// was encrypted to it has run out.
pub(crate) async fn rotate(
    tx: &mut PlatformTx,
    secrets: &SecretBox,
    now: Now,
) -> Result<EncryptionKey, KeyError> {
    make(tx, secrets, KNOWN_BEFORE, now).await
}

/// The same as soon as can be, where somebody has the key before it who must not. What was encrypted
/// to that one stays good: reading a token is not signing one.
pub(crate) async fn rotate_in_haste(
    tx: &mut PlatformTx,
    secrets: &SecretBox,
    now: Now,
) -> Result<EncryptionKey, KeyError> {
    make(tx, secrets, KNOWN_BEFORE_IN_HASTE, now).await
}

/// Seals every key under this data key, a new one.
pub(crate) async fn seal_anew(
    tx: &mut PlatformTx,
    secrets: &SecretBox,
    data_key: &DataKey,
    now: Now,
) -> Result<(), KeyError> {
    for key in encryption_keys::list_live(tx, now.0).await? {
        let secret = secrets.open(Purpose::EncryptionKey, &key.sealed_private_key)?;
        let sealed = seal_for_nodes(&secret, data_key)?;
        encryption_keys::update_for_nodes(tx, key.id, &sealed).await?;
    }
    Ok(())
}

async fn make(
    tx: &mut PlatformTx,
    secrets: &SecretBox,
    known_before: Duration,
    now: Now,
) -> Result<EncryptionKey, KeyError> {
    let (secret, point) = jwe::generate()?;
    let encrypts_from = now.0 + known_before;
    let key = EncryptionKey {
        id: Uuid::now_v7(),
        kid: thumbprint(&point),
        public_key: point.to_vec(),
        sealed_private_key: secrets.seal(Purpose::EncryptionKey, &secret)?,
        encrypts_from,
        opens_until: None,
        created_at: now.0,
    };
    let sealed = seal_for_nodes(&secret, &newest_data_key(tx, secrets).await?)?;
    let replaced_until: OffsetDateTime = encrypts_from + OPENS_AFTER;
    encryption_keys::insert(tx, &key, &sealed, replaced_until).await?;
    Ok(key)
}

async fn newest_data_key(tx: &mut PlatformTx, secrets: &SecretBox) -> Result<DataKey, KeyError> {
    let stored = deployment::list_data_keys(tx).await?;
    let newest = stored.first().ok_or(CannotOpen)?;
    Ok(DataKey {
        generation: newest.generation,
        bytes: secrets.open(Purpose::DataKey, &newest.sealed)?,
    })
}

fn seal_for_nodes(secret: &SecretBytes, data_key: &DataKey) -> Result<Vec<u8>, CannotOpen> {
    let sealed = data_key.seal(ENCRYPTION_KEY, secret, random::bytes())?;
    Ok(sealed.encode_to_vec())
}

/// RFC 7638, as for keys that sign.
fn thumbprint(point: &PointBytes) -> String {
    let (x, y) = point[1..].split_at(32);
    let jwk = json!({ "crv": "P-256", "kty": "EC", "x": base64url(x), "y": base64url(y) });
    base64url(&sha256(jwk.to_string().as_bytes())[..16])
}
