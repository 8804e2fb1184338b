//! The deployment's keys: made once, kept in the database under `SECRET_KEY`.

use prost::Message;
use snapshot::manifest::RootStatement;
use snapshot::seal::{CannotOpen, DataKey, PEPPER};
use snapshot::sign::{Domain, Signed, SigningKey, fingerprint};

use crate::random;
use crate::secret_box::{Purpose, SecretBox};

/// Everything a new deployment starts with, sealed and ready to be stored in one transaction.
pub struct Genesis {
    pub root_public_key: [u8; 32],
    pub sealed_root_key: Vec<u8>,
    pub online_public_key: [u8; 32],
    pub sealed_online_key: Vec<u8>,
    /// The first root statement, in its signed form.
    pub root_statement: Vec<u8>,
    pub sealed_data_key: Vec<u8>,
    pub pepper: SealedPepper,
}

/// A pepper as it is stored: for the control plane under `SECRET_KEY`, for nodes under the data key.
pub struct SealedPepper {
    pub for_database: Vec<u8>,
    /// An encoded [`snapshot::seal::SealedSecret`].
    pub for_nodes: Vec<u8>,
}

pub const FIRST_EPOCH: u64 = 1;
pub const FIRST_GENERATION: u32 = 1;

impl Genesis {
    pub fn new(deployment_id: uuid::Uuid, secrets: &SecretBox) -> Result<Self, CannotOpen> {
        let (root_seed, online_seed) = (random::bytes(), random::bytes());
        let root = SigningKey::from_seed(&root_seed);
        let online = SigningKey::from_seed(&online_seed);
        let data_key = DataKey {
            generation: FIRST_GENERATION,
            bytes: random::bytes(),
        };
        let statement = RootStatement {
            deployment_id: deployment_id.as_bytes().to_vec(),
            sequence: 1,
            epoch: FIRST_EPOCH,
            root_key: root.public_key().to_vec(),
            online_keys: vec![online.public_key().to_vec()],
        };
        Ok(Self {
            root_public_key: root.public_key(),
            sealed_root_key: secrets.seal(Purpose::RootKey, &root_seed)?,
            online_public_key: online.public_key(),
            sealed_online_key: secrets.seal(Purpose::OnlineKey, &online_seed)?,
            root_statement: root
                .sign(Domain::Root, statement.encode_to_vec())
                .encode_to_vec(),
            sealed_data_key: secrets.seal(Purpose::DataKey, &data_key.bytes)?,
            pepper: seal_pepper(&random::bytes(), secrets, &data_key)?,
        })
    }
}

/// Seals a pepper both ways.
pub fn seal_pepper(
    pepper: &[u8; 32],
    secrets: &SecretBox,
    data_key: &DataKey,
) -> Result<SealedPepper, CannotOpen> {
    let for_nodes = data_key.seal(PEPPER, pepper, random::bytes())?;
    Ok(SealedPepper {
        for_database: secrets.seal(Purpose::Pepper, pepper)?,
        for_nodes: for_nodes.encode_to_vec(),
    })
}

/// The public side of trust, as nodes are shown it, and the key that signs revisions.
pub struct Trust {
    pub root_chain: Vec<Signed>,
    pub statement: RootStatement,
    pub online: SigningKey,
    /// Of the first root key: what enrolment tokens pin.
    pub root_fingerprint: [u8; 32],
}

/// Why the stored keys cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    #[error("the database holds no root statement")]
    NoStatement,
    #[error("the stored root statements do not form a chain")]
    Chain(#[from] snapshot::manifest::Rejection),
    #[error("a stored key does not open: is this the SECRET_KEY that the database was made with?")]
    SecretKey(#[from] CannotOpen),
    #[error("no stored online key is certified by the root statement in force")]
    NoOnlineKey,
}

impl Trust {
    /// From the stored statements (oldest first) and the sealed online keys.
    pub fn load(
        statements: &[Vec<u8>],
        sealed_online_keys: &[Vec<u8>],
        secrets: &SecretBox,
    ) -> Result<Self, TrustError> {
        let root_chain: Vec<Signed> = statements
            .iter()
            .map(|bytes| Signed::decode(bytes.as_slice()))
            .collect::<Result<_, _>>()
            .map_err(|_| TrustError::NoStatement)?;
        let first = root_chain.first().ok_or(TrustError::NoStatement)?;
        let root_fingerprint = fingerprint(&first.public_key);
        let statement = snapshot::manifest::follow_root_chain(&root_chain, &root_fingerprint)?;
        for sealed in sealed_online_keys {
            let online = SigningKey::from_seed(&secrets.open(Purpose::OnlineKey, sealed)?);
            if statement
                .online_keys
                .contains(&online.public_key().to_vec())
            {
                return Ok(Self {
                    root_chain,
                    statement,
                    online,
                    root_fingerprint,
                });
            }
        }
        Err(TrustError::NoOnlineKey)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret_box::SecretKey;

    #[test]
    fn a_new_deployment_trusts_its_own_online_key() {
        let secrets = SecretBox::new(&SecretKey::generate());
        let genesis = Genesis::new(uuid::Uuid::now_v7(), &secrets).expect("makes keys");
        let trust = Trust::load(
            &[genesis.root_statement],
            &[genesis.sealed_online_key],
            &secrets,
        )
        .expect("loads");
        assert_eq!(trust.online.public_key(), genesis.online_public_key);
        assert_eq!(
            trust.root_fingerprint,
            fingerprint(&genesis.root_public_key)
        );
    }

    #[test]
    fn another_secret_key_is_told_apart() {
        let secrets = SecretBox::new(&SecretKey::generate());
        let genesis = Genesis::new(uuid::Uuid::now_v7(), &secrets).expect("makes keys");
        let other = SecretBox::new(&SecretKey::generate());
        let refused = Trust::load(
            &[genesis.root_statement],
            &[genesis.sealed_online_key],
            &other,
        );
        assert!(matches!(refused, Err(TrustError::SecretKey(_))));
    }
}
