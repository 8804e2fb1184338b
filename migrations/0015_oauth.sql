create table token_keys (
    id uuid primary key,
    kid text not null check (length(kid) between 8 and 64),
    algorithm text not null check (algorithm in ('RS256', 'ES256', 'EdDSA')),
    public_jwk jsonb not null,
    sealed_private_key bytea not null,
    signs_from timestamptz not null,
    verifies_until timestamptz,
    created_at timestamptz not null default now(),
    constraint token_keys_kid_key unique (kid)
);
comment on table token_keys is
    'Keys that tokens are signed with. Per algorithm the one with the latest signs_from that has come signs.';
comment on column token_keys.public_jwk is 'As in the JWKS (RFC 7517), with kid, alg and use.';
comment on column token_keys.sealed_private_key is 'PKCS #8 under SECRET_KEY.';
comment on column token_keys.signs_from is
    'A new key is in the JWKS for a while before it signs, so that who caches the JWKS knows it.';
comment on column token_keys.verifies_until is
    'When the last token signed with it has expired; null: not replaced yet.';
grant select, insert, update, delete on token_keys to tollgate_platform;
grant select (id, kid, algorithm, public_jwk, verifies_until) on token_keys to tollgate_compile;

create table api_scopes (
    api_id uuid not null references apis (id) on delete cascade,
    name text not null check (length(name) between 1 and 100),
    description text not null default '' check (length(description) <= 500),
    constraint api_scopes_pkey primary key (api_id, name)
);
comment on table api_scopes is 'What a token can be for, as the operators of an API define it.';
grant select, insert, update, delete on api_scopes to tollgate_platform;
grant select on api_scopes to tollgate_tenant;

create table oauth_clients (
    id uuid primary key,
    tenant_id uuid not null references tenants (id) on delete cascade,
    name text not null check (length(name) between 1 and 100),
    kind text not null check (kind in ('public', 'confidential')),
    serves text not null default 'own_tenant' check (serves in ('own_tenant', 'any_tenant')),
    sign_up text not null default 'nobody' check (sign_up in ('nobody', 'domains', 'anybody')),
    sign_up_domains text[] not null default '{}',
    redirect_uris text[] not null default '{}',
    logout_uris text[] not null default '{}',
    grants text[] not null
        check (grants <@ array['authorization_code', 'refresh_token', 'client_credentials']),
    scopes text[] not null default '{}',
    requires_pkce boolean not null default true,
    signing_algorithm text not null default 'RS256' check (signing_algorithm in ('RS256', 'ES256', 'EdDSA')),
    encrypts_access_tokens boolean not null default false,
    access_token_seconds integer not null default 3600 check (access_token_seconds between 60 and 86400),
    id_token_seconds integer not null default 3600 check (id_token_seconds between 60 and 86400),
    refresh_token_seconds integer not null default 2592000
        check (refresh_token_seconds between 3600 and 315360000),
    is_enabled boolean not null default true,
    cut_off_at timestamptz,
    edition integer not null default 1,
    created_at timestamptz not null default now(),
    unique (tenant_id, id)
);
comment on column oauth_clients.cut_off_at is
    'What it was given before this instant is over, whosever it was.';
comment on table oauth_clients is 'Applications that sign people in, or get tokens for themselves.';
comment on column oauth_clients.serves is
    'any_tenant: members of other tenants may use it too, after they consented.';
comment on column oauth_clients.sign_up is
    'Who becomes a member with the role user by signing up at this client.';
comment on column oauth_clients.scopes is
    'What it may ask for, beside openid, profile, email and offline_access.';
create unique index oauth_clients_name on oauth_clients (tenant_id, lower(name));
select protect_tenant_table('oauth_clients');
grant select, insert, update, delete on oauth_clients to tollgate_tenant;

create table oauth_client_secrets (
    id uuid primary key,
    tenant_id uuid not null,
    client_id uuid not null,
    hash bytea not null check (length(hash) = 32),
    prefix text not null,
    expires_at timestamptz,
    last_used_at timestamptz,
    created_at timestamptz not null default now(),
    constraint oauth_client_secrets_hash_key unique (hash),
    foreign key (tenant_id, client_id) references oauth_clients (tenant_id, id) on delete cascade
);
comment on table oauth_client_secrets is
    'SHA-256 of secrets (tgs_…, 178 random bits). At most two live ones per client, for rotation.';
create index oauth_client_secrets_client on oauth_client_secrets (tenant_id, client_id);
select protect_tenant_table('oauth_client_secrets');
grant select, insert, update, delete on oauth_client_secrets to tollgate_tenant;

create table oauth_consents (
    user_id uuid not null references users (id) on delete cascade,
    tenant_id uuid not null references tenants (id) on delete cascade,
    client_id uuid not null references oauth_clients (id) on delete cascade,
    scopes text[] not null,
    created_at timestamptz not null default now(),
    constraint oauth_consents_pkey primary key (user_id, tenant_id, client_id)
);
comment on table oauth_consents is 'What people allowed clients of other tenants to do.';
create index oauth_consents_client on oauth_consents (client_id);
create index oauth_consents_tenant on oauth_consents (tenant_id);

create table oauth_grants (
    id uuid primary key,
    tenant_id uuid not null references tenants (id) on delete cascade,
    client_id uuid not null references oauth_clients (id) on delete cascade,
    user_id uuid not null references users (id) on delete cascade,
    session_hash bytea,
    scopes text[] not null,
    resources text[] not null default '{}',
    nonce text,
    auth_time timestamptz not null,
    amr text[] not null default '{}',
    sequence integer not null default 0 check (sequence >= 0),
    rotated_at timestamptz,
    expires_at timestamptz not null,
    revoked_at timestamptz,
    created_at timestamptz not null default now()
);
comment on table oauth_grants is
    'What a person gave a client: the family of all tokens that came of one code. Its id is their origin_jti.';
comment on column oauth_grants.sequence is
    'Number of the refresh token in force; the one before works for a grace period after rotated_at.';
comment on column oauth_grants.session_hash is 'The browser session that it came from.';
create index oauth_grants_user on oauth_grants (user_id);
create index oauth_grants_tenant on oauth_grants (tenant_id, client_id);
create index oauth_grants_client on oauth_grants (client_id);
create index oauth_grants_session on oauth_grants (session_hash) where session_hash is not null;
create index oauth_grants_expires on oauth_grants (expires_at);

create table oauth_codes (
    hash bytea primary key check (length(hash) = 32),
    grant_id uuid not null references oauth_grants (id) on delete cascade,
    redirect_uri text not null,
    challenge text,
    used_at timestamptz,
    expires_at timestamptz not null
);
comment on table oauth_codes is 'Authorization codes by their SHA-256. A used one stays until it expires, to notice a second use.';
comment on column oauth_codes.challenge is 'S256 (RFC 7636); null where the client needs none.';
create index oauth_codes_grant on oauth_codes (grant_id);
create index oauth_codes_expires on oauth_codes (expires_at);

select protect_tenant_table('oauth_consents');
select protect_tenant_table('oauth_grants');
grant select on oauth_grants to tollgate_tenant;
grant select, insert, update, delete on oauth_codes to tollgate_platform;

create table revocations (
    kind text not null check (kind in ('token', 'grant', 'user', 'member', 'client', 'tenant')),
    subject bytea not null check (length(subject) between 16 and 32),
    tenant_id uuid references tenants (id) on delete cascade,
    issued_before timestamptz not null,
    drop_after timestamptz not null,
    primary key (kind, subject)
);
comment on table revocations is
    'Access tokens that nodes refuse before they expire. All issued before the instant are refused.';
comment on column revocations.subject is
    'Id bytes of a token (jti), grant (origin_jti), person, client or tenant; tenant and person for a member.';
comment on column revocations.tenant_id is 'Null: of a person, whatever the tenant.';
create index revocations_drop on revocations (drop_after);
create index revocations_tenant on revocations (tenant_id);
alter table revocations enable row level security;
alter table revocations force row level security;
create policy tenant on revocations to tollgate_tenant using (tenant_id = current_tenant());
create policy platform on revocations to tollgate_platform using (true);
create policy compile on revocations for select to tollgate_compile using (true);
grant select, insert, update on revocations to tollgate_tenant;
grant select, insert, update, delete on revocations to tollgate_platform;
grant select on revocations to tollgate_compile;

create table throttles (
    bucket bytea primary key check (length(bucket) = 32),
    full_at timestamptz not null
);
comment on table throttles is
    'Token buckets of strangers'' attempts, by a hash of what they are counted for. Missing or in the past: full.';
create index throttles_full on throttles (full_at);
grant select, insert, update, delete on throttles to tollgate_platform;

alter table dirty_marks drop constraint dirty_marks_map_check;
alter table dirty_marks add constraint dirty_marks_map_check
    check (map in ('key', 'tenant', 'api', 'upstream', 'plan', 'pepper', 'revocation', 'token_key', 'authorizer', 'all'));
