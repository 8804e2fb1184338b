alter table deployment add column issuer text;
comment on column deployment.issuer is
    'Who issues tokens: the PUBLIC_URL that a control plane last started with. Null: none has started yet.';

create table authorizers (
    id uuid primary key,
    name text not null check (length(name) between 1 and 100),
    type text not null check (type in ('jwt')),
    edition integer not null default 1,
    created_at timestamptz not null default now()
);
comment on table authorizers is
    'How routes find out who calls, beside API keys. The one named tollgate takes our own tokens.';
create unique index authorizers_name on authorizers (lower(name));
grant select, insert, update, delete on authorizers to tollgate_platform;
grant select on authorizers to tollgate_compile;

alter table routes add column authorizer_id uuid
    constraint routes_authorizer_id_fkey references authorizers (id);
create index routes_authorizer on routes (authorizer_id);
