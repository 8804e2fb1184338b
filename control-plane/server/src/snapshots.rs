//! What was published: revisions of everything that nodes enforce.

use axum::extract::State;
use domain::permission::Action;
use serde::Serialize;
use store::PlatformTx;
use store::manifests::StoredManifest;
use time::OffsetDateTime;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::action::ActionError;
use crate::app::App;
use crate::authority::Authority;
use crate::json::{self, Caller, Listed, PageQuery, Search, Stop};

pub(crate) fn api() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(json::route(Action::ListSnapshots, routes!(list_json)))
}

/// The newest first.
pub(crate) async fn list(
    authority: &Authority,
    tx: &mut PlatformTx,
    limit: u32,
) -> Result<Vec<StoredManifest>, ActionError> {
    authority.require(Action::ListSnapshots)?;
    Ok(store::manifests::list(tx, limit).await?)
}

/// A published revision.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Snapshot)]
struct SnapshotView {
    epoch: u64,
    revision: u64,
    /// SHA-256 of the manifest's payload, in hexadecimal.
    hash: String,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
}

/// How much of the list is wanted.
#[derive(Debug, Default, serde::Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct SnapshotsQuery {
    /// Revisions, 1 to 200; 50 when left out.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
}

/// Lists the newest published revisions, the latest first.
#[utoipa::path(get, path = "/snapshots", operation_id = "list", tag = "snapshots",
    params(SnapshotsQuery), responses((status = 200, body = Listed<SnapshotView>)))]
async fn list_json(
    State(app): State<App>,
    caller: Caller,
    Search(query): Search<SnapshotsQuery>,
) -> Result<Listed<SnapshotView>, Stop> {
    let page = PageQuery {
        limit: query.limit,
        cursor: None,
    };
    let limit = page.parse()?.limit;
    let mut tx = app.db.platform_tx().await?;
    let found = list(&caller.authority, &mut tx, limit).await?;
    let items = found.into_iter().map(|one| SnapshotView {
        epoch: one.version.epoch,
        revision: one.version.revision,
        hash: one.hash.to_string(),
        created_at: one.created_at,
    });
    Ok(Listed {
        items: items.collect(),
        next_cursor: None,
    })
}
