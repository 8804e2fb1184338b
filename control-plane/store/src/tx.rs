//! Transactions, each in a role that lasts as long as it does: what goes back to the pool carries
//! neither role nor tenant.

use std::ops::{Deref, DerefMut};

use domain::id::TenantId;
use sqlx::{PgConnection, Postgres, Transaction};

use crate::{Db, Result};

macro_rules! transactions {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        ///
        /// Dropping it undoes everything.
        #[derive(Debug)]
        pub struct $name(Transaction<'static, Postgres>);

        impl $name {
            pub async fn commit(self) -> Result<()> {
                Ok(self.0.commit().await?)
            }
        }

        impl Deref for $name {
            type Target = PgConnection;

            fn deref(&self) -> &PgConnection {
                &self.0
            }
        }

        impl DerefMut for $name {
            fn deref_mut(&mut self) -> &mut PgConnection {
                &mut self.0
            }
        }
    )*};
}

transactions! {
    /// Work of one tenant: the database shows and takes its rows only.
    TenantTx;
    /// Work across tenants, and on what belongs to the platform.
    PlatformTx;
    /// One consistent view of everything that becomes a snapshot; read only.
    CompileTx;
}

impl Db {
    /// The one place where a transaction gets its tenant.
    pub async fn tenant_tx(&self, tenant: TenantId) -> Result<TenantTx> {
        let mut tx = self
            .pool()
            .begin_with("begin; set local role tollgate_tenant")
            .await?;
        sqlx::query!(
            "select set_config('tollgate.tenant_id', $1, true)",
            tenant.0.to_string()
        )
        .fetch_one(&mut *tx)
        .await?;
        Ok(TenantTx(tx))
    }

    pub async fn platform_tx(&self) -> Result<PlatformTx> {
        let tx = self
            .pool()
            .begin_with("begin; set local role tollgate_platform")
            .await?;
        Ok(PlatformTx(tx))
    }

    pub async fn compile_tx(&self) -> Result<CompileTx> {
        let tx = self
            .pool()
            .begin_with(
                "begin isolation level repeatable read read only; set local role tollgate_compile",
            )
            .await?;
        Ok(CompileTx(tx))
    }
}
