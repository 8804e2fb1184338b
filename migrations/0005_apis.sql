create table upstreams (
    id uuid primary key,
    name text not null check (length(name) between 1 and 100),
    edition integer not null default 1,
    created_at timestamptz not null default now()
);
comment on table upstreams is 'Where requests go.';
create unique index upstreams_name on upstreams (lower(name));

create table upstream_targets (
    upstream_id uuid not null references upstreams (id) on delete cascade,
    url text not null check (length(url) between 1 and 2000),
    weight integer not null default 1 check (weight between 0 and 1000),
    primary key (upstream_id, url)
);
comment on table upstream_targets is 'Servers of an upstream; weight 0 takes no new requests.';

create table apis (
    id uuid primary key,
    name text not null check (length(name) between 1 and 100),
    base_path text not null default '' constraint apis_base_path_form
        check (base_path = '' or (base_path like '/%' and base_path not like '%/' and length(base_path) <= 500)),
    upstream_id uuid not null constraint apis_upstream_id_fkey references upstreams (id),
    api_key_header text not null default 'x-api-key' check (api_key_header = lower(api_key_header)),
    audience text,
    cors jsonb,
    max_stale_ms bigint check (max_stale_ms > 0),
    edition integer not null default 1,
    created_at timestamptz not null default now(),
    unique (id, base_path)
);
comment on table apis is 'APIs that the nodes serve; they belong to the platform.';
comment on column apis.upstream_id is 'Where routes that name no upstream of their own go.';
create unique index apis_name on apis (lower(name));
create index apis_upstream on apis (upstream_id);

create table api_hosts (
    host text not null check (host = lower(host) and length(host) <= 253),
    base_path text not null,
    api_id uuid not null,
    constraint api_hosts_pkey primary key (host, base_path),
    foreign key (api_id, base_path) references apis (id, base_path) on update cascade on delete cascade
);
comment on table api_hosts is
    'Hosts of an API, each with its base path, so that no two APIs claim the same place. Empty: any host.';
create index api_hosts_api on api_hosts (api_id);

create table routes (
    id uuid primary key,
    api_id uuid not null references apis (id) on delete cascade,
    path text not null check (path like '/%' and length(path) <= 1000),
    path_shape text not null,
    api_key_required boolean not null default true,
    scopes text[] not null default '{}',
    upstream_id uuid constraint routes_upstream_id_fkey references upstreams (id),
    rate_milli bigint check (rate_milli between 1 and 1000000000000),
    burst bigint check (burst between 1 and 1000000000),
    forward_credentials boolean not null default false,
    connect_timeout_ms integer check (connect_timeout_ms > 0),
    first_byte_timeout_ms integer check (first_byte_timeout_ms > 0),
    idle_timeout_ms integer check (idle_timeout_ms > 0),
    cors jsonb,
    body_bytes_max bigint check (body_bytes_max >= 0),
    lease_wait_ms integer check (lease_wait_ms between 0 and 10000),
    edition integer not null default 1,
    created_at timestamptz not null default now(),
    unique (id, api_id, path_shape),
    constraint routes_rate_whole check ((rate_milli is null) = (burst is null))
);
comment on table routes is 'Routes of an API.';
comment on column routes.path is 'Template below the base path: /v1/orders/{id}, greedy /files/{rest+}.';
comment on column routes.path_shape is 'The template without parameter names; two routes of one shape differ in method.';
comment on column routes.rate_milli is 'Thousandths of a request per second, over all callers.';
create index routes_api on routes (api_id);
create index routes_upstream on routes (upstream_id);

create table route_methods (
    route_id uuid not null,
    api_id uuid not null,
    path_shape text not null,
    method text not null check (method = upper(method)),
    constraint route_methods_pkey primary key (api_id, path_shape, method),
    foreign key (route_id, api_id, path_shape) references routes (id, api_id, path_shape)
        on update cascade on delete cascade
);
comment on table route_methods is 'Methods of a route; one row with an empty method stands for any.';
create index route_methods_route on route_methods (route_id);

grant select, insert, update, delete
    on upstreams, upstream_targets, apis, api_hosts, routes, route_methods to tollgate_platform;
grant select on upstreams, upstream_targets, apis, api_hosts, routes, route_methods to tollgate_compile;
grant select on apis, api_hosts, routes, route_methods to tollgate_tenant;
