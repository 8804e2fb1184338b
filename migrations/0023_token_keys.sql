create table token_encryption_keys (
    id uuid primary key,
    kid text not null check (length(kid) between 8 and 64),
    public_key bytea not null check (length(public_key) = 65),
    sealed_private_key bytea not null,
    sealed_for_nodes bytea not null,
    encrypts_from timestamptz not null,
    opens_until timestamptz,
    created_at timestamptz not null default now(),
    constraint token_encryption_keys_kid_key unique (kid)
);
comment on table token_encryption_keys is
    'Keys of P-256 that access tokens are encrypted to. The one with the latest encrypts_from that has come is used.';
comment on column token_encryption_keys.public_key is 'The uncompressed point.';
comment on column token_encryption_keys.sealed_private_key is 'The scalar under SECRET_KEY.';
comment on column token_encryption_keys.sealed_for_nodes is
    'The same as an encoded SealedSecret under a data key, as it stands in the snapshot.';
comment on column token_encryption_keys.encrypts_from is
    'Nodes have a new key for a while before tokens are encrypted to it.';
comment on column token_encryption_keys.opens_until is
    'When the last token encrypted to it has expired; null: not replaced yet.';
grant select, insert, update, delete on token_encryption_keys to tollgate_platform;
grant select (kid, sealed_for_nodes, opens_until) on token_encryption_keys to tollgate_compile;

create function notify_token_keys() returns trigger language plpgsql as $$
begin
    perform pg_notify('tollgate_token_keys', '');
    return null;
end $$;
create trigger token_keys_notify after insert or update or delete on token_keys
    for each statement execute function notify_token_keys();
create trigger token_encryption_keys_notify after insert or update or delete on token_encryption_keys
    for each statement execute function notify_token_keys();
