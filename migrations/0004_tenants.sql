create table tenants (
    id uuid primary key,
    name text not null check (length(name) between 1 and 100),
    status text not null default 'active' check (status in ('active', 'suspended')),
    edition integer not null default 1,
    created_at timestamptz not null default now()
);
comment on table tenants is 'Customers.';
comment on column tenants.edition is 'Counts edits; what ETags are made of.';
-- Serves the operator's search by the start of a name.
create index tenants_name on tenants (lower(name) text_pattern_ops);

alter table tenants enable row level security;
alter table tenants force row level security;
create policy tenant on tenants to tollgate_tenant using (id = current_tenant());
create policy platform on tenants to tollgate_platform using (true);
create policy compile on tenants for select to tollgate_compile using (true);
grant select, insert, update, delete on tenants to tollgate_platform;
grant select, update on tenants to tollgate_tenant;
grant select on tenants to tollgate_compile;

create table users (
    id uuid primary key,
    email text not null constraint users_email_lower
        check (email = lower(email) and length(email) between 3 and 254),
    name text not null default '' check (length(name) <= 100),
    password_hash text,
    email_confirmed_at timestamptz,
    failed_sign_ins integer not null default 0 check (failed_sign_ins >= 0),
    locked_until timestamptz,
    last_signed_in_at timestamptz,
    created_at timestamptz not null default now(),
    constraint users_email_key unique (email)
);
comment on table users is 'People. One person may be a member of several tenants.';
comment on column users.password_hash is 'argon2id in PHC form; null: signs in some other way.';

create table members (
    id uuid primary key,
    tenant_id uuid not null references tenants (id) on delete cascade,
    user_id uuid not null references users (id) on delete cascade,
    role text not null check (role in ('owner', 'admin', 'developer', 'viewer', 'user')),
    edition integer not null default 1,
    created_at timestamptz not null default now(),
    unique (tenant_id, id),
    constraint members_user_key unique (tenant_id, user_id)
);
comment on table members is 'People in tenants, each with one role there.';
-- Serves the list of a person's tenants.
create index members_user on members (user_id);
select protect_tenant_table('members');
grant select, insert, update, delete on members to tollgate_tenant;

alter table users enable row level security;
alter table users force row level security;
create policy tenant on users for select to tollgate_tenant
    using (exists (select from members where members.user_id = users.id and members.tenant_id = current_tenant()));
create policy platform on users to tollgate_platform using (true);
grant select, insert, update, delete on users to tollgate_platform;
grant select (id, email, name, email_confirmed_at, last_signed_in_at, created_at) on users to tollgate_tenant;

create table platform_members (
    user_id uuid primary key references users (id) on delete cascade,
    role text not null check (role in ('operator', 'auditor')),
    created_at timestamptz not null default now()
);
comment on table platform_members is 'People who run the platform.';

create table email_codes (
    id uuid primary key,
    email text not null check (email = lower(email)),
    purpose text not null check (purpose in ('sign_up', 'reset_password')),
    hash bytea not null check (length(hash) = 32),
    details jsonb not null default '{}',
    attempts integer not null default 0 check (attempts >= 0),
    expires_at timestamptz not null,
    created_at timestamptz not null default now(),
    constraint email_codes_key unique (email, purpose)
);
comment on table email_codes is
    'The code last mailed to an address for a purpose; asking again replaces it.';
comment on column email_codes.details is 'What the confirmed step needs: a sign-up''s tenant name and password hash.';

create table sessions (
    hash bytea primary key check (length(hash) = 32),
    user_id uuid references users (id) on delete cascade,
    data jsonb not null,
    expires_at timestamptz not null
);
comment on table sessions is 'Browser sessions by the SHA-256 of their id, which only the cookie holds.';
create index sessions_user on sessions (user_id);
create index sessions_expires on sessions (expires_at);

create table personal_tokens (
    id uuid primary key,
    user_id uuid not null references users (id) on delete cascade,
    name text not null check (length(name) between 1 and 100),
    hash bytea not null check (length(hash) = 32),
    scopes text[] not null,
    expires_at timestamptz not null,
    last_used_at timestamptz,
    revoked_at timestamptz,
    created_at timestamptz not null default now(),
    constraint personal_tokens_hash_key unique (hash)
);
comment on table personal_tokens is 'Tokens (tgp_…) with which a person''s programs call the JSON API.';
create unique index personal_tokens_name on personal_tokens (user_id, lower(name)) where revoked_at is null;

create table idempotency_keys (
    principal text not null,
    tenant_id uuid references tenants (id) on delete cascade,
    key text not null check (length(key) between 1 and 255),
    fingerprint bytea not null check (length(fingerprint) = 32),
    status integer,
    body bytea,
    created_at timestamptz not null default now(),
    primary key (principal, key)
);
comment on table idempotency_keys is
    'Creations that must happen once; status is null while the first call runs.';
comment on column idempotency_keys.tenant_id is 'Null: a creation on the platform.';
create index idempotency_keys_created on idempotency_keys (created_at);
create index idempotency_keys_tenant on idempotency_keys (tenant_id);
select protect_tenant_table('idempotency_keys');
grant select, insert, update on idempotency_keys to tollgate_tenant;

grant select, insert, update, delete
    on platform_members, email_codes, sessions, personal_tokens to tollgate_platform;
