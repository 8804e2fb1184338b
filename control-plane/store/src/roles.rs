//! The three roles that transactions take. Roles belong to the whole PostgreSQL cluster, so several
//! databases share them and may be set up at the same moment.

use sqlx::{Connection, PgConnection};

/// What an administrator runs where the login user may not make roles. `login` is quoted by the
/// server.
fn by_hand(login: &str) -> String {
    format!(
        "create role tollgate_tenant nologin;\n\
         create role tollgate_platform nologin;\n\
         create role tollgate_compile nologin;\n\
         grant tollgate_tenant, tollgate_platform, tollgate_compile to {login};"
    )
}

/// Why the roles could not be brought into place.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RolesError {
    /// The text is the SQL to run.
    #[error("this login may not make roles")]
    Forbidden(String),
    #[error(transparent)]
    Sqlx(#[from] sqlx::Error),
}

/// Makes the roles and takes membership where that is missing. Repeats where another database of
/// the cluster does the same at this moment.
pub(crate) async fn ensure(connection: &mut PgConnection) -> Result<(), RolesError> {
    let mut attempt = 0;
    loop {
        match try_ensure(connection).await {
            Ok(()) => return Ok(()),
            Err(cause) => {
                let code = cause
                    .as_database_error()
                    .and_then(|cause| cause.code())
                    .map(|code| code.into_owned());
                match code.as_deref() {
                    // duplicate_object, unique_violation, "tuple concurrently updated"
                    Some("42710" | "23505" | "XX000") if attempt < 20 => attempt += 1,
                    // insufficient_privilege
                    Some("42501") => {
                        return Err(RolesError::Forbidden(by_hand(&login(connection).await?)));
                    }
                    _ => return Err(cause.into()),
                }
            }
        }
    }
}

async fn login(connection: &mut PgConnection) -> Result<String, sqlx::Error> {
    sqlx::query_scalar!(r#"select quote_ident(current_user) as "login!""#)
        .fetch_one(connection)
        .await
}

async fn try_ensure(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    let missing = sqlx::query!(
        r#"select
            not exists (select from pg_roles where rolname = 'tollgate_tenant') as "tenant!",
            not exists (select from pg_roles where rolname = 'tollgate_platform') as "platform!",
            not exists (select from pg_roles where rolname = 'tollgate_compile') as "compile!""#
    )
    .fetch_one(&mut *connection)
    .await?;
    let mut tx = connection.begin().await?;
    if missing.tenant {
        sqlx::query!("create role tollgate_tenant nologin")
            .execute(&mut *tx)
            .await?;
    }
    if missing.platform {
        sqlx::query!("create role tollgate_platform nologin")
            .execute(&mut *tx)
            .await?;
    }
    if missing.compile {
        sqlx::query!("create role tollgate_compile nologin")
            .execute(&mut *tx)
            .await?;
    }
    // Since PostgreSQL 16 who makes a role is a member of it that may not take it.
    let may_take = sqlx::query_scalar!(
        r#"select pg_has_role('tollgate_tenant', privilege)
            and pg_has_role('tollgate_platform', privilege)
            and pg_has_role('tollgate_compile', privilege) as "may_take!"
        from (select case when current_setting('server_version_num')::int >= 160000
            then 'set' else 'member' end) as asked (privilege)"#
    )
    .fetch_one(&mut *tx)
    .await?;
    if !may_take {
        sqlx::query!("grant tollgate_tenant, tollgate_platform, tollgate_compile to current_user")
            .execute(&mut *tx)
            .await?;
    }
    tx.commit().await
}
