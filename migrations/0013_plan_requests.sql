alter table subscriptions add column request_message text
    check (length(request_message) between 1 and 2000);
comment on column subscriptions.request_message is
    'What the tenant wrote when it asked for a plan that is given by approval.';
