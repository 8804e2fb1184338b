//! The documents inside the chunks. Ids are 16 bytes, instants Unix milliseconds, rates thousandths
//! of a request per second. Repeated fields are sorted by their first field, so that equal content
//! is equal bytes; there are no maps.
//!
//! `config` holds what operators publish and may roll back: APIs, upstreams, plans, authorizers.
//! `state` holds keys, tenants, revocations and the issuer's keys and is always the latest. Each map
//! is a trie (see [`crate::trie`]).

use crate::chunk::ChunkRef;
use crate::seal::SealedSecret;

/// The first reader that knows [`Route::authorizer_id`].
pub const READER_OF_AUTHORIZERS: u32 = 2;

/// Root of what can be rolled out in stages. Each map is keyed by id and its values are
/// [`ChunkRef`]s; plans are keyed by id and version (see [`plan_key`]).
#[derive(Clone, PartialEq, prost::Message)]
pub struct ConfigRoot {
    #[prost(message, optional, tag = "1")]
    pub apis: Option<ChunkRef>,
    #[prost(message, optional, tag = "2")]
    pub upstreams: Option<ChunkRef>,
    #[prost(message, optional, tag = "3")]
    pub plans: Option<ChunkRef>,
    #[prost(message, optional, tag = "4")]
    pub authorizers: Option<ChunkRef>,
}

/// Root of what is always the latest.
#[derive(Clone, PartialEq, prost::Message)]
pub struct StateRoot {
    /// HMAC-SHA-256 of the API key (32 bytes) to [`Key`].
    #[prost(message, optional, tag = "1")]
    pub keys: Option<ChunkRef>,
    /// Tenant id to [`Tenant`].
    #[prost(message, optional, tag = "2")]
    pub tenants: Option<ChunkRef>,
    /// [`crate::revocation::RevocationKey`] to [`Revocation`].
    #[prost(message, optional, tag = "3")]
    pub revocations: Option<ChunkRef>,
    /// The peppers that key hashes may have been made with, newest first, sealed with the fleet's
    /// data key; a handful at most.
    #[prost(message, repeated, tag = "4")]
    pub peppers: Vec<SealedSecret>,
    /// The control plane as the issuer of tokens.
    #[prost(message, optional, tag = "5")]
    pub issuer: Option<OwnIssuer>,
}

/// Whose tokens are accepted where a route asks for the control plane's own.
#[derive(Clone, PartialEq, prost::Message)]
pub struct OwnIssuer {
    /// `iss` of its tokens, compared as it is.
    #[prost(string, tag = "1")]
    pub issuer: String,
    /// Sorted by `kid`.
    #[prost(message, repeated, tag = "2")]
    pub keys: Vec<TokenKey>,
    /// What encrypted tokens are opened with, sorted by `kid`; a handful at most. A reader that does
    /// not know them refuses encrypted tokens.
    #[prost(message, repeated, tag = "3")]
    pub encryption_keys: Vec<EncryptionKey>,
}

/// A key that opens tokens (see [`crate::jwe`]).
#[derive(Clone, PartialEq, prost::Message)]
pub struct EncryptionKey {
    #[prost(string, tag = "1")]
    pub kid: String,
    /// The private half (32 bytes), sealed with the fleet's data key.
    #[prost(message, optional, tag = "2")]
    pub secret: Option<SealedSecret>,
    /// When the last token encrypted to it has expired; none: not replaced yet.
    #[prost(int64, optional, tag = "3")]
    pub opens_until_ms: Option<i64>,
}

/// A key that verifies tokens.
#[derive(Clone, PartialEq, prost::Message)]
pub struct TokenKey {
    #[prost(string, tag = "1")]
    pub kid: String,
    #[prost(enumeration = "SigningAlgorithm", tag = "2")]
    pub algorithm: i32,
    /// RS256: an `RSAPublicKey` in DER (RFC 8017, appendix A.1.1); ES256: the uncompressed point
    /// (65 bytes); EdDSA: the Ed25519 key (32 bytes).
    #[prost(bytes = "vec", tag = "3")]
    pub public_key: Vec<u8>,
    /// When the last token signed with it has expired; none: not replaced yet.
    #[prost(int64, optional, tag = "4")]
    pub verifies_until_ms: Option<i64>,
}

/// `alg` of a token (RFC 7518 section 3.1, RFC 8037 section 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, prost::Enumeration)]
#[repr(i32)]
pub enum SigningAlgorithm {
    Unspecified = 0,
    Rs256 = 1,
    Es256 = 2,
    EdDsa = 3,
}

/// Tokens that are refused before they expire. A single token is refused whatever the instant.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct Revocation {
    /// Tokens issued at or before this instant are refused.
    #[prost(int64, tag = "1")]
    pub issued_before_ms: i64,
}

/// How routes find out who calls, beside API keys. One without a type that the node knows refuses
/// all requests of its routes.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Authorizer {
    #[prost(bytes = "vec", tag = "1")]
    pub id: Vec<u8>,
    #[prost(string, tag = "2")]
    pub name: String,
    /// Tokens of the control plane itself.
    #[prost(message, optional, tag = "3")]
    pub own_tokens: Option<OwnTokens>,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct OwnTokens {}

/// An API and its routes. `refused` is set, and all else but id, name, hosts and base path empty,
/// when the API does not compile: its requests are refused and the other APIs go on.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Api {
    #[prost(bytes = "vec", tag = "1")]
    pub id: Vec<u8>,
    #[prost(string, tag = "2")]
    pub name: String,
    /// Lower case, without port: exact (`api.example.com`) or wildcard (`*.example.com`). None: any
    /// host, tried last.
    #[prost(string, repeated, tag = "3")]
    pub hosts: Vec<String>,
    /// Empty, or `/orders`: starts with a slash and does not end with one.
    #[prost(string, tag = "4")]
    pub base_path: String,
    #[prost(message, repeated, tag = "5")]
    pub routes: Vec<Route>,
    /// The header that carries the API key, lower case.
    #[prost(string, tag = "6")]
    pub api_key_header: String,
    #[prost(message, optional, tag = "7")]
    pub cors: Option<Cors>,
    /// Refuse to serve this API from a snapshot that is staler than this.
    #[prost(uint64, optional, tag = "8")]
    pub max_stale_ms: Option<u64>,
    /// Code of the reason why this API did not compile.
    #[prost(string, optional, tag = "9")]
    pub refused: Option<String>,
    /// What `aud` of a token must hold.
    #[prost(string, tag = "10")]
    pub audience: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Route {
    #[prost(bytes = "vec", tag = "1")]
    pub id: Vec<u8>,
    /// Upper case; none: any method.
    #[prost(string, repeated, tag = "2")]
    pub methods: Vec<String>,
    /// Template below the base path: `/v1/orders/{id}`, greedy `/files/{rest+}`.
    #[prost(string, tag = "3")]
    pub path: String,
    #[prost(bool, tag = "4")]
    pub api_key_required: bool,
    /// The caller needs every one of them.
    #[prost(string, repeated, tag = "5")]
    pub scopes: Vec<String>,
    #[prost(bytes = "vec", tag = "6")]
    pub upstream_id: Vec<u8>,
    /// Limit of this route over all callers, on top of their own.
    #[prost(message, optional, tag = "7")]
    pub rate: Option<Rate>,
    /// Forward the credential that authenticated the call instead of dropping it.
    #[prost(bool, tag = "8")]
    pub forward_credentials: bool,
    #[prost(message, optional, tag = "9")]
    pub timeouts: Option<Timeouts>,
    /// Overrides the API's.
    #[prost(message, optional, tag = "10")]
    pub cors: Option<Cors>,
    /// Largest request body in bytes; none: the node's own bound.
    #[prost(uint64, optional, tag = "11")]
    pub body_bytes_max: Option<u64>,
    /// How long a request may wait for a quota lease or a share of a rate; none: 50 ms for a lease,
    /// or a second where the plan refuses without one, and two seconds for a share.
    #[prost(uint32, optional, tag = "12")]
    pub lease_wait_ms: Option<u32>,
    /// Names one in [`ConfigRoot::authorizers`]. An API with such a route is for readers of version
    /// [`READER_OF_AUTHORIZERS`]: an older one would let everybody in.
    #[prost(bytes = "vec", optional, tag = "13")]
    pub authorizer_id: Option<Vec<u8>>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Cors {
    /// `*`, or exact origins (`https://app.example.com`).
    #[prost(string, repeated, tag = "1")]
    pub allow_origins: Vec<String>,
    #[prost(string, repeated, tag = "2")]
    pub allow_methods: Vec<String>,
    #[prost(string, repeated, tag = "3")]
    pub allow_headers: Vec<String>,
    #[prost(string, repeated, tag = "4")]
    pub expose_headers: Vec<String>,
    #[prost(bool, tag = "5")]
    pub allow_credentials: bool,
    #[prost(uint32, tag = "6")]
    pub max_age_seconds: u32,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct Timeouts {
    #[prost(uint32, optional, tag = "1")]
    pub connect_ms: Option<u32>,
    /// From the request's last byte to the response's head.
    #[prost(uint32, optional, tag = "2")]
    pub first_byte_ms: Option<u32>,
    /// Longest silence while a body moves, either way.
    #[prost(uint32, optional, tag = "3")]
    pub idle_ms: Option<u32>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Upstream {
    #[prost(bytes = "vec", tag = "1")]
    pub id: Vec<u8>,
    #[prost(string, tag = "2")]
    pub name: String,
    #[prost(message, repeated, tag = "3")]
    pub targets: Vec<Target>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Target {
    /// `http://host:port` or `https://host:port`, with an optional path prefix.
    #[prost(string, tag = "1")]
    pub url: String,
    /// 0: takes no new requests.
    #[prost(uint32, tag = "2")]
    pub weight: u32,
}

/// One version of a plan; subscriptions name the version that is in force for them.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Plan {
    #[prost(bytes = "vec", tag = "1")]
    pub id: Vec<u8>,
    #[prost(uint32, tag = "2")]
    pub version: u32,
    #[prost(string, tag = "3")]
    pub name: String,
    #[prost(message, optional, tag = "4")]
    pub rate: Option<Rate>,
    #[prost(message, optional, tag = "5")]
    pub quota: Option<Quota>,
    /// Requests in flight at once; none: unlimited.
    #[prost(uint32, optional, tag = "6")]
    pub concurrency: Option<u32>,
    /// What its subscribers may do.
    #[prost(string, repeated, tag = "7")]
    pub scopes: Vec<String>,
    /// What happens to a request when this node's share of the rate has run out and no other can be
    /// had; none: [`OnStoreDown::LocalShare`].
    #[prost(enumeration = "OnStoreDown", optional, tag = "8")]
    pub rate_on_store_down: Option<i32>,
}

/// A token bucket.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct Rate {
    /// Thousandths of a request per second; at least 1.
    #[prost(uint64, tag = "1")]
    pub per_second_milli: u64,
    /// Bucket size in requests; at least 1.
    #[prost(uint64, tag = "2")]
    pub burst: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Quota {
    #[prost(uint64, tag = "1")]
    pub limit: u64,
    #[prost(enumeration = "Period", tag = "2")]
    pub period: i32,
    #[prost(enumeration = "OnStoreDown", tag = "3")]
    pub on_store_down: i32,
    /// Counters hang on tenant, group and period: plans of one group share them, so that changing
    /// between them resets nothing.
    #[prost(string, tag = "4")]
    pub group: String,
}

/// Quota periods, in UTC: day from 00:00, week from Monday, month from the 1st.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, prost::Enumeration)]
#[repr(i32)]
pub enum Period {
    Unspecified = 0,
    Day = 1,
    Week = 2,
    Month = 3,
}

/// What happens to a request whose quota lease or rate share cannot be had because the store is
/// away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, prost::Enumeration)]
#[repr(i32)]
pub enum OnStoreDown {
    Refuse = 0,
    /// Goes on within this node's share; may exceed the limit.
    LocalShare = 1,
    /// Goes on; may exceed the limit.
    Allow = 2,
}

/// An API key, found by its hash.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Key {
    #[prost(bytes = "vec", tag = "1")]
    pub id: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    pub tenant_id: Vec<u8>,
    /// The key, or the value that a rotation left behind, stops working at this instant.
    #[prost(int64, optional, tag = "3")]
    pub expires_at_ms: Option<i64>,
    /// Restriction to these; none: whatever the subscription allows.
    #[prost(message, optional, tag = "4")]
    pub scopes: Option<Scopes>,
    /// Restriction to these APIs; empty: every API of the tenant's subscriptions.
    #[prost(bytes = "vec", repeated, tag = "5")]
    pub api_ids: Vec<Vec<u8>>,
    /// Restriction to these addresses, in CIDR form; empty: any.
    #[prost(string, repeated, tag = "6")]
    pub allowed_ips: Vec<String>,
    /// The key's own limit, on top of the subscription's.
    #[prost(message, optional, tag = "7")]
    pub rate: Option<Rate>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Scopes {
    #[prost(string, repeated, tag = "1")]
    pub items: Vec<String>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Tenant {
    #[prost(bytes = "vec", tag = "1")]
    pub id: Vec<u8>,
    #[prost(bool, tag = "2")]
    pub is_suspended: bool,
    #[prost(message, repeated, tag = "3")]
    pub subscriptions: Vec<Subscription>,
    /// Code of the reason why this tenant did not compile: its requests are refused.
    #[prost(string, optional, tag = "4")]
    pub refused: Option<String>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Subscription {
    #[prost(bytes = "vec", tag = "1")]
    pub id: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    pub plan_id: Vec<u8>,
    #[prost(uint32, tag = "3")]
    pub plan_version: u32,
    /// The APIs that this subscription opens. Within a tenant no API stands in two.
    #[prost(bytes = "vec", repeated, tag = "4")]
    pub api_ids: Vec<Vec<u8>>,
}

/// Key of a plan's version in [`ConfigRoot::plans`].
pub fn plan_key(id: &[u8], version: u32) -> Vec<u8> {
    [id, &version.to_be_bytes()].concat()
}
