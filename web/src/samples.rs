//! Every page in every state, with plausible values. Used by the test that checks all templates
//! and by the example `preview`, which writes them to files to be looked at.

mod all;

pub use all::{all, hosted};

use time::macros::datetime;
use time::{Duration, OffsetDateTime};

use domain::branding::Colour;

use crate::brand::{self, Brand, Scope};
use crate::chart::{Bucket, StatusCounts};
use crate::format::{self, Moment};
use crate::forms::Choice;
use crate::layout::{Nav, OperatorNav, OperatorTab, Shell, TenantLink, TenantNav, TenantTab, Way};

/// The instant at which all samples are rendered.
pub const NOW: OffsetDateTime = datetime!(2026-11-22 14:03:00 UTC);

/// Stands wherever a person's own text is printed: it has to come out escaped.
pub const HOSTILE: &str = "<script>alert(\"1\")</script>";

pub(crate) const PERSON: &str = "ada@northwind.example";
pub(crate) const TENANT: &str = "ten_01kb3m9q2v6w8x4y7z5t1r3p0n";

pub(crate) fn ago(length: Duration) -> Moment {
    format::moment(NOW - length, NOW)
}

pub(crate) fn ahead(length: Duration) -> Moment {
    format::moment(NOW + length, NOW)
}

pub(crate) fn brand() -> Brand {
    let accent = Colour([0x0b, 0x7a, 0x4b]);
    Brand {
        name: "Northwind".to_owned(),
        logo: Some("/branding/ten_1/logo-0a.png".to_owned()),
        stylesheet: Some(brand::stylesheet_url(accent, Scope::Page)),
        support_url: Some("https://northwind.example/help".to_owned()),
        privacy_url: Some("https://northwind.example/privacy".to_owned()),
        terms_url: Some("https://northwind.example/terms?a=\"b".to_owned()),
    }
}

pub(crate) fn public_shell() -> Shell {
    Shell {
        way: Way {
            here: Some("/login?next=%2F".to_owned()),
            ..Way::default()
        },
        csrf_token: "sample-csrf-token".to_owned(),
        person: None,
        flash: None,
        nav: Nav::Public,
    }
}

/// Somebody on a page of their own account.
pub(crate) fn person_shell() -> Shell {
    Shell {
        person: Some(PERSON.to_owned()),
        ..public_shell()
    }
}

pub(crate) fn tenant_shell(active: TenantTab) -> Shell {
    Shell {
        person: Some(PERSON.to_owned()),
        nav: Nav::Tenant(TenantNav {
            id: TENANT.to_owned(),
            name: "Northwind Freight".to_owned(),
            is_suspended: false,
            active,
            other_tenants: vec![
                TenantLink {
                    id: "ten_2".to_owned(),
                    name: "Northwind Labs".to_owned(),
                },
                TenantLink {
                    id: "ten_3".to_owned(),
                    name: HOSTILE.to_owned(),
                },
            ],
            is_operator: true,
        }),
        ..public_shell()
    }
}

pub(crate) fn operator_shell(active: OperatorTab) -> Shell {
    Shell {
        person: Some("operator@tollgate.example".to_owned()),
        nav: Nav::Operator(OperatorNav {
            active,
            pending_requests: 2,
            has_outbox: true,
            tenants: vec![TenantLink {
                id: TENANT.to_owned(),
                name: HOSTILE.to_owned(),
            }],
        }),
        ..public_shell()
    }
}

/// A day of traffic that rises and falls, with some refusals at its peak.
pub(crate) fn hours(scale: u64) -> Vec<Bucket> {
    const SHAPE: [u64; 24] = [
        34, 41, 38, 30, 22, 14, 9, 6, 4, 3, 3, 5, 9, 17, 29, 44, 58, 63, 66, 71, 69, 62, 57, 48,
    ];
    let mut start = NOW.truncate_to_hour() - Duration::hours(23);
    SHAPE
        .iter()
        .map(|value| {
            let success = value * scale;
            let bucket = Bucket {
                label: format!("{:02}:00", start.hour()),
                title: format!("{}, {:02}:00", format::date(start), start.hour()),
                counts: StatusCounts {
                    success,
                    client_error: success / 22,
                    refused: if value % 5 == 0 { success / 30 } else { 0 },
                    throttled: if *value > 60 { success / 9 } else { 0 },
                    server_error: success / 60,
                    aborted: 0,
                },
            };
            start += Duration::HOUR;
            bucket
        })
        .collect()
}

/// October, with quiet weekends.
pub(crate) fn days() -> Vec<Bucket> {
    (1..=31)
        .map(|day: u64| Bucket {
            label: format!("{day} Oct"),
            title: format!("{day} Oct 2026"),
            counts: StatusCounts {
                success: if day % 7 < 2 {
                    2_100
                } else {
                    18_000 + day * 310
                },
                client_error: 90 + day,
                aborted: day * 40,
                ..StatusCounts::default()
            },
        })
        .collect()
}

pub(crate) const KEY_VALUE: &str = "tg_live_8fKqW2mZr7TtN4xYbC6vHd9sLpA3eGuJ0kQi5B";

pub(crate) const CURL: &str =
    "curl -H 'x-api-key: YOUR_KEY' \\\n  http://127.0.0.1:8000/orders/v1/orders";

pub(crate) fn api_choices(selected: &[&str]) -> Vec<Choice> {
    let selected: Vec<String> = selected.iter().map(|&id| id.to_owned()).collect();
    let mut choices = Choice::any_of(
        &[("api_orders", "Orders"), ("api_tracking", HOSTILE)],
        &selected,
    );
    choices[0].hint = "api.example.com/orders".to_owned();
    choices
}

pub(crate) fn scope_choices(selected: &[&str]) -> Vec<Choice> {
    let selected: Vec<String> = selected.iter().map(|&scope| scope.to_owned()).collect();
    Choice::any_of(
        &[
            ("orders:read", "orders:read"),
            ("orders:write", "orders:write"),
        ],
        &selected,
    )
}

pub(crate) fn upstream_choices(selected: &str) -> Vec<Choice> {
    Choice::one_of(
        &[("ups_orders", "orders-service"), ("ups_demo", HOSTILE)],
        selected,
    )
}
