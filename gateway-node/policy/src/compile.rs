//! The snapshot as the cores see it. Compiling a new one shares whatever did not change.

use std::collections::HashMap;
use std::sync::Arc;

use snapshot::api_key::Pepper;
use snapshot::chunk::{self, Address, ChunkRef, Kind};
use snapshot::document::{self, ConfigRoot, StateRoot};
use snapshot::id::{AuthorizerId, PlanId, TenantId, UpstreamId};
use snapshot::manifest::{Manifest, Version};
use snapshot::seal::{DataKey, PEPPER, SealedSecret};
use snapshot::trie::{self, Entry, Tree};
use snapshot::{DecodeError, decode};

use crate::api::{Api, Parts, RouteAuthorizer, Upstream};
use crate::keys::KeyLeaf;
use crate::quota::Terms;
use crate::registry::Registry;
use crate::revocations::RevocationLeaf;
use crate::routing::HostTable;
use crate::tenants::{self, Plan, Subscription, TenantLeaf};
use crate::tokens::Issuer;

/// Why a snapshot cannot be enforced; the one in force stays.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// Fetch the data keys and try again.
    #[error("data key generation {generation} is needed to open a secret")]
    MissingDataKey { generation: u32 },
    #[error("a sealed secret does not open with its data key")]
    CannotOpen,
    #[error("two APIs are published at the same host and base path: {0}")]
    ApisConflict(String),
    #[error("the manifest names no {0} root")]
    NoRoot(&'static str),
}

impl CompileError {
    pub fn code(&self) -> &'static str {
        match self {
            CompileError::Decode(cause) => cause.code(),
            CompileError::MissingDataKey { .. } => "missing_data_key",
            CompileError::CannotOpen => "cannot_open_secret",
            CompileError::ApisConflict(_) => "apis_conflict",
            CompileError::NoRoot(_) => "no_root",
        }
    }
}

/// Gives the verified bytes of a chunk.
pub type Fetch<'a> = &'a mut dyn FnMut(&ChunkRef) -> Result<Vec<u8>, DecodeError>;

pub struct CompileInputs<'a> {
    pub manifest: &'a Manifest,
    pub previous: Option<&'a Snapshot>,
    pub data_keys: &'a [DataKey],
    pub registry: &'a Registry,
    pub fetch: Fetch<'a>,
}

/// One entry of a directory map: key, and the chunk that it names.
type Directory = Tree<Vec<(Vec<u8>, ChunkRef)>>;

/// Everything a node enforces, immutable, shared by all cores.
pub struct Snapshot {
    version: Version,
    created_at_ms: i64,
    pub(crate) registry: Registry,
    pub(crate) peppers: Vec<Pepper>,
    pub(crate) hosts: HostTable<Arc<Api>>,
    apis: HashMap<Address, Arc<Api>>,
    upstreams: HashMap<UpstreamId, (Address, Arc<Upstream>)>,
    authorizers: Authorizers,
    pub(crate) plans: PlanMap,
    plan_chunks: HashMap<Address, (PlanId, u32)>,
    pub(crate) keys: Tree<KeyLeaf>,
    pub(crate) tenants: Tree<TenantLeaf>,
    pub(crate) revocations: Tree<RevocationLeaf>,
    /// `None`: no token is accepted.
    pub(crate) issuer: Option<Issuer>,
    directories: [Directory; 4],
}

impl Snapshot {
    pub fn compile(inputs: CompileInputs<'_>) -> Result<Self, CompileError> {
        let CompileInputs {
            manifest,
            previous,
            data_keys,
            registry,
            fetch,
        } = inputs;
        let root = manifest
            .config
            .as_ref()
            .ok_or(CompileError::NoRoot("config"))?;
        let config: ConfigRoot = chunk::open(Kind::ConfigRoot, &fetch(root)?)?;
        let root = manifest
            .state
            .as_ref()
            .ok_or(CompileError::NoRoot("state"))?;
        let state: StateRoot = chunk::open(Kind::StateRoot, &fetch(root)?)?;

        let empty: [Directory; 4] = Default::default();
        let old = previous.map_or(&empty, |previous| &previous.directories);
        let mut directory = |root: &Option<ChunkRef>, old: &Directory| {
            Tree::load(
                Kind::DirectoryLeaf,
                root.as_ref(),
                old,
                &mut |r| fetch(r).map_err(CompileError::from),
                &mut references,
            )
        };
        let directories = [
            directory(&config.apis, &old[0])?,
            directory(&config.upstreams, &old[1])?,
            directory(&config.plans, &old[2])?,
            directory(&config.authorizers, &old[3])?,
        ];
        let upstreams = compile_upstreams(&directories[1], previous, fetch)?;
        let authorizers = compile_authorizers(&directories[3], previous, fetch)?;
        let parts = Parts {
            upstream: &|id| upstreams.get(&id).map(|(_, upstream)| upstream.clone()),
            authorizer: &|id| {
                let found = authorizers.get(&id);
                found.map_or(RouteAuthorizer::Unknown, |(_, authorizer)| *authorizer)
            },
        };
        let apis = compile_apis(&directories[0], parts, previous, registry, fetch)?;
        let (plans, plan_chunks) = compile_plans(&directories[2], previous, fetch)?;

        let (no_keys, no_tenants, no_revocations) = Default::default();
        let keys = Tree::load(
            Kind::KeyLeaf,
            state.keys.as_ref(),
            previous.map_or(&no_keys, |previous| &previous.keys),
            &mut |reference| fetch(reference).map_err(CompileError::from),
            &mut |entries| KeyLeaf::compile(&entries, registry),
        )?;
        let tenants = Tree::load(
            Kind::TenantLeaf,
            state.tenants.as_ref(),
            previous.map_or(&no_tenants, |previous| &previous.tenants),
            &mut |reference| fetch(reference).map_err(CompileError::from),
            &mut |entries| TenantLeaf::compile(&entries),
        )?;
        let revocations = Tree::load(
            Kind::RevocationLeaf,
            state.revocations.as_ref(),
            previous.map_or(&no_revocations, |previous| &previous.revocations),
            &mut |reference| fetch(reference).map_err(CompileError::from),
            &mut |entries| RevocationLeaf::compile(&entries),
        )?;
        Ok(Self {
            version: manifest.version(),
            created_at_ms: manifest.created_at_ms,
            registry: registry.clone(),
            peppers: open_peppers(&state, data_keys)?,
            issuer: state
                .issuer
                .map(|issuer| Issuer::compile(issuer, data_keys))
                .transpose()?,
            hosts: host_table(&apis)?,
            upstreams,
            apis,
            authorizers,
            plans,
            plan_chunks,
            keys,
            tenants,
            revocations,
            directories,
        })
    }

    pub fn version(&self) -> Version {
        self.version
    }

    pub fn created_at_ms(&self) -> i64 {
        self.created_at_ms
    }

    pub fn key_count(&self) -> u64 {
        self.keys.len()
    }

    pub fn tenant_count(&self) -> u64 {
        self.tenants.len()
    }

    /// By which version of which plan a tenant's quota in a group is limited.
    pub fn quota_terms(&self, tenant: TenantId, group: &str) -> Option<Terms> {
        let path = trie::path_of(Kind::TenantLeaf, &tenant.to_bytes());
        let tenant = tenants::find(&self.tenants, tenant, &path)?;
        let mut terms = tenant.subscriptions().map(Subscription::terms);
        terms.find(|terms| {
            let quota = self.plans.get(terms).and_then(|plan| plan.quota.as_ref());
            quota.is_some_and(|quota| quota.group == group)
        })
    }

    pub fn apis(&self) -> impl Iterator<Item = &Arc<Api>> {
        self.apis.values()
    }

    pub fn upstreams(&self) -> impl Iterator<Item = &Arc<Upstream>> {
        self.upstreams.values().map(|(_, upstream)| upstream)
    }
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Snapshot({}, {} keys)", self.version, self.keys.len())
    }
}

fn references(entries: Vec<Entry>) -> Result<Vec<(Vec<u8>, ChunkRef)>, CompileError> {
    entries
        .into_iter()
        .map(|entry| Ok((entry.key, decode("chunk reference", &entry.value, 256)?)))
        .collect()
}

type Each<'a> = &'a mut dyn FnMut(&[u8], &ChunkRef) -> Result<(), CompileError>;

fn for_each(directory: &Directory, each: Each<'_>) -> Result<(), CompileError> {
    let mut outcome = Ok(());
    directory.for_each_leaf(&mut |entries| {
        for (key, reference) in entries {
            if outcome.is_ok() {
                outcome = each(key, reference);
            }
        }
    });
    outcome
}

/// A secret of the snapshot.
pub(crate) fn open_sealed(
    purpose: &str,
    sealed: &SealedSecret,
    data_keys: &[DataKey],
) -> Result<Vec<u8>, CompileError> {
    let data_key = data_keys
        .iter()
        .find(|key| key.generation == sealed.generation)
        .ok_or(CompileError::MissingDataKey {
            generation: sealed.generation,
        })?;
    data_key
        .open(purpose, sealed)
        .map_err(|_| CompileError::CannotOpen)
}

fn open_peppers(state: &StateRoot, data_keys: &[DataKey]) -> Result<Vec<Pepper>, CompileError> {
    let open = |sealed: &SealedSecret| {
        let secret = open_sealed(PEPPER, sealed, data_keys)?;
        let secret =
            <[u8; 32]>::try_from(secret.as_slice()).map_err(|_| CompileError::CannotOpen)?;
        Ok(Pepper::new(&secret))
    };
    state.peppers.iter().map(open).collect()
}

type Upstreams = HashMap<UpstreamId, (Address, Arc<Upstream>)>;

fn compile_upstreams(
    directory: &Directory,
    previous: Option<&Snapshot>,
    fetch: Fetch<'_>,
) -> Result<Upstreams, CompileError> {
    let mut upstreams = HashMap::new();
    for_each(directory, &mut |key, reference| {
        let (id, address) = (UpstreamId::from_bytes(key)?, reference.address()?);
        let old = previous.and_then(|previous| previous.upstreams.get(&id));
        let upstream = match old.filter(|(old, _)| *old == address) {
            Some((_, upstream)) => upstream.clone(),
            None => Arc::new(Upstream::compile(chunk::open(
                Kind::Upstream,
                &fetch(reference)?,
            )?)?),
        };
        upstreams.insert(id, (address, upstream));
        Ok(())
    })?;
    Ok(upstreams)
}

type Authorizers = HashMap<AuthorizerId, (Address, RouteAuthorizer)>;

fn compile_authorizers(
    directory: &Directory,
    previous: Option<&Snapshot>,
    fetch: Fetch<'_>,
) -> Result<Authorizers, CompileError> {
    let mut authorizers = HashMap::new();
    for_each(directory, &mut |key, reference| {
        let (id, address) = (AuthorizerId::from_bytes(key)?, reference.address()?);
        let old = previous.and_then(|previous| previous.authorizers.get(&id));
        let authorizer = match old.filter(|(old, _)| *old == address) {
            Some((_, authorizer)) => *authorizer,
            None => RouteAuthorizer::of(&chunk::open(Kind::Authorizer, &fetch(reference)?)?),
        };
        authorizers.insert(id, (address, authorizer));
        Ok(())
    })?;
    Ok(authorizers)
}

fn compile_apis(
    directory: &Directory,
    parts: Parts<'_>,
    previous: Option<&Snapshot>,
    registry: &Registry,
    fetch: Fetch<'_>,
) -> Result<HashMap<Address, Arc<Api>>, CompileError> {
    let mut apis = HashMap::new();
    for_each(directory, &mut |_, reference| {
        let address = reference.address()?;
        let old = previous.and_then(|previous| previous.apis.get(&address));
        let api = match old.filter(|api| api.uses_same(parts)) {
            Some(api) => api.clone(),
            None => {
                let document: document::Api = chunk::open(Kind::Api, &fetch(reference)?)?;
                Arc::new(Api::compile(document, parts, registry)?)
            }
        };
        apis.insert(address, api);
        Ok(())
    })?;
    Ok(apis)
}

type PlanMap = HashMap<(PlanId, u32), Arc<Plan>, foldhash::fast::RandomState>;
type Plans = (PlanMap, HashMap<Address, (PlanId, u32)>);

fn compile_plans(
    directory: &Directory,
    previous: Option<&Snapshot>,
    fetch: Fetch<'_>,
) -> Result<Plans, CompileError> {
    let (mut plans, mut chunks) = (PlanMap::default(), HashMap::new());
    for_each(directory, &mut |_, reference| {
        let address = reference.address()?;
        let old = previous.and_then(|previous| {
            let key = previous.plan_chunks.get(&address)?;
            Some((*key, previous.plans.get(key)?.clone()))
        });
        let (key, plan) = match old {
            Some(old) => old,
            None => {
                let document: document::Plan = chunk::open(Kind::Plan, &fetch(reference)?)?;
                let key = (PlanId::from_bytes(&document.id)?, document.version);
                (key, Arc::new(Plan::compile(document)?))
            }
        };
        chunks.insert(address, key);
        plans.insert(key, plan);
        Ok(())
    })?;
    Ok((plans, chunks))
}

fn host_table(apis: &HashMap<Address, Arc<Api>>) -> Result<HostTable<Arc<Api>>, CompileError> {
    let entries = apis
        .values()
        .map(|api| (api.hosts.clone(), api.base_path.clone(), api.clone()))
        .collect();
    HostTable::build(entries).map_err(|conflict| CompileError::ApisConflict(conflict.to_string()))
}
