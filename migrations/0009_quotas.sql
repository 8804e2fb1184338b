create table quota_periods (
    tenant_id uuid not null references tenants (id) on delete cascade,
    quota_group text not null,
    period_start timestamptz not null,
    period_end timestamptz not null,
    limit_in_force bigint not null check (limit_in_force >= 0),
    granted bigint not null default 0 check (granted >= 0),
    returned bigint not null default 0 check (returned between 0 and granted),
    overdrawn bigint not null default 0 check (overdrawn >= 0),
    primary key (tenant_id, quota_group, period_start),
    check (period_end > period_start),
    constraint quota_periods_within_limit check (granted - returned <= limit_in_force + overdrawn)
) with (fillfactor = 70);
comment on table quota_periods is
    'The ledger of quotas: what nodes were granted and gave back in a period. Available is limit_in_force - granted + returned.';
comment on column quota_periods.limit_in_force is 'The highest that was in force in the period.';
comment on column quota_periods.overdrawn is
    'Units beyond the limit that nodes turned out to hold after the database had lost writes; otherwise 0.';
create index quota_periods_end on quota_periods (period_end);
select protect_tenant_table('quota_periods');

create table quota_leases (
    tenant_id uuid not null,
    quota_group text not null,
    period_start timestamptz not null,
    node_id uuid not null references nodes (id) on delete cascade,
    incarnation bigint not null check (incarnation >= 1),
    granted bigint not null check (granted >= 0),
    returned bigint not null check (returned between 0 and granted),
    last_sequence bigint not null check (last_sequence >= 0),
    primary key (tenant_id, quota_group, period_start, node_id, incarnation),
    foreign key (tenant_id, quota_group, period_start)
        references quota_periods (tenant_id, quota_group, period_start) on delete cascade
) with (fillfactor = 70);
comment on table quota_leases is
    'Totals per process of a node; both only grow. A grant is made once per sequence.';
create index quota_leases_node on quota_leases (node_id);
select protect_tenant_table('quota_leases');

grant select on quota_periods to tollgate_tenant;
