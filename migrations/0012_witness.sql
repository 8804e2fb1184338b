alter table deployment add column alarm text;
comment on column deployment.alarm is
    'Set when a node holds a revision that this database never published: publishing stops until an operator has raised the epoch.';

-- Control planes keep the keys of nodes in memory and are told when that is out of date.
create function notify_nodes() returns trigger language plpgsql as $$
begin
    perform pg_notify('tollgate_nodes', '');
    return null;
end $$;
create trigger nodes_notify after insert or delete or update of signing_key, seal_key, revoked_at on nodes
    for each statement execute function notify_nodes();
