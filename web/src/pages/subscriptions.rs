//! A tenant's subscription as it stands on several pages: limits, and what is left of the quota.

use time::{Duration, OffsetDateTime};

use crate::format::{self, Moment};
use crate::layout::{Badge, Tone};
use crate::samples;

#[derive(Debug, Clone)]
pub struct SubscriptionCard {
    pub plan_name: String,
    pub description: String,
    /// Shown when it is not simply active.
    pub badge: Option<Badge>,
    /// `10 per second`, or `Unlimited`.
    pub rate: String,
    /// `20 requests`, or `–`.
    pub burst: String,
    pub quota: Option<QuotaBar>,
    /// `€29.00 per month`, or `Free`.
    pub price: String,
    /// Names of the APIs that it opens.
    pub apis: Vec<String>,
}

#[derive(Debug, Clone)]
pub struct QuotaBar {
    pub used: String,
    pub limit: String,
    pub remaining: String,
    pub percent: String,
    /// 0 to 1000.
    pub permille: u64,
    /// `day`, `week` or `month`.
    pub period: String,
    pub resets_at: Moment,
    pub tone: Tone,
}

/// A quota's numbers, before they are made ready to print.
#[derive(Debug, Clone, Copy)]
pub struct QuotaState<'a> {
    pub used: u64,
    pub limit: u64,
    /// `day`, `week` or `month`.
    pub period: &'a str,
    pub resets_at: OffsetDateTime,
}

impl QuotaBar {
    #[must_use]
    pub fn new(quota: QuotaState<'_>, now: OffsetDateTime) -> Self {
        let used = quota.used.min(quota.limit);
        let permille = u128::from(used) * 1000 / u128::from(quota.limit.max(1));
        let permille = u64::try_from(permille).unwrap_or(1000);
        Self {
            used: format::thousands(quota.used),
            limit: format::thousands(quota.limit),
            remaining: format::thousands(quota.limit - used),
            percent: format::percent(used, quota.limit),
            permille,
            period: quota.period.to_owned(),
            resets_at: format::moment(quota.resets_at, now),
            tone: match permille {
                0..800 => Tone::Good,
                800..1000 => Tone::Warning,
                _ => Tone::Danger,
            },
        }
    }
}

impl SubscriptionCard {
    #[must_use]
    pub fn sample() -> Self {
        Self {
            plan_name: "Growth".to_owned(),
            description: "For production traffic of one product.".to_owned(),
            badge: None,
            rate: format::rate(50_000),
            burst: "100 requests".to_owned(),
            quota: Some(sample_quota(418_204)),
            price: format!("{} per month", format::money(4_900, "EUR")),
            apis: vec!["Orders".to_owned(), "Tracking".to_owned()],
        }
    }

    #[must_use]
    pub fn sample_spent() -> Self {
        Self {
            plan_name: samples::HOSTILE.to_owned(),
            description: String::new(),
            badge: Some(Badge::new(Tone::Warning, "Retired plan")),
            rate: "Unlimited".to_owned(),
            burst: "–".to_owned(),
            quota: Some(sample_quota(1_000_000)),
            price: "Free".to_owned(),
            apis: vec!["Geocoding".to_owned()],
        }
    }
}

fn sample_quota(used: u64) -> QuotaBar {
    let quota = QuotaState {
        used,
        limit: 1_000_000,
        period: "month",
        resets_at: samples::NOW + Duration::days(8),
    };
    QuotaBar::new(quota, samples::NOW)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quota_bar_warns_from_80_percent_and_never_overflows() {
        for (used, permille, tone) in [
            (0, 0, Tone::Good),
            (799_999, 799, Tone::Good),
            (800_000, 800, Tone::Warning),
            (999_999, 999, Tone::Warning),
            (1_000_000, 1000, Tone::Danger),
            (2_000_000, 1000, Tone::Danger),
        ] {
            let bar = sample_quota(used);
            assert_eq!((bar.permille, bar.tone), (permille, tone), "used {used}");
        }
    }
}
