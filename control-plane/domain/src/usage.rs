//! What was counted, as people see it.

use snapshot::id::{ApiKeyId, RouteId, TenantId};
use snapshot::usage::Class;
use time::OffsetDateTime;

use crate::field::closed_set;

closed_set! {
    /// Width of a row of a report.
    By {
        Hour = "hour",
        Day = "day",
    }
}

closed_set! {
    /// What a report is split by.
    Group {
        Key = "key",
        Route = "route",
        Status = "status",
    }
}

closed_set! {
    /// The classes that a report shows, in words.
    StatusClass {
        Success = "success",
        Redirect = "redirect",
        ClientError = "client_error",
        ServerError = "server_error",
        Aborted = "aborted",
        Throttled = "throttled",
        QuotaExceeded = "quota_exceeded",
        Denied = "denied",
    }
}

impl StatusClass {
    /// The class on the wire; `None` for those that are not about how a request ended.
    pub fn of(class: Class) -> Option<Self> {
        match class {
            Class::Success => Some(Self::Success),
            Class::Redirect => Some(Self::Redirect),
            Class::ClientError => Some(Self::ClientError),
            Class::ServerError => Some(Self::ServerError),
            Class::Aborted => Some(Self::Aborted),
            Class::Throttled => Some(Self::Throttled),
            Class::QuotaExceeded => Some(Self::QuotaExceeded),
            Class::Denied => Some(Self::Denied),
            Class::Unspecified | Class::Admitted | Class::GivenBack => None,
        }
    }
}

/// Requests of one span and group.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Admitted and not given back: what plans and prices count.
    pub admitted: u64,
    pub success: u64,
    pub redirect: u64,
    pub client_error: u64,
    pub server_error: u64,
    pub aborted: u64,
    pub throttled: u64,
    pub quota_exceeded: u64,
    pub denied: u64,
}

impl Counts {
    /// Adds counts of a class. What was given back is taken off what was admitted.
    pub fn add(&mut self, class: Class, count: u64) {
        let place = match class {
            Class::Admitted => &mut self.admitted,
            Class::GivenBack => {
                self.admitted = self.admitted.saturating_sub(count);
                return;
            }
            Class::Success => &mut self.success,
            Class::Redirect => &mut self.redirect,
            Class::ClientError => &mut self.client_error,
            Class::ServerError => &mut self.server_error,
            Class::Aborted => &mut self.aborted,
            Class::Throttled => &mut self.throttled,
            Class::QuotaExceeded => &mut self.quota_exceeded,
            Class::Denied => &mut self.denied,
            Class::Unspecified => return,
        };
        *place = place.saturating_add(count);
    }

    /// Refused by the gateway.
    pub fn refused(&self) -> u64 {
        self.throttled
            .saturating_add(self.quota_exceeded)
            .saturating_add(self.denied)
    }
}

/// The group of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum GroupKey {
    /// None: requests without a key.
    Key(Option<ApiKeyId>),
    /// None: no route matched.
    Route(Option<RouteId>),
    Status(StatusClass),
    Whole,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageRow {
    /// Start of the hour or day, UTC.
    pub at: OffsetDateTime,
    pub group: GroupKey,
    pub counts: Counts,
}

/// How much of a quota is left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuotaUse {
    pub tenant_id: TenantId,
    pub group: String,
    pub period_start: OffsetDateTime,
    pub period_end: OffsetDateTime,
    /// The limit in force.
    pub limit: u64,
    /// Admitted so far in the period, as counted.
    pub used: u64,
    /// Of what is left, the part that nodes hold in advance.
    pub held: u64,
}

impl QuotaUse {
    pub fn remaining(&self) -> u64 {
        self.limit.saturating_sub(self.used)
    }
}
