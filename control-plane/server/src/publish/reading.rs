//! What a publishing cycle reads: marks, and the rows they name, as of one instant.

use std::collections::BTreeMap;

use domain::api_key::KeyHash;
use domain::compile::changes;
use domain::id::{ApiId, AuthorizerId, PlanId, TenantId, UpstreamId};
use snapshot::chunk::Sealed;
use snapshot::document::OwnIssuer;
use snapshot::revocation::RevocationKey;
use snapshot::seal::SealedSecret;
use snapshot::trie::Change;
use store::CompileTx;
use store::dirty::{Mark, Marked};
use store::manifests::StoredManifest;

use super::maps::{Compiled, Map};

/// More marks than this wait for the next cycle.
const MARKS_MAX: u32 = 20_000;

pub struct Reading {
    pub marks: Vec<Marked>,
    pub work: Work,
    pub peppers: Vec<SealedSecret>,
    pub issuer: Option<OwnIssuer>,
    pub base: Option<StoredManifest>,
}

pub enum Work {
    /// Every map anew.
    Everything(BTreeMap<Map, Compiled>),
    Changes(BTreeMap<Map, MapChanges>),
}

/// Changed entries of one map, and the chunks that the new ones name.
pub struct MapChanges {
    pub changes: Vec<Change>,
    pub chunks: Vec<Sealed>,
}

/// `None`: a revision exists and nothing is marked.
pub async fn read(tx: &mut CompileTx) -> store::Result<Option<Reading>> {
    let marks = store::dirty::list(tx, MARKS_MAX).await?;
    let base = store::manifests::find_latest(tx).await?;
    if marks.is_empty() && base.is_some() {
        return Ok(None);
    }
    let is_everything = base.is_none() || marks.iter().any(|marked| marked.mark == Mark::All);
    let work = if is_everything {
        Work::Everything(everything(tx).await?)
    } else {
        Work::Changes(marked(tx, &marks).await?)
    };
    Ok(Some(Reading {
        peppers: store::compile::peppers(tx).await?,
        issuer: store::compile::own_issuer(tx).await?,
        marks,
        work,
        base,
    }))
}

/// The ids that marks name, by map.
#[derive(Default)]
struct Named {
    keys: Vec<KeyHash>,
    tenants: Vec<TenantId>,
    apis: Vec<ApiId>,
    upstreams: Vec<UpstreamId>,
    plans: Vec<PlanId>,
    authorizers: Vec<AuthorizerId>,
    revocations: Vec<RevocationKey>,
}

impl Named {
    fn collect(marks: &[Marked]) -> Self {
        let mut named = Self::default();
        for marked in marks {
            match marked.mark {
                Mark::Key(hash) => named.keys.push(hash),
                Mark::Tenant(id) => named.tenants.push(id),
                Mark::Api(id) => named.apis.push(id),
                Mark::Upstream(id) => named.upstreams.push(id),
                Mark::Plan(id) => named.plans.push(id),
                Mark::Authorizer(id) => named.authorizers.push(id),
                Mark::Revocation(key) => named.revocations.push(key),
                // These are read in every cycle; `All` does not come here.
                Mark::Peppers | Mark::TokenKeys | Mark::All => {}
            }
        }
        named
    }
}

async fn marked(tx: &mut CompileTx, marks: &[Marked]) -> store::Result<BTreeMap<Map, MapChanges>> {
    let named = Named::collect(marks);
    let mut maps = BTreeMap::new();
    let mut add = |map, asked: Vec<Vec<u8>>, compiled: Compiled| {
        if !asked.is_empty() {
            let changes = changes(asked, compiled.entries);
            let chunks = compiled.chunks;
            maps.insert(map, MapChanges { changes, chunks });
        }
    };
    let rows = store::compile::keys(tx, &named.keys).await?;
    let asked = named.keys.iter().map(|hash| hash.0.to_vec()).collect();
    add(Map::Keys, asked, Compiled::keys(&rows));
    let rows = store::compile::tenants(tx, &named.tenants).await?;
    let asked = named.tenants.iter().map(|id| id.to_bytes()).collect();
    add(Map::Tenants, asked, Compiled::tenants(&rows));
    let rows = store::compile::apis(tx, &named.apis).await?;
    let asked = named.apis.iter().map(|id| id.to_bytes()).collect();
    add(Map::Apis, asked, Compiled::apis(&rows));
    let rows = store::compile::upstreams(tx, &named.upstreams).await?;
    let asked = named.upstreams.iter().map(|id| id.to_bytes()).collect();
    add(Map::Upstreams, asked, Compiled::upstreams(&rows));
    // Versions of plans are only ever added.
    let compiled = Compiled::plans(&store::compile::plans(tx, &named.plans).await?);
    let asked = compiled.entries.iter().map(|e| e.key.clone()).collect();
    add(Map::Plans, asked, compiled);
    let rows = store::compile::authorizers(tx, &named.authorizers).await?;
    let asked = named.authorizers.iter().map(|id| id.to_bytes()).collect();
    add(Map::Authorizers, asked, Compiled::authorizers(&rows));
    let rows = store::compile::revocations(tx, &named.revocations).await?;
    let asked = named.revocations.iter().map(|key| key.as_bytes().to_vec());
    add(
        Map::Revocations,
        asked.collect(),
        Compiled::revocations(&rows),
    );
    Ok(maps)
}

/// Reads a map page by page: `$rows` reads a page after a place, `$place` is a row's place.
macro_rules! pages {
    ($tx:ident, $list:path, |$row:ident| $place:expr, |$page:ident| $compile:expr) => {{
        let (mut all, mut after) = (Compiled::default(), None);
        loop {
            let $page = $list($tx, after).await?;
            after = $page.last().map(|$row| $place);
            let is_last = $page.len() < store::compile::PAGE as usize;
            all.append($compile);
            if is_last {
                break all;
            }
        }
    }};
}

async fn everything(tx: &mut CompileTx) -> store::Result<BTreeMap<Map, Compiled>> {
    use store::compile;
    let keys = pages!(tx, compile::keys_page, |row| row.hash, |page| {
        Compiled::keys(&page)
    });
    let tenants = pages!(tx, compile::tenants_page, |row| row.id, |page| {
        Compiled::tenants(&page)
    });
    let apis = pages!(tx, compile::api_ids, |id| *id, |page| {
        Compiled::apis(&compile::apis(tx, &page).await?)
    });
    let upstreams = pages!(tx, compile::upstream_ids, |id| *id, |page| {
        Compiled::upstreams(&compile::upstreams(tx, &page).await?)
    });
    let plans = pages!(tx, compile::plan_ids, |id| *id, |page| {
        Compiled::plans(&compile::plans(tx, &page).await?)
    });
    let authorizers = pages!(tx, compile::authorizer_ids, |id| *id, |page| {
        Compiled::authorizers(&compile::authorizers(tx, &page).await?)
    });
    let revocations = pages!(tx, compile::revocations_page, |row| row.key, |page| {
        Compiled::revocations(&page)
    });
    Ok(BTreeMap::from([
        (Map::Keys, keys),
        (Map::Tenants, tenants),
        (Map::Apis, apis),
        (Map::Upstreams, upstreams),
        (Map::Plans, plans),
        (Map::Authorizers, authorizers),
        (Map::Revocations, revocations),
    ]))
}
