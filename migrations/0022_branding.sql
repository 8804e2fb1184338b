create table tenant_branding (
    tenant_id uuid primary key references tenants (id) on delete cascade,
    name text check (length(name) between 1 and 100),
    accent text check (accent ~ '^#[0-9a-f]{6}$'),
    support_url text check (length(support_url) <= 500),
    privacy_url text check (length(privacy_url) <= 500),
    terms_url text check (length(terms_url) <= 500),
    logo bytea check (length(logo) <= 2097152),
    logo_hash text check (logo_hash ~ '^[0-9a-f]{32}$'),
    edition integer not null default 1,
    constraint tenant_branding_logo_whole check ((logo is null) = (logo_hash is null))
);
comment on table tenant_branding is
    'How pages look on the way to applications of a tenant. No row: as ours do.';
comment on column tenant_branding.logo is 'A PNG that we encoded, at most 512 pixels wide and high.';
comment on column tenant_branding.logo_hash is 'The start of the SHA-256 of the logo; stands in its address.';
select protect_tenant_table('tenant_branding');
grant select, insert, update on tenant_branding to tollgate_tenant;
