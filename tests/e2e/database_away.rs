//! What goes on when the database is gone, and when it is back.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use cluster::Cluster;
use e2e::planes::{Planes, admitted_total};
use e2e::stack::fresh_directory;
use e2e::visitor::Visitor;
use e2e::wait::until;
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::PLANE;

const OUTAGE_CALLS: u64 = 20;
const DATABASE: &str = "tollgate";
/// Longer than anything waits for the database.
const ANSWERED_WITHIN: Duration = Duration::from_secs(20);

/// A PostgreSQL of a test's own, which it stops and starts.
struct Database {
    dir: PathBuf,
    cluster: Option<Cluster>,
}

impl Database {
    fn new() -> Self {
        let dir = fresh_directory();
        let cluster = start(&dir);
        cluster.create_database(DATABASE, None).unwrap();
        Self {
            dir,
            cluster: Some(cluster),
        }
    }

    fn url(&self) -> String {
        let cluster = self.cluster.as_ref();
        cluster.expect("it runs").url(DATABASE)
    }

    fn stop(&mut self) {
        self.cluster.take().expect("it runs").stop().unwrap();
    }

    fn start(&mut self) {
        self.cluster = Some(start(&self.dir));
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        drop(self.cluster.take());
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

fn start(dir: &Path) -> Cluster {
    let programs = cluster::find(None).unwrap();
    Cluster::start(&programs, &dir.join("postgres")).unwrap()
}

#[tokio::test]
async fn requests_pass_without_the_database_and_everything_recovers_with_it() {
    let mut database = Database::new();
    let mut planes = Planes::start_on(PLANE, 1, database.url()).await;
    let quota = json!({ "limit": 1_000_000, "period": "month" });
    let shop = planes.shop(json!({ "quota": quota })).await;
    let customer = planes.customer(&shop, "Acme").await;
    planes
        .wait_for_status(0, &customer.key, StatusCode::OK)
        .await;
    let mut operator = Visitor::at(&planes.control_plane_url());
    operator
        .sign_in(&planes.operator.0, &planes.operator.1)
        .await;
    let usage_path = format!("/tenants/{}/usage", customer.tenant_id);
    let total = async |planes: &Planes| {
        let (_, usage) = planes.api(Method::GET, &usage_path, None).await;
        admitted_total(&usage)
    };
    // And the one that was waited for before.
    let called = hold_leases(&planes, &customer.key).await + 1;
    let before = until(
        "the first calls are counted",
        Duration::from_secs(20),
        async || Some(total(&planes).await).filter(|total| *total >= called),
    )
    .await;

    database.stop();
    for _ in 0..OUTAGE_CALLS {
        let answer = planes.call(0, &customer.key).await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{answer:?}");
    }
    control_plane_says_so(&planes, &mut operator, &customer.tenant_id).await;
    let ready = planes.http.get(planes.node_admin(0, "/readyz")).send();
    assert_eq!(ready.await.unwrap().status(), StatusCode::OK);

    database.start();
    planes.control_plane_is_ready().await;
    until(
        "the usage of the outage arrives",
        Duration::from_secs(30),
        async || (total(&planes).await >= before + OUTAGE_CALLS).then_some(()),
    )
    .await;
    assert_eq!(total(&planes).await, before + OUTAGE_CALLS, "once");
    let later = planes.customer(&shop, "Later").await;
    planes.wait_for_status(0, &later.key, StatusCode::OK).await;
    let page = operator
        .get(&format!("/t/{}/usage", customer.tenant_id))
        .await;
    assert_eq!(page.status, StatusCode::OK, "still signed in");

    // Without a database a start is refused, and a supervisor tries it again.
    planes.kill_control_plane().await;
    database.stop();
    let said = planes.refused_control_plane().await;
    assert_eq!(said.lines().count(), 1, "one clear line: {said}");
    assert!(said.contains("PostgreSQL cannot be reached"), "{said}");
}

/// Calls until the node holds leases for the calls of the outage; how often it called.
async fn hold_leases(planes: &Planes, key: &str) -> u64 {
    let mut called = 0;
    until(
        "the node holds leases",
        Duration::from_secs(20),
        async || {
            let answer = planes.call(0, key).await?;
            assert_eq!(answer.status(), StatusCode::OK);
            called += 1;
            let page = planes.http.get(planes.node_admin(0, "/metrics")).send();
            let page = page.await.ok()?.text().await.ok()?;
            let name = "tollgate_node_lease_units_granted_total ";
            let line = page.lines().find_map(|line| line.strip_prefix(name));
            let granted: u64 = line?.parse().ok()?;
            // Beside the calls that were made before these.
            (granted > called + 2 * OUTAGE_CALLS).then_some(())
        },
    )
    .await;
    called
}

/// Every question is answered in time, with what is wrong and nothing of how it is built.
async fn control_plane_says_so(planes: &Planes, operator: &mut Visitor, tenant_id: &str) {
    let status_of = async |path: &str| {
        let url = format!("{}{path}", planes.control_plane_url());
        planes.http.get(url).send().await.unwrap().status()
    };
    assert_eq!(status_of("/healthz").await, StatusCode::OK);
    let asked = Instant::now();
    assert_eq!(status_of("/readyz").await, StatusCode::SERVICE_UNAVAILABLE);
    assert!(asked.elapsed() < Duration::from_secs(5), "probes are short");

    let plan = json!({ "name": "Another" });
    for (method, path, body) in [
        (Method::GET, "/tenants", None),
        (Method::POST, "/plans", Some(plan)),
        (Method::GET, "/nodes", None),
    ] {
        let asked = Instant::now();
        let (status, problem) = planes.api(method, path, body).await;
        assert!(asked.elapsed() < ANSWERED_WITHIN, "{path}");
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{path} {problem}");
        assert_eq!(problem["code"], "database_unavailable", "{path} {problem}");
        assert!(problem["request_id"].is_string(), "{path} {problem}");
    }
    for path in [
        format!("/t/{tenant_id}/usage"),
        "/admin/nodes".to_owned(),
        "/login".to_owned(),
    ] {
        let asked = Instant::now();
        let page = operator.get(&path).await;
        assert!(asked.elapsed() < ANSWERED_WITHIN, "{path}");
        assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE, "{path}");
        assert!(page.body.contains("Gateways keep serving"), "{}", page.body);
        for inside in ["sqlx", "postgres", "Connection refused", "No such file"] {
            assert!(!page.body.contains(inside), "{}", page.body);
        }
    }
}
