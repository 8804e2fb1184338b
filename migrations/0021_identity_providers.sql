create table tenant_domains (
    id uuid primary key,
    tenant_id uuid not null references tenants (id) on delete cascade,
    domain text not null check (domain = lower(domain) and length(domain) between 3 and 253),
    token text not null check (length(token) between 16 and 64),
    proven_at timestamptz,
    created_at timestamptz not null default now(),
    unique (tenant_id, id),
    constraint tenant_domains_domain_key unique (tenant_id, domain)
);
comment on table tenant_domains is 'Domains of mail addresses that tenants say are their own.';
comment on column tenant_domains.token is
    'Stands in the TXT record at _tollgate-challenge.DOMAIN that proves it.';
comment on column tenant_domains.proven_at is 'Null: said, not proven.';
create unique index tenant_domains_proven on tenant_domains (domain) where proven_at is not null;
select protect_tenant_table('tenant_domains');
grant select, insert, update, delete on tenant_domains to tollgate_tenant;

create table identity_providers (
    id uuid primary key,
    tenant_id uuid references tenants (id) on delete cascade,
    name text not null check (length(name) between 1 and 100),
    issuer text not null check (length(issuer) between 1 and 1000),
    client_id text not null check (length(client_id) between 1 and 500),
    sealed_client_secret bytea,
    scopes text[] not null default '{}',
    name_claim text not null default 'name',
    groups_claim text not null default '',
    groups jsonb not null default '{}' check (jsonb_typeof(groups) = 'object'),
    domains text[] not null default '{}',
    links_by_address boolean not null default false,
    makes_people boolean not null default false,
    role text not null default 'user' check (role in ('developer', 'viewer', 'user')),
    is_enabled boolean not null default true,
    edition integer not null default 1,
    created_at timestamptz not null default now(),
    constraint identity_providers_believed check (tenant_id is null or not links_by_address)
);
comment on table identity_providers is 'OpenID providers of others, through which people sign in.';
comment on column identity_providers.tenant_id is
    'Null: of the platform. A tenant''s counts for addresses in proven domains of the tenant.';
comment on column identity_providers.issuer is
    'Never changes: subjects in identity_links are this issuer''s.';
comment on column identity_providers.sealed_client_secret is
    'Under SECRET_KEY; null: a public client.';
comment on column identity_providers.groups is
    'Groups of the provider, each with the name of the tenant''s group that it stands for.';
comment on column identity_providers.links_by_address is
    'Whatever address it calls verified is believed when an account has it.';
comment on column identity_providers.makes_people is 'Who comes for the first time is taken in.';
create unique index identity_providers_name on identity_providers
    (coalesce(tenant_id, '00000000-0000-0000-0000-000000000000'), lower(name));
create index identity_providers_tenant on identity_providers (tenant_id, id);
create index identity_providers_domains on identity_providers using gin (domains);
alter table identity_providers enable row level security;
alter table identity_providers force row level security;
create policy tenant on identity_providers to tollgate_tenant using (tenant_id = current_tenant());
create policy platform on identity_providers to tollgate_platform using (true);
grant select, insert, update, delete on identity_providers to tollgate_tenant, tollgate_platform;

create table identity_links (
    provider_id uuid not null references identity_providers (id) on delete cascade,
    subject text not null check (length(subject) between 1 and 255),
    user_id uuid not null references users (id) on delete cascade,
    email text not null default '',
    is_by_person boolean not null,
    last_signed_in_at timestamptz,
    created_at timestamptz not null default now(),
    constraint identity_links_pkey primary key (provider_id, subject),
    constraint identity_links_user_key unique (user_id, provider_id)
);
comment on table identity_links is 'Whose account an account at a provider is.';
comment on column identity_links.is_by_person is
    'The person connected it; else it came of an address, or the account was made by it.';
comment on column identity_links.email is 'What the provider said last, to tell accounts apart.';
grant select, insert, update, delete on identity_links to tollgate_platform;
