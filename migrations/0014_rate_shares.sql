create table rate_shares (
    tenant_id uuid not null,
    subscription_id uuid not null,
    node_id uuid not null references nodes (id) on delete cascade,
    incarnation bigint not null check (incarnation >= 1),
    demand_milli bigint not null check (demand_milli >= 0),
    grant_no bigint not null check (grant_no >= 1),
    part integer not null check (part between 0 and 65536),
    counted integer not null check (counted between part and 65536),
    expires_at timestamptz not null,
    primary key (subscription_id, node_id),
    foreign key (tenant_id, subscription_id) references subscriptions (tenant_id, id) on delete cascade
) with (fillfactor = 50);
comment on table rate_shares is 'How nodes divide the rates of subscriptions: parts of 65536, held until they expire.';
comment on column rate_shares.counted is
    'The most that the node may go by: its part, and any larger one before it that it has not acknowledged to have left.';
create index rate_shares_expiry on rate_shares (expires_at);
create index rate_shares_node on rate_shares (node_id);
select protect_tenant_table('rate_shares');
