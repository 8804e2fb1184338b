create table chunks (
    address bytea primary key check (length(address) = 32),
    length integer not null check (length between 1 and 8388608),
    zstd bytea not null,
    created_at timestamptz not null default now(),
    superseded_at timestamptz
);
comment on table chunks is
    'Content-addressed parts of snapshots. A superseded one stays for nodes that are still fetching it.';
-- Serves the deletion of chunks that no manifest names any more.
create index chunks_superseded on chunks (superseded_at) where superseded_at is not null;
alter table chunks alter column zstd set storage external;

create table manifests (
    epoch bigint not null check (epoch >= 1),
    revision bigint not null check (revision >= 1),
    hash bytea not null check (length(hash) = 32),
    signed bytea not null,
    config_address bytea not null check (length(config_address) = 32),
    config_length integer not null,
    state_address bytea not null check (length(state_address) = 32),
    state_length integer not null,
    created_at timestamptz not null default now(),
    primary key (epoch, revision)
);
comment on table manifests is
    'Every published revision. The primary key is what makes two publishers impossible.';

create table dirty_marks (
    id bigint primary key generated always as identity,
    map text not null check (map in ('key', 'tenant', 'api', 'upstream', 'plan', 'pepper', 'all')),
    key bytea not null,
    created_at timestamptz not null default now()
);
comment on table dirty_marks is
    'What changed since the last snapshot, appended by the transaction that changed it.';
comment on column dirty_marks.key is
    'Hash of an API key for map key, the id for the others, empty for pepper and all.';

create function notify_dirty() returns trigger language plpgsql as $$
begin
    perform pg_notify('tollgate_dirty', '');
    return null;
end $$;
create trigger dirty_marks_notify after insert on dirty_marks
    for each statement execute function notify_dirty();

create function notify_published() returns trigger language plpgsql as $$
begin
    perform pg_notify('tollgate_published', new.epoch || '.' || new.revision);
    return null;
end $$;
create trigger manifests_notify after insert on manifests
    for each row execute function notify_published();

grant select, insert, update, delete on chunks, manifests, dirty_marks to tollgate_platform;
grant select on chunks, manifests, dirty_marks to tollgate_compile;
grant insert on dirty_marks to tollgate_tenant;
