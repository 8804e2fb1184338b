alter table users add column disabled_at timestamptz;
comment on column users.disabled_at is
    'Set: this person comes in nowhere, by whatever way. Operators set it and take it back.';
comment on column users.password_hash is
    'argon2id in PHC form, or another system''s hash until the first sign-in; null: none was set.';
-- Serve the operators' search by the start of a name or an address.
create index users_name on users (lower(name) text_pattern_ops);
create index users_email_start on users (email text_pattern_ops);
