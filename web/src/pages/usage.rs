//! What a tenant has used.

use askama::Template;

use super::subscriptions::SubscriptionCard;
use crate::chart::Chart;
use crate::forms::usage::UsageQuery;
use crate::forms::{Choice, FormErrors};
use crate::layout::{Shell, TenantTab};
use crate::samples;

/// `GET /t/{tenant}/usage?range&from&to&by`.
#[derive(Debug, Clone, Template)]
#[template(path = "usage/usage.html")]
pub struct Usage {
    pub shell: Shell,
    pub tenant_id: String,
    pub query: UsageQuery,
    pub errors: FormErrors,
    /// `21 Nov 2026, 15:00 to 22 Nov 2026, 15:00 UTC`.
    pub range_label: String,
    pub total: String,
    pub success_share: String,
    pub throttled: String,
    pub server_errors: String,
    pub chart: Chart,
    pub keys: Vec<KeyUsage>,
    pub statuses: Vec<StatusUsage>,
    pub subscriptions: Vec<SubscriptionCard>,
}

#[derive(Debug, Clone)]
pub struct KeyUsage {
    /// Empty for what came without a key.
    pub key_id: String,
    pub name: String,
    pub total: String,
    pub share: String,
    /// Of the busiest key, 0 to 1000: the length of its bar.
    pub permille: u64,
    pub throttled: String,
    pub errors: String,
}

#[derive(Debug, Clone)]
pub struct StatusUsage {
    /// `2xx Success`.
    pub label: String,
    pub total: String,
    pub share: String,
}

impl Usage {
    fn ranges(&self) -> Vec<Choice> {
        let selected = match (self.query.range.as_str(), self.query.from.is_empty()) {
            ("", true) => "24h",
            ("", false) => "custom",
            (range, _) => range,
        };
        let pairs = [
            ("24h", "Last 24 hours"),
            ("7d", "Last 7 days"),
            ("30d", "Last 30 days"),
            ("custom", "From – to"),
        ];
        Choice::one_of(&pairs, selected)
    }

    fn buckets(&self) -> Vec<Choice> {
        let pairs = [("", "Automatic"), ("hour", "Hour"), ("day", "Day")];
        Choice::one_of(&pairs, &self.query.by)
    }

    #[must_use]
    pub fn sample() -> Self {
        let key = |name: &str, total: &str, share: &str, permille: u64| KeyUsage {
            key_id: "key_01kb3mh5".to_owned(),
            name: name.to_owned(),
            total: total.to_owned(),
            share: share.to_owned(),
            permille,
            throttled: "204".to_owned(),
            errors: "11".to_owned(),
        };
        let status = |label: &str, total: &str, share: &str| StatusUsage {
            label: label.to_owned(),
            total: total.to_owned(),
            share: share.to_owned(),
        };
        Self {
            shell: samples::tenant_shell(TenantTab::Usage),
            tenant_id: samples::TENANT.to_owned(),
            query: UsageQuery::default(),
            errors: FormErrors::default(),
            range_label: "21 Nov 2026, 15:00 to 22 Nov 2026, 15:00 UTC".to_owned(),
            total: "18,204".to_owned(),
            success_share: "94.1 %".to_owned(),
            throttled: "312".to_owned(),
            server_errors: "27".to_owned(),
            chart: Chart::new("usage", "Requests by hour", &samples::hours(22)),
            keys: vec![
                key("billing-worker", "11,870", "65.2 %", 1000),
                key(samples::HOSTILE, "5,102", "28 %", 430),
                key("mobile app", "1,232", "6.8 %", 104),
            ],
            statuses: vec![
                status("2xx Success", "17,130", "94.1 %"),
                status("4xx Client error", "735", "4 %"),
                status("429 Throttled", "312", "1.7 %"),
                status("5xx Server error", "27", "0.1 %"),
            ],
            subscriptions: vec![SubscriptionCard::sample()],
        }
    }

    /// 31 bars, which no axis splits evenly.
    #[must_use]
    pub fn sample_days() -> Self {
        Self {
            query: UsageQuery {
                range: "custom".to_owned(),
                from: "2026-10-01T00:00".to_owned(),
                to: "2026-11-01T00:00".to_owned(),
                by: "day".to_owned(),
            },
            range_label: "1 Oct 2026 to 1 Nov 2026, 00:00 UTC".to_owned(),
            chart: Chart::new("usage", "Requests by day", &samples::days()),
            ..Self::sample()
        }
    }

    #[must_use]
    pub fn sample_empty() -> Self {
        let query = UsageQuery {
            range: "custom".to_owned(),
            from: "soon".to_owned(),
            ..UsageQuery::default()
        };
        Self {
            errors: query.parse(samples::NOW).err().unwrap_or_default(),
            query,
            total: "0".to_owned(),
            success_share: "–".to_owned(),
            throttled: "0".to_owned(),
            server_errors: "0".to_owned(),
            chart: Chart::new("usage", "Requests by hour", &samples::hours(0)),
            keys: Vec::new(),
            statuses: Vec::new(),
            subscriptions: Vec::new(),
            ..Self::sample()
        }
    }
}
