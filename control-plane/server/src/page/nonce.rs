//! Forms whose answer shows a secret: sending one again, by reloading the answer, makes no second
//! secret.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::id::TenantId;
use http::StatusCode;
use snapshot::chunk::sha256;
use store::Conn;
use store::idempotency::{Claim, KeyOf};

use super::Failure;
use crate::authority::Authority;
use crate::problem::Problem;
use crate::random;

/// One sending of a form, known by the random value that its page carried.
pub(crate) struct Nonce {
    principal: String,
    tenant: Option<TenantId>,
    key: String,
}

/// A value for a form that is about to be shown.
pub(crate) fn once() -> String {
    URL_SAFE_NO_PAD.encode(random::bytes::<16>())
}

impl Nonce {
    pub(crate) fn new(
        authority: &Authority,
        tenant: Option<TenantId>,
        nonce: &str,
    ) -> Result<Self, Failure> {
        let is_ours = URL_SAFE_NO_PAD
            .decode(nonce)
            .is_ok_and(|bytes| bytes.len() == 16);
        let Some(user) = authority.user().filter(|_| is_ours) else {
            let detail = "the form is out of date; open it again";
            return Err(Problem::new(StatusCode::FORBIDDEN, "form_expired", detail).into());
        };
        Ok(Self {
            principal: user.to_string(),
            tenant,
            key: format!("form {nonce}"),
        })
    }

    /// Goes on where the form was not sent before. Call it first in the transaction of the action.
    pub(crate) async fn claim(&self, tx: &mut Conn) -> Result<(), Failure> {
        let fingerprint = sha256(self.key.as_bytes());
        match store::idempotency::claim(tx, self.of(), &fingerprint).await? {
            Claim::New => Ok(()),
            Claim::OtherRequest | Claim::Done { .. } => Err(Problem::new(
                StatusCode::CONFLICT,
                "secret_already_shown",
                "this form was sent before: what it made exists, and its secret was shown in the \
                 first answer only",
            )
            .into()),
        }
    }

    /// Keeps what was made. Call it last in the transaction of the action.
    pub(crate) async fn finish(&self, tx: &mut Conn, id: &str) -> Result<(), Failure> {
        Ok(store::idempotency::finish(tx, self.of(), 200, id.as_bytes()).await?)
    }

    fn of(&self) -> KeyOf<'_> {
        KeyOf {
            principal: &self.principal,
            tenant_id: self.tenant,
            key: &self.key,
        }
    }
}
