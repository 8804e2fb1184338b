//! Many clients of many tenants on two nodes, one of which is killed and started again.
//!
//! It runs for 8 seconds. `TOLLGATE_FLEET_SECONDS=30 cargo test -p e2e --test e2e fleet --
//! --nocapture` runs it for longer and shows the figures.

mod crowd;
mod upstream;

use std::ops::Range;
use std::time::{Duration, Instant};

use e2e::planes::{Customer, Planes, counted_total};
use e2e::visitor::Visitor;
use e2e::wait::until;
use reqwest::{Method, StatusCode};
use serde_json::json;
use tokio::time::sleep;

use crate::PLANE;
use crowd::{Crowd, Seen};

const SECONDS: u64 = 8;
const TENANTS: usize = 50;
const CLIENTS_PER_TENANT: usize = 4;
const NODES: usize = 2;
/// The node that is killed; the other one must not be touched by that.
const KILLED: usize = 1;
/// What a killed node may have counted and not handed over.
const COUNTS_LOST_MAX: Duration = Duration::from_secs(1);

/// Limits of a plan, as they are checked.
#[derive(Debug, Clone, Copy, Default)]
struct Terms {
    name: &'static str,
    rate: Option<(u64, u64)>,
    quota: Option<u64>,
}

const TERMS: [Terms; 5] = [
    Terms {
        name: "Free of limits",
        rate: None,
        quota: None,
    },
    Terms {
        name: "Generous",
        rate: Some((1_000, 1_000)),
        quota: Some(1_000_000),
    },
    Terms {
        name: "Small quota",
        rate: None,
        quota: Some(100),
    },
    Terms {
        name: "Slow",
        rate: Some((10, 20)),
        quota: None,
    },
    Terms {
        name: "Slow with a small quota",
        rate: Some((10, 5)),
        quota: Some(60),
    },
];

impl Terms {
    fn json(&self) -> serde_json::Value {
        let mut terms = json!({});
        if let Some((rate, burst)) = self.rate {
            terms["rate_limit"] = rate.into();
            terms["burst_limit"] = burst.into();
        }
        if let Some(limit) = self.quota {
            terms["quota"] = json!({ "limit": limit, "period": "month" });
        }
        terms
    }

    /// The most that may be admitted in this time.
    fn admitted_max(&self, elapsed: Duration) -> u64 {
        let by_rate = self
            .rate
            .map(|(rate, burst)| burst + (rate as f64 * elapsed.as_secs_f64()).ceil() as u64);
        let limits = [by_rate, self.quota];
        limits.into_iter().flatten().min().unwrap_or(u64::MAX)
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a test has no command line of its own"
)]
fn length_of_run() -> Duration {
    let seconds = std::env::var("TOLLGATE_FLEET_SECONDS").ok();
    Duration::from_secs(seconds.map_or(SECONDS, |text| text.parse().expect("seconds")))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_node_costs_its_last_second_of_counts_and_no_limit_is_exceeded() {
    let upstream = upstream::start().await;
    let mut planes = Planes::start(PLANE, NODES).await;
    let customers = customers(&planes, &upstream).await;
    let keys = customers.iter().map(|customer| customer.key.clone());
    let gateways = [planes.gateway(0), planes.gateway(1)];

    let length = length_of_run();
    let crowd = Crowd::start(gateways, keys.collect(), CLIENTS_PER_TENANT, length);
    sleep(length.mul_f64(0.4)).await;
    let killed_at = Instant::now();
    planes.kill_node(KILLED).await;
    sleep(length.mul_f64(0.15)).await;
    // Clients may note an answer after the kill that came before it.
    let last_second = killed_at - COUNTS_LOST_MAX..Instant::now();
    planes.start_node(KILLED).await;
    let (seen, elapsed) = crowd.end().await;

    report(&seen, elapsed);
    let mut moments = seen.iter().flat_map(|seen| &seen.by_killed_node.0);
    assert!(moments.any(|at| *at > last_second.end), "it serves again");
    check_that_limits_were_met(&seen);
    let mut lost_by_kill = (0, 0);
    for (place, (customer, seen)) in customers.iter().zip(&seen).enumerate() {
        let terms = TERMS[place % TERMS.len()];
        seen.check(terms, elapsed);
        let (lost, most) = check_console(&planes, customer, seen, &last_second).await;
        lost_by_kill = (lost_by_kill.0 + lost, lost_by_kill.1 + most);
    }
    let (lost, most) = lost_by_kill;
    println!("the kill cost {lost} counts; {most} were of the last second");
    check_page(&planes, &customers[0]).await;
}

impl Seen {
    fn check(&self, terms: Terms, elapsed: Duration) {
        let most = terms.admitted_max(elapsed);
        let admitted = self.completed + self.aborted;
        assert!(admitted <= most, "{terms:?}: {self:?} in {elapsed:?}");
        assert!(admitted > 0, "{terms:?}: {self:?}");
    }
}

/// The run was long enough to meet the limits of every plan that has small ones.
fn check_that_limits_were_met(seen: &[Seen]) {
    for (place, terms) in TERMS.iter().enumerate() {
        let is_refused = |code: &str| {
            let mut of_plan = seen.iter().skip(place).step_by(TERMS.len());
            of_plan.any(|seen| seen.refused.contains_key(code))
        };
        if terms.quota.is_some_and(|quota| quota < 1_000) {
            assert!(is_refused("quota_exceeded"), "{terms:?}");
        }
        if terms.rate.is_some_and(|(rate, _)| rate < 100) {
            assert!(is_refused("rate_exceeded"), "{terms:?}");
        }
    }
}

/// What the console counts is what the clients saw, but for what the killed node did not hand over
/// any more, and for requests of which its clients do not know whether they were taken. Returns how
/// much was lost, and how much might have been.
async fn check_console(
    planes: &Planes,
    customer: &Customer,
    seen: &Seen,
    last_second: &Range<Instant>,
) -> (u64, u64) {
    let moments = seen.by_killed_node.0.iter();
    let lost_max = moments.filter(|at| last_second.contains(*at)).count() as u64;
    let admitted = seen.completed + seen.aborted;
    let counts = [
        ("admitted", admitted),
        ("success", seen.completed),
        ("aborted", seen.aborted),
    ];
    let path = format!("/tenants/{}/usage?by=hour&group=key", customer.tenant_id);
    let usage = until(
        &format!("the console counts all but for {lost_max}: {seen:?}"),
        Duration::from_secs(20),
        async || {
            let (status, usage) = planes.api(Method::GET, &path, None).await;
            assert_eq!(status, StatusCode::OK, "{usage}");
            let mut all = counts.iter();
            all.all(|(name, count)| counted_total(&usage, name) + lost_max >= *count)
                .then_some(usage)
        },
    )
    .await;
    for (name, count) in counts {
        let counted = counted_total(&usage, name);
        assert!(
            counted <= count + seen.unknown,
            "{name}: {counted} {seen:?}"
        );
    }
    let lost = admitted.saturating_sub(counted_total(&usage, "admitted"));
    (lost, lost_max)
}

/// The page shows what the JSON API says.
async fn check_page(planes: &Planes, customer: &Customer) {
    let mut operator = Visitor::at(&planes.control_plane_url());
    operator
        .sign_in(&planes.operator.0, &planes.operator.1)
        .await;
    let path = format!("/tenants/{}/usage", customer.tenant_id);
    let (_, usage) = planes.api(Method::GET, &path, None).await;
    let ended = [
        "success",
        "aborted",
        "throttled",
        "quota_exceeded",
        "denied",
    ];
    let total: u64 = ended.iter().map(|name| counted_total(&usage, name)).sum();
    let page = operator
        .get(&format!("/t/{}/usage", customer.tenant_id))
        .await;
    assert_eq!(page.status, StatusCode::OK);
    let shown = page.between("<dt>Requests</dt>", "</div>").unwrap();
    let digits: String = shown.chars().filter(char::is_ascii_digit).collect();
    assert_eq!(digits, total.to_string(), "{shown}");
}

/// Tenants of all plans in turn, whose keys both nodes know.
async fn customers(planes: &Planes, upstream: &str) -> Vec<Customer> {
    let api_id = planes.shop_api(upstream).await;
    let mut plans = Vec::new();
    for terms in TERMS {
        let plan = planes.shop_plan(terms.name, &api_id, terms.json()).await;
        plans.push(plan);
    }
    let mut customers = Vec::new();
    for number in 0..TENANTS {
        let plan = &plans[number % plans.len()];
        let name = format!("Tenant {number}");
        customers.push(planes.customer(plan, &name).await);
    }
    // Published after all others, and not counted with them.
    let last = planes.customer(&plans[0], "Last").await;
    for node in 0..NODES {
        planes
            .wait_for_status(node, &last.key, StatusCode::OK)
            .await;
    }
    customers
}

fn report(seen: &[Seen], elapsed: Duration) {
    let sum = |pick: fn(&Seen) -> u64| seen.iter().map(pick).sum::<u64>();
    let completed = sum(|seen| seen.completed);
    println!(
        "{} clients of {TENANTS} tenants, {elapsed:.1?}: {completed} completed, {} aborted, {} \
         unknown, {} of the killed node",
        TENANTS * CLIENTS_PER_TENANT,
        sum(|seen| seen.aborted),
        sum(|seen| seen.unknown),
        sum(|seen| seen.by_killed_node.0.len() as u64),
    );
    for (place, terms) in TERMS.iter().enumerate() {
        let of_plan = seen.iter().skip(place).step_by(TERMS.len());
        let admitted: Vec<u64> = of_plan
            .clone()
            .map(|seen| seen.completed + seen.aborted)
            .collect();
        let mut refused = std::collections::BTreeMap::new();
        for (code, count) in of_plan.flat_map(|seen| &seen.refused) {
            *refused.entry(code.as_str()).or_insert(0) += count;
        }
        let most = terms.admitted_max(elapsed);
        println!(
            "{}: admitted {admitted:?} of {most}, refused {refused:?}",
            terms.name
        );
    }
}
