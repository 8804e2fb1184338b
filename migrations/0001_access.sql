-- Three roles work on the data; they are made before the migrations run, because roles belong to
-- the whole cluster. The login user owns the tables, migrates, and takes one of the roles for the
-- length of a transaction:
--   tollgate_tenant    work of one tenant; sees its rows only, and none while no tenant is set
--   tollgate_platform  work across tenants
--   tollgate_compile   reads what becomes a snapshot, writes nothing
-- A migration that touches rows of tenants must take tollgate_platform first: row-level security
-- is forced on the owner too.
grant usage on schema public to tollgate_tenant, tollgate_platform, tollgate_compile;

create function current_tenant() returns uuid
    language sql stable parallel safe
    return nullif(current_setting('tollgate.tenant_id', true), '')::uuid;
comment on function current_tenant() is
    'The tenant that this transaction works for; null where none is set, which matches no row.';

create function protect_tenant_table(target regclass) returns void
    language plpgsql as $$
begin
    execute format('alter table %s enable row level security', target);
    execute format('alter table %s force row level security', target);
    execute format('create policy tenant on %s to tollgate_tenant using (tenant_id = current_tenant())', target);
    execute format('create policy platform on %s to tollgate_platform using (true)', target);
    execute format('create policy compile on %s for select to tollgate_compile using (true)', target);
    execute format('grant select, insert, update, delete on %s to tollgate_platform', target);
end $$;
comment on function protect_tenant_table(regclass) is
    'Fences a table that has a tenant_id. Called once, by the migration that creates the table.';
revoke execute on function protect_tenant_table(regclass) from public;
