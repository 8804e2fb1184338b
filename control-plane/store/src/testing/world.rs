//! Things that stand in a test's database, made the short way. What a test is about, it sets itself.

use domain::api::{ApiName, ApiTerms, BasePath, DEFAULT_KEY_HEADER, Host, KeyHeader};
use domain::api_key::{KeyHash, KeyName, KeyTerms, Pepper, PlainKey};
use domain::email::Email;
use domain::id::{
    ApiId, ApiKeyId, EnrolTokenId, MemberId, NodeId, PlanId, RouteId, SubscriptionId, TenantId,
    UpstreamId, UserId,
};
use domain::node::{EnrolTokenName, Labels};
use domain::plan::{DEFAULT_QUOTA_GROUP, OnStoreDown, PlanName, PlanTerms, Quota};
use domain::quota::Period;
use domain::role::Role;
use domain::route::{PathTemplate, RouteTerms, Timeouts};
use domain::tenant::TenantName;
use domain::upstream::{NewTarget, UpstreamName};
use domain::user::PersonName;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use crate::api_keys::NewValue;
use crate::deployment::PepperId;
use crate::nodes::{NewEnrolToken, NewNode};
use crate::plans::PlanEdit;
use crate::users::NewUser;
use crate::{
    Db, api_keys, apis, deployment, dirty, members, nodes, plans, routes, subscriptions, tenants,
    upstreams, users,
};

/// A database with an upstream and a pepper in it, to which a test adds what it needs.
#[derive(Debug)]
pub struct World {
    pub db: Db,
    pub upstream: UpstreamId,
    pub pepper: PepperId,
}

/// The secret behind [`World::pepper`].
pub const PEPPER: [u8; 32] = [7; 32];

fn id<T: From<Uuid>>() -> T {
    Uuid::now_v7().into()
}

impl World {
    pub async fn new() -> Self {
        let db = super::database().await;
        let mut tx = db.platform_tx().await.expect("begins");
        let sealed = [8, 1]; // A SealedSecret of generation 1.
        let pepper = deployment::insert_pepper(&mut tx, b"sealed", &sealed)
            .await
            .expect("a pepper");
        let upstream = id();
        let target = NewTarget::parse("http://127.0.0.1:9", 1).expect("a target");
        let name = UpstreamName::parse("nowhere").expect("a name");
        upstreams::insert(&mut tx, upstream, &name, &[target])
            .await
            .expect("an upstream");
        tx.commit().await.expect("commits");
        Self {
            db,
            upstream,
            pepper,
        }
    }

    /// An API at `base_path` of any host, with one route for everything.
    pub async fn api(&self, base_path: &str) -> (ApiId, RouteId) {
        let (api, route) = (id(), id());
        let mut tx = self.db.platform_tx().await.expect("begins");
        apis::insert(&mut tx, api, &self.api_terms(base_path, &[]))
            .await
            .expect("an API");
        routes::insert(&mut tx, api, route, &Self::route_terms("/{rest+}"))
            .await
            .expect("a route");
        tx.commit().await.expect("commits");
        (api, route)
    }

    pub fn api_terms(&self, base_path: &str, hosts: &[&str]) -> ApiTerms {
        let hosts = hosts.iter().map(|host| Host::parse(host).expect("a host"));
        ApiTerms {
            name: ApiName::parse(&format!("API {base_path} {}", Uuid::now_v7())).expect("a name"),
            hosts: hosts.collect(),
            base_path: BasePath::parse(base_path).expect("a base path"),
            upstream_id: self.upstream,
            api_key_header: KeyHeader::parse(DEFAULT_KEY_HEADER).expect("a header"),
            audience: None,
            cors: None,
            max_stale_ms: None,
            scopes: Vec::new(),
        }
    }

    pub fn route_terms(path: &str) -> RouteTerms {
        RouteTerms {
            path: PathTemplate::parse(path).expect("a path"),
            methods: Vec::new(),
            api_key_required: true,
            scopes: Vec::new(),
            upstream_id: None,
            rate: None,
            forward_credentials: false,
            timeouts: Timeouts::default(),
            cors: None,
            body_bytes_max: None,
            lease_wait_ms: None,
            authorizer_id: None,
        }
    }

    pub async fn plan(&self, terms: &PlanTerms) -> PlanId {
        let plan = id();
        let name = PlanName::parse(&format!("plan {plan:?}")).expect("a name");
        let edit = PlanEdit {
            name: &name,
            description: "",
            is_self_service: true,
            terms,
        };
        let mut tx = self.db.platform_tx().await.expect("begins");
        plans::insert(&mut tx, plan, &edit).await.expect("a plan");
        tx.commit().await.expect("commits");
        plan
    }

    /// A quota in the default group.
    pub fn quota(limit: u64, period: Period) -> PlanTerms {
        PlanTerms {
            quota: Some(Quota {
                limit,
                period,
                offset: 0,
                group: DEFAULT_QUOTA_GROUP.to_owned(),
                on_store_down: OnStoreDown::Refuse,
            }),
            ..PlanTerms::default()
        }
    }

    pub async fn tenant(&self, name: &str) -> TenantId {
        let tenant = id();
        let mut tx = self.db.platform_tx().await.expect("begins");
        let name = TenantName::parse(name).expect("a name");
        tenants::insert(&mut tx, tenant, &name)
            .await
            .expect("a tenant");
        tx.commit().await.expect("commits");
        tenant
    }

    /// A person with this role in the tenant.
    pub async fn member(&self, tenant: TenantId, role: Role) -> (MemberId, UserId) {
        let (member, user) = (id(), id());
        let mut tx = self.db.platform_tx().await.expect("begins");
        let email = Email::parse(&format!("{user}@example.com")).expect("an address");
        let new = NewUser {
            id: user,
            email: &email,
            name: &PersonName::default(),
            password_hash: None,
            email_confirmed_at: None,
        };
        users::insert(&mut tx, &new).await.expect("a user");
        members::insert(&mut tx, tenant, member, user, role)
            .await
            .expect("a member");
        tx.commit().await.expect("commits");
        (member, user)
    }

    /// An active subscription.
    pub async fn subscribe(&self, tenant: TenantId, plan: PlanId) -> SubscriptionId {
        let subscription = id();
        let mut tx = self.db.tenant_tx(tenant).await.expect("begins");
        subscriptions::insert(&mut tx, tenant, subscription, plan, None)
            .await
            .expect("a subscription");
        let now = OffsetDateTime::now_utc();
        subscriptions::activate(&mut tx, tenant, subscription, now)
            .await
            .expect("it can be activated");
        tx.commit().await.expect("commits");
        subscription
    }

    /// A new value, hashed with the world's pepper.
    pub fn value(&self) -> (PlainKey, NewValue) {
        // Ids are unique, which is all that a test's key has to be.
        let random = snapshot::chunk::sha256(Uuid::now_v7().as_bytes());
        let plain = PlainKey::mint(false, &random);
        let value = NewValue {
            hash: plain.hash(&Pepper::new(&PEPPER)),
            pepper: self.pepper,
            prefix: plain.prefix().to_owned(),
            is_imported: false,
        };
        (plain, value)
    }

    /// An unrestricted API key.
    pub async fn key(&self, tenant: TenantId, name: &str) -> (ApiKeyId, KeyHash) {
        let (_, value) = self.value();
        let key = id();
        let terms = KeyTerms::named(KeyName::parse(name).expect("a name"));
        let mut tx = self.db.tenant_tx(tenant).await.expect("begins");
        api_keys::insert(&mut tx, tenant, key, (&terms, &value), None)
            .await
            .expect("a key");
        tx.commit().await.expect("commits");
        (key, value.hash)
    }

    /// An enrolled node with its first process registered as incarnation 1.
    /// Many keys of a tenant, whose values nobody knows.
    pub async fn many_keys(&self, tenant: TenantId, count: i32) {
        let mut tx = self.db.platform_tx().await.expect("begins");
        // Not a checked query: only tests make keys like this.
        sqlx::query(
            "with keys as (
                insert into api_keys (id, tenant_id, name, prefix)
                select gen_random_uuid(), $1, 'key ' || number, 'tg_live_many'
                from generate_series(1, $2) as number
                returning id
            )
            insert into api_key_values (hash, tenant_id, key_id, pepper_id)
            select sha256(uuid_send(id)), $1, id, $3 from keys",
        )
        .bind(tenant.0)
        .bind(count)
        .bind(self.pepper.0)
        .execute(&mut *tx)
        .await
        .expect("keys");
        crate::dirty::mark(&mut tx, &[crate::dirty::Mark::All])
            .await
            .expect("a mark");
        tx.commit().await.expect("commits");
    }

    /// An Ed25519 key that tokens are verified with, whose private half nobody has.
    pub async fn token_key(&self, kid: &str) {
        let jwk = serde_json::json!({
            "kty": "OKP",
            "crv": "Ed25519",
            "x": "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE",
        });
        let mut tx = self.db.platform_tx().await.expect("begins");
        // Not a checked query: only tests make keys like this.
        sqlx::query(
            "insert into token_keys
                (id, kid, algorithm, public_jwk, sealed_private_key, signs_from)
            values ($1, $2, 'EdDSA', $3, '', now())",
        )
        .bind(Uuid::now_v7())
        .bind(kid)
        .bind(jwk)
        .execute(&mut *tx)
        .await
        .expect("a key");
        dirty::mark(&mut tx, &[dirty::Mark::TokenKeys])
            .await
            .expect("marks");
        tx.commit().await.expect("commits");
    }

    pub async fn node(&self) -> NodeId {
        let (node, token): (NodeId, EnrolTokenId) = (id(), id());
        let mut key = [1; 32];
        key[..16].copy_from_slice(node.0.as_bytes());
        let now = OffsetDateTime::now_utc();
        let mut tx = self.db.platform_tx().await.expect("begins");
        let token = NewEnrolToken {
            id: token,
            name: &EnrolTokenName::parse("token").expect("a name"),
            hash: key,
            labels: &Labels::default(),
            uses_max: 1,
            expires_at: now + Duration::HOUR,
            created_by: None,
        };
        nodes::insert_enrol_token(&mut tx, &token)
            .await
            .expect("a token");
        let new = NewNode {
            id: node,
            name: "node",
            signing_key: key,
            seal_key: key,
            software_version: "0",
        };
        nodes::enrol(&mut tx, &key, &new, now)
            .await
            .expect("a node");
        nodes::register_incarnation(&mut tx, node, 1)
            .await
            .expect("an incarnation");
        tx.commit().await.expect("commits");
        node
    }
}
