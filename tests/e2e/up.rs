//! `tollgate up`: ready, enforced, stopped, killed, started again.

use std::process::Stdio;
use std::time::Duration;

use e2e::planes::empty_database;
use e2e::stack::{Stack, fresh_directory};
use e2e::wait::until;
use reqwest::StatusCode;

use crate::PLANE;

#[tokio::test]
async fn the_printed_curl_is_enforced() {
    let stack = Stack::start(PLANE, &[]).await;
    let http = reqwest::Client::new();
    let url = format!("{}/demo/hello", stack.gateway());

    let answer = http
        .get(&url)
        .header("x-api-key", stack.demo_key())
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert!(answer.headers().contains_key("ratelimit"));
    let echo: serde_json::Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
    assert_eq!(echo["path"], "/hello");
    let headers = echo["headers"].to_string();
    assert!(headers.contains("x-tollgate-tenant-id"), "{headers}");
    assert!(
        !headers.contains(stack.demo_key()),
        "the credential must not be forwarded"
    );

    let answer = http.get(&url).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    assert!(answer.headers().contains_key("www-authenticate"));
    let answer = http
        .get(&url)
        .header("x-api-key", "tg_live_wrong")
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    let nowhere = format!("{}/nowhere", stack.gateway());
    let answer = http
        .get(nowhere)
        .header("x-api-key", stack.demo_key())
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn over_the_burst_is_429_with_retry_after() {
    let stack = Stack::start(PLANE, &[]).await;
    let http = reqwest::Client::new();
    let url = format!("{}/demo/hello", stack.gateway());
    let refused = until(
        "a request over the burst",
        Duration::from_secs(20),
        async || {
            let request = http.get(&url).header("x-api-key", stack.demo_key());
            let answer = request.send().await.unwrap();
            (answer.status() == StatusCode::TOO_MANY_REQUESTS).then_some(answer)
        },
    )
    .await;
    assert!(refused.headers().contains_key("retry-after"));
    assert!(refused.headers().contains_key("ratelimit"));
    assert!(refused.headers().contains_key("ratelimit-policy"));
    let problem: serde_json::Value = serde_json::from_str(&refused.text().await.unwrap()).unwrap();
    assert_eq!(problem["code"], "rate_exceeded");
    assert_eq!(problem["message"], "Too Many Requests");
}

#[tokio::test]
async fn a_killed_stack_leaves_nothing_running_and_the_next_start_recovers() {
    let mut stack = Stack::start(PLANE, &[]).await;
    let (key, password) = (
        stack.demo_key().to_owned(),
        stack.report.admin.password.clone(),
    );
    let postmaster = postmaster_pid(&stack);
    stack.kill().await;
    until("PostgreSQL is gone", Duration::from_secs(10), async || {
        (!std::path::Path::new(&format!("/proc/{postmaster}")).exists()).then_some(())
    })
    .await;
    stack.restart().await;
    assert_eq!(stack.demo_key(), key, "a second start finds its data again");
    assert_eq!(stack.report.admin.password, password);
    let http = reqwest::Client::new();
    let url = format!("{}/demo/hello", stack.gateway());
    let answer = http
        .get(&url)
        .header("x-api-key", &key)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(stack.stop().await, 0);
    assert!(!stack.data_dir.join("up.json").exists());
}

fn postmaster_pid(stack: &Stack) -> u32 {
    let mut open = vec![stack.data_dir.join("postgres")];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path
                .file_name()
                .is_some_and(|name| name == "postmaster.pid")
            {
                let text = std::fs::read_to_string(path).unwrap();
                return text.lines().next().unwrap().parse().unwrap();
            }
            if path.is_dir() && path.file_name().is_some_and(|name| name == "data") {
                open.push(path);
            }
        }
    }
    panic!("no postmaster.pid below {}", stack.data_dir.display());
}

#[tokio::test]
async fn a_second_start_is_quick() {
    let mut stack = Stack::start(PLANE, &[]).await;
    assert_eq!(stack.stop().await, 0);
    let started = std::time::Instant::now();
    stack.restart().await;
    let took = started.elapsed();
    println!("the second start took {took:?}");
    // 5 seconds are promised of an optimised build on a machine that does nothing else.
    assert!(took < Duration::from_secs(15), "{took:?}");
}

/// Runs `up` to its end, which must be a failure; returns its last line on standard error.
async fn refused_start(arguments: &[&str]) -> String {
    let output = tokio::process::Command::new(PLANE)
        .args(["tollgate", "up"])
        .args(arguments)
        .stdin(Stdio::null())
        .output();
    let output = tokio::time::timeout(Duration::from_secs(30), output)
        .await
        .unwrap()
        .unwrap();
    assert!(!output.status.success());
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(text.lines().count(), 1, "one clear line: {text}");
    text
}

#[tokio::test]
async fn a_taken_port_is_one_clear_line() {
    let ports = e2e::ports::PortOffset::take();
    let taken = std::net::TcpListener::bind(("127.0.0.1", 8000 + ports.offset)).unwrap();
    let data_dir = fresh_directory();
    let offset = ports.offset.to_string();
    let line = refused_start(&[
        "--port-offset",
        &offset,
        "--data-dir",
        data_dir.to_str().unwrap(),
    ])
    .await;
    assert!(
        line.contains(&format!("port {}", taken.local_addr().unwrap().port())),
        "{line}"
    );
    assert!(!data_dir.exists(), "nothing is left behind");
}

#[tokio::test]
async fn a_data_directory_that_cannot_be_written_is_one_clear_line() {
    let file = std::env::temp_dir().join(format!("tollgate-e2e-file-{}", std::process::id()));
    std::fs::write(&file, "in the way").unwrap();
    let below = file.join("data");
    let line = refused_start(&[
        "--port-offset",
        "19000",
        "--data-dir",
        below.to_str().unwrap(),
    ])
    .await;
    assert!(
        line.contains("cannot write to the data directory"),
        "{line}"
    );
    std::fs::remove_file(file).unwrap();
}

#[tokio::test]
async fn missing_postgres_is_one_clear_line_that_says_how_to_install_it() {
    let data_dir = fresh_directory();
    let empty = fresh_directory();
    std::fs::create_dir_all(&empty).unwrap();
    let line = refused_start(&[
        "--port-offset",
        "19100",
        "--data-dir",
        data_dir.to_str().unwrap(),
        "--postgres-bin",
        empty.to_str().unwrap(),
    ])
    .await;
    assert!(line.contains("PostgreSQL"), "{line}");
    assert!(!data_dir.exists(), "nothing is left behind");
    std::fs::remove_dir_all(empty).unwrap();
}

#[tokio::test]
async fn a_postgres_that_is_too_old_is_one_clear_line() {
    let (data_dir, programs) = (fresh_directory(), fresh_directory());
    std::fs::create_dir_all(&programs).unwrap();
    for name in ["postgres", "initdb", "createdb", "dropdb", "pg_isready"] {
        let path = programs.join(name);
        std::fs::write(&path, "#!/bin/sh\necho 'postgres (PostgreSQL) 13.4'\n").unwrap();
        let all = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&path, all).unwrap();
    }
    let line = refused_start(&[
        "--port-offset",
        "19200",
        "--data-dir",
        data_dir.to_str().unwrap(),
        "--postgres-bin",
        programs.to_str().unwrap(),
    ])
    .await;
    assert!(
        line.contains("PostgreSQL 13") && line.contains("14"),
        "{line}"
    );
    assert!(!data_dir.exists(), "nothing is left behind");
    std::fs::remove_dir_all(programs).unwrap();
}

/// Starts on a database that is given, which must be refused without leaving anything behind.
async fn refused_database(port_offset: &str, url: &str) -> String {
    let data_dir = fresh_directory();
    let line = refused_start(&[
        "--port-offset",
        port_offset,
        "--data-dir",
        data_dir.to_str().unwrap(),
        "--database-url",
        url,
    ])
    .await;
    assert!(!data_dir.exists(), "nothing is left behind");
    line
}

#[tokio::test]
async fn a_database_that_is_not_there_is_one_clear_line() {
    let line = refused_database("19300", "postgres://nobody@127.0.0.1:1/nothing").await;
    assert!(line.contains("PostgreSQL cannot be reached"), "{line}");
}

#[tokio::test]
async fn a_database_of_a_newer_schema_is_one_clear_line() {
    let url = tokio::task::spawn_blocking(empty_database).await.unwrap();
    let schema = "create table _sqlx_migrations (version bigint); \
                  insert into _sqlx_migrations values (99999999)";
    let programs = cluster::find(None).unwrap().bin_dir;
    let made = tokio::process::Command::new(programs.join("psql"))
        .args([&url, "-X", "-q", "-c", schema])
        .status()
        .await
        .unwrap();
    assert!(made.success());
    let line = refused_database("19400", &url).await;
    assert!(line.contains("schema version 99999999"), "{line}");
    assert!(line.contains("newer version"), "{line}");
}
