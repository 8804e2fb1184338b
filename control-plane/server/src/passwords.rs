//! Hashing of passwords: argon2id, off the runtime's threads, a few at a time. Hashes that were
//! imported are verified as they are until their password is known.

mod foreign;

use std::sync::Arc;
use std::thread::available_parallelism;

use argon2::password_hash::PasswordHasher;
use argon2::password_hash::phc::PasswordHash as Phc;
use argon2::{Algorithm, Argon2, Params, Version};
use domain::FieldError;
use domain::password::{NewPassword, normal};
use tokio::sync::Semaphore;

use crate::random;

/// What is stored: argon2id in PHC form, or another system's hash within bounds.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(String);

impl std::fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PasswordHash(…)")
    }
}

impl PasswordHash {
    /// Another system's: which kinds are taken, and what they may cost, is bounded.
    pub fn import(text: &str) -> Result<Self, FieldError> {
        foreign::Scheme::parse(text).map(|_| Self(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A hash could not be made, or a stored one is not readable.
#[derive(Debug, thiserror::Error)]
pub enum HashError {
    #[error("a password could not be hashed")]
    Argon2(#[source] argon2::password_hash::Error),
    #[error("the task that hashes passwords ended early")]
    Task(#[source] tokio::task::JoinError),
}

/// Hashes and verifies. Each takes tens of milliseconds of a core and 19 MiB, of an imported hash up
/// to a second and 128 MiB, so that only as many run at once as there are cores; the others wait.
#[derive(Clone, Debug)]
pub struct Passwords {
    places: Arc<Semaphore>,
    /// Opens for no password; verified in place of the hash of somebody who does not exist.
    decoy: Arc<str>,
}

impl Passwords {
    pub fn new() -> Self {
        let places = available_parallelism().map_or(1, usize::from);
        Self {
            places: Arc::new(Semaphore::new(places)),
            decoy: decoy().into(),
        }
    }

    pub async fn hash(&self, password: &NewPassword) -> Result<PasswordHash, HashError> {
        let password = password.reveal().to_owned();
        self.work(move || hash(password.as_bytes()))
            .await?
            .map_err(HashError::Argon2)
    }

    /// Whether the password is the one of this hash. Without a hash it is not, and finding that
    /// out takes as long as with one of ours. An imported hash takes as long as it was made to: who
    /// measures that learns that an account was imported and nobody has signed in to it yet, as far
    /// as it takes longer than all refusals are made to take.
    pub async fn is_right(&self, password: &str, stored: Option<&str>) -> Result<bool, HashError> {
        let password = password.to_owned();
        let (is_known, stored) = match stored {
            Some(stored) => (true, stored.to_owned()),
            None => (false, self.decoy.as_ref().to_owned()),
        };
        let opens = self
            .work(move || {
                let entered = normal(&password);
                // What was stored before was not brought into normal form.
                verify(entered.as_bytes(), &stored)
                    || (entered != password && verify(password.as_bytes(), &stored))
            })
            .await?;
        Ok(opens && is_known)
    }

    /// Our own hash of a password that was right, in place of an imported one; `None`: it is ours.
    pub async fn renewed(
        &self,
        password: &str,
        stored: &str,
    ) -> Result<Option<PasswordHash>, HashError> {
        if foreign::is_ours(stored) {
            return Ok(None);
        }
        let password = normal(password).into_owned();
        let hash = self.work(move || hash(password.as_bytes())).await?;
        hash.map(Some).map_err(HashError::Argon2)
    }

    async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, HashError> {
        // Never closed: an error would only mean that the bound is gone.
        let place = self.places.clone().acquire_owned().await.ok();
        tokio::task::spawn_blocking(move || {
            let _place = place;
            work()
        })
        .await
        .map_err(HashError::Task)
    }
}

/// 19 MiB, 2 passes, 1 lane: the first choice of OWASP's Password Storage Cheat Sheet.
fn argon2id() -> Argon2<'static> {
    Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::DEFAULT)
}

fn hash(password: &[u8]) -> Result<PasswordHash, argon2::password_hash::Error> {
    let salt: [u8; 16] = random::bytes();
    let phc: Phc = argon2id().hash_password_with_salt(password, &salt)?;
    Ok(PasswordHash(phc.to_string()))
}

/// With the parameters that the stored hash names.
fn verify(password: &[u8], stored: &str) -> bool {
    foreign::Scheme::parse(stored).is_ok_and(|scheme| scheme.opens(password))
}

/// Has the form and the cost of a stored hash; the 32 bytes are of no password that is known.
fn decoy() -> String {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD_NO_PAD;
    let (salt, output): ([u8; 16], [u8; 32]) = (random::bytes(), random::bytes());
    format!(
        "$argon2id$v=19$m={},t={},p={}${}${}",
        Params::DEFAULT_M_COST,
        Params::DEFAULT_T_COST,
        Params::DEFAULT_P_COST,
        STANDARD_NO_PAD.encode(salt),
        STANDARD_NO_PAD.encode(output)
    )
}

#[cfg(test)]
mod tests {
    use domain::email::Email;

    use super::*;

    #[tokio::test]
    async fn a_password_opens_its_own_hash_only() {
        let passwords = Passwords::new();
        let email = Email::parse("ada@example.com").expect("an address");
        let password = NewPassword::parse("correct horse battery", &email).expect("long enough");
        let hash = passwords.hash(&password).await.expect("hashes");
        let stored = Some(hash.as_str());
        assert!(hash.as_str().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert!(
            passwords
                .is_right("correct horse battery", stored)
                .await
                .expect("verifies")
        );
        assert!(
            !passwords
                .is_right("wrong horse battery", stored)
                .await
                .expect("verifies")
        );
        assert!(
            !passwords
                .is_right("correct horse battery", None)
                .await
                .expect("verifies")
        );
        assert!(
            !passwords
                .is_right("correct horse battery", Some("x"))
                .await
                .expect("verifies")
        );
    }

    #[tokio::test]
    async fn a_password_is_the_same_however_a_keyboard_composes_its_letters() {
        let passwords = Passwords::new();
        let email = Email::parse("ada@example.com").expect("an address");
        let password = NewPassword::parse("gro\u{df}e b\u{e4}ume im winter", &email);
        let hash = passwords.hash(&password.expect("long enough")).await;
        let hash = hash.expect("hashes");
        // As it was stored when nothing was brought into normal form.
        let old = self::hash("ba\u{308}ume".as_bytes()).expect("hashes");
        for (typed, stored) in [
            ("gro\u{df}e b\u{e4}ume im winter", &hash),
            ("gro\u{df}e ba\u{308}ume im winter", &hash),
            ("ba\u{308}ume", &old),
        ] {
            let is_right = passwords.is_right(typed, Some(stored.as_str())).await;
            assert!(is_right.expect("verifies"), "{typed}");
        }
    }

    #[test]
    fn refusing_an_unknown_person_is_the_same_work_as_refusing_a_known_one() {
        let known = hash(b"correct horse battery").expect("hashes").0;
        let decoy = decoy();
        let work = |stored: &str| {
            let phc = Phc::new(stored).expect("PHC form");
            let lengths = (phc.salt.map(|it| it.len()), phc.hash.map(|it| it.len()));
            (phc.algorithm, phc.version, phc.params, lengths)
        };
        assert_eq!(work(&known), work(&decoy));
        assert!(!verify(b"correct horse battery", &decoy));
    }
}
