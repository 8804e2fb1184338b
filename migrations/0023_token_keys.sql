create function notify_token_keys() returns trigger language plpgsql as $$
begin
    perform pg_notify('tollgate_token_keys', '');
    return null;
end $$;
create trigger token_keys_notify after insert or update or delete on token_keys
    for each statement execute function notify_token_keys();
