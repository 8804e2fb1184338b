create table plans (
    id uuid primary key,
    name text not null check (length(name) between 1 and 100),
    description text not null default '' check (length(description) <= 2000),
    is_self_service boolean not null default false,
    current_version integer not null default 1,
    retired_at timestamptz,
    edition integer not null default 1,
    created_at timestamptz not null default now()
);
comment on table plans is 'What tenants subscribe to. A retired plan takes no new subscriptions.';
create unique index plans_name on plans (lower(name)) where retired_at is null;

create table plan_versions (
    plan_id uuid not null references plans (id) on delete cascade,
    version integer not null check (version >= 1),
    rate_milli bigint check (rate_milli between 1 and 1000000000000),
    burst bigint check (burst between 1 and 1000000000),
    rate_on_store_down text not null default 'local_share'
        check (rate_on_store_down in ('refuse', 'local_share', 'allow')),
    quota_limit bigint check (quota_limit between 0 and 1000000000000000),
    quota_period text check (quota_period in ('day', 'week', 'month')),
    quota_offset bigint not null default 0,
    quota_group text not null default 'default' check (quota_group ~ '^[a-z0-9_-]{1,40}$'),
    quota_on_store_down text not null default 'refuse'
        check (quota_on_store_down in ('refuse', 'local_share', 'allow')),
    concurrency bigint check (concurrency between 1 and 1000000),
    scopes text[] not null default '{}',
    price_minor bigint check (price_minor between 0 and 1000000000000),
    price_currency text check (price_currency ~ '^[A-Z]{3}$'),
    price_period text check (price_period in ('month', 'year')),
    created_at timestamptz not null default now(),
    primary key (plan_id, version),
    constraint plan_versions_rate_whole check ((rate_milli is null) = (burst is null)),
    constraint plan_versions_quota_whole check ((quota_limit is null) = (quota_period is null)),
    constraint plan_versions_offset_fits
        check (quota_offset >= 0 and quota_offset <= coalesce(quota_limit, 0)),
    constraint plan_versions_price_whole
        check ((price_minor is null) = (price_currency is null) and (price_minor is null) = (price_period is null))
);
comment on table plan_versions is
    'Limits, rights and price of a plan as of a version; never changed once written.';
comment on column plan_versions.rate_milli is 'Thousandths of a request per second.';
comment on column plan_versions.quota_offset is 'Requests subtracted from the limit in a tenant''s first period.';
comment on column plan_versions.quota_group is 'Plans of one group share their counters.';
comment on column plan_versions.price_minor is 'In minor units of the currency (ISO 4217).';
alter table plans add constraint plans_current_version_fkey
    foreign key (id, current_version) references plan_versions (plan_id, version)
    deferrable initially deferred;

create table plan_version_apis (
    plan_id uuid not null,
    version integer not null,
    api_id uuid not null references apis (id) on delete cascade,
    primary key (plan_id, version, api_id),
    foreign key (plan_id, version) references plan_versions (plan_id, version) on delete cascade
);
comment on table plan_version_apis is 'The APIs that a version of a plan opens.';
create index plan_version_apis_api on plan_version_apis (api_id);

create table subscriptions (
    id uuid primary key,
    tenant_id uuid not null references tenants (id) on delete cascade,
    plan_id uuid not null,
    plan_version integer not null,
    status text not null check (status in ('pending', 'active', 'ended')),
    quota_group text,
    first_period_at timestamptz,
    requested_by uuid,
    edition integer not null default 1,
    created_at timestamptz not null default now(),
    activated_at timestamptz,
    ended_at timestamptz,
    unique (tenant_id, id),
    foreign key (plan_id, plan_version) references plan_versions (plan_id, version),
    constraint subscriptions_active_since check (status <> 'active' or (activated_at is not null and first_period_at is not null)),
    constraint subscriptions_ended_since check ((status = 'ended') = (ended_at is not null))
);
comment on table subscriptions is 'Tenants on plans.';
comment on column subscriptions.quota_group is 'The group of the plan''s quota; null where the plan has none.';
comment on column subscriptions.first_period_at is
    'Lies in the tenant''s first period of the group, in which the quota''s offset counts; kept when plans change.';
create unique index subscriptions_one_per_group on subscriptions (tenant_id, quota_group)
    where status = 'active' and quota_group is not null;
create unique index subscriptions_one_per_plan on subscriptions (tenant_id, plan_id)
    where status <> 'ended';
-- Serves the tenants of a plan and the requests that wait for approval.
create index subscriptions_plan on subscriptions (plan_id, status);
select protect_tenant_table('subscriptions');

create table subscription_apis (
    tenant_id uuid not null,
    api_id uuid not null references apis (id) on delete cascade,
    subscription_id uuid not null,
    constraint subscription_apis_pkey primary key (tenant_id, api_id),
    foreign key (tenant_id, subscription_id) references subscriptions (tenant_id, id) on delete cascade
);
comment on table subscription_apis is
    'What active subscriptions open; the primary key keeps an API in one of them only.';
create index subscription_apis_subscription on subscription_apis (tenant_id, subscription_id);
create index subscription_apis_api on subscription_apis (api_id);
select protect_tenant_table('subscription_apis');

grant select, insert, update, delete on plans, plan_versions, plan_version_apis to tollgate_platform;
grant select on plans, plan_versions, plan_version_apis to tollgate_tenant;
grant select on plans, plan_versions, plan_version_apis, subscriptions, subscription_apis to tollgate_compile;
grant select, insert, update on subscriptions to tollgate_tenant;
grant select, insert, delete on subscription_apis to tollgate_tenant;
