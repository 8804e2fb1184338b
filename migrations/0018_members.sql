alter table members add column status text not null default 'active'
    constraint members_status_check check (status in ('active', 'disabled'));
alter table members add column attributes jsonb not null default '{}'
    constraint members_attributes_check check (jsonb_typeof(attributes) = 'object');
comment on column members.status is
    'disabled: neither opens the console nor signs in to applications of the tenant.';
comment on column members.attributes is 'What the tenant keeps of a person, as text by name; tokens carry it.';

create table groups (
    id uuid primary key,
    tenant_id uuid not null references tenants (id) on delete cascade,
    name text not null check (length(name) between 1 and 100),
    edition integer not null default 1,
    created_at timestamptz not null default now(),
    unique (tenant_id, id)
);
comment on table groups is 'Names that tokens carry of the people whom a tenant puts into them.';
create unique index groups_name on groups (tenant_id, lower(name));
select protect_tenant_table('groups');
grant select, insert, update, delete on groups to tollgate_tenant;

create table group_members (
    tenant_id uuid not null,
    group_id uuid not null,
    member_id uuid not null,
    constraint group_members_pkey primary key (group_id, member_id),
    foreign key (tenant_id, group_id) references groups (tenant_id, id) on delete cascade,
    foreign key (tenant_id, member_id) references members (tenant_id, id) on delete cascade
);
comment on table group_members is 'Who is in which group.';
-- Serves the groups of a person.
create index group_members_member on group_members (tenant_id, member_id);
select protect_tenant_table('group_members');
grant select, insert, delete on group_members to tollgate_tenant;

-- A tenant that takes a person out ends what their applications were given.
grant update (revoked_at) on oauth_grants to tollgate_tenant;

create table invitations (
    id uuid primary key,
    tenant_id uuid not null references tenants (id) on delete cascade,
    email text not null check (email = lower(email) and length(email) between 3 and 254),
    role text not null check (role in ('owner', 'admin', 'developer', 'viewer', 'user')),
    hash bytea not null check (length(hash) = 32),
    sent_at timestamptz not null,
    expires_at timestamptz not null,
    created_at timestamptz not null,
    unique (tenant_id, id),
    constraint invitations_hash_key unique (hash),
    constraint invitations_email_key unique (tenant_id, email)
);
comment on table invitations is 'Into tenants, by mail. One that was taken or withdrawn is deleted.';
comment on column invitations.hash is 'SHA-256 of the token in the mailed link (256 random bits).';
select protect_tenant_table('invitations');
grant select, insert, update, delete on invitations to tollgate_tenant;
