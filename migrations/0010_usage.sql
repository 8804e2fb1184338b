-- In all usage tables the zero uuid stands for "none": no tenant, key or route was known. There
-- are no foreign keys: counts outlive what they count, and arrive in bulk.
-- class is the number of the wire's usage class: 1 admitted, 2 success, 3 redirect, 4 client error,
-- 5 server error, 6 aborted, 7 given back, 8 throttled, 9 quota exceeded, 10 denied.
create table usage_minutes (
    tenant_id uuid not null,
    minute timestamptz not null check (extract(second from minute) = 0),
    key_id uuid not null,
    route_id uuid not null,
    class smallint not null check (class between 1 and 10),
    count bigint not null check (count >= 0),
    primary key (tenant_id, minute, key_id, route_id, class)
) partition by range (minute);
comment on table usage_minutes is 'Counts of requests per minute, a partition per UTC day.';
select protect_tenant_table('usage_minutes');

create table usage_hours (
    tenant_id uuid not null,
    hour timestamptz not null,
    key_id uuid not null,
    route_id uuid not null,
    class smallint not null check (class between 1 and 10),
    count bigint not null check (count >= 0),
    primary key (tenant_id, hour, key_id, route_id, class)
) partition by range (hour);
comment on table usage_hours is
    'The same counts per hour, kept for longer, a partition per UTC month; written together with the minutes.';
select protect_tenant_table('usage_hours');

create table latency_minutes (
    route_id uuid not null,
    minute timestamptz not null,
    buckets bigint[] not null check (cardinality(buckets) = 21),
    sum_us bigint not null check (sum_us >= 0),
    primary key (route_id, minute)
) partition by range (minute);
comment on table latency_minutes is
    'Latency histograms per route and minute, buckets by the wire''s bounds, a partition per UTC day.';

create table latency_hours (
    route_id uuid not null,
    hour timestamptz not null,
    buckets bigint[] not null check (cardinality(buckets) = 21),
    sum_us bigint not null check (sum_us >= 0),
    primary key (route_id, hour)
) partition by range (hour);
comment on table latency_hours is 'The same histograms per hour, a partition per UTC month.';

create table usage_batches (
    node_id uuid not null references nodes (id) on delete cascade,
    incarnation bigint not null check (incarnation >= 1),
    applied_sequence bigint not null default 0 check (applied_sequence >= 0),
    dropped bigint not null default 0 check (dropped >= 0),
    updated_at timestamptz not null default now(),
    primary key (node_id, incarnation)
);
comment on table usage_batches is
    'How far a node''s batches are applied, so that each is applied once and in order.';
comment on column usage_batches.dropped is 'Requests whose counts were lost, on the node or for being too old.';

create function add_buckets(a bigint[], b bigint[]) returns bigint[]
    language sql immutable parallel safe
    return (select array_agg(x + y order by place) from unnest(a, b) with ordinality as pair (x, y, place));

create function usage_ensure_partitions(first_day date, last_day date) returns integer
    language plpgsql security definer set search_path = pg_catalog, public as $$
declare
    day date := first_day;
    parent text;
    unit text;
    start timestamptz;
    child text;
    made integer := 0;
begin
    while day <= last_day loop
        foreach parent in array array['usage_minutes', 'latency_minutes', 'usage_hours', 'latency_hours'] loop
            unit := case when parent like '%_minutes' then 'day' else 'month' end;
            start := date_trunc(unit, day::timestamp) at time zone 'UTC';
            child := format('%s_%s', parent, to_char(start at time zone 'UTC', case unit when 'day' then 'YYYYMMDD' else 'YYYYMM' end));
            if to_regclass('public.' || child) is null then
                -- Two control planes may come here at once; the second finds the table made.
                perform pg_advisory_xact_lock(hashtextextended('tollgate partitions', 0));
                -- A look-up by name may still remember that there was none; a query does not.
                if not exists (select from pg_class
                    where relname = child and relnamespace = 'public'::regnamespace)
                then
                    execute format('create table public.%I partition of public.%I for values from (%L) to (%L)',
                        child, parent, start,
                        (date_trunc(unit, day::timestamp) + ('1 ' || unit)::interval) at time zone 'UTC');
                    made := made + 1;
                end if;
            end if;
        end loop;
        day := day + 1;
    end loop;
    return made;
end $$;
comment on function usage_ensure_partitions(date, date) is
    'Makes the partitions that hold these UTC days, where they are missing.';

create function usage_drop_partitions(minutes_before date, hours_before date) returns integer
    language plpgsql security definer set search_path = pg_catalog, public as $$
declare
    child record;
    dropped integer := 0;
begin
    for child in
        select parent.relname as parent, part.relname as name
        from pg_inherits
        join pg_class as parent on parent.oid = pg_inherits.inhparent
        join pg_class as part on part.oid = pg_inherits.inhrelid
        where parent.oid in ('public.usage_minutes'::regclass, 'public.latency_minutes'::regclass,
            'public.usage_hours'::regclass, 'public.latency_hours'::regclass)
            and parent.relkind = 'p'
        order by part.relname
    loop
        if (child.parent like '%_minutes' and to_date(right(child.name, 8), 'YYYYMMDD') < minutes_before)
            or (child.parent like '%_hours'
                and (to_date(right(child.name, 6), 'YYYYMM') + interval '1 month')::date <= hours_before)
        then
            execute format('drop table public.%I', child.name);
            dropped := dropped + 1;
        end if;
    end loop;
    return dropped;
end $$;
comment on function usage_drop_partitions(date, date) is
    'Drops the partitions that lie wholly before these UTC days.';

revoke execute on function usage_ensure_partitions(date, date), usage_drop_partitions(date, date) from public;
grant execute on function usage_ensure_partitions(date, date), usage_drop_partitions(date, date)
    to tollgate_platform;
grant select, insert, update, delete on latency_minutes, latency_hours, usage_batches to tollgate_platform;
grant select on usage_minutes, usage_hours to tollgate_tenant;
