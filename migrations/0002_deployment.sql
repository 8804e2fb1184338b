create table deployment (
    is_only boolean primary key default true check (is_only),
    id uuid not null,
    epoch bigint not null default 1 check (epoch >= 1),
    created_at timestamptz not null default now()
);
comment on table deployment is
    'One row: what this installation is. The epoch rises only after a restore from backup.';

create table signing_keys (
    public_key bytea primary key check (length(public_key) = 32),
    purpose text not null check (purpose in ('root', 'online')),
    sealed_private bytea,
    created_at timestamptz not null default now(),
    retired_at timestamptz
);
comment on table signing_keys is
    'Ed25519 keys: the root certifies online keys, online keys sign manifests and freshness.';
comment on column signing_keys.sealed_private is
    'The private half under SECRET_KEY; null where it is kept offline.';

create table root_statements (
    sequence bigint primary key check (sequence >= 1),
    epoch bigint not null check (epoch >= 1),
    signed bytea not null,
    created_at timestamptz not null default now()
);
comment on table root_statements is
    'Statements signed by the root, oldest first: the chain that nodes follow from the root they pin.';

create table data_keys (
    generation integer primary key check (generation >= 1),
    sealed bytea not null,
    created_at timestamptz not null default now(),
    retired_at timestamptz
);
comment on table data_keys is
    'Generations of the key that seals secrets for the nodes, each under SECRET_KEY.';

create table peppers (
    id integer primary key generated always as identity,
    sealed bytea not null,
    sealed_for_nodes bytea not null,
    created_at timestamptz not null default now(),
    retired_at timestamptz
);
comment on table peppers is
    'Secrets under which API keys are hashed; new keys use the newest.';
comment on column peppers.sealed_for_nodes is
    'The same secret as an encoded SealedSecret under a data key, as it stands in the snapshot.';

grant select, insert, update on deployment, signing_keys, root_statements, data_keys, peppers
    to tollgate_platform;
grant delete on signing_keys, data_keys, peppers to tollgate_platform;
grant select on deployment to tollgate_compile;
grant select (id, sealed_for_nodes, created_at, retired_at) on peppers to tollgate_compile;
