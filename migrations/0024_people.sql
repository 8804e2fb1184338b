-- An invitation is worth what the one who sent it may still do.
alter table invitations add column invited_by uuid references users (id) on delete cascade;
comment on column invitations.invited_by is
    'Who sent the link last. It opens nothing that they could not invite to now; null: by the program itself.';
create index invitations_invited_by on invitations (invited_by);
-- Serves the upkeep.
create index invitations_expires on invitations (expires_at);

alter table revocations add column owner bytea check (length(owner) in (16, 32));
comment on column revocations.owner is
    'Of a single token or grant: the member (tenant and person) or client whose watermark takes its place when the tenant has too many of them.';
-- Serves counting and folding.
create index revocations_owner on revocations (tenant_id, owner) where owner is not null;
