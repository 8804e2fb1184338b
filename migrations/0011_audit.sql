create table audit_events (
    id uuid primary key,
    tenant_id uuid,
    actor_kind text not null check (actor_kind in ('user', 'token', 'node', 'system')),
    actor_id uuid,
    actor_label text not null,
    action text not null,
    noun text not null,
    noun_id uuid,
    noun_label text not null default '',
    before jsonb,
    after jsonb,
    request_id text,
    at timestamptz not null default now()
);
comment on table audit_events is
    'Who changed what. Only ever added to; no foreign keys, because events outlive what they tell of.';
comment on column audit_events.tenant_id is 'Null: an event of the platform.';
-- Ids are made in order of time: these serve the newest first, for a tenant and for all.
create index audit_events_tenant on audit_events (tenant_id, id desc);
create index audit_events_noun on audit_events (noun_id, id desc);
select protect_tenant_table('audit_events');
revoke update, delete on audit_events from tollgate_platform;
grant select, insert on audit_events to tollgate_tenant;

create table outbox (
    id uuid primary key,
    tenant_id uuid,
    recipient text not null,
    subject text not null,
    body text not null,
    attempts integer not null default 0,
    next_attempt_at timestamptz not null default now(),
    sent_at timestamptz,
    last_error text,
    created_at timestamptz not null default now()
);
comment on table outbox is 'Mails, written by the transaction that causes them and sent after it.';
create index outbox_due on outbox (next_attempt_at) where sent_at is null;
select protect_tenant_table('outbox');
grant insert on outbox to tollgate_tenant;
