alter table sessions add column login_id uuid;
comment on column sessions.login_id is
    'A sign-in with all that came of it: it stays when its person proves again who they are.';
create index sessions_login on sessions (login_id) where login_id is not null;

alter table oauth_grants add column login_id uuid;
comment on column oauth_grants.login_id is 'The sign-in that it came of.';
create index oauth_grants_login on oauth_grants (login_id) where login_id is not null;
alter table oauth_grants drop column session_hash;

create table authenticators (
    user_id uuid primary key references users (id) on delete cascade,
    sealed_secret bytea not null,
    last_step bigint,
    confirmed_at timestamptz,
    created_at timestamptz not null default now()
);
comment on table authenticators is
    'Second factors by time-based codes (RFC 6238). Unconfirmed ones ask for nothing.';
comment on column authenticators.sealed_secret is 'Under SECRET_KEY.';
comment on column authenticators.last_step is
    'Number of the time step whose code was used last: each works once (RFC 6238, section 5.2).';

create table recovery_codes (
    user_id uuid not null references users (id) on delete cascade,
    hash bytea not null check (length(hash) = 32),
    created_at timestamptz not null default now(),
    primary key (user_id, hash)
);
comment on table recovery_codes is
    'Codes for people whose second factor is lost, by their MAC. A used one is deleted.';

create table passkeys (
    id uuid primary key,
    user_id uuid not null references users (id) on delete cascade,
    credential_id bytea not null check (length(credential_id) between 1 and 1023),
    name text not null check (length(name) between 1 and 100),
    credential jsonb not null,
    last_used_at timestamptz,
    created_at timestamptz not null default now(),
    constraint passkeys_credential_key unique (credential_id)
);
comment on table passkeys is 'Public keys that people sign in with (Web Authentication, level 3).';
comment on column passkeys.credential is 'Public key, counter and flags. No secret.';
create index passkeys_user on passkeys (user_id);

grant select, insert, update, delete on authenticators, recovery_codes, passkeys to tollgate_platform;

alter table email_codes drop constraint email_codes_purpose_check;
alter table email_codes add constraint email_codes_purpose_check
    check (purpose in ('sign_up', 'reset_password', 'change_email'));
