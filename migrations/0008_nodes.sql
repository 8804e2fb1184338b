create table enroll_tokens (
    id uuid primary key,
    name text not null check (length(name) between 1 and 100),
    hash bytea not null check (length(hash) = 32),
    labels jsonb not null default '{}',
    uses_max integer not null default 1 check (uses_max between 1 and 1000),
    uses integer not null default 0,
    expires_at timestamptz not null,
    revoked_at timestamptz,
    created_by uuid,
    created_at timestamptz not null default now(),
    constraint enroll_tokens_hash_key unique (hash),
    constraint enroll_tokens_uses_within check (uses between 0 and uses_max)
);
comment on table enroll_tokens is 'What a gateway process shows to become a node; SHA-256 of its secret.';

create table nodes (
    id uuid primary key,
    name text not null check (length(name) between 1 and 253),
    labels jsonb not null default '{}',
    signing_key bytea not null check (length(signing_key) = 32),
    seal_key bytea not null check (length(seal_key) = 32),
    enroll_token_id uuid references enroll_tokens (id),
    software_version text not null default '',
    incarnation bigint not null default 0 check (incarnation >= 0),
    enrolled_at timestamptz not null default now(),
    last_seen_at timestamptz,
    applied_epoch bigint not null default 0,
    applied_revision bigint not null default 0,
    rejected_epoch bigint,
    rejected_revision bigint,
    rejected_code text,
    rejected_detail text,
    revoked_at timestamptz,
    constraint nodes_signing_key_key unique (signing_key)
);
comment on table nodes is 'Enrolled gateway processes and what they last said of themselves.';
comment on column nodes.incarnation is 'The process that may draw leases; a lower one is fenced.';

create table node_incarnations (
    node_id uuid not null references nodes (id) on delete cascade,
    incarnation bigint not null check (incarnation >= 1),
    process bigint,
    created_at timestamptz not null default now(),
    primary key (node_id, incarnation),
    constraint node_incarnations_process_key unique (node_id, process)
);
comment on table node_incarnations is 'Processes of a node; process is random, so that asking twice makes one.';

grant select, insert, update, delete on enroll_tokens, nodes, node_incarnations to tollgate_platform;
