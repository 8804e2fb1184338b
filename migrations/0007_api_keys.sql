create table api_keys (
    id uuid primary key,
    tenant_id uuid not null references tenants (id) on delete cascade,
    name text not null check (length(name) between 1 and 100),
    prefix text not null check (length(prefix) between 4 and 12),
    is_imported boolean not null default false,
    is_enabled boolean not null default true,
    expires_at timestamptz,
    scopes text[],
    api_ids uuid[] not null default '{}',
    allowed_ips cidr[] not null default '{}',
    rate_milli bigint check (rate_milli between 1 and 1000000000000),
    burst bigint check (burst between 1 and 1000000000),
    last_used_at timestamptz,
    revoked_at timestamptz,
    edition integer not null default 1,
    created_by uuid,
    created_at timestamptz not null default now(),
    unique (tenant_id, id),
    constraint api_keys_rate_whole check ((rate_milli is null) = (burst is null))
);
comment on table api_keys is 'API keys without their values. A revoked one stays for usage and audit.';
comment on column api_keys.prefix is 'The value''s first characters, for people: 12 of a minted one, 4 of an imported one.';
comment on column api_keys.scopes is 'Restriction to these; null: whatever the subscription allows.';
comment on column api_keys.api_ids is
    'Restriction to these; empty: every API. Without a foreign key, because losing the last entry would widen the key.';
create unique index api_keys_name on api_keys (tenant_id, lower(name)) where revoked_at is null;
select protect_tenant_table('api_keys');

create table api_key_values (
    hash bytea primary key constraint api_key_values_hash_length check (length(hash) = 32),
    tenant_id uuid not null,
    key_id uuid not null,
    pepper_id integer not null references peppers (id),
    expires_at timestamptz,
    created_at timestamptz not null default now(),
    foreign key (tenant_id, key_id) references api_keys (tenant_id, id) on delete cascade
);
comment on table api_key_values is
    'The values that open a key: HMAC-SHA-256 under a pepper. A rotation leaves the old one until expires_at.';
create index api_key_values_key on api_key_values (tenant_id, key_id);
create index api_key_values_expires on api_key_values (expires_at) where expires_at is not null;
create index api_key_values_pepper on api_key_values (pepper_id);
-- Each key has one value that lives as long as the key does.
create unique index api_key_values_lasting on api_key_values (tenant_id, key_id) where expires_at is null;
select protect_tenant_table('api_key_values');

grant select, insert, update on api_keys to tollgate_tenant;
grant select, insert, update, delete on api_key_values to tollgate_tenant;
grant select on api_keys, api_key_values to tollgate_compile;
