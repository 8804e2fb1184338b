-- An invitation is worth what the one who sent it may still do.
alter table invitations add column invited_by uuid references users (id) on delete cascade;
comment on column invitations.invited_by is
    'Who sent the link last. It opens nothing that they could not invite to now; null: by the program itself.';
create index invitations_invited_by on invitations (invited_by);
-- Serves the upkeep.
create index invitations_expires on invitations (expires_at);
